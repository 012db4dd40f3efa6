//! Many watchers of one cluster: how fast they are taken, how fast they come back after an outage,
//! and how late the last of them hears of a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate::fleet::etcd::{
    EtcdError, Event, PutRequest, RangeRequest, RequestOp, Session, TxnRequest, Watch,
    WatchCreateRequest, request_op,
};
use tidegate::fleet::keys::Keys;
use tidegate::fleet::write::Originals;
use tidegate::policies::write::Expect;
use tokio::sync::{Semaphore, mpsc};

use super::cluster::Cluster;
use super::policies::{tenant, text};
use super::simulation::{Dice, Fleet, run as simulate};
use super::{BACKOFF, PATIENCE};

/// Connections under way at once while the cost of one is measured.
const AT_ONCE: usize = 64;

/// How long the outage lasts.
const OUTAGE: Duration = Duration::from_secs(20);

/// What one watcher saw.
enum Saw {
    Change(Instant),
    Connected(Instant),
    Lost,
}

/// Measures it.
pub async fn run(watchers: usize, members: usize, is_tls: bool) {
    let mut cluster = Cluster::start(members, is_tls).await;
    let kind = if is_tls { "TLS" } else { "plain" };
    println!("{watchers} watchers, {members} members, {kind}\n");
    println!("| what | measured |\n|---|---|");
    let work = cost(&cluster, watchers.min(1_000)).await;
    println!(
        "| one connection, with its look at the heartbeat and its watch | {work:?} of the cluster's time |"
    );

    let (seen, mut sees) = mpsc::unbounded_channel();
    let attempts = Arc::new(AtomicUsize::new(0));
    tokio::spawn(beats(Arc::clone(&cluster.etcd), Arc::clone(&cluster.tls)));
    for number in 0..watchers {
        let beat = Bytes::from(Keys::below(&cluster.etcd.prefix).beat());
        let (etcd, tls) = (Arc::clone(&cluster.etcd), Arc::clone(&cluster.tls));
        let (seen, attempts) = (seen.clone(), Arc::clone(&attempts));
        tokio::spawn(async move {
            let mut dice = Dice(number as u64);
            let (mut member, mut failures) = (number, 0_u32);
            loop {
                let uri = &etcd.endpoints[member % etcd.endpoints.len()];
                attempts.fetch_add(1, Ordering::Relaxed);
                if let Ok((session, mut watch)) = connect(&etcd, &tls, uri).await {
                    failures = 0;
                    drop(seen.send(Saw::Connected(Instant::now())));
                    while let Ok(answer) = watch.next().await {
                        let key = |event: &Event| event.kv.as_ref().map(|kv| kv.key.clone());
                        if answer.events.iter().any(|it| key(it) != Some(beat.clone())) {
                            drop(seen.send(Saw::Change(Instant::now())));
                        }
                    }
                    drop(session);
                    drop(seen.send(Saw::Lost));
                }
                member += 1;
                let rounds = failures / etcd.endpoints.len() as u32;
                failures += 1;
                let pause = BACKOFF.pause(rounds, &mut dice);
                tokio::time::sleep(Duration::from_micros(pause)).await;
            }
        });
    }
    let started = Instant::now();
    let took = connected(&mut sees, watchers, started).await;
    println!(
        "| all of them at once, first time: half, 99 of 100, all | {} |",
        times(took)
    );

    let originals = Originals::new(&cluster.etcd).unwrap();
    let mut late = Vec::new();
    for turn in 0..10 {
        let text = text(0, turn);
        let put = originals.put(tenant(0), &text, &Expect::Any, 0);
        let begun = Instant::now();
        put.await.unwrap();
        let mut heard = 0;
        while heard < watchers {
            match sees.recv().await {
                Some(Saw::Change(at)) => {
                    heard += 1;
                    late.push(at.saturating_duration_since(begun));
                }
                Some(Saw::Connected(_)) => {}
                Some(Saw::Lost) | None => panic!("a watcher was lost"),
            }
        }
    }
    late.sort_unstable();
    let share = |of: usize| late[(late.len() - 1) * of / 100];
    println!(
        "| from a put to the watchers, of 10: p50, p99, last | {:?}, {:?}, {:?} |",
        share(50),
        share(99),
        share(100)
    );

    cluster.stop();
    tokio::time::sleep(OUTAGE).await;
    while sees.try_recv().is_ok() {}
    attempts.store(0, Ordering::Relaxed);
    cluster.start_again();
    cluster.ready().await;
    let started = Instant::now();
    let took = connected(&mut sees, watchers, started).await;
    let tried = attempts.load(Ordering::Relaxed);
    println!(
        "| after {OUTAGE:?} without a cluster, from when it answers: half, 99 of 100, all | {}; {tried} attempts |",
        times(took)
    );
    let fleet = Fleet {
        gateways: watchers,
        members: 1,
        work: work.as_micros() as u64,
        patience: PATIENCE,
        backoff: BACKOFF,
        outage: OUTAGE.as_micros() as u64,
        spread: 0,
        seed: 1,
    };
    let told = simulate(&fleet);
    let second = |micros: Option<u64>| format!("{:.1} s", micros.unwrap_or(u64::MAX) as f64 / 1e6);
    println!(
        "| the same, simulated | {}, {}, {}; {} attempts |",
        second(told.half),
        second(told.most),
        second(told.all),
        told.attempts
    );
}

