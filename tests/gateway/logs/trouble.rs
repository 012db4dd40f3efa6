//! A collector in trouble: exchanges go on as if it were not there, records wait for it as far as
//! they may, and what is lost is counted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use prost::Message;
use rustix::process::Signal;
use serde_json::json;
use tidegate_mock::{MockService, Options, Reply, Request};
use tokio::net::TcpListener;

use super::stage::{Collector, FILE, PATH, counted, counts, exchanges, lines, records, setup, to};
use crate::harness::{CONTOSO, FABRIKAM, Setup, World, until};
use crate::otlp::metric;
use crate::policy_api::Office;

const LOST: &str = "audit records cannot be delivered";
const AGAIN: &str = "audit records are delivered to the collector again";

async fn failures(world: &World) -> u64 {
    let text = world.metrics().await;
    metric(&text, "tidegate_log_export_failures_total")
}

/// Nobody listens; then somebody does.
#[tokio::test]
async fn records_wait_for_a_collector_that_is_down() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = nobody.local_addr().unwrap();
    drop(nobody);
    let setup = to(Setup::new(), format!("http://{address}{PATH}"))
        // What is required is that the file has them.
        .set("audit.mode", "required");
    let world = World::start(setup).await;
    exchanges(&world, 5).await;
    until("it is noticed", async || {
        (failures(&world).await >= 2).then_some(())
    })
    .await;
    exchanges(&world, 5).await;
    assert_eq!(counts(&world).await, [0; 4]);
    assert!(
        world
            .metrics()
            .await
            .contains("\ntidegate_log_records_queue 10\n")
    );
    assert_eq!((world.log.count(LOST), world.log.count(AGAIN)), (1, 0));
    let options = Options {
        listen: address,
        ..Options::connection_service().plain()
    };
    let service = MockService::start(options).await.unwrap();
    service.script(PATH, Reply::new(200, ""));
    counted(&world, [10, 0, 0, 0]).await;
    let arrived = service.requests().all().into_iter().flat_map(records);
    let bodies: Vec<String> = arrived.map(|seen| seen.body).collect();
    assert_eq!(bodies, lines(&world));
    assert_eq!((world.log.count(LOST), world.log.count(AGAIN)), (1, 1));
    world.finish().await;
}

/// What may pass is tried again: the same request, byte for byte, until it is taken.
#[tokio::test]
async fn what_may_pass_is_sent_again() {
    let collector = Collector::plain().await;
    let world = World::start(setup(&collector).set("audit.otlp.timeout", "300ms")).await;
    let mut exported = 0;
    for reply in [
        Reply::new(429, ""),
        Reply::new(502, "<html>"),
        Reply::new(503, "").header("retry-after", "soon"),
        Reply::new(504, "").header("retry-after", "0"),
        Reply::reset(),
        Reply::silent(),
        Reply::cut(200, 1_000, "{"),
        Reply::drip(200, &[0; 64], 1, Duration::from_secs(5)),
        Reply::wire("nothing of HTTP\r\n\r\n"),
    ] {
        let before = collector.requests().len();
        collector.answers_once(reply.clone());
        exchanges(&world, 1).await;
        exported += 1;
        counted(&world, [exported, 0, 0, 0]).await;
        let requests: Vec<Request> = collector.requests().split_off(before);
        let [first, second] = &requests[..] else {
            panic!("{reply:?}: {} requests", requests.len());
        };
        assert_eq!(first.body, second.body, "{reply:?}");
        assert_eq!(records(second.clone()).len(), 1);
    }
    assert_eq!((world.log.count(LOST), world.log.count(AGAIN)), (9, 9));
    assert_eq!(failures(&world).await, 9);
    world.finish().await;
}

/// What would never be taken is not sent again, nor anywhere else, and is counted.
#[tokio::test]
async fn what_is_refused_is_counted_and_not_sent_again() {
    let collector = Collector::plain().await;
    let elsewhere = Collector::plain().await;
    let world = World::start(setup(&collector)).await;
    let (mut exported, mut rejected) = (0, 0);
    for reply in [
        Reply::new(400, "out of order"),
        Reply::new(401, ""),
        Reply::new(404, "").header("retry-after", "0"),
        Reply::new(413, ""),
        Reply::new(500, "").header("retry-after", "0"),
        Reply::redirect(301, &elsewhere.url()),
        Reply::redirect(307, &elsewhere.url()),
    ] {
        let before = collector.bodies().len();
        collector.answers(reply.clone());
        exchanges(&world, 2).await;
        rejected += 2;
        counted(&world, [exported, rejected, 0, 0]).await;
        collector.answers(Reply::new(200, ""));
        exchanges(&world, 1).await;
        exported += 1;
        counted(&world, [exported, rejected, 0, 0]).await;
        assert_eq!(collector.bodies().len(), before + 3, "{reply:?}");
    }
    assert_eq!(collector.bodies(), lines(&world), "each once");
    assert!(elsewhere.requests().is_empty());
    assert_eq!((world.log.count(LOST), world.log.count(AGAIN)), (7, 7));
    world.finish().await;
}

