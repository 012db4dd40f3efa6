//! A collector in trouble: exchanges go on as if it were not there, what is lost is counted, and
//! the log says so once.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use tidegate_mock::Reply;
use tokio::net::TcpListener;

use super::stage::{Collector, metric};
use crate::harness::{CONTOSO, Setup, World, until};

const LOST: &str = "spans cannot be delivered";
const AGAIN: &str = "spans are delivered to the collector again";

/// Spans of an exchange within one tenant.
const SPANS: u64 = 3;

async fn exchanges(world: &World, count: usize) {
    for _ in 0..count {
        world
            .exchange(CONTOSO, CONTOSO)
            .send()
            .await
            .allowed("same_tenant");
    }
}

async fn dropped(world: &World, reason: &str) -> u64 {
    let name = format!("tidegate_spans_dropped_total{{reason=\"{reason}\"}}");
    metric(&world.metrics().await, &name)
}

/// Sends exchanges until so many have been told as lost, each whole.
async fn lose(world: &World, times: u64) {
    let before = dropped(world, "delivery").await;
    for time in 1..=times {
        exchanges(world, 2).await;
        until("lost and counted", async || {
            (dropped(world, "delivery").await == before + time * 2 * SPANS).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_collector_that_does_not_take_them_costs_spans_and_nothing_else() {
    let collector = Collector::plain().await;
    let world = World::start(collector.setup([]).set("traces.timeout", "300ms")).await;
    let elsewhere = Collector::plain().await;
    let mut told = 0;
    for reply in [
        Reply::new(500, "out of order"),
        Reply::new(400, ""),
        Reply::new(404, ""),
        Reply::new(429, "").header("retry-after", "86400"),
        Reply::new(503, "").header("retry-after", "Fri, 31 Dec 2999 23:59:59 GMT"),
        Reply::redirect(307, &elsewhere.url()),
        Reply::redirect(301, &elsewhere.url()),
        Reply::reset(),
        Reply::silent(),
        Reply::cut(200, 1_000, "{"),
        Reply::drip(200, &[0; 64], 1, Duration::from_secs(5)),
        Reply::wire("nothing of HTTP\r\n\r\n"),
    ] {
        collector.answers(reply.clone());
        lose(&world, 2).await;
        told += 1;
        assert_eq!(world.log.count(LOST), told, "{reply:?}");
        collector.answers(Reply::new(200, ""));
        exchanges(&world, 1).await;
        until("delivered again", async || {
            (world.log.count(AGAIN) == told).then_some(())
        })
        .await;
    }
    assert!(elsewhere.requests().is_empty());
    assert_eq!(dropped(&world, "queue_full").await, 0);
    assert_eq!(dropped(&world, "rejected").await, 0);
    world.finish().await;
}

/// Nobody listens; nobody is there; somebody else is there.
#[tokio::test]
async fn a_collector_that_cannot_be_reached_costs_spans_and_nothing_else() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/v1/traces", nobody.local_addr().unwrap());
    drop(nobody);
    let foreign = Collector::tls().await;
    for endpoint in [
        closed,
        "https://collector.invalid/v1/traces".to_owned(),
        foreign.url(),
    ] {
        let setup = Setup::new()
            .set("traces.endpoint", endpoint.as_str())
            .set("traces.ca", "ca.pem")
            .set("traces.timeout", "300ms");
        let world = World::start(setup).await;
        lose(&world, 2).await;
        assert_eq!(world.log.count(LOST), 1, "{endpoint}");
        assert_eq!(world.log.count(AGAIN), 0);
        world.check(4).await;
        world.finish().await;
    }
    assert!(foreign.requests().is_empty());
}

/// It takes some of them: what it says it rejected is counted as that.
#[tokio::test]
async fn what_a_collector_rejects_is_counted() {
    let collector = Collector::plain().await;
    let world = World::start(collector.setup([])).await;
    let rejects = |rejected_spans: i64| {
        let answer = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans,
                error_message: "too many".to_owned(),
            }),
        };
        Reply::new(200, answer.encode_to_vec())
    };
    collector.answers(rejects(1));
    exchanges(&world, 1).await;
    until("one rejected", async || {
        (dropped(&world, "rejected").await == 1).then_some(())
    })
    .await;
    let taken = metric(&world.metrics().await, "tidegate_spans_exported_total");
    assert_eq!(taken, SPANS - 1);
    // More than there were, less than none, and no answer that anybody understands.
    collector.answers(rejects(i64::MAX));
    exchanges(&world, 1).await;
    until("all", async || {
        (dropped(&world, "rejected").await == 1 + SPANS).then_some(())
    })
    .await;
    for odd in [
        rejects(-5),
        Reply::new(200, "\u{ff}\u{ff}"),
        Reply::new(200, vec![0; 200_000]),
    ] {
        let before = metric(&world.metrics().await, "tidegate_spans_exported_total");
        collector.answers(odd);
        exchanges(&world, 1).await;
        until("taken", async || {
            let taken = metric(&world.metrics().await, "tidegate_spans_exported_total");
            (taken == before + SPANS).then_some(())
        })
        .await;
    }
    assert_eq!(dropped(&world, "rejected").await, 1 + SPANS);
    assert_eq!(dropped(&world, "delivery").await, 0);
    world.finish().await;
}

/// What is there when the gateway ends is sent; nothing waits for the next interval.
#[tokio::test]
async fn the_end_sends_what_is_there() {
    for tls in [false, true] {
        let collector = if tls {
            Collector::tls().await
        } else {
            Collector::plain().await
        };
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("collector.pem");
        std::fs::write(&ca, collector.ca.pem()).unwrap();
        let setup = collector
            .setup([])
            .set("traces.ca", ca.display().to_string());
        let world = World::start(setup).await;
        exchanges(&world, 25).await;
        world.finish().await;
        let spans = collector.spans();
        assert_eq!(u64::try_from(spans.len()).unwrap(), 25 * SPANS);
    }
}

/// A collector that never answers does not hold the end up for as long as it is given otherwise,
/// which is longer than this test's patience.
#[tokio::test]
async fn a_collector_that_hangs_does_not_hold_up_the_end() {
    let collector = Collector::plain().await;
    collector.answers(Reply::silent());
    let world = World::start(collector.setup([]).set("traces.timeout", "1m")).await;
    exchanges(&world, 5).await;
    until("it hangs", async || {
        (!collector.requests().is_empty()).then_some(())
    })
    .await;
    exchanges(&world, 5).await;
    let log = world.log.clone();
    world.finish().await;
    assert_eq!(log.count("the collector did not take the last spans"), 1);
}
