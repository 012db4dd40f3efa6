//! Networks that are cut: between members, and between a gateway and members, in both directions or
//! in one. Nothing is refused or closed; it does not arrive (`harness/net.rs`).

use std::sync::Arc;
use std::time::Duration;

use tidegate::config::Etcd;
use tidegate::fleet::etcd::{EtcdError, RangeRequest, Session, WatchCreateRequest, tls};
use tidegate::fleet::keys::Keys;

use super::harness::{
    CONTOSO, Cluster, FABRIKAM, Follower, GATEWAYS, Gateway, Net, Options, Start, Watcher,
    document, etcd, tenant, until,
};

/// Three members that reach each other through a network.
fn three() -> Option<Cluster> {
    if !etcd() {
        return None;
    }
    Some(Cluster::with(Options {
        members: 3,
        net: Some(Net::default()),
        ..Options::default()
    }))
}

fn others(member: usize) -> [usize; 2] {
    [(member + 1) % 3, (member + 2) % 3]
}

fn isolate(cluster: &Cluster, member: usize) {
    for other in others(member) {
        cluster.net().sever(member, other);
    }
}

/// It was confirmed that nothing is missing, less than this ago.
fn age(gateway: &Follower) -> Duration {
    gateway.policies.freshness().unwrap().age
}

/// A member of the minority keeps its clients' connections and answers their pings. It must not let
/// them believe that nothing changes.
#[test]
fn a_gateway_on_the_minority_side_is_not_fresh() {
    let Some(cluster) = three() else { return };
    for was_leader in [true, false] {
        let leader = cluster.leader();
        let member = if was_leader {
            leader
        } else {
            others(leader)[0]
        };
        let before = cluster.put_through(&others(member), tenant(CONTOSO), &document(CONTOSO, 1));
        // It knows nobody else, and may decide by what is older for 6 s.
        let gateway = Follower::start(&Etcd {
            max_age: Some(Duration::from_secs(6)),
            cache: cluster.place.path().join(format!("{member}.sqlite")),
            ..cluster.through(&[member])
        });
        gateway.reaches(before);
        until("it is fresh", || gateway.is_fresh());
        let snapshots = gateway.stats().snapshots;
        let watcher = Watcher::of(&gateway.policies, CONTOSO);

        isolate(&cluster, member);
        let after = cluster.put_through(&others(member), tenant(CONTOSO), &document(CONTOSO, 2));
        // Nothing that it hears from now on is younger than the cut.
        let (at_cut, since) = (age(&gateway), std::time::Instant::now());
        until("it knows that it hears nothing", || {
            let least = since.elapsed().saturating_sub(Duration::from_secs(1));
            assert!(age(&gateway) >= least, "{:?} {at_cut:?}", age(&gateway));
            assert!(gateway.revision() < after);
            !gateway.stats().connected
        });
        until("what it has is too old to decide by", || {
            !gateway.policies.is_available()
        });
        assert!(gateway.is_unreadable(CONTOSO));
        let failures = gateway.stats().failures;
        until("it is told that there is no leader, again", || {
            gateway.stats().failures > failures + 1
        });
        assert!(gateway.revision() < after && !gateway.policies.is_available());

        cluster.net().heal();
        gateway.reaches(after);
        until("it is fresh", || gateway.is_fresh());
        assert_eq!(gateway.entries(CONTOSO), 2);
        assert_eq!(gateway.stats().snapshots, snapshots, "by what changed");
        watcher.finish();
    }
}

/// A member that was cut off ends what it was asked with that, and answers nothing, not even of what it
/// has: silence is not waited for.
#[test]
fn a_member_without_a_leader_says_so() {
    let Some(cluster) = three() else { return };
    let member = others(cluster.leader())[0];
    let etcd = Arc::new(Etcd {
        endpoints: vec![cluster.settings().endpoints[member].clone()],
        ..cluster.settings()
    });
    let (key, range_end) = Keys::below(&etcd.prefix).policies();
    let watched = WatchCreateRequest {
        key: key.clone().into(),
        range_end: range_end.into(),
        ..WatchCreateRequest::default()
    };
    let read = RangeRequest {
        key: key.into(),
        // Which needs nobody else.
        serializable: true,
        ..RangeRequest::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let tls = tls(&etcd).unwrap();
        let session = Session::open_any(&etcd, &tls).await.unwrap();
        let mut watch = session.watch(watched).await.unwrap();
        assert!(session.range(read.clone()).await.is_ok());
        isolate(&cluster, member);
        let ended = async {
            loop {
                if let Err(error) = watch.next().await {
                    return error;
                }
            }
        };
        // Nothing is written here, so that only this ends it.
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
        assert_eq!(ended, Ok(EtcdError::NoLeader));
        let session = Session::open_any(&etcd, &tls).await.unwrap();
        let answer = session.range(read).await.map(drop);
        assert_eq!(answer, Err(EtcdError::NoLeader));
    });
}

