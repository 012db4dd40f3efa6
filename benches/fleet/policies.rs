//! What many policies cost one gateway: memory, the time to its first readiness, one update.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate::core::policy::{Isolation, Mode, Policy, Snapshot, Version, WithoutClientTenant};
use tidegate::core::tenant::TenantId;
use tidegate::fleet::bulk::{Plan, Texts, apply};
use tidegate::fleet::etcd::Session;
use tidegate::fleet::keys::Keys;
use tidegate::fleet::write::Originals;
use tidegate::policies::write::Expect;

use super::cluster::{Cluster, free_port};

/// Updates of which one's cost is made out.
const UPDATES: u32 = 1_000;

/// A policy of about a kilobyte: six entries, with names and notes. `turn` makes another text.
pub fn text(number: u64, turn: u64) -> Vec<u8> {
    let tenant = tenant(number);
    let mut entries = String::new();
    for n in 0..6 {
        let other = self::tenant(number.wrapping_mul(7).wrapping_add(n) + 1_000_000);
        let comma = if n == 0 { "" } else { "," };
        write!(
            entries,
            r#"{comma}{{"tenantId":"{other}","direction":{{"inbound":true,"outbound":{}}},"tenantName":"Partner {n}","note":"CHG-{turn:06}"}}"#,
            (number + turn).is_multiple_of(2)
        )
        .unwrap();
    }
    format!(r#"{{"properties":{{"tenantId":"{tenant}","isDisabled":false,"allowedTenants":[{entries}]}}}}"#)
        .into_bytes()
}

/// Ids that look random.
pub fn tenant(number: u64) -> TenantId {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (u128::from(mixed) << 64) | u128::from(number + 1);
    TenantId::from_bytes(bits.to_be_bytes()).unwrap()
}

/// A gateway of the built program.
struct Gateway {
    running: Child,
    started: Instant,
    admin: u16,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.running.kill());
        drop(self.running.wait());
    }
}

impl Gateway {
    fn start(program: &PathBuf, cluster: &Cluster) -> Self {
        let admin = free_port();
        let directory = cluster.directory.path();
        let endpoints: Vec<_> = cluster
            .etcd
            .endpoints
            .iter()
            .map(|it| format!("{it:?}"))
            .collect();
        let endpoints: Vec<_> = endpoints
            .iter()
            .map(|it| format!("\"{}\"", it.trim_end_matches('/')))
            .collect();
        let config = format!(
            r#"
            [listen]
            address = "127.0.0.1:0"
            [admin]
            address = "127.0.0.1:{admin}"
            [audit]
            output = "audit.jsonl"
            [policies.etcd]
            endpoints = [{}]
            cache = "cache.sqlite"
            [providers.entra]
            kind = "entra"
            cloud = "public"
            [[routes]]
            name = "token"
            kind = "token"
            provider = "entra"
            path = "/{{tenant}}/oauth2/v2.0/token"
            creator = [{{ tenant = "11111111-1111-4111-8111-111111111111" }}]
            "#,
            endpoints.join(", ")
        );
        let file = directory.join("gateway.toml");
        fs::write(&file, config).unwrap();
        let started = Instant::now();
        let running = Command::new(program)
            .args(["serve", "--config"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.join("gateway.log")).unwrap())
            .spawn()
            .expect("cargo build --release comes first");
        Self {
            running,
            started,
            admin,
        }
    }

