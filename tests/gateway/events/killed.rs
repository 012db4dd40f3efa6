//! A gateway that is killed under load loses at most the last second, and says so.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::*;
use crate::harness::{CONTOSO, FABRIKAM, Gateway, NORTHWIND, meanwhile, until};

/// Clients that send at once.
const CLIENTS: usize = 8;

/// Sends exchanges until there are no answers any more; notes when each was answered.
async fn load(world: &World, answered: &Mutex<Vec<Instant>>) {
    let client = async |number: usize| {
        for round in 0.. {
            let sign_in = if round % 3 == 0 { FABRIKAM } else { NORTHWIND };
            let creator = if number.is_multiple_of(2) {
                CONTOSO
            } else {
                NORTHWIND
            };
            if world.exchange(creator, sign_in).try_send().await.is_err() {
                return;
            }
            answered.lock().unwrap().push(Instant::now());
        }
    };
    tokio::join!(
        client(0),
        client(1),
        client(2),
        client(3),
        client(4),
        client(5),
        client(6),
        client(7)
    );
}

/// Loads the gateway, and kills it when it has answered for more than a second.
async fn kill_under_load(world: &mut World) -> (usize, usize) {
    let answered = Mutex::new(Vec::new());
    let killed = {
        let mut work = std::pin::pin!(load(world, &answered));
        let long_enough = until("load", async || {
            let answered = answered.lock().unwrap();
            let since = answered.first()?.elapsed();
            (since > Duration::from_millis(2500) && answered.len() > 200).then_some(())
        });
        meanwhile(&mut work, long_enough).await;
        world.signal(Signal::KILL);
        let killed = Instant::now();
        work.await;
        killed
    };
    world.gateway.ended().await;
    let answered = answered.into_inner().unwrap();
    let second = Duration::from_secs(1);
    let before = answered.iter().filter(|at| **at + second < killed);
    (before.count(), answered.len())
}

fn gaps(store: &Path) -> i64 {
    number(
        store,
        "SELECT count(*) FROM gaps WHERE why = 'killed' AND lost IS NULL",
    )
}

#[tokio::test]
async fn events_that_a_kill_lost_are_taken_from_the_audit_lines() {
    let setup = Setup::new()
        .set("events.file", "events.sqlite")
        .set("audit.output", "audit.jsonl")
        .set("log.level", "info")
        .policy(Policy::on(CONTOSO));
    let mut world = World::start(setup).await;
    let (store, lines) = (
        world.directory.path().join("events.sqlite"),
        world.directory.path().join("audit.jsonl"),
    );
    let (before, answered) = kill_under_load(&mut world).await;
    let told = i64::try_from(records(&lines).len()).unwrap();
    let stored = sum(&store);
    assert!(
        stored >= i64::try_from(before).unwrap(),
        "{stored} of {before}"
    );

    let mut again = Gateway::start(&world.config()).await;
    until("taken in", async || (sum(&store) >= told).then_some(())).await;
    again.signal(Signal::TERM);
    assert_eq!(again.ended().await.code(), Some(0));
    // Each line once. A line may have been lost whose event was not.
    let most = i64::try_from(answered + CLIENTS).unwrap();
    assert!(
        (told..=most).contains(&sum(&store)),
        "{told}..={most}: {}",
        sum(&store)
    );
    let lost_lines = sum(&store) - told;
    assert!(lost_lines <= i64::try_from(answered - before).unwrap());
    assert_eq!(gaps(&store), 1);
    assert_eq!(number(&store, "SELECT count(*) FROM gaps"), 1);
    assert_eq!(
        again.log.count("the gateway was killed"),
        1,
        "{}",
        again.log.text()
    );

    // A clean end leaves nothing to say.
    let mut third = Gateway::start(&world.config()).await;
    third.signal(Signal::TERM);
    third.ended().await;
    assert_eq!(number(&store, "SELECT count(*) FROM gaps"), 1);
}

#[tokio::test]
async fn without_audit_lines_the_gap_says_that_nobody_knows() {
    let setup = Setup::new()
        .set("events.file", "events.sqlite")
        .set("log.level", "info")
        .policy(Policy::on(CONTOSO));
    let mut world = World::start(setup).await;
    let store = world.directory.path().join("events.sqlite");
    let (before, answered) = kill_under_load(&mut world).await;
    let mut again = Gateway::start(&world.config()).await;
    again.signal(Signal::TERM);
    assert_eq!(again.ended().await.code(), Some(0));
    let (least, most) = (
        i64::try_from(before).unwrap(),
        i64::try_from(answered + CLIENTS).unwrap(),
    );
    assert!(
        (least..=most).contains(&sum(&store)),
        "{least}..={most}: {}",
        sum(&store)
    );
    assert_eq!(gaps(&store), 1);
}
