//! An operator's word that another history is to be followed: obeyed once, by everybody, and void for
//! every other history.

use std::cell::RefCell;
use std::path::PathBuf;

use serde_json::Value;
use tidegate::config::Etcd;

use super::harness::{
    CONTOSO, Cluster, FABRIKAM, Follower, Gateway, Start, document, etcd, tenant, until,
};

/// A gateway that enforces more than what is in etcd since a backup was restored there.
fn regressed() -> Option<(Cluster, Gateway)> {
    if !etcd() {
        return None;
    }
    let (mut cluster, backup) = Cluster::backed_up(CONTOSO);
    let gateway = Gateway::start(&cluster, &Start::default());
    until("it is On", || gateway.exchange() == 403);
    cluster.put(
        tenant(FABRIKAM),
        &document(FABRIKAM, 0).replace("false", "true"),
    );
    let off = document(CONTOSO, 0).replace("false", "true");
    cluster.put(tenant(CONTOSO), &off);
    until("it is Off", || gateway.exchange() == 502);
    cluster.kill(0);
    cluster.restore(backup.path());
    cluster.start_all();
    until("alarmed", || {
        gateway.metric("tidegate_policy_source_regressed") == Some(1.0)
    });
    Some((cluster, gateway))
}

#[test]
fn nothing_is_accepted_but_what_the_operator_names() {
    let Some((cluster, gateway)) = regressed() else {
        return;
    };
    let accept = |more: &[&str]| gateway.run(&[&["fleet", "accept"], more].concat());
    let there = || cluster.ctl(&["get", "--prefix", "/tidegate/policies/accepted/"]);
    let (exit, said) = accept(&[]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("Nothing was accepted."), "{said}");
    assert!(said.contains("1 policy; 0 gateways"), "{said}");
    let (_, told) = accept(&["--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["accepted"], Value::Null);
    let (id, revision) = (told["cluster"].as_str().unwrap(), told["revision"].as_u64());
    let (at, later) = (
        revision.unwrap().to_string(),
        (revision.unwrap() + 1000).to_string(),
    );
    assert!(
        said.contains(&format!("--cluster {id} --revision ")),
        "{said}"
    );

    let long = "x".repeat(600);
    for (arguments, expected, why) in [
        (&["--cluster", id][..], 64, "--revision"),
        (&["--revision", &at], 64, "--cluster"),
        (&["--note", "why"], 64, "--cluster"),
        (&["--cluster", "00ff", "--revision", &at], 1, "and not 00ff"),
        (&["--cluster", id, "--revision", &later], 1, "restored"),
        (
            &["--cluster", id, "--revision", &at, "--note", &long],
            64,
            "--note",
        ),
    ] {
        let (exit, said) = accept(arguments);
        assert_eq!(exit, expected, "{said}");
        assert!(said.contains(why), "{why}: {said}");
        assert_eq!(there(), "", "{arguments:?}");
    }
    assert_eq!(gateway.exchange(), 502, "what it enforced, it enforces");

    let note = "the backup of Tuesday";
    let (exit, said) = accept(&["--cluster", id, "--revision", &at, "--note", note]);
    assert_eq!(exit, 0, "{said}");
    until("the backup's is in force", || gateway.exchange() == 403);
    let figure = |name: &str| gateway.metric(&format!("tidegate_{name}"));
    until("no alarm", || {
        figure("policy_source_regressed") == Some(0.0)
    });
    assert_eq!(figure("policies"), Some(1.0), "and nothing else");

    // It shows in the gateway's records, in etcd, and in what the command tells.
    until("it is recorded", || {
        !gateway.records("history_accepted").is_empty()
    });
    let records = gateway.records("history_accepted");
    let [record] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!(record["after"]["cluster"], *id);
    assert_eq!(record["before"]["cluster"], *id, "it is a backup of itself");
    let number = |of: &str| record[of]["revision"].as_str().unwrap().parse::<u64>();
    assert!(
        number("after").unwrap() < number("before").unwrap(),
        "{record}"
    );
    assert_eq!(record["acceptance"]["note"], note);
    assert_eq!(record["acceptance"]["revision"].as_u64(), revision);
    let (_, said) = accept(&[]);
    assert!(said.contains(note) && said.contains("1 policy;"), "{said}");

    // It goes on from there, and over a restart without etcd.
    let off = document(CONTOSO, 0).replace("false", "true");
    cluster.put(tenant(CONTOSO), &off);
    until("it is Off", || gateway.exchange() == 502);
    let last = cluster.put(tenant(CONTOSO), &document(CONTOSO, 3));
    until("it is On", || gateway.exchange() == 403);
    until("it is kept", || {
        figure("policy_cache_revision") >= Some(last as f64)
    });
    assert_eq!(gateway.records("history_accepted").len(), 1);
    gateway.end();
    let mut cluster = cluster;
    cluster.kill(0);
    let gateway = Gateway::start(&cluster, &Start::default());
    assert_eq!(gateway.exchange(), 403);
    assert_eq!(gateway.metric("tidegate_policies"), Some(1.0));
}

/// Says so as the command does.
fn accept(cluster: &Cluster) {
    let told = cluster.fleet_accept();
    assert_eq!(told.len(), 36, "an id: {told}");
}

fn with_cache(cluster: &Cluster, name: &str) -> Etcd {
    let cache: PathBuf = cluster.place.path().join(name);
    Etcd {
        cache,
        ..cluster.settings()
    }
}

/// A backup that was made after an acceptance holds it: nobody takes it for another one.
#[test]
fn an_acceptance_that_comes_back_with_a_backup_is_void() {
    if !etcd() {
        return;
    }
    let cluster = RefCell::new(Cluster::start(1));
    let put = |entries| {
        let cluster = cluster.borrow();
        cluster.put(tenant(CONTOSO), &document(CONTOSO, entries))
    };
    let restart = |backup: Option<&tempfile::TempDir>| {
        let mut cluster = cluster.borrow_mut();
        cluster.kill(0);
        let now = cluster.back_up();
        if let Some(backup) = backup {
            cluster.restore(backup.path());
        }
        cluster.start_all();
        now
    };
    put(1);
    let first = restart(None);
    let followed = Follower::start(&with_cache(&cluster.borrow(), "one.sqlite"));
    followed.reaches(put(2));
    restart(Some(&first));
    until("alarmed", || followed.stats().regressed);
    accept(&cluster.borrow());
    until("the backup's is in force", || {
        followed.entries(CONTOSO) == 1
    });
    until("no alarm", || !followed.stats().regressed);
    // One that never saw the other history, and one that was away when it was accepted.
    let fresh = Follower::start(&with_cache(&cluster.borrow(), "two.sqlite"));
    until("it is there", || fresh.entries(CONTOSO) == 1);

    let second = restart(None);
    let last = put(3);
    for gateway in [&followed, &fresh] {
        gateway.reaches(last);
        assert_eq!(gateway.entries(CONTOSO), 3);
    }
    restart(Some(&second));
    for gateway in [&followed, &fresh] {
        until("alarmed", || gateway.stats().regressed);
        let failures = gateway.stats().failures;
        until("asked again, twice", || {
            gateway.stats().failures > failures + 1
        });
        assert!(gateway.stats().regressed);
        assert_eq!(gateway.entries(CONTOSO), 3, "the old acceptance is void");
    }
    // Nor after a restart; but another one is obeyed.
    drop(followed);
    let followed = Follower::start(&with_cache(&cluster.borrow(), "one.sqlite"));
    until("alarmed", || followed.stats().regressed);
    assert_eq!(followed.entries(CONTOSO), 3);
    accept(&cluster.borrow());
    for gateway in [&followed, &fresh] {
        until("the backup's is in force", || gateway.entries(CONTOSO) == 1);
    }
}

#[test]
fn another_cluster_is_followed_by_its_own_name_only() {
    if !etcd() {
        return;
    }
    let mut cluster = Cluster::start(1);
    let gateway = Follower::start(&cluster.settings());
    let mut last = 0;
    for n in 0..20 {
        last = cluster.put(tenant(CONTOSO), &document(CONTOSO, n));
    }
    gateway.reaches(last);
    let (old, of_the_old) = (cluster.cluster_id(), cluster.fleet_accept());
    until("it is seen", || gateway.revision() > last + 1);
    let key = format!("policies/accepted/{of_the_old}");
    let text = cluster.ctl(&["get", "--print-value-only", &format!("/tidegate/{key}")]);
    cluster.kill(0);
    cluster.forget();
    cluster.token("another");
    cluster.start_all();
    cluster.put(tenant(CONTOSO), &document(CONTOSO, 2));
    until("alarmed", || gateway.stats().regressed);

    // Copied here, about the other cluster; what nobody can read; one about nothing that was there.
    cluster.put_key(
        "policies/accepted/0193e5f0-0000-7000-8000-000000000001",
        text.trim().as_bytes(),
    );
    for odd in ["", "{}", "[]", "true", "{\"cluster\":\"*\"}"] {
        cluster.put_key(
            "policies/accepted/0193e5f0-0000-7000-8000-000000000002",
            odd.as_bytes(),
        );
    }
    // Its own, about a restored backup of itself: it says nothing to those who come from elsewhere.
    cluster.fleet_accept();
    // As they should be, but for the spelling of the id, and for the time.
    let good = |time: &str| {
        let cluster = cluster.cluster_id();
        let good = serde_json::json!({
            "cluster": cluster, "revision": 1, "instead_of": old, "time": time, "by": "x", "note": null,
        });
        good.to_string().into_bytes()
    };
    let now = jiff::Timestamp::now().to_string();
    cluster.put_key(
        "policies/accepted/0193E5F0-0000-7000-8000-00000000000A",
        &good(&now),
    );
    for time in ["2026-01-01T00:00:00Z", "2126-01-01T00:00:00Z"] {
        cluster.put_key(
            "policies/accepted/0193e5f0-0000-7000-8000-000000000003",
            &good(time),
        );
    }
    cluster.put_key("policies/accepted/", text.trim().as_bytes());
    cluster.put_key("policies/accepted/x", text.trim().as_bytes());
    let failures = gateway.stats().failures;
    until("asked again, twice", || {
        gateway.stats().failures > failures + 1
    });
    assert!(gateway.stats().regressed);
    assert_eq!(gateway.entries(CONTOSO), 19);

    cluster.fleet_accept_instead_of(&old);
    until("it is followed", || gateway.entries(CONTOSO) == 2);
    until("it is fresh", || gateway.is_fresh());
    gateway.reaches(cluster.put(tenant(CONTOSO), &document(CONTOSO, 5)));
    assert_eq!(gateway.entries(CONTOSO), 5);
    assert_eq!(
        gateway.policies.stats().problems,
        0,
        "acceptances are no policies"
    );
}
