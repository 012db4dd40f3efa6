//! Where records and logs go.

use serde_json::Value;

use crate::harness::{CONTOSO, FABRIKAM, Gateway, Policy, Setup, World, until};

/// Records in a file: appended, whole lines, and not on standard output.
#[tokio::test]
async fn records_may_go_to_a_file() {
    let setup = Setup::new()
        .set("audit.output", "audit.jsonl")
        .policy(Policy::on(CONTOSO));
    let world = World::start(setup).await;
    let file = world.directory.path().join("audit.jsonl");
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    world.check(1).await;
    assert_eq!(world.gateway.stdout.len(), 0);
    let before = std::fs::read_to_string(&file).unwrap();
    // Another start appends.
    let mut again = Gateway::start(&world.config()).await;
    again.signal(rustix::process::Signal::TERM);
    again.ended().await;
    assert!(std::fs::read_to_string(&file).unwrap().starts_with(&before));
    world.finish().await;
}

/// The fields of a record, in this order.
#[tokio::test]
async fn a_record_has_the_documented_fields() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    world.exchange(CONTOSO, FABRIKAM).send().await;
    let line = world.gateway.stdout.at(0).await;
    let fields = [
        "time",
        "decision_id",
        "route",
        "connector",
        "mode",
        "decision",
        "reason",
        "creator_tenant",
        "creator_source",
        "sign_in_tenant",
        "blocked_by",
        "rules",
        "policy_versions",
        "policy_source",
        "grant_type",
        "token_kind",
        "issuer",
        "verified",
        "app_id",
        "user_object_id",
        "correlation_id",
        "trace_id",
        "early",
        "forwarded",
        "status",
        "upstream_status",
        "duration_us",
    ];
    let record: Value = serde_json::from_str(&line).unwrap();
    let mut positions: Vec<_> = fields
        .iter()
        .map(|field| line.find(&format!("\"{field}\":")).expect(field))
        .collect();
    assert_eq!(record.as_object().unwrap().len(), fields.len(), "{line}");
    assert!(positions.is_sorted(), "{line}");
    positions.dedup();
    assert_eq!(positions.len(), fields.len());
    assert!(record["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(record["decision_id"].as_str().unwrap().len(), 36);
    assert!(record["duration_us"].as_u64().unwrap() > 0);
    for id in ["app_id", "user_object_id"] {
        assert_eq!(record[id].as_str().unwrap().len(), 36, "{record}");
    }
    world.finish().await;
}

/// A file that cannot be written to prevents the start.
#[tokio::test]
async fn an_audit_file_that_cannot_be_opened_prevents_the_start() {
    let world = World::start(Setup::new()).await;
    let config = std::fs::read_to_string(world.config()).unwrap();
    let broken = world.directory.path().join("broken.toml");
    std::fs::write(
        &broken,
        format!("{config}\n[audit]\noutput = \"policies\"\n"),
    )
    .unwrap();
    let Err(failed) = Gateway::try_start(&broken).await else {
        panic!("it started");
    };
    assert_ne!(failed.exit, 0);
    assert!(!failed.stderr.contains("listening"), "{}", failed.stderr);
    world.finish().await;
}

/// Records that cannot be written are counted and reported; exchanges go on.
#[tokio::test]
async fn lost_records_raise_an_alarm() {
    if !std::path::Path::new("/dev/full").exists() {
        println!("skipped: this system has no /dev/full");
        return;
    }
    let setup = Setup::new()
        .set("audit.output", "/dev/full")
        .policy(Policy::on(CONTOSO));
    let mut world = World::start(setup).await;
    for (sign_in, status) in [(CONTOSO, 200), (FABRIKAM, 403)] {
        let answer = world.exchange(CONTOSO, sign_in).send_unrecorded().await;
        assert_eq!(answer.status, status);
    }
    until("an alarm", async || {
        let metrics = world.metrics().await;
        metrics
            .contains("tidegate_audit_records_dropped_total 2")
            .then_some(())
    })
    .await;
    assert!(world.metrics().await.contains("tidegate_audit_failing 1\n"));
    assert!(world.log.count(" ERROR ") > 0, "{}", world.log.text());
    world.signal(rustix::process::Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));
}

/// An address in use prevents the start.
#[tokio::test]
async fn an_address_in_use_prevents_the_start() {
    let world = World::start(Setup::new()).await;
    let config = std::fs::read_to_string(world.config()).unwrap();
    let broken = world.directory.path().join("broken.toml");
    let taken = world.gateway.admin.to_string();
    let mut table: toml::Table = config.parse().unwrap();
    table["admin"]["address"] = taken.as_str().into();
    std::fs::write(&broken, table.to_string()).unwrap();
    let Err(failed) = Gateway::try_start(&broken).await else {
        panic!("it started");
    };
    assert_eq!(failed.exit, 1, "{}", failed.stderr);
    assert!(failed.stderr.contains(&taken), "{}", failed.stderr);
    world.finish().await;
}

/// Logs as JSON: one object a line, whatever is logged, and no secret in it either.
#[tokio::test]
async fn logs_may_be_json() {
    let setup = Setup::new()
        .set("log.format", "json")
        .policy(Policy::off(CONTOSO));
    let world = World::start(setup).await;
    world
        .exchange(CONTOSO, FABRIKAM)
        .send()
        .await
        .allowed("both_allow");
    world
        .exchange(None, FABRIKAM)
        .send()
        .await
        .allowed("without_client_tenant_allowed");
    until("a warning", async || {
        (world.log.count("WARN") > 0).then_some(())
    })
    .await;
    assert_eq!(world.log.count("WARN"), 1, "{}", world.log.text());
    let log = world.log.clone();
    world.finish().await;
    for line in log.all() {
        let record: Value = serde_json::from_str(&line).expect(&line);
        assert!(
            record["level"].is_string() && record["timestamp"].is_string(),
            "{line}"
        );
    }
}

/// The log names what the operator declared to be relayed unseen, and what weakens the gateway.
#[tokio::test]
async fn the_start_names_what_was_declared() {
    let world = World::start(Setup::new().set("mode", "report-only")).await;
    let log = world.log.text();
    for route in ["keys-v2", "keys-v1", "instance-discovery", "device-code"] {
        assert!(
            log.lines()
                .any(|line| line.contains("relayed") && line.contains(route)),
            "{route}: {log}"
        );
    }
    assert!(log.contains("report-only"), "{log}");
    world.finish().await;
}
