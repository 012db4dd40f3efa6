//! The end of a gateway: what is there is sent, and nobody waits for a collector that does not take
//! it.

use rustix::process::Signal;
use tempfile::TempDir;
use tidegate_mock::Reply;

use super::stage::{Collector, exchanges, lines, setup};
use crate::harness::{World, until};

const LEFT: &str = "the collector did not take the last audit records";

/// What is there when the gateway ends is sent; nothing waits for a batch to gather.
#[tokio::test]
async fn the_end_sends_what_is_there() {
    for tls in [false, true] {
        let collector = if tls {
            Collector::tls().await
        } else {
            Collector::plain().await
        };
        let directory = TempDir::new().unwrap();
        let ca = collector.write_ca(&directory.path().join("collector.pem"));
        let world = World::start(setup(&collector).set("audit.otlp.ca", ca)).await;
        exchanges(&world, 25).await;
        let lines = lines(&world);
        let log = world.log.clone();
        world.finish().await;
        assert_eq!(collector.bodies(), lines);
        assert_eq!((lines.len(), log.count(LEFT)), (25, 0));
    }
}

/// What waits because the collector asked for time is tried once more, at once.
#[tokio::test]
async fn the_end_tries_once_more_what_waits() {
    let collector = Collector::plain().await;
    let world = World::start(setup(&collector)).await;
    collector.answers_once(Reply::new(503, "").header("retry-after", "600"));
    exchanges(&world, 1).await;
    until("it waits", async || {
        (collector.requests().len() == 1).then_some(())
    })
    .await;
    exchanges(&world, 2).await;
    let lines = lines(&world);
    world.finish().await;
    let requests = collector.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(collector.bodies()[1..], lines);
}

/// A collector that refuses at the end is asked once for each batch and not again.
#[tokio::test]
async fn the_end_tries_once() {
    let collector = Collector::plain().await;
    collector.answers(Reply::new(503, ""));
    let world = World::start(setup(&collector)).await;
    exchanges(&world, 3).await;
    let (before, log) = (collector.requests().len(), world.log.clone());
    world.finish().await;
    // One may have been under way.
    assert!(collector.requests().len() <= before + 4);
    assert_eq!(log.count("audit records cannot be delivered"), 1);
}

/// A collector that never answers does not hold the end up for as long as it is given otherwise,
/// which is longer than this test's patience.
#[tokio::test]
async fn a_collector_that_hangs_does_not_hold_up_the_end() {
    let collector = Collector::plain().await;
    collector.answers(Reply::silent());
    let world = World::start(setup(&collector).set("audit.otlp.timeout", "1m")).await;
    exchanges(&world, 5).await;
    until("it hangs", async || {
        (!collector.requests().is_empty()).then_some(())
    })
    .await;
    exchanges(&world, 5).await;
    let log = world.log.clone();
    world.signal(Signal::TERM);
    world.ended().await;
    assert_eq!(log.count(LEFT), 1);
}
