//! How long a large directory takes, and what it costs.
//!
//! `cargo test --release --test policies -- --ignored --nocapture a_hundred_thousand`

use super::*;

use tidegate::core::policy::{Record, Version};
use tidegate::policies::directory;
use tidegate::policies::write::Expect;

const COUNT: u32 = 100_000;

fn id(n: u32) -> String {
    format!("55555555-5555-4555-8555-{n:012x}")
}

/// A policy of about 900 bytes: six entries, one of them with all additions.
fn large(n: u32) -> String {
    let entry = |m: u32| {
        format!(
            r#"{{"tenantId":"{}","direction":{{"inbound":true,"outbound":false}}}}"#,
            id(n + m)
        )
    };
    let entries: Vec<_> = (1..6).map(entry).collect();
    format!(
        r#"{{"properties":{{"tenantId":"{}","isDisabled":false,"allowedTenants":[{},{{"tenantId":"{}","direction":{{"inbound":true,"outbound":true}},"tenantName":"Contoso Ltd","tenantDomain":"contoso.com","note":"CHG-4711","expiresOn":"2037-01-31T18:00:00Z"}}],"connectionsWithoutClientTenant":"block"}}}}"#,
        id(n),
        entries.join(","),
        id(n + 6),
    )
}

fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

fn version(policies: &Policies, n: u32) -> Version {
    match policies.snapshot().get(tenant(&id(n))) {
        Record::Present(policy) => policy.version,
        Record::Absent | Record::Unreadable => panic!("no policy"),
    }
}

/// The version of a file that nobody wrote before: its time.
fn written(dir: &Path, n: u32) -> Version {
    let modified = fs::metadata(dir.join(format!("{}.json", id(n))))
        .and_then(|file| file.modified())
        .unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    Version(since.as_micros().try_into().unwrap())
}

#[test]
#[ignore = "takes a minute; prints figures"]
fn a_hundred_thousand_files_load() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    for n in 0..COUNT {
        fs::write(dir.join(format!("{}.json", id(n))), large(n)).unwrap();
    }
    println!("{COUNT} files of {} bytes", large(0).len());

    let before = resident_mib();
    let start = Instant::now();
    let loaded = directory::load(dir).unwrap();
    let took = start.elapsed();
    assert_eq!(loaded.snapshot.len(), COUNT as usize);
    println!(
        "directory::load: {took:?}, resident {:+.0} MiB",
        resident_mib() - before
    );
    assert!(took < Duration::from_secs(10));
    drop(loaded);

    let start = Instant::now();
    let policies = Policies::open(dir).unwrap();
    println!(
        "Policies::open: {:?}, resident {:.0} MiB",
        start.elapsed(),
        resident_mib()
    );
    let reload = |what: &str| {
        let (reloads, start) = (policies.stats().reloads, Instant::now());
        policies.reload();
        while policies.stats().reloads == reloads {
            thread::park_timeout(Duration::from_millis(1));
        }
        println!(
            "{what}: {:?}, resident {:.0} MiB",
            start.elapsed(),
            resident_mib()
        );
    };
    reload("rescan after the first one");
    reload("rescan by fingerprint");
    reload("rescan by fingerprint");

    for round in 0..5 {
        let off = format!(r#""isDisabled":{}"#, round % 2 == 0);
        let text = large(7).replace(r#""isDisabled":false"#, &off);
        fs::write(dir.join(format!("{}.json", id(7))), &text).unwrap();
        until("one of them changed", || {
            version(&policies, 7) == written(dir, 7)
        });
    }

    for round in 0..5 {
        let text = large(7).replace("4711", &round.to_string());
        let start = Instant::now();
        let put = policies.put_blocking(tenant(&id(7)), text.as_bytes(), &Expect::Any);
        println!("put: {:?}", start.elapsed());
        assert_eq!(version(&policies, 7), put.unwrap().version);
    }

    let rewritten = |n| large(n).replace("4711", "4712");
    let start = Instant::now();
    for n in 0..COUNT {
        fs::write(dir.join(format!("{}.json", id(n))), rewritten(n)).unwrap();
    }
    println!("all rewritten in {:?}", start.elapsed());
    let last = written(dir, COUNT - 1);
    until("and the last of them seen", || {
        version(&policies, COUNT - 1) == last
    });
    until("and all of them", || {
        (0..COUNT)
            .step_by(997)
            .all(|n| version(&policies, n) == written(dir, n))
    });
    println!("resident {:.0} MiB", resident_mib());
}

#[test]
#[ignore = "prints figures"]
fn taking_a_snapshot() {
    let place = Place::new();
    let policies = place.open();
    for threads in [1, 4] {
        let rounds = 5_000_000;
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    (0..rounds).for_each(|_| drop(std::hint::black_box(policies.snapshot())))
                });
            }
        });
        let each = start.elapsed().as_nanos() as f64 / f64::from(rounds);
        println!("snapshot(), {threads} threads at once: {each:.0} ns");
    }
}