/// It is not asked again before it says, whatever is waiting meanwhile.
#[tokio::test]
async fn a_collector_that_asks_for_time_has_it() {
    let collector = Collector::plain().await;
    let world = World::start(setup(&collector)).await;
    collector.answers_once(Reply::new(429, "").header("retry-after", "5"));
    exchanges(&world, 1).await;
    until("refused", async || {
        (collector.requests().len() == 1).then_some(())
    })
    .await;
    let asked = Instant::now();
    exchanges(&world, 3).await;
    counted(&world, [4, 0, 0, 0]).await;
    // Without that it is two seconds at most.
    assert!(
        asked.elapsed() >= Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    let requests = collector.requests();
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(collector.bodies()[1..], lines(&world));
    world.finish().await;
}

/// What nobody takes for too long is given up, so that what comes later has its turn.
#[tokio::test]
async fn what_is_not_taken_in_time_is_given_up_and_counted() {
    let collector = Collector::plain().await;
    let world = World::start(setup(&collector).set("audit.otlp.retry_for", "1s")).await;
    collector.answers(Reply::new(503, "").header("retry-after", "1"));
    exchanges(&world, 2).await;
    counted(&world, [0, 0, 2, 0]).await;
    collector.answers(Reply::new(200, ""));
    exchanges(&world, 3).await;
    counted(&world, [3, 0, 2, 0]).await;
    assert_eq!((world.log.count(LOST), world.log.count(AGAIN)), (1, 1));
    world.finish().await;
}

/// It takes some of them: what it says it rejected is counted as that. Answers that nobody
/// understands are no reason to send anything again.
#[tokio::test]
async fn what_a_collector_rejects_is_counted() {
    let collector = Collector::plain().await;
    let world = World::start(setup(&collector)).await;
    let rejects = |rejected_log_records: i64| {
        let answer = ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records,
                error_message: "too many".to_owned(),
            }),
        };
        Reply::new(200, answer.encode_to_vec())
    };
    let (mut exported, mut rejected) = (0, 0);
    for (answer, claimed) in [
        (rejects(1), 1),
        (rejects(i64::MAX), 3),
        (rejects(-5), 0),
        (rejects(0), 0),
        (Reply::new(202, ""), 0),
        (Reply::new(200, "\u{ff}\u{ff}"), 0),
        (Reply::new(200, vec![0; 20_000_000]), 0),
    ] {
        let before = collector.requests().len();
        collector.answers(answer);
        exchanges(&world, 3).await;
        until("all are told of", async || {
            let [now, gone, ..] = counts(&world).await;
            (now + gone == exported + rejected + 3).then_some(())
        })
        .await;
        // However many requests it took.
        let requests = collector.requests().split_off(before);
        let of = |request| claimed.min(records(request).len() as u64);
        let of_three: u64 = requests.into_iter().map(of).sum();
        (exported, rejected) = (exported + 3 - of_three, rejected + of_three);
        assert_eq!(counts(&world).await, [exported, rejected, 0, 0]);
    }
    assert!(rejected >= 4);
    assert_eq!(collector.bodies(), lines(&world), "each once");
    assert_eq!(world.log.count(LOST), 0);
    world.finish().await;
}

/// Nobody is there; somebody else is there.
#[tokio::test]
async fn a_collector_that_is_not_the_one_is_told_nothing() {
    let foreign = Collector::tls().await;
    for endpoint in [
        "https://collector.invalid/v1/logs".to_owned(),
        foreign.url(),
    ] {
        let setup = to(Setup::new(), endpoint.clone())
            .set("audit.otlp.ca", "ca.pem")
            .set("audit.otlp.retry_for", "1s");
        let world = World::start(setup).await;
        exchanges(&world, 2).await;
        counted(&world, [0, 0, 2, 0]).await;
        assert_eq!(
            (world.log.count(LOST), world.log.count(AGAIN)),
            (1, 0),
            "{endpoint}"
        );
        world.check(2).await;
        world.finish().await;
    }
    assert!(foreign.requests().is_empty());
}

/// Records that have no place are counted; the exchange, or here the change, goes on. And the audit
/// file has them.
#[tokio::test]
async fn what_has_no_place_is_counted() {
    let collector = Collector::plain().await;
    collector.answers(Reply::silent());
    let setup = setup(&collector).set("audit.otlp.timeout", "1m");
    let mut office = Office::with(setup).await;
    // Records that hold documents are long: before and after.
    let document = |round: usize| {
        let entry = |number: usize| {
            json!({
                "tenantId": format!("{number:08x}-0000-4000-8000-00000000000a"),
                "direction": {"inbound": true, "outbound": false},
                "note": format!("{round} {}", "x".repeat(320)),
            })
        };
        let entries: Vec<_> = (1..=490).map(entry).collect();
        json!({"properties": {
            "tenantId": FABRIKAM, "isDisabled": false, "allowedTenants": entries,
        }})
    };
    let (mut bytes, mut changes, mut last) = (0, 0, 0);
    while bytes < 36 * 1024 * 1024 {
        let text = document(changes).to_string();
        bytes += last + text.len();
        last = text.len();
        let answer = office.put(FABRIKAM, text).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        changes += 1;
    }
    let [exported, rejected, delivery, full] = counts(&office.world).await;
    assert_eq!((exported, rejected, delivery), (0, 0, 0));
    let changes = u64::try_from(changes).unwrap();
    assert!(full > 0 && full < changes / 2, "{full} of {changes}");
    let exchange = office.world.exchange(CONTOSO, CONTOSO);
    assert_eq!(exchange.send_unrecorded().await.status, 200);
    // As many records take long to read: they are only counted.
    office.world.signal(Signal::TERM);
    assert_eq!(office.world.gateway.ended().await.code(), Some(0));
    let kept = u64::try_from(lines(&office.world).len()).unwrap();
    assert_eq!(kept, changes + 1);
    // Nor are they searched for secrets: there are none in a policy.
    std::fs::remove_file(office.world.directory.path().join(FILE)).unwrap();
    let left = office
        .world
        .log
        .count("the collector did not take the last audit records");
    assert_eq!(left, 1);
}
