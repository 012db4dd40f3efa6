//! Members that die, freeze and come back: nothing is missing afterwards, and nothing older was
//! ever in force.

use super::harness::{CONTOSO, Cluster, Follower, Watcher, document, etcd, tenant, until};

/// A cluster of three with one policy, a gateway that follows it, and who looks on.
fn three() -> Option<(Cluster, Follower, Watcher)> {
    if !etcd() {
        return None;
    }
    let cluster = Cluster::start(3);
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    let gateway = Follower::start(&cluster.settings());
    gateway.reaches(revision);
    let watcher = Watcher::of(&gateway.policies, CONTOSO);
    Some((cluster, gateway, watcher))
}

/// Every one of these members is killed in turn, and comes back.
#[test]
fn the_leader_is_killed_and_so_is_every_follower() {
    let Some((mut cluster, gateway, watcher)) = three() else {
        return;
    };
    for round in 1..=4 {
        let leader = cluster.leader();
        let victim = if round == 1 {
            leader
        } else {
            (leader + round) % 3
        };
        cluster.kill(victim);
        until("etcd takes a write", || cluster.leader() != victim);
        let mut revision = 0;
        for n in 0..20 {
            revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, n));
        }
        gateway.reaches(revision);
        assert!(gateway.version(CONTOSO) >= Some(revision));
        cluster.start_all();
    }
    until("it is fresh", || gateway.is_fresh());
    watcher.finish();
}

/// A frozen member keeps its connections: only silence tells.
#[test]
fn a_member_that_freezes_is_left() {
    let Some((cluster, gateway, watcher)) = three() else {
        return;
    };
    for member in 0..3 {
        cluster.freeze(member);
        // Whichever member it is that the gateway talks to: it comes to hear of this.
        gateway.reaches(cluster.put(tenant(CONTOSO), &document(CONTOSO, member)));
        cluster.thaw(member);
        gateway.reaches(cluster.put(tenant(CONTOSO), &document(CONTOSO, 4)));
    }
    until("it is fresh", || gateway.is_fresh());
    watcher.finish();
}

#[test]
fn all_are_down_and_come_back() {
    let Some((mut cluster, gateway, watcher)) = three() else {
        return;
    };
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 7));
    gateway.reaches(revision);
    cluster.kill_all();
    until("it knows", || !gateway.stats().connected);
    assert!(gateway.policies.is_available());
    assert_eq!(gateway.version(CONTOSO), Some(revision));
    cluster.start_all();
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 8));
    gateway.reaches(revision);
    assert_eq!(gateway.entries(CONTOSO), 8);
    until("it is fresh", || gateway.is_fresh());
    // By what changed, and not by reading everything again.
    assert_eq!(gateway.stats().snapshots, 1);
    watcher.finish();
}
