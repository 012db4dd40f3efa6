//! Disks that take nothing: exchanges go on, or nothing is released, as configured.

use super::*;
use crate::harness::{CONTOSO, FABRIKAM, until};

/// One that is allowed; tells the status.
async fn allowed(world: &World, connector: usize) -> u16 {
    let exchange = world.exchange(CONTOSO, CONTOSO);
    let exchange = exchange.header("x-connector-name", format!("connector-{connector}"));
    let answer = exchange.send_unrecorded().await;
    match answer.status {
        200 => assert!(answer.json()["access_token"].is_string()),
        503 => {
            answer.is_refusal(503, "audit_unavailable");
            assert_eq!(answer.headers["retry-after"], "1");
            world
                .secrets
                .assert_none_in("the answer", &answer.everything());
        }
        other => panic!("{other}: {answer:?}"),
    }
    answer.status
}

/// One that is blocked.
async fn blocked(world: &World) {
    let answer = world.exchange(CONTOSO, FABRIKAM).send_unrecorded().await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.json()["suberror"], "blocked_by_tenant_isolation");
}

/// One that is malformed.
async fn malformed(world: &World) {
    let answer = world.exchange("x", FABRIKAM).send_unrecorded().await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

/// Sends allowed exchanges until one is not released, fewer than so many; tells how many.
async fn until_unavailable(world: &World, most: usize) -> usize {
    for sent in 1..most {
        if allowed(world, sent).await == 503 {
            return sent;
        }
    }
    panic!("{most} were released without a place for their records");
}

/// Sends allowed exchanges until one is released again; tells how many.
async fn until_available(world: &World) -> usize {
    let mut sent = 0;
    until("available", async || {
        sent += 1;
        (allowed(world, sent).await == 200).then_some(())
    })
    .await;
    sent
}

/// Both ways of a full disk under `which`, with records required: blocked and refused ones keep
/// their answers, nothing is released, and when there is room again no record is missing.
async fn nothing_is_released(which: &str) {
    let Some(disk) = Disk::new("1m") else {
        return;
    };
    let away = tempfile::tempdir().unwrap();
    let on = |name: &str| match name == which {
        true => disk.path(name),
        false => away.path().join(name),
    };
    let (lines, store) = (on("audit.jsonl"), on("events.sqlite"));
    let mut world = World::start(setup(&lines, &store, "required")).await;
    let mut sent = 0;
    for round in 0..2 {
        assert_eq!(allowed(&world, 0).await, 200, "{round}");
        blocked(&world).await;
        disk.fill();
        sent += 2 + until_unavailable(&world, 5_000).await;
        for _ in 0..20 {
            blocked(&world).await;
            malformed(&world).await;
            assert_eq!(allowed(&world, 0).await, 503);
        }
        assert!(world.log.count(" ERROR ") > round, "{}", world.log.text());
        disk.free();
        sent += 60 + until_available(&world).await;
    }
    end(&mut world).await;
    let ids: std::collections::HashSet<String> = records(&lines)
        .iter()
        .map(|record| record["decision_id"].to_string())
        .collect();
    assert_eq!(ids.len(), sent);
    assert_eq!(records(&lines).len(), sent, "each once");
    let text = std::fs::read_to_string(&lines).unwrap();
    assert_eq!(text.lines().count(), sent, "no torn line");
    assert_eq!(usize::try_from(sum(&store)).unwrap(), sent);
    assert_eq!(number(&store, "SELECT count(*) FROM gaps"), 0);
}

#[tokio::test]
async fn required_and_the_disk_of_audit_lines_is_full() {
    nothing_is_released("audit.jsonl").await;
}

#[tokio::test]
async fn required_and_the_disk_of_the_store_is_full() {
    nothing_is_released("events.sqlite").await;
}

/// Best effort: exchanges go on; what gathered is written when there is room again.
#[tokio::test]
async fn best_effort_and_the_disk_of_the_store_is_full() {
    let Some(disk) = Disk::new("1m") else {
        return;
    };
    let away = tempfile::tempdir().unwrap();
    let (lines, store) = (away.path().join("audit.jsonl"), disk.path("events.sqlite"));
    let mut world = World::start(setup(&lines, &store, "best-effort")).await;
    assert_eq!(allowed(&world, 0).await, 200);
    disk.fill();
    let mut sent = 1;
    until("a failure", async || {
        assert_eq!(allowed(&world, sent).await, 200);
        sent += 1;
        let metrics = world.metrics().await;
        (!metrics.contains("tidegate_events_write_failures_total 0")).then_some(())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(allowed(&world, 0).await, 200);
        blocked(&world).await;
        sent += 2;
    }
    assert!(world.log.count("decision events cannot be written") == 1);
    disk.free();
    until("written again", async || {
        (world.log.count("decision events are written again") == 1).then_some(())
    })
    .await;
    end(&mut world).await;
    assert_eq!(usize::try_from(sum(&store)).unwrap(), sent);
    assert_eq!(records(&lines).len(), sent);
    assert_eq!(number(&store, "SELECT count(*) FROM gaps"), 0);
}

/// A disk that is full from the start.
#[tokio::test]
async fn a_disk_that_is_full_at_the_start() {
    let Some(disk) = Disk::new("256k") else {
        return;
    };
    disk.fill();
    let away = tempfile::tempdir().unwrap();
    let (lines, store) = (away.path().join("audit.jsonl"), disk.path("events.sqlite"));
    let mut world = World::start(setup(&lines, &store, "best-effort")).await;
    assert_eq!(allowed(&world, 0).await, 200);
    disk.free();
    until("written", async || {
        (world.log.count("decision events are written again") == 1).then_some(())
    })
    .await;
    assert_eq!(allowed(&world, 0).await, 200);
    end(&mut world).await;
    assert_eq!(sum(&store), 2);

    // Required: it does not start.
    std::fs::remove_file(&store).unwrap();
    disk.fill();
    let config = std::fs::read_to_string(world.config()).unwrap();
    let config = config.replace("best-effort", "required");
    std::fs::write(world.config(), config).unwrap();
    let Err(failed) = crate::harness::Gateway::try_start(&world.config()).await else {
        panic!("it started");
    };
    assert_ne!(failed.exit, 0);
    assert!(failed.stderr.contains("events: "), "{}", failed.stderr);
}

/// An output that never took anything shows with its first line.
#[tokio::test]
async fn required_and_an_output_that_takes_nothing() {
    if !Path::new("/dev/full").exists() {
        println!("skipped: this system has no /dev/full");
        return;
    }
    let setup = Setup::new()
        .set("audit.output", "/dev/full")
        .set("audit.mode", "required")
        .policy(Policy::on(CONTOSO));
    let mut world = World::start(setup).await;
    blocked(&world).await;
    until("noticed", async || {
        (world.log.count(" ERROR ") > 0).then_some(())
    })
    .await;
    for _ in 0..5 {
        assert_eq!(allowed(&world, 0).await, 503);
        blocked(&world).await;
    }
    let metrics = world.metrics().await;
    assert!(metrics.contains("tidegate_audit_failing 1"), "{metrics}");
    assert!(
        metrics.contains("tidegate_audit_records_dropped_total 0"),
        "{metrics}"
    );
    end(&mut world).await;
}