    fn ask(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin)).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn ready(&self) -> Duration {
        self.until(|gateway| {
            let answer = gateway.ask("/readyz");
            answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
        });
        self.started.elapsed()
    }

    fn until(&self, mut condition: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(
                start.elapsed() < Duration::from_secs(300),
                "not within 5 minutes"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn metric(&self, name: &str) -> Option<u64> {
        let metrics = self.ask("/metrics")?;
        let mut lines = metrics.lines().map(|line| line.replace("{}", ""));
        let line = lines.find(|line| line.starts_with(&format!("{name} ")))?;
        line.split(' ')
            .nth(1)?
            .parse::<f64>()
            .ok()
            .map(|it| it as u64)
    }

    /// Resident memory, and the most there ever was, in MiB.
    fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.id())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            let number = line.split_whitespace().nth(1).unwrap();
            number.parse::<u64>().unwrap() / 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Processor time used, in hundredths of a second.
    fn processor(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.running.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

/// Measures it, with this many policies.
pub async fn run(policies: u64, members: usize, program: PathBuf) {
    let mut cluster = Cluster::start(members, false).await;
    let keys = Keys::below(&cluster.etcd.prefix);
    let bytes: usize = (0..100).map(|n| text(n, 0).len()).sum::<usize>() / 100;
    println!("{policies} policies of {bytes} bytes, {members} members\n");
    println!("| what | measured |\n|---|---|");
    let took = fill(&cluster, &keys, policies).await;
    let rate = policies as f64 / took.as_secs_f64();
    println!(
        "| put all of them, 100 a transaction (`fleet import`) | {} ({rate:.0} a second) |",
        seconds(took)
    );

    let gateway = Gateway::start(&program, &cluster);
    let took = gateway.ready();
    gateway.until(|gateway| gateway.metric("tidegate_policies") == Some(policies));
    let whole = gateway.started.elapsed();
    println!(
        "| first start, no cache: ready, all policies in force | {}, {} |",
        seconds(took),
        seconds(whole)
    );
    let (now, most) = gateway.memory();
    println!("| memory resident then, most during the start | {now} MiB, {most} MiB |");
    // The cache is written beside it.
    let size =
        || fs::metadata(cluster.directory.path().join("cache.sqlite")).map_or(0, |it| it.len());
    gateway.until(|gateway| {
        let behind = gateway.metric("tidegate_policy_cache_revision");
        behind.is_none_or(|revision| revision > 0)
    });
    settle(&gateway);
    println!("| cache on disk | {} MiB |", size() / 1024 / 1024);
    updates(&cluster, &keys, policies, &gateway).await;
    let (now, most) = gateway.memory();
    println!("| memory resident after {UPDATES} updates, most ever | {now} MiB, {most} MiB |");
    drop(gateway);

    let gateway = Gateway::start(&program, &cluster);
    let took = gateway.ready();
    println!(
        "| restart with the cache, etcd there: ready | {} |",
        seconds(took)
    );
    let (now, most) = gateway.memory();
    println!("| memory resident then, most during the start | {now} MiB, {most} MiB |");
    drop(gateway);

    cluster.stop();
    let gateway = Gateway::start(&program, &cluster);
    let took = gateway.ready();
    println!(
        "| restart with the cache, etcd down: ready | {} |",
        seconds(took)
    );
    drop(gateway);
    snapshots(policies);
}

async fn fill(cluster: &Cluster, keys: &Keys, policies: u64) -> Duration {
    let session = Session::open_any(&cluster.etcd, &cluster.tls)
        .await
        .unwrap();
    let originals = Originals::new(&cluster.etcd).expect("certificates");
    let started = Instant::now();
    for begin in (0..policies).step_by(10_000) {
        let texts: Texts = (begin..(begin + 10_000).min(policies))
            .map(|number| (tenant(number), text(number, 0)))
            .collect::<BTreeMap<_, _>>();
        let plan = Plan {
            new: texts.keys().copied().collect(),
            ..Plan::default()
        };
        let done = apply(&session, &originals, keys, &plan, &texts, |_| {})
            .await
            .unwrap();
        assert!(done.left.is_empty(), "{:?}", done.left.first());
    }
    started.elapsed()
}

/// What updates cost the gateway, from its processor time; and until they are in force, from its
/// metrics.
async fn updates(cluster: &Cluster, _keys: &Keys, policies: u64, gateway: &Gateway) {
    let originals = Arc::new(Originals::new(&cluster.etcd).expect("certificates"));
    let idle = {
        let (before, since) = (gateway.processor(), Instant::now());
        tokio::time::sleep(Duration::from_secs(5)).await;
        (gateway.processor() - before) as f64 / since.elapsed().as_secs_f64()
    };
    let (before, since) = (gateway.processor(), Instant::now());
    let mut last = 0;
    for update in 0..u64::from(UPDATES) {
        let number = update * 7919 % policies;
        let text = text(number, update + 1);
        let put = originals.put(tenant(number), &text, &Expect::Present, 0);
        last = put.await.unwrap().version.0;
    }
    let took = since.elapsed();
    gateway.until(|gateway| {
        gateway
            .metric("tidegate_policy_source_revision")
            .is_some_and(|revision| revision >= last)
    });
    let used = (gateway.processor() - before) as f64 - idle * since.elapsed().as_secs_f64();
    let each = used.max(0.0) * 10.0 / f64::from(UPDATES);
    println!(
        "| {UPDATES} updates, one after the other | {} for all; {each:.2} ms of the gateway's processor time each |",
        seconds(took)
    );
}

/// A change of the snapshot, beside a snapshot made anew.
fn snapshots(policies: u64) {
    let policy = |number: u64| {
        let version = Version(number);
        Arc::new(Policy::new(
            Isolation::On,
            WithoutClientTenant::Block,
            Mode::Enforce,
            version,
            Vec::new(),
        ))
    };
    let started = Instant::now();
    let mut snapshot = Snapshot::default();
    for number in 0..policies {
        snapshot.insert(tenant(number), policy(number));
    }
    let whole = started.elapsed();
    let started = Instant::now();
    let mut kept = Vec::with_capacity(UPDATES as usize);
    for update in 0..u64::from(UPDATES) {
        // What readers hold is not touched.
        kept.push(snapshot.clone());
        snapshot.insert(tenant(update * 7919 % policies), policy(update));
    }
    let each = started.elapsed() / UPDATES;
    println!(
        "| one policy put in the snapshot, beside making all of it anew | {each:?}, {} |",
        seconds(whole)
    );
}

/// Waits until a gateway does nothing.
fn settle(gateway: &Gateway) {
    gateway.until(|gateway| {
        let before = gateway.processor();
        std::thread::sleep(Duration::from_secs(1));
        gateway.processor() - before < 5
    });
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
