//! The context that travels: whose trace an exchange belongs to, whether it is sampled, and what
//! the provider is told.

use serde_json::Value;

use super::stage::{Collector, Seen, traceparent};
use crate::harness::{CONTOSO, Outcome, Setup, World};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// An exchange within Contoso with these headers.
async fn with(world: &World, headers: &[(&str, &[u8])]) -> Outcome {
    world.idp.requests().clear();
    let mut exchange = world.exchange(CONTOSO, CONTOSO);
    for (name, value) in headers {
        exchange = exchange.header(name, value);
    }
    let outcome = exchange.send().await;
    outcome.allowed("same_tenant");
    outcome
}

/// The exchange's own span, if it is at the collector when a later one is.
async fn told(world: &World, collector: &Collector, record: &Value) -> Option<Seen> {
    let sampled = format!("00-{TRACE}-{SPAN}-01");
    let later = with(world, &[("traceparent", sampled.as_bytes())]).await;
    collector.exchange(&later.record).await;
    let own =
        |span: &Seen| span.attributes.get("tidegate.decision_id") == Some(&record["decision_id"]);
    collector.spans().into_iter().find(own)
}

#[tokio::test]
async fn a_context_that_is_not_sound_begins_a_new_trace() {
    let collector = Collector::plain().await;
    let world = World::start(collector.setup([])).await;
    let good = format!("00-{TRACE}-{SPAN}-01");
    let long = format!("{good}-{}", "x".repeat(20_000));
    let zeros = format!("00-{}-{SPAN}-01", "0".repeat(32));
    let later = format!("ff-{TRACE}-{SPAN}-01");
    let table: [&[&[u8]]; 9] = [
        &[],
        &[b"" as &[u8]],
        &[good.as_bytes(), good.as_bytes()],
        &[long.as_bytes()],
        &[zeros.as_bytes()],
        &[later.as_bytes()],
        &[b"\xff\xfe\x80"],
        &[b"00-\"><script>alert(1)</script>-1-01"],
        &[b"eyJhbGciOiJub25lIn0.e30."],
    ];
    for parents in table {
        let mut headers: Vec<(&str, &[u8])> = parents
            .iter()
            .map(|value| ("traceparent", *value))
            .collect();
        headers.push(("tracestate", b"vendor=gone"));
        let outcome = with(&world, &headers).await;
        let arrived = world.idp.requests().all().remove(0);
        let spans = collector.exchange(&outcome.record).await;
        let own = &spans[0];
        assert_eq!((&*own.parent, own.remote), ("", false), "{parents:?}");
        assert_ne!(own.trace, TRACE);
        assert_eq!(outcome.record["trace_id"], own.trace);
        assert_eq!(traceparent(&arrived).0, own.trace);
        assert_eq!(arrived.header("tracestate"), None);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_state_that_is_not_sound_does_not_travel() {
    let collector = Collector::plain().await;
    let world = World::start(collector.setup([])).await;
    let good = format!("00-{TRACE}-{SPAN}-01");
    let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
    let many = many.join(",");
    let long = format!("k={}", "x".repeat(20_000));
    let table: [(&[&[u8]], bool); 7] = [
        (&[b"one=1", b"two=2"], true),
        (&[b"one=1", b"TWO=2"], false),
        (&[many.as_bytes()], false),
        (&[long.as_bytes()], false),
        (&[b"one=\xff"], false),
        (&[b"one=1\t2"], false),
        (&[b"no member"], false),
    ];
    for (states, travels) in table {
        let mut headers = vec![("traceparent", good.as_bytes())];
        headers.extend(states.iter().map(|value| ("tracestate", *value)));
        let outcome = with(&world, &headers).await;
        let arrived = world.idp.requests().all().remove(0);
        let kept: Vec<&[u8]> = arrived
            .headers
            .get_all("tracestate")
            .iter()
            .map(|v| v.as_bytes())
            .collect();
        assert_eq!(kept, if travels { states } else { &[] });
        // The parent counts all the same.
        let spans = collector.exchange(&outcome.record).await;
        assert_eq!((&*spans[0].trace, &*spans[0].parent), (TRACE, SPAN));
    }
    world.finish().await;
}

/// A parent that is sampled is followed, and so is one that is not, whatever the share.
#[tokio::test]
async fn parents_decide_and_the_share_decides_where_there_is_none() {
    for share in [0.0, 1.0] {
        let collector = Collector::plain().await;
        let world = World::start(collector.setup([]).set("traces.sample", share)).await;
        let flags = |flags: &str| format!("00-{TRACE}-{SPAN}-{flags}");
        for (parent, sampled) in [
            (Some(flags("01")), true),
            (Some(flags("03")), true),
            (Some(flags("00")), false),
            (Some(flags("02")), false),
            (None, share > 0.5),
        ] {
            let headers: Vec<(&str, &[u8])> = parent
                .iter()
                .map(|parent| ("traceparent", parent.as_bytes()))
                .collect();
            let outcome = with(&world, &headers).await;
            let arrived = traceparent(&world.idp.requests().all().remove(0));
            assert_eq!(arrived.2, if sampled { "01" } else { "00" }, "{parent:?}");
            assert_ne!(arrived.1, SPAN, "it names the request upstream");
            assert_eq!(outcome.record["trace_id"], arrived.0);
            assert_eq!(arrived.0 == TRACE, parent.is_some());
            let told = told(&world, &collector, &outcome.record).await;
            assert_eq!(told.is_some(), sampled, "{share} {parent:?}");
        }
        world.finish().await;
    }
}

/// A share in between takes some and leaves some, and a trace whole or not at all.
#[tokio::test]
async fn a_share_takes_some_traces_whole() {
    let collector = Collector::plain().await;
    let world = World::start(collector.setup([]).set("traces.sample", 0.5)).await;
    let mut sampled = 0;
    for _ in 0..64 {
        with(&world, &[]).await;
        let arrived = traceparent(&world.idp.requests().all().remove(0));
        sampled += usize::from(arrived.2 == "01");
    }
    // By chance all or none: once in 2^63.
    assert!((1..64).contains(&sampled), "{sampled}");
    let world_ended = world.finish();
    world_ended.await;
    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).count();
    assert_eq!(named("exchange token-v2"), sampled);
    assert_eq!((named("upstream"), named("evaluate")), (sampled, sampled));
}

/// Without `[traces]` these headers are a client's like any other; on routes without exchanges as
/// well with it.
#[tokio::test]
async fn elsewhere_the_headers_travel_untouched() {
    let collector = Collector::plain().await;
    for (setup, paths) in [
        (
            Setup::new(),
            &[
                "",
                "/common/discovery/v2.0/keys",
                "/common/v2.0/.well-known/openid-configuration",
            ][..],
        ),
        (
            collector.setup([]),
            &[
                "/common/discovery/v2.0/keys",
                "/common/v2.0/.well-known/openid-configuration",
            ][..],
        ),
    ] {
        let world = World::start(setup).await;
        for path in paths {
            for (parents, states) in [
                (
                    &["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"][..],
                    &["a=1,b=2"][..],
                ),
                (&["no context", "at all"][..], &["NO STATE", "="][..]),
            ] {
                world.idp.requests().clear();
                let headers = || {
                    parents
                        .iter()
                        .map(|value| ("traceparent", *value))
                        .chain(states.iter().map(|value| ("tracestate", *value)))
                };
                if path.is_empty() {
                    let headers: Vec<_> = headers()
                        .map(|(name, value)| (name, value.as_bytes()))
                        .collect();
                    with(&world, &headers).await;
                } else {
                    let mut request = world.client(false).get(format!("{}{path}", world.url()));
                    for (name, value) in headers() {
                        request = request.header(name, value);
                    }
                    assert_eq!(request.send().await.unwrap().status(), 200);
                }
                let arrived = world.idp.requests().all().remove(0);
                let all = |name: &str| -> Vec<String> {
                    let values = arrived.headers.get_all(name).iter();
                    values
                        .map(|value| value.to_str().unwrap().to_owned())
                        .collect()
                };
                assert_eq!(
                    (all("traceparent"), all("tracestate")),
                    (
                        parents.iter().map(|p| (*p).to_owned()).collect(),
                        states.iter().map(|p| (*p).to_owned()).collect()
                    ),
                    "{path}"
                );
            }
        }
        world.idp.requests().clear();
        world.finish().await;
    }
    assert!(collector.requests().is_empty());
}
