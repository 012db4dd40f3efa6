//! Members of another cluster among the endpoints, and caches of one.

use std::sync::Arc;

use tidegate::config::Etcd;
use tidegate::fleet::write::Originals;
use tidegate::policies::write::Expect;
use tokio::runtime::Runtime;

use super::super::harness::{CONTOSO, FABRIKAM, Fake, Follower, document, tenant, until};

/// A cluster in which Contoso is On, and a stranger that knows nothing of it.
fn two() -> (Fake, Fake, Etcd) {
    let (own, stranger) = (Fake::start(0xab), Fake::start(0xcd));
    own.put(CONTOSO, &document(CONTOSO, 1));
    for n in 0..50 {
        stranger.put(FABRIKAM, &document(FABRIKAM, n));
    }
    let settings = Etcd {
        endpoints: vec![own.uri(), stranger.uri()],
        ..own.settings()
    };
    (own, stranger, settings)
}

/// Whichever of them is asked first: without anything to compare it with, neither is believed.
#[test]
fn a_first_start_between_two_clusters_decides_nothing() {
    let (_own, stranger, settings) = two();
    let gateway = Follower::start(&settings);
    until("it was tried", || gateway.stats().failures > 2);
    assert!(!gateway.policies.is_available());
    assert!(gateway.is_unreadable(CONTOSO));
    drop((gateway, stranger));
    // A member that is away is nobody's.
    let gateway = Follower::start(&settings);
    until("it is there", || gateway.policies.is_available());
    assert_eq!(gateway.entries(CONTOSO), 1);
}

/// A gateway that knows its cluster leaves the stranger alone, and neither reads nor writes there.
#[test]
fn a_stranger_is_neither_followed_nor_asked() {
    let (own, stranger, settings) = two();
    let gateway = Follower::start(&own.settings());
    until("it is fresh", || gateway.is_fresh());
    drop(gateway);
    let settings = Etcd {
        endpoints: settings.endpoints.into_iter().rev().collect(),
        ..settings
    };
    let gateway = Follower::start(&settings);
    until("it is fresh", || gateway.is_fresh());
    let runtime = Runtime::new().unwrap();
    let originals = gateway.policies.source().unwrap().originals();
    let read = runtime.block_on(originals.read(tenant(CONTOSO))).unwrap();
    assert!(read.is_some(), "the stranger's word for absence");
    let before = stranger.written();
    let text = document(CONTOSO, 2).into_bytes();
    let put = gateway.policies.put(tenant(CONTOSO), text, Expect::Any);
    runtime.block_on(put).unwrap();
    assert_eq!(gateway.entries(CONTOSO), 2);
    assert_eq!(stranger.written(), before);
}

/// A command asks one cluster, from its first question to its last.
#[test]
fn a_command_stays_with_the_cluster_that_answered_first() {
    let (own, stranger, settings) = two();
    let runtime = Runtime::new().unwrap();
    let originals = Originals::new(&Arc::new(settings)).unwrap();
    let read = || runtime.block_on(originals.read(tenant(CONTOSO)));
    assert!(read().unwrap().is_some());
    drop(own);
    assert!(read().is_err(), "the stranger's word for absence");
    assert_eq!(stranger.written(), 0);
}

/// The endpoints are others now, and the file is the old one: nothing is decided by it until a member
/// says that it is of the same cluster.
#[test]
fn what_was_kept_of_another_cluster_decides_nothing() {
    let (own, stranger, _) = two();
    let settings = own.settings();
    let gateway = Follower::start(&settings);
    until("it is fresh", || gateway.is_fresh());
    drop(gateway);

    let moved = Etcd {
        endpoints: vec![stranger.uri()],
        ..settings.clone()
    };
    let gateway = Follower::start(&moved);
    until("alarmed", || gateway.stats().regressed);
    assert!(!gateway.policies.is_available());
    assert!(gateway.is_unreadable(CONTOSO));
    drop((gateway, stranger));
    let gateway = Follower::start(&moved);
    assert!(!gateway.policies.is_available(), "nor while nobody answers");
    drop(gateway);

    // The same cluster under another name.
    let renamed = format!("http://localhost:{}", own.uri().port_u16().unwrap());
    let renamed = Etcd {
        endpoints: vec![renamed.parse().unwrap()],
        ..settings
    };
    let gateway = Follower::start(&renamed);
    until("it is fresh", || gateway.is_fresh());
    assert_eq!(gateway.entries(CONTOSO), 1);
    assert_eq!(gateway.stats().snapshots, 0, "by what changed");
}
