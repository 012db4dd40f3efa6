//! What the store of decision events costs: an exchange, the disk, and a report's look at it.
//!
//! Run with `cargo bench --bench events`. A million events of 50 tenants that meet 200 others by 30
//! connectors, with 5,000 accounts, over 30 days. A plain program: each part is done once, and
//! too long for more.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "fixtures that are wrong may stop the benchmark, which prints what it found"
)]

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tidegate::config::{self, AuditMode, AuditOutput};
use tidegate::core::tenant::TenantId;
use tidegate::events::{Blocks, Event, Events, Reader};
use tidegate::metrics::EventMetrics;
use uuid::Uuid;

const EVENTS: usize = 1_000_000;
const TENANTS: u64 = 50;
const EXTERNALS: u64 = 200;
const CONNECTORS: u64 = 30;
const USERS: u64 = 5_000;
const DAYS: u64 = 30;

/// Numbers that look random and are the same each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// Small numbers far more often than large ones.
    fn skewed(&mut self, sides: u64) -> u64 {
        let most = self.roll(sides) + 1;
        self.roll(most)
    }
}

fn tenant(kind: u64, number: u64) -> TenantId {
    let bits = (u128::from(kind) << 64 | u128::from(number)) + 1;
    TenantId::from_bytes(bits.to_be_bytes()).unwrap()
}

fn events(route: &Arc<str>) -> Vec<Event> {
    let mut dice = Dice(7);
    let now = SystemTime::now();
    let span = DAYS * 86_400;
    (0..EVENTS)
        .map(|index| {
            let home = tenant(1, dice.skewed(TENANTS));
            let other = tenant(2, dice.skewed(EXTERNALS));
            let (creator, sign_in) = match dice.roll(10) {
                0..=5 => (home, home),
                6..=7 => (home, other),
                _ => (other, home),
            };
            let (decision, reason) = match (creator == sign_in, dice.roll(5)) {
                (true, _) => ("allow", "same_tenant"),
                (false, 0) => ("block", "inbound_block"),
                (false, _) => ("allow", "both_allow"),
            };
            let connector = dice.skewed(CONNECTORS);
            let ago = span - span * index as u64 / EVENTS as u64;
            Event {
                time: now - Duration::from_secs(ago),
                id: Uuid::now_v7(),
                route: Arc::clone(route),
                connector: Some(format!("shared_connector{connector}")),
                decision,
                reason,
                creator: Some(creator),
                sign_in: Some(sign_in),
                app_id: Some(Uuid::from_u128(u128::from(connector) + 1)),
                user_object_id: Some(Uuid::from_u128(u128::from(dice.skewed(USERS)) + 1)),
                blocks: Blocks::default(),
                released: true,
            }
        })
        .collect()
}

fn size(file: &Path) -> u64 {
    let size = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(name).map_or(0, |found| found.len())
    };
    size("") + size("-wal")
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("events.sqlite");
    let config = config::Events {
        file: file.clone(),
        keep: Duration::from_secs(400 * 86_400),
        max_size: 512 << 20,
    };
    let audit = config::Audit {
        // As if its lines went to a file: decision ids are kept then.
        output: AuditOutput::File(directory.path().join("audit.jsonl")),
        mode: AuditMode::BestEffort,
    };
    let metrics = EventMetrics::default();
    let (store, writer) = Events::start(&config, &audit, metrics.clone()).unwrap();
    let route: Arc<str> = "token-v2".into();
    let made = events(&route);

    let copied = Instant::now();
    let copies = made.clone();
    let copying = copied.elapsed();
    drop(copies);

    // As fast as one thread can, with a pause where the queue would overflow: what is measured is
    // an offer, not a drop.
    let mut offering = Duration::ZERO;
    let mut offered_events = 0;
    let began = Instant::now();
    for burst in made.chunks(30_000) {
        let burst = burst.to_vec();
        let count = burst.len();
        let offered = Instant::now();
        for event in burst {
            store.offer(event);
        }
        offering += offered.elapsed();
        offered_events += count as u64;
        while metrics.written.get() + 30_000 < offered_events {
            thread::sleep(Duration::from_millis(1));
        }
    }
    while metrics.written.get() < EVENTS as u64 {
        thread::sleep(Duration::from_millis(1));
    }
    let writing = began.elapsed();
    assert_eq!(metrics.dropped.get(), 0);
    let per = |whole: Duration| whole.as_nanos() / EVENTS as u128;
    println!("offer, per exchange:          {:>8} ns", per(offering));
    println!("copy of an event, for scale:  {:>8} ns", per(copying));
    println!(
        "all written after:            {:>8} ms",
        writing.as_millis()
    );
    println!(
        "size as written:              {:>8} KiB",
        size(&file) / 1024
    );

    look(&file, "tallies by the minute");
    drop(writer);
    println!(
        "size after the end:           {:>8} KiB",
        size(&file) / 1024
    );

    // The first sweep merges minutes of more than two days ago into hours.
    let (_store, writer) = Events::start(&config, &audit, EventMetrics::default()).unwrap();
    let swept = Instant::now();
    while number(
        &file,
        "SELECT count(*) FROM tallies WHERE grain = 60 AND start < unixepoch() - 180000",
    ) > 0
    {
        thread::sleep(Duration::from_millis(5));
    }
    println!(
        "merged into hours after:      {:>8} ms",
        swept.elapsed().as_millis()
    );
    drop(writer);
    println!(
        "size then:                    {:>8} KiB",
        size(&file) / 1024
    );
    look(&file, "tallies by the hour");
}

fn number(file: &Path, sql: &str) -> i64 {
    let reader = Reader::open(file).unwrap();
    reader
        .connection()
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}

/// What a report of the busiest tenant asks.
fn look(file: &Path, what: &str) {
    let home = tenant(1, 0);
    let reader = Reader::open(file).unwrap();
    let began = Instant::now();
    let mut query = reader
        .connection()
        .prepare(
            "SELECT s.creator, s.sign_in, s.connector, s.app, t.decision, sum(t.count),
                    min(t.first), max(t.last)
             FROM subjects s JOIN tallies t ON t.subject = s.id
             WHERE s.id IN (SELECT id FROM subjects WHERE creator = ?1
                            UNION SELECT id FROM subjects WHERE sign_in = ?1)
             GROUP BY 1, 2, 3, 4, 5",
        )
        .unwrap();
    let mut rows = query.query([home.as_bytes()]).unwrap();
    let (mut kinds, mut total) = (0, 0);
    while let Some(row) = rows.next().unwrap() {
        kinds += 1;
        total += row.get::<_, i64>(5).unwrap();
    }
    let users: i64 = reader
        .connection()
        .query_row(
            "SELECT count(DISTINCT user) FROM users WHERE subject IN
                (SELECT id FROM subjects WHERE creator = ?1
                 UNION SELECT id FROM subjects WHERE sign_in = ?1)",
            [home.as_bytes()],
            |row| row.get(0),
        )
        .unwrap();
    let took = began.elapsed();
    let rows = number(file, "SELECT count(*) FROM tallies");
    let subjects = number(file, "SELECT count(*) FROM subjects");
    let all = number(file, "SELECT sum(count) FROM tallies");
    assert_eq!(all, EVENTS as i64);
    println!(
        "report, {what}: {} ms ({kinds} rows, {total} exchanges, {users} users; the store has {subjects} subjects, {rows} tallies)",
        took.as_millis()
    );
}
