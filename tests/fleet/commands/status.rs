//! `fleet status`: who is there, and how far behind.

use serde_json::Value;

use super::super::harness::{CONTOSO, FABRIKAM, document, etcd, tenant, until};
use super::stage::Stage;

#[test]
fn the_status_tells_what_each_gateway_enforces() {
    if !etcd() {
        return;
    }
    let mut stage = Stage::new();
    stage.configured("desk");
    // Nobody is there.
    let nobody = stage
        .run("desk", &["fleet", "status", "--json"])
        .did(1)
        .json();
    assert_eq!(nobody["gateways"].as_array().unwrap().len(), 0);
    for name in ["east", "west"] {
        stage.start(name);
    }
    let changed = stage
        .run("desk", &["policy", "enable", CONTOSO, "--json"])
        .did(0)
        .json();
    let changed: u64 = changed["version"].as_str().unwrap().parse().unwrap();
    let status = || stage.run("desk", &["fleet", "status", "--json"]);
    until("both gateways tell that they enforce it", || {
        let told = status();
        told.exit == 0 && told.json()["gateways"].as_array().unwrap().len() == 2
    });
    let told = status().did(0).json();
    assert_eq!(
        (&told["changed"], &told["policies"]),
        (&changed.into(), &1.into())
    );
    for (n, name) in ["east", "west"].iter().enumerate() {
        let gateway = &told["gateways"][n];
        assert_eq!(gateway["gateway"], **name);
        assert_eq!(gateway["program"], env!("CARGO_PKG_VERSION"));
        assert!(
            gateway["revision"].as_u64().unwrap() >= changed,
            "{gateway}"
        );
        assert_eq!(gateway["behind"], 0);
    }
    let text = stage.run("desk", &["fleet", "status"]).did(0).out;
    assert!(text.contains("2 gateways, 0 behind"), "{text}");

    // One that is killed is gone when its lease is.
    stage.gateways.remove(0);
    until("the killed gateway is gone", || {
        let told = stage.run("desk", &["fleet", "status", "--json"]).json();
        told["gateways"].as_array().unwrap().len() == 1
    });
    // What nobody here can read is counted, and hides nobody.
    stage.cluster.put_key("gateways/later", b"{\"another\":1}");
    let told = stage.run("desk", &["fleet", "status", "--json"]).json();
    assert_eq!(
        (&told["unreadable"], &told["gateways"][0]["gateway"]),
        (&1.into(), &"west".into())
    );

    stage.cluster.kill_all();
    let away = stage.run("desk", &["fleet", "status"]).did(1);
    assert!(away.err.starts_with("etcd: "), "{}", away.err);
}

/// A policy that is put past every tool of ours is told as what it is.
#[test]
fn the_status_counts_what_others_put() {
    if !etcd() {
        return;
    }
    let mut stage = Stage::new();
    stage.configured("desk");
    for name in ["east", "west"] {
        stage.start(name);
    }
    stage.run("desk", &["policy", "enable", CONTOSO]).did(0);
    let status = || stage.run("desk", &["fleet", "status", "--json"]);
    until("both gateways tell that they enforce it", || {
        let told = status();
        told.exit == 0 && told.json()["gateways"].as_array().unwrap().len() == 2
    });
    let raw = stage.cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 1));
    let told = status().json();
    assert_eq!(told["changed"], raw, "{told}");
    until("both gateways tell that they enforce it", || {
        status().exit == 0
    });
    let told = status().did(0).json();
    assert_eq!(
        (&told["changed"], &told["policies"]),
        (&raw.into(), &2.into())
    );
    // Also where it goes away; and of one that does not hear of it, how far it is behind.
    let slow = serde_json::json!({
        "gateway": "slow", "program": "1.0.0", "revision": raw, "age_ms": 5, "policies": 2,
        "problems": 0, "every_s": 1000, "started": "2026-01-01T00:00:00Z",
        "told": "2026-01-01T00:00:00Z",
    });
    stage
        .cluster
        .put_key("gateways/slow.1", slow.to_string().as_bytes());
    let gone = stage.cluster.delete(tenant(FABRIKAM));
    let told = status().did(1).json();
    assert_eq!(
        (&told["changed"], &told["complete"]),
        (&gone.into(), &true.into())
    );
    let behind = |told: &Value, name: &str| {
        let gateways = told["gateways"].as_array().unwrap().iter();
        let mut named = gateways.filter(|gateway| gateway["gateway"] == name);
        named.next().unwrap()["behind"].clone()
    };
    assert_eq!(behind(&told, "slow"), gone - raw);
    until("the others have it", || {
        let told = status().did(1).json();
        behind(&told, "east") == 0 && behind(&told, "west") == 0
    });
    // What is compacted meanwhile makes nobody look better.
    stage.cluster.compact(gone + 1);
    let told = status().did(1).json();
    assert_eq!(
        (&told["changed"], &told["complete"]),
        (&gone.into(), &false.into())
    );
    assert_eq!(behind(&told, "slow"), gone - raw);
    stage.cluster.delete_key("gateways/slow.1");
    until("nobody is behind", || status().exit == 0);
}

#[test]
fn a_gateway_that_is_told_to_end_is_gone_from_the_list_at_once() {
    if !etcd() {
        return;
    }
    let mut stage = Stage::new();
    stage.configured("desk");
    for name in ["east", "west"] {
        stage.start(name);
    }
    let listed = |stage: &Stage| {
        let told = stage.run("desk", &["fleet", "status", "--json"]).json();
        let gateways = told["gateways"].as_array().unwrap().iter();
        let names = gateways.map(|it| it["gateway"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    until("both are listed", || listed(&stage) == ["east", "west"]);
    stage.gateways.remove(0).end();
    // No look is repeated here: the first shows it.
    assert_eq!(listed(&stage), ["west"]);
}