/// Writes the heartbeat, as one gateway of a fleet does. Without it etcd ends connections that are
/// pinged more often than every 5 s and carry nothing.
pub async fn beats(etcd: Arc<tidegate::config::Etcd>, tls: Arc<rustls::ClientConfig>) {
    let beat = Keys::below(&etcd.prefix).beat();
    loop {
        if let Ok(session) = Session::open_any(&etcd, &tls).await {
            let put = PutRequest {
                key: beat.clone().into(),
                ..PutRequest::default()
            };
            let request = TxnRequest {
                success: vec![RequestOp {
                    request: Some(request_op::Request::RequestPut(put)),
                }],
                ..TxnRequest::default()
            };
            while session.txn(request.clone()).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How long the cluster, with this machine's processors, is busy with one connection.
async fn cost(cluster: &Cluster, connections: usize) -> Duration {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..connections {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (etcd, tls) = (Arc::clone(&cluster.etcd), Arc::clone(&cluster.tls));
        tasks.push(tokio::spawn(async move {
            let uri = &etcd.endpoints[number % etcd.endpoints.len()];
            let held = connect(&etcd, &tls, uri).await.unwrap();
            drop(place);
            held
        }));
    }
    let mut held = Vec::new();
    for task in tasks {
        held.push(task.await.unwrap());
    }
    started.elapsed() / u32::try_from(connections).unwrap()
}

/// What a gateway does first: it connects, looks at the heartbeat, and watches.
pub async fn connect(
    etcd: &Arc<tidegate::config::Etcd>,
    tls: &Arc<rustls::ClientConfig>,
    member: &http::Uri,
) -> Result<(Session, Watch), EtcdError> {
    let keys = Keys::below(&etcd.prefix);
    let session = Session::open(etcd, tls, member).await?;
    let beat = RangeRequest {
        key: keys.beat().into(),
        ..RangeRequest::default()
    };
    session.range(beat).await?;
    let (key, range_end) = keys.policies();
    let request = WatchCreateRequest {
        key: key.into(),
        range_end: range_end.into(),
        fragment: true,
        ..WatchCreateRequest::default()
    };
    let watch = session.watch(request).await?;
    Ok((session, watch))
}

/// When half, 99 of 100 and all were connected, after `started`.
async fn connected(
    sees: &mut mpsc::UnboundedReceiver<Saw>,
    watchers: usize,
    started: Instant,
) -> [Duration; 3] {
    let (mut now, mut at) = (0, Vec::new());
    while now < watchers {
        match sees.recv().await {
            Some(Saw::Connected(when)) => {
                now += 1;
                at.push(when.saturating_duration_since(started));
            }
            Some(Saw::Lost) => now = now.saturating_sub(1),
            Some(Saw::Change(_)) => {}
            None => panic!("nobody is left"),
        }
    }
    at.sort_unstable();
    let share = |of: usize| at[(at.len() * of / 100).saturating_sub(1)];
    [share(50), share(99), share(100)]
}

fn times([half, most, all]: [Duration; 3]) -> String {
    let second = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    format!("{}, {}, {}", second(half), second(most), second(all))
}
