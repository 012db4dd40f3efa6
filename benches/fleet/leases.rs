//! Many gateways that tell of themselves: what leases, and keys tied to them, cost the cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidegate::fleet::etcd::{RangeRequest, Session};
use tidegate::fleet::keys::Keys;
use tidegate::fleet::presence::{Presence, Stands};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::cluster::Cluster;
use super::watchers::{beats, connect};

/// Connections made at once.
const AT_ONCE: usize = 64;

/// How long a member's processor time is added up.
const WINDOW: Duration = Duration::from_secs(60);

/// Measures it: first connections that watch, then the same with a lease each.
pub async fn run(gateways: usize, members: usize, is_tls: bool) {
    let cluster = Cluster::start(members, is_tls).await;
    let kind = if is_tls { "TLS" } else { "plain" };
    println!("{gateways} gateways, {members} members, {kind}\n");
    println!("| what | measured |\n|---|---|");
    tokio::spawn(beats(Arc::clone(&cluster.etcd), Arc::clone(&cluster.tls)));
    let lost = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let sessions = watching(&cluster, gateways, &lost).await;
    println!(
        "| all connected and watching | {:.1} s |",
        begun.elapsed().as_secs_f64()
    );
    told(&cluster, "watching, and the heartbeat every 2 s").await;

    let keys = Keys::below(&cluster.etcd.prefix);
    for (number, session) in sessions.iter().enumerate() {
        let presence = Presence::new(keys.clone(), &format!("gateway-{number}"), Uuid::now_v7());
        let session = session.clone();
        tokio::spawn(async move {
            let stands = || Stands {
                revision: Some(1),
                changed: None,
                age: Some(Duration::ZERO),
                policies: 500_000,
                problems: 0,
                changes: 1,
            };
            presence.keep(&session, stands).await;
        });
        // As they come back after an outage: not all within one second.
        if number % 1_000 == 999 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    let begun = Instant::now();
    while listed(&cluster, &keys).await < gateways as i64 {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{} of {gateways} are listed",
            listed(&cluster, &keys).await
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!(
        "| all listed, after the last began | {:.1} s |",
        begun.elapsed().as_secs_f64()
    );
    told(&cluster, "the same, each with a lease kept alive every 3 s").await;
    println!(
        "| listed after that; watches lost | {}; {} |",
        listed(&cluster, &keys).await,
        lost.load(Ordering::Relaxed)
    );
}

/// Connects them, and has each watch for good.
async fn watching(cluster: &Cluster, gateways: usize, lost: &Arc<AtomicUsize>) -> Vec<Session> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = Vec::new();
    for number in 0..gateways {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (etcd, tls) = (Arc::clone(&cluster.etcd), Arc::clone(&cluster.tls));
        let lost = Arc::clone(lost);
        tasks.push(tokio::spawn(async move {
            let uri = &etcd.endpoints[number % etcd.endpoints.len()];
            let (session, mut watch) = connect(&etcd, &tls, uri).await.unwrap();
            drop(place);
            tokio::spawn(async move {
                while watch.next().await.is_ok() {}
                lost.fetch_add(1, Ordering::Relaxed);
            });
            session
        }));
    }
    let mut sessions = Vec::new();
    for task in tasks {
        sessions.push(task.await.unwrap());
    }
    sessions
}

/// What the members use for a while, and what is written meanwhile.
async fn told(cluster: &Cluster, what: &str) {
    let (before, written) = (cluster.processor(), revision(cluster).await);
    let since = Instant::now();
    tokio::time::sleep(WINDOW).await;
    let seconds = since.elapsed().as_secs_f64();
    let used = (cluster.processor() - before) as f64 / 100.0 / seconds;
    let writes = (revision(cluster).await - written) as f64 / seconds;
    println!(
        "| {what}: members' processors together, memory together, writes a second | {used:.2} cores, {} MiB, {writes:.1} |",
        cluster.memory()
    );
}

async fn listed(cluster: &Cluster, keys: &Keys) -> i64 {
    let (key, range_end) = keys.gateways();
    let request = RangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        count_only: true,
        ..RangeRequest::default()
    };
    let session = Session::open_any(&cluster.etcd, &cluster.tls)
        .await
        .unwrap();
    session
        .range(request)
        .await
        .map_or(0, |answer| answer.count)
}

async fn revision(cluster: &Cluster) -> i64 {
    let request = RangeRequest {
        key: "revision".into(),
        ..RangeRequest::default()
    };
    let session = Session::open_any(&cluster.etcd, &cluster.tls)
        .await
        .unwrap();
    let answer = session.range(request).await.unwrap();
    answer.header.unwrap().revision
}
