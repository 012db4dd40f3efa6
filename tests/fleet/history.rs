//! Histories that went on without the gateway, and others that it must not follow.

use super::harness::{
    CONTOSO, Cluster, FABRIKAM, Follower, Watcher, document, etcd, tenant, until,
};

#[test]
fn what_was_compacted_meanwhile_is_read_anew() {
    if !etcd() {
        return;
    }
    let mut cluster = Cluster::start(1);
    cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 0));
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    let gateway = Follower::start(&cluster.settings());
    gateway.reaches(revision);
    // Stopped before it can hear of anything, and started when there is nothing left to watch.
    let settings = cluster.settings();
    drop(gateway);
    cluster.delete(tenant(FABRIKAM));
    for n in 0..20 {
        cluster.put(tenant(CONTOSO), &document(CONTOSO, n));
    }
    let last = cluster.put(tenant(CONTOSO), &document(CONTOSO, 5));
    cluster.compact(last);

    let gateway = Follower::start(&settings);
    gateway.reaches(last);
    assert_eq!(
        (gateway.version(CONTOSO), gateway.version(FABRIKAM)),
        (Some(last), None)
    );
    assert_eq!(gateway.stats().snapshots, 1);
    until("it is fresh", || gateway.is_fresh());
    gateway.reaches(cluster.put(tenant(CONTOSO), &document(CONTOSO, 6)));
    assert_eq!(gateway.entries(CONTOSO), 6);

    // What the cache has of it is whole.
    drop(gateway);
    cluster.kill(0);
    let gateway = Follower::start(&settings);
    assert_eq!(
        (gateway.entries(CONTOSO), gateway.version(FABRIKAM)),
        (6, None)
    );
}

/// A backup from before what was applied: fewer revisions, and later as many and other ones.
#[test]
fn a_restored_backup_is_not_followed() {
    if !etcd() {
        return;
    }
    let (mut cluster, backup) = Cluster::backed_up(CONTOSO);
    let gateway = Follower::start(&cluster.settings());
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 9));
    gateway.reaches(revision);
    until("a heartbeat is in it", || gateway.revision() > revision + 2);
    let watcher = Watcher::of(&gateway.policies, CONTOSO);

    cluster.kill(0);
    cluster.restore(backup.path());
    cluster.start_all();
    until("alarmed", || gateway.stats().regressed);
    assert_eq!(gateway.version(CONTOSO), Some(revision));

    // It overtakes what was applied, with another history.
    let other = (0..).map(|n| cluster.put(tenant(CONTOSO), &document(CONTOSO, n % 5)));
    let applied = gateway.revision();
    let mut other = other.skip_while(|revision| *revision < applied + 10);
    other.next().unwrap();
    let failures = gateway.stats().failures;
    until("asked again, twice", || {
        gateway.stats().failures > failures + 1
    });
    assert!(gateway.stats().regressed);
    assert_eq!(
        (gateway.version(CONTOSO), gateway.entries(CONTOSO)),
        (Some(revision), 9)
    );
    watcher.finish();

    // Nor after a restart; until there is no cache, or the operator accepts it (`accept.rs`).
    drop(gateway);
    let gateway = Follower::start(&cluster.settings());
    until("alarmed", || gateway.stats().regressed);
    assert_eq!(gateway.entries(CONTOSO), 9);
    drop(gateway);
    std::fs::remove_file(cluster.settings().cache).unwrap();
    let gateway = Follower::start(&cluster.settings());
    until("it is fresh", || gateway.is_fresh());
    assert!(gateway.entries(CONTOSO) < 9);
}

/// What came after the last heartbeat is not witnessed by it.
#[test]
fn a_backup_that_misses_the_last_policy_alone_is_not_followed() {
    if !etcd() {
        return;
    }
    let mut cluster = Cluster::start(1);
    cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    let gateway = Follower::start(&cluster.settings());
    until("it is fresh", || gateway.is_fresh());
    let beats = gateway.stats().beats;
    until("it beats", || gateway.stats().beats > beats);
    // As the disk has it at this moment.
    cluster.freeze(0);
    let backup = cluster.back_up();
    cluster.thaw(0);
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 9));
    gateway.reaches(revision);
    cluster.kill(0);
    cluster.restore(backup.path());
    cluster.start_all();
    while cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 1)) < revision + 10 {}
    let failures = gateway.stats().failures;
    until("asked again, twice", || {
        gateway.stats().failures > failures + 1
    });
    assert!(gateway.stats().regressed);
    assert_eq!(gateway.version(CONTOSO), Some(revision));
    assert_eq!(gateway.version(FABRIKAM), None);
    // Nor after a restart, by what the cache holds.
    drop(gateway);
    let gateway = Follower::start(&cluster.settings());
    until("alarmed", || gateway.stats().regressed);
    assert_eq!(gateway.version(CONTOSO), Some(revision));
}

/// Another cluster at the same address, further on than the one that was followed.
#[test]
fn another_cluster_is_not_followed() {
    if !etcd() {
        return;
    }
    let mut cluster = Cluster::start(1);
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 1));
    let gateway = Follower::start(&cluster.settings());
    gateway.reaches(revision);
    cluster.kill(0);
    cluster.forget();
    cluster.token("another");
    cluster.start_all();
    for _ in 0..100 {
        cluster.put(tenant(CONTOSO), &document(CONTOSO, 2));
    }
    until("alarmed", || gateway.stats().regressed);
    assert_eq!(
        (gateway.version(CONTOSO), gateway.entries(CONTOSO)),
        (Some(revision), 1)
    );
}
