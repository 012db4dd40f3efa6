//! The gateway itself, as probes, clients and readers of its records meet it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::harness::{CONTOSO, Cluster, Gateway, Start, document, etcd, metric, tenant, until};

#[test]
fn it_decides_by_what_etcd_says_and_says_how_fresh_that_is() {
    if !etcd() {
        return;
    }
    let mut cluster = Cluster::start(1);
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    cluster.kill(0);

    // Neither etcd nor a cache: not ready, and nothing is decided. Nobody was asked.
    let gateway = Gateway::start(&cluster, &Start::default());
    assert_eq!(gateway.get("/livez").0, 200);
    assert_eq!(
        gateway.get("/readyz"),
        (503, "not ready\npolicies: none yet\n".to_owned())
    );
    assert_eq!(gateway.exchange(), 503);
    let record = gateway.last_record();
    assert_eq!(
        (&record["reason"], &record["forwarded"]),
        (&"policy_unreadable".into(), &false.into())
    );
    assert_eq!(record["policy_source"], Value::Null);
    let metrics = gateway.get("/metrics").1;
    assert_eq!(
        metric(&metrics, "tidegate_policy_source_connected"),
        Some(0.0)
    );
    assert_eq!(metric(&metrics, "tidegate_policy_source_age_seconds"), None);

    // etcd comes.
    cluster.start_all();
    until("it is ready", || gateway.get("/readyz").0 == 200);
    assert_eq!(gateway.exchange(), 403);
    let record = gateway.last_record();
    assert_eq!(
        record["policy_versions"][0]["version"],
        revision.to_string()
    );
    let told = |record: &Value| {
        record["policy_source"]["revision"]
            .as_str()
            .unwrap()
            .parse::<u64>()
    };
    assert!(told(&record).unwrap() >= revision, "{record}");
    assert!(
        record["policy_source"]["age_ms"].as_u64().unwrap() < 60_000,
        "{record}"
    );
    let ready = gateway.get("/readyz").1;
    assert!(ready.starts_with("ready\npolicies: revision "), "{ready}");
    let metrics = gateway.get("/metrics").1;
    assert_eq!(
        metric(&metrics, "tidegate_policy_source_connected"),
        Some(1.0)
    );
    assert!(metric(&metrics, "tidegate_policy_source_revision").unwrap() >= 2.0);

    // Off: the provider is asked, who is not there.
    let off = cluster.put(
        tenant(CONTOSO),
        &document(CONTOSO, 0).replace("false", "true"),
    );
    until("it is Off", || gateway.exchange() == 502);
    let on = cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    assert!(on > off);
    until("it is On", || gateway.exchange() == 403);

    // Killed, and started without etcd: what it enforced, it enforces.
    until("it is kept", || {
        let kept = metric(&gateway.get("/metrics").1, "tidegate_policy_cache_revision");
        kept.unwrap_or(0.0) >= on as f64
    });
    gateway.kill();
    cluster.kill(0);
    let gateway = Gateway::start(&cluster, &Start::default());
    assert_eq!(gateway.get("/readyz").0, 200);
    assert_eq!(gateway.exchange(), 403);
    let record = gateway.last_record();
    assert_eq!(record["policy_versions"][0]["version"], on.to_string());
    assert!(told(&record).unwrap() >= on, "{record}");
}

#[test]
fn check_tells_of_the_cluster_without_asking_it() {
    let place = tempfile::tempdir().unwrap();
    let config =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sidecar.toml"));
    let config = config.unwrap().replace(
        "directory = \"policies\"",
        "etcd.endpoints = [\"http://etcd-0.internal:2379\"]\netcd.cache = \"policies.sqlite\"\n\
         etcd.gateway = \"gateway-0\"\netcd.insecure_plaintext = true\n#",
    );
    fs::write(place.path().join("tidegate.toml"), config).unwrap();
    let check = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["check", "--config", "tidegate.toml"])
            .args(more)
            .current_dir(place.path())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        told
    };
    let told = check(&[]);
    for expected in [
        "policies: below /tidegate/ in etcd (http://etcd-0.internal:2379), as gateway-0, last known \
         in policies.sqlite; a tenant without one counts as off\n",
        "warning: policies.etcd.insecure_plaintext: whoever is on the way to etcd can change policies",
        "warning: policies.etcd.max_age: none: policies are enforced however long ago",
    ] {
        assert!(told.contains(expected), "{expected:?} in {told}");
    }
    let told: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    let policies = &told["policies"];
    assert_eq!(
        policies["etcd"]["endpoints"][0],
        "http://etcd-0.internal:2379"
    );
    assert_eq!(policies["etcd"]["max_age_seconds"], Value::Null);
    assert_eq!(
        (policies.get("directory"), policies.get("count")),
        (None, None)
    );
}
