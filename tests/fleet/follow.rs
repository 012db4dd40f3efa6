//! What is in etcd is in force, whatever it is.

use std::thread;
use std::time::{Duration, Instant};

use super::harness::{
    CONTOSO, Cluster, FABRIKAM, Follower, TAILSPIN, Watcher, document, etcd, tenant, until,
};

#[test]
fn every_kind_of_change_is_in_force() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let first = cluster.put(tenant(CONTOSO), &document(CONTOSO, 1));
    let gateway = Follower::start(&cluster.settings());
    assert_eq!(gateway.version(CONTOSO), Some(first));
    let watcher = Watcher::of(&gateway.policies, CONTOSO);

    // Written, rewritten, deleted, written again.
    let second = cluster.put(tenant(CONTOSO), &document(CONTOSO, 2));
    gateway.reaches(second);
    assert_eq!(
        (gateway.version(CONTOSO), gateway.entries(CONTOSO)),
        (Some(second), 2)
    );
    let third = cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 0));
    gateway.reaches(third);
    assert_eq!(gateway.policies.stats().policies, 2);
    gateway.reaches(cluster.delete(tenant(FABRIKAM)));
    assert_eq!(gateway.version(FABRIKAM), None);
    gateway.reaches(cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 3)));
    assert_eq!(gateway.entries(FABRIKAM), 3);

    // One with faults keeps the last good one; of a tenant that has none, nothing is known.
    gateway.reaches(cluster.put(tenant(CONTOSO), "{"));
    assert_eq!(gateway.version(CONTOSO), Some(second));
    gateway.reaches(cluster.put(tenant(TAILSPIN), &document(CONTOSO, 0)));
    assert!(gateway.is_unreadable(TAILSPIN));
    let stats = gateway.policies.stats();
    assert_eq!(
        (stats.problems, stats.unreadable, stats.policies),
        (2, 1, 2)
    );
    let problem = gateway.policies.problems().remove(0);
    assert_eq!(
        problem.file.display().to_string(),
        format!("etcd:/tidegate/policies/{CONTOSO}")
    );

    // Faults are mended by a policy, or by none.
    gateway.reaches(cluster.put(tenant(CONTOSO), &document(CONTOSO, 4)));
    gateway.reaches(cluster.delete(tenant(TAILSPIN)));
    assert_eq!(gateway.entries(CONTOSO), 4);
    assert_eq!(gateway.version(TAILSPIN), None);
    assert_eq!(gateway.policies.stats().problems, 0);
    watcher.finish();
}

#[test]
fn a_key_in_another_spelling_opens_nothing() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let shouted = format!("policies/{}", CONTOSO.to_uppercase());
    cluster.put_key(&shouted, document(CONTOSO, 0).as_bytes());
    cluster.put_key("policies/contoso.json", b"{}");
    let settings = cluster.settings();
    let gateway = Follower::start(&settings);
    // A tenant that somebody meant to be On does not count as absent.
    assert!(gateway.is_unreadable(CONTOSO));
    assert_eq!(gateway.policies.stats().problems, 2);
    let good = cluster.put(tenant(CONTOSO), &document(CONTOSO, 1));
    gateway.reaches(good);
    assert_eq!(gateway.version(CONTOSO), Some(good));
    gateway.reaches(cluster.delete(tenant(CONTOSO)));
    assert!(gateway.is_unreadable(CONTOSO));

    // Nor after a restart, with etcd away.
    drop(gateway);
    let away = Follower::start(&settings);
    assert!(away.is_unreadable(CONTOSO));
    assert_eq!(away.policies.stats().problems, 2);
}

#[test]
fn many_and_large_policies_come_in_pages() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let id = |n: usize| format!("{n:08x}-1111-4111-8111-111111111111");
    // 60 policies of 60 KiB: more than one message holds at the first size of a page.
    let mut last = 0;
    for n in 0..60 {
        last = cluster.put(tenant(&id(n)), &document(&id(n), 500));
    }
    for n in 60..400 {
        last = cluster.put(tenant(&id(n)), &document(&id(n), 1));
    }
    let gateway = Follower::start(&cluster.settings());
    gateway.reaches(last);
    assert_eq!(gateway.policies.stats().policies, 400);
    assert_eq!(gateway.entries(&id(59)), 500);
    assert_eq!(gateway.entries(&id(399)), 1);
}

#[test]
fn one_gateway_of_many_writes_the_heartbeat() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let gateways: Vec<_> = (0..8)
        .map(|n| {
            let mut settings = cluster.settings();
            settings.cache = cluster.place.path().join(format!("{n}.sqlite"));
            settings.gateway = format!("gateway-{n}");
            Follower::start(&settings)
        })
        .collect();
    until("all are fresh", || gateways.iter().all(Follower::is_fresh));
    let written = || {
        gateways
            .iter()
            .map(|gateway| gateway.stats().beats)
            .collect::<Vec<_>>()
    };
    let before = written();
    let start: u64 = before.iter().sum();
    until("five beats", || written().iter().sum::<u64>() >= start + 5);
    let after = written();
    let writers = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after);
    assert_eq!(writers.count(), 1, "{before:?} {after:?}");
    // Without the one who writes, another one does.
    let (writer, _) = before
        .iter()
        .zip(&after)
        .enumerate()
        .find(|(_, (b, a))| b != a)
        .unwrap();
    let mut gateways = gateways;
    drop(gateways.remove(writer));
    let revision = gateways[0].revision();
    until("another one writes", || {
        gateways[0].revision() > revision + 1
    });
    until("all are fresh", || gateways.iter().all(Follower::is_fresh));
    assert_eq!(
        gateways
            .iter()
            .map(|gateway| gateway.stats().failures)
            .sum::<u64>(),
        0
    );
}

/// Prints how long fifty gateways take to have a change in force after etcd acknowledged it.
#[test]
fn fifty_gateways_see_every_flip() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(3);
    let gateways: Vec<_> = (0..50)
        .map(|n| {
            let mut settings = cluster.settings();
            settings.cache = cluster.place.path().join(format!("{n}.sqlite"));
            Follower::start(&settings)
        })
        .collect();
    let mut took = Vec::new();
    for n in 0..50 {
        let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, n));
        let acknowledged = Instant::now();
        let mut waiting: Vec<_> = gateways.iter().collect();
        while !waiting.is_empty() {
            assert!(acknowledged.elapsed() < Duration::from_secs(60));
            waiting.retain(|gateway| {
                let there = gateway.revision() >= revision;
                if there {
                    took.push(acknowledged.elapsed());
                    assert_eq!(gateway.entries(CONTOSO), n);
                }
                !there
            });
            thread::sleep(Duration::from_micros(200));
        }
    }
    took.sort();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!(
        "{} seen: p50 {:?}, p99 {:?}, most {:?}",
        took.len(),
        at(50),
        at(99),
        at(100)
    );
}
