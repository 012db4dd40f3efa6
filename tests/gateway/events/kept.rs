//! What is in the store is what the audit lines say.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::harness::{CONTOSO, FABRIKAM, Gateway, NORTHWIND, until};

#[tokio::test]
async fn the_store_agrees_with_the_audit_lines() {
    let setup = Setup::new()
        .set("events.file", "events.sqlite")
        .set("audit.output", "audit.jsonl")
        .policy(Policy::on(CONTOSO));
    let world = World::start(setup).await;
    let store = world.directory.path().join("events.sqlite");
    world
        .exchange(CONTOSO, CONTOSO)
        .send()
        .await
        .allowed("same_tenant");
    world.exchange(CONTOSO, FABRIKAM).send().await;
    world
        .exchange(NORTHWIND, FABRIKAM)
        .send()
        .await
        .allowed("both_allow");
    world.exchange(None, FABRIKAM).send().await;
    world.exchange("not-a-tenant", FABRIKAM).send().await;
    let named = world.exchange(NORTHWIND, FABRIKAM);
    named.header("x-connector-name", "shared_sql").send().await;
    until("stored", async || (sum(&store) == 6).then_some(())).await;
    let lines = records(&world.directory.path().join("audit.jsonl"));
    for line in &lines {
        let id = |name: &str| match line[name].as_str() {
            Some(id) => format!("x'{}'", id.replace('-', "")),
            None => "NULL".to_owned(),
        };
        let text = |name: &str| match line[name].as_str() {
            Some(text) => format!("'{text}'"),
            None => "NULL".to_owned(),
        };
        let found = number(
            &store,
            &format!(
                "SELECT count(*) FROM tallies JOIN subjects ON id = subject
             WHERE creator IS {} AND sign_in IS {} AND app IS {} AND connector IS {} AND route = {}
               AND decision = {} AND reason = {}",
                id("creator_tenant"),
                id("sign_in_tenant"),
                id("app_id"),
                text("connector"),
                text("route"),
                text("decision"),
                text("reason"),
            ),
        );
        assert_eq!(found, 1, "{line}");
    }
    let metrics = world.metrics().await;
    for line in [
        "tidegate_events_written_total 6",
        "tidegate_events_dropped_total 0",
        "tidegate_events_write_failures_total 0",
    ] {
        assert!(metrics.contains(line), "{line}:\n{metrics}");
    }
    let text = |metric: &str| metrics.lines().find(|line| line.starts_with(metric));
    let bytes = text("tidegate_events_store_bytes ").unwrap();
    assert_ne!(bytes, "tidegate_events_store_bytes 0");
    world.check(5).await;

    // Nothing secret is in any of its files.
    for name in ["events.sqlite", "events.sqlite-wal"] {
        let bytes = std::fs::read(world.directory.path().join(name)).unwrap();
        world.secrets.assert_none_in(name, &bytes);
    }
    // And nobody else may read them.
    for name in ["", "-wal", "-shm", ".lock"] {
        let file = world.directory.path().join(format!("events.sqlite{name}"));
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
    // Another gateway does not start beside it.
    let Err(failed) = Gateway::try_start(&world.config()).await else {
        panic!("it started");
    };
    assert_ne!(failed.exit, 0);
    assert!(
        failed.stderr.contains("is held by another gateway"),
        "{}",
        failed.stderr
    );
    assert!(!failed.stderr.contains("listening"), "{}", failed.stderr);
    world.finish().await;
}

/// What cannot be a store prevents the start, and stays as it is.
#[tokio::test]
async fn another_file_is_never_written_to() {
    let world = World::start(Setup::new()).await;
    let config = std::fs::read_to_string(world.config()).unwrap();
    let theirs = config.clone() + "\n[events]\nfile = \"tidegate.toml\"\n";
    let broken = world.directory.path().join("broken.toml");
    std::fs::write(&broken, theirs).unwrap();
    let Err(failed) = Gateway::try_start(&broken).await else {
        panic!("it started");
    };
    assert_ne!(failed.exit, 0);
    let said = "events: ";
    assert!(failed.stderr.contains(said), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("is not a store of decision events"),
        "{}",
        failed.stderr
    );
    assert_eq!(std::fs::read_to_string(world.config()).unwrap(), config);
    world.finish().await;
}
