//! Histories that were compacted before anybody could compare them.

use std::fs;

use tidegate::config::Etcd;

use super::super::harness::{
    CONTOSO, Cluster, FABRIKAM, Follower, TAILSPIN, Watcher, document, etcd, tenant, until,
};

/// Writes until the cluster is at this revision.
fn overtake(cluster: &Cluster, revision: u64) -> u64 {
    let mut last = 0;
    for n in 0.. {
        last = cluster.put(tenant(TAILSPIN), &document(TAILSPIN, n % 5));
        if last > revision {
            break;
        }
    }
    last
}

/// A restored backup that a gateway refused overtakes what it had applied, and is compacted: nobody
/// can tell the two histories apart any more, and it stays refused.
#[test]
fn a_refused_history_stays_refused_when_it_cannot_be_compared_any_more() {
    if !etcd() {
        return;
    }
    let (mut cluster, backup) = Cluster::backed_up(FABRIKAM);
    let gateway = Follower::start(&cluster.settings());
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 9));
    gateway.reaches(revision);
    until("a heartbeat is in it", || gateway.revision() > revision + 2);
    let watcher = Watcher::of(&gateway.policies, CONTOSO);

    cluster.kill(0);
    cluster.restore(backup.path());
    cluster.start_all();
    until("alarmed", || gateway.stats().regressed);
    let last = overtake(&cluster, gateway.revision() + 20);
    cluster.ctl(&["compact", &last.to_string()]);
    let failures = gateway.stats().failures;
    until("asked again, twice", || {
        gateway.stats().failures > failures + 2
    });
    assert!(gateway.stats().regressed);
    // Of which this history knows nothing: Contoso would be Off.
    assert_eq!(gateway.version(CONTOSO), Some(revision));
    watcher.finish();
    drop(gateway);

    let gateway = Follower::start(&cluster.settings());
    until("alarmed", || gateway.stats().regressed);
    assert_eq!(gateway.version(CONTOSO), Some(revision));
}

/// A gateway that was away all the while: what it knows is not what this history has from before.
#[test]
fn a_history_that_nobody_can_compare_is_told_by_what_is_in_it() {
    if !etcd() {
        return;
    }
    let (mut cluster, backup) = Cluster::backed_up(FABRIKAM);
    let gateway = Follower::start(&cluster.settings());
    let revision = overtake(&cluster, 40);
    gateway.reaches(cluster.put(tenant(CONTOSO), &document(CONTOSO, 9)));
    until("a heartbeat is in it", || gateway.revision() > revision + 2);
    let applied = gateway.revision();
    drop(gateway);

    cluster.kill(0);
    cluster.restore(backup.path());
    cluster.start_all();
    // Somebody repairs one policy and not the other.
    assert!(cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 3)) < applied);
    let last = overtake(&cluster, applied + 20);
    cluster.ctl(&["compact", &last.to_string()]);

    let gateway = Follower::start(&cluster.settings());
    until("alarmed", || gateway.stats().regressed);
    assert_eq!(
        (gateway.entries(CONTOSO), gateway.entries(FABRIKAM)),
        (9, 0)
    );
    drop(gateway);
    // What is there now is taken where nothing else is known.
    fs::remove_file(cluster.settings().cache).unwrap();
    let gateway = Follower::start(&cluster.settings());
    until("it is fresh", || gateway.is_fresh());
    assert_eq!(
        (gateway.version(CONTOSO), gateway.entries(FABRIKAM)),
        (None, 3)
    );
}

/// etcd before 3.4.34 and 3.5.15 forgets a deletion at the very revision that is compacted.
#[test]
fn a_deletion_that_was_compacted_with_its_revision_is_not_missed() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 0));
    let last = cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    // Somebody who may only read writes nothing in between.
    for command in [
        &["role", "add", "root"][..],
        &["user", "add", "root:root"],
        &["user", "grant-role", "root", "root"],
        &["role", "add", "r"],
        &[
            "role",
            "grant-permission",
            "r",
            "--prefix=true",
            "read",
            "/tidegate/",
        ],
        &["user", "add", "reader:readers-password"],
        &["user", "grant-role", "reader", "r"],
        &["auth", "enable"],
    ] {
        cluster.ctl(command);
    }
    let password = cluster.place.path().join("password");
    fs::write(&password, "readers-password").unwrap();
    let settings = Etcd {
        user: Some(tidegate::config::User {
            name: "reader".to_owned(),
            password_file: password,
        }),
        ..cluster.settings()
    };
    let gateway = Follower::start(&settings);
    gateway.reaches(last);
    drop(gateway);
    let root = ["--user", "root:root"];
    let key = format!("/tidegate/policies/{FABRIKAM}");
    cluster.ctl(&[&root[..], &["del", &key]].concat());
    cluster.ctl(&[&root[..], &["compact", &(last + 1).to_string()]].concat());

    let gateway = Follower::start(&settings);
    until("it is gone", || gateway.version(FABRIKAM).is_none());
    assert_eq!(gateway.version(CONTOSO), Some(last));
}