#[test]
fn a_gateway_leaves_the_minority_side() {
    let Some(cluster) = three() else { return };
    let gateway = Follower::start(&cluster.through(&[0, 1, 2]));
    let watcher = Watcher::of(&gateway.policies, CONTOSO);
    for member in 0..3 {
        isolate(&cluster, member);
        let rest = others(member);
        let revision = cluster.put_through(&rest, tenant(CONTOSO), &document(CONTOSO, member));
        gateway.reaches(revision);
        until("it is fresh", || gateway.is_fresh());
        cluster.net().heal();
    }
    assert_eq!(gateway.entries(CONTOSO), 2);
    watcher.finish();
}

/// A member that is heard and hears nothing, or the other way round.
#[test]
fn members_cut_in_one_direction_hold_nobody_up() {
    let Some(cluster) = three() else { return };
    let gateway = Follower::start(&cluster.through(&[0, 1, 2]));
    let watcher = Watcher::of(&gateway.policies, CONTOSO);
    for round in 0..4 {
        let leader = cluster.leader();
        let member = if round < 2 { leader } else { others(leader)[0] };
        for other in others(member) {
            if round % 2 == 0 {
                cluster.net().cut(member, other);
            } else {
                cluster.net().cut(other, member);
            }
        }
        let rest = others(member);
        let revision = cluster.put_through(&rest, tenant(CONTOSO), &document(CONTOSO, round));
        gateway.reaches(revision);
        until("it is fresh", || gateway.is_fresh());
        cluster.net().heal();
        gateway.reaches(cluster.put(tenant(CONTOSO), &document(CONTOSO, round)));
    }
    watcher.finish();
}

/// A gateway that is cut off keeps its connections; only that nothing comes tells it.
#[test]
fn a_gateway_that_is_cut_off_in_any_direction_knows() {
    let Some(cluster) = three() else { return };
    let gateway = Follower::start(&cluster.through(&[0, 1, 2]));
    let first = cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    gateway.reaches(first);
    let snapshots = gateway.stats().snapshots;
    let watcher = Watcher::of(&gateway.policies, CONTOSO);
    for (round, (to, from)) in [(true, true), (true, false), (false, true)]
        .into_iter()
        .enumerate()
    {
        until("it is fresh", || gateway.is_fresh());
        for member in 0..3 {
            if to {
                cluster.net().cut(GATEWAYS, member);
            }
            if from {
                cluster.net().cut(member, GATEWAYS);
            }
        }
        until("it knows", || !gateway.stats().connected);
        let known = gateway.revision();
        let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, round + 1));
        let failures = gateway.stats().failures;
        until("it tries", || gateway.stats().failures > failures + 1);
        assert_eq!(gateway.revision(), known);
        assert_eq!(gateway.entries(CONTOSO), round, "what it knows is in force");
        assert!(age(&gateway) > Duration::from_secs(3));
        cluster.net().heal();
        gateway.reaches(revision);
        assert_eq!(gateway.entries(CONTOSO), round + 1);
    }
    assert_eq!(gateway.stats().snapshots, snapshots, "by what changed");
    watcher.finish();
}

/// The process goes on all the while: it is not started again.
#[test]
fn what_is_compacted_while_a_gateway_is_cut_off_is_read_anew() {
    let Some(cluster) = three() else { return };
    cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 0));
    let off = document(CONTOSO, 0).replace("false", "true");
    cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    let gateway = Gateway::start(
        &cluster,
        &Start {
            etcd: Some(cluster.through(&[0, 1, 2])),
            ..Start::default()
        },
    );
    until("it is On", || gateway.exchange() == 403);
    let figure = |name: &str| gateway.metric(&format!("tidegate_policy_source_{name}"));
    assert_eq!(figure("snapshots_total"), Some(1.0));

    for member in 0..3 {
        cluster.net().sever(GATEWAYS, member);
    }
    until("it knows", || figure("connected") == Some(0.0));
    let before = figure("revision").unwrap();
    cluster.delete(tenant(FABRIKAM));
    for n in 0..20 {
        cluster.put(tenant(CONTOSO), &document(CONTOSO, n));
    }
    let last = cluster.put(tenant(CONTOSO), &off);
    cluster.compact(last);
    until("what is too old shows", || {
        figure("age_seconds") > Some(5.0)
    });
    assert_eq!(gateway.exchange(), 403, "what it knows is in force");
    let record = gateway.last_record();
    assert!(
        record["policy_source"]["age_ms"].as_u64() >= Some(5_000),
        "{record}"
    );
    assert_eq!(figure("revision"), Some(before));

    cluster.net().heal();
    // Off: the provider is asked, who is not there.
    until("it is Off", || gateway.exchange() == 502);
    assert_eq!(figure("snapshots_total"), Some(2.0));
    assert!(figure("revision") >= Some(last as f64));
    assert_eq!(
        gateway.metric("tidegate_policies"),
        Some(1.0),
        "Fabrikam's is gone"
    );
    until("it is fresh", || figure("connected") == Some(1.0));
    assert_eq!(figure("regressed"), Some(0.0));
}
