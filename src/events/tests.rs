//! The store with its writer, on real files.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::config::{self, AuditMode, AuditOutput};
use crate::metrics::EventMetrics;

mod bounds;
mod damaged;
mod killed;
mod sums;

/// Long enough for whatever is waited for.
const SOON: Duration = Duration::from_secs(30);

const DAY: u64 = 86_400;

/// A directory, and what is configured in it.
struct Place {
    directory: TempDir,
    config: config::Events,
    audit: config::Audit,
    metrics: EventMetrics,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            config: config::Events {
                file: directory.path().join("events.sqlite"),
                keep: Duration::from_secs(400 * DAY),
                max_size: 64 << 20,
            },
            audit: config::Audit {
                output: AuditOutput::Stdout,
                mode: AuditMode::BestEffort,
            },
            directory,
            metrics: EventMetrics::default(),
        }
    }

    fn required(mut self) -> Self {
        self.audit.mode = AuditMode::Required;
        self
    }

    /// Audit lines go to a file.
    fn lines(mut self) -> Self {
        self.audit.output = AuditOutput::File(self.beside("audit.jsonl"));
        self
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self) -> &Path {
        &self.config.file
    }

    fn try_start(&self) -> Result<(Events, Writer), Error> {
        Events::start(&self.config, &self.audit, self.metrics.clone())
    }

    fn start(&self) -> (Events, Writer) {
        self.try_start().unwrap()
    }

    /// Writes some events, and ends.
    fn write(&self, events: impl IntoIterator<Item = Event>) {
        let (store, writer) = self.start();
        for event in events {
            store.offer(event);
        }
        drop(writer);
    }

    /// What a kill leaves: the files as they are, in another place.
    fn killed(&self) -> Self {
        let other = Self::new();
        for suffix in ["", "-wal", ".lock"] {
            let from = reader::beside(self.file(), suffix);
            if from.exists() {
                std::fs::copy(from, reader::beside(other.file(), suffix)).unwrap();
            }
        }
        if let AuditOutput::File(lines) = &self.audit.output {
            let other = other.lines();
            if lines.exists() {
                std::fs::copy(lines, other.beside("audit.jsonl")).unwrap();
            }
            return other;
        }
        other
    }

    fn reader(&self) -> Reader {
        Reader::open(self.file()).unwrap()
    }

    /// One number.
    fn number(&self, sql: &str) -> i64 {
        number(self.reader().connection(), sql)
    }

    /// The sum of all tallies.
    fn sum(&self) -> i64 {
        self.number("SELECT coalesce(sum(count), 0) FROM tallies")
    }

    /// Every gap: how many were lost, and why.
    fn gaps(&self) -> Vec<(Option<i64>, String)> {
        let reader = self.reader();
        let mut query = reader
            .connection()
            .prepare("SELECT lost, why FROM gaps ORDER BY rowid")
            .unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn tenant(number: u128) -> TenantId {
    TenantId::from_bytes((0xaaaa_0000 + number).to_be_bytes()).unwrap()
}

/// An allowed exchange of tenants 1 and 2, now.
fn event() -> Event {
    Event {
        time: SystemTime::now(),
        id: Uuid::now_v7(),
        route: "token".into(),
        connector: Some("sql".to_owned()),
        decision: "allow",
        reason: "both_allow",
        creator: Some(tenant(1)),
        sign_in: Some(tenant(2)),
        app_id: Some(Uuid::from_u128(7)),
        user_object_id: Some(Uuid::from_u128(8)),
        blocks: Blocks::default(),
        released: true,
    }
}

/// The same, so many seconds ago.
fn ago(seconds: u64) -> Event {
    Event {
        time: SystemTime::now() - Duration::from_secs(seconds),
        ..event()
    }
}

/// The audit line of an event.
fn line(event: &Event) -> String {
    let time = jiff::Timestamp::try_from(event.time).unwrap();
    serde_json::json!({
        "time": time,
        "decision_id": event.id,
        "route": &*event.route,
        "connector": event.connector,
        "decision": event.decision,
        "reason": event.reason,
        "creator_tenant": event.creator,
        "sign_in_tenant": event.sign_in,
        "app_id": event.app_id,
        "user_object_id": event.user_object_id,
        "status": 200,
    })
    .to_string()
        + "\n"
}

#[test]
fn an_event_is_in_the_store_within_a_second_and_readers_see_it() {
    let place = Place::new();
    let (events, writer) = place.start();
    events.offer(event());
    events.offer(Event {
        decision: "block",
        reason: "inbound_block",
        ..event()
    });
    until("written", || place.sum() == 2);
    let reader = place.reader();
    assert_eq!(number(reader.connection(), "SELECT count(*) FROM users"), 1);
    assert_eq!(
        number(reader.connection(), "SELECT count(*) FROM subjects"),
        1
    );
    assert_eq!(number(reader.connection(), "SELECT count(*) FROM gaps"), 0);
    let (creator, connector): (Vec<u8>, String) = reader
        .connection()
        .query_row("SELECT creator, connector FROM subjects", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(
        (creator.as_slice(), connector.as_str()),
        (&tenant(1).as_bytes()[..], "sql")
    );
    assert!(
        reader
            .connection()
            .execute("DELETE FROM tallies", [])
            .is_err()
    );
    // A reader that stays open sees what comes.
    events.offer(event());
    let sum = "SELECT sum(count) FROM tallies";
    until("seen", || number(reader.connection(), sum) == 3);
    drop(writer);
    assert_eq!(place.metrics.written.get(), 3);
    assert!(place.metrics.bytes.get() > 0);
}

#[test]
fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let (_events, _writer) = place.start();
    for suffix in ["", "-wal", ".lock"] {
        let file = reader::beside(place.file(), suffix);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn a_second_gateway_is_refused_and_a_third_after_the_first_is_not() {
    let place = Place::new();
    let (_, writer) = place.start();
    let refused = place.try_start().map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::Held(_)), "{refused}");
    assert!(refused.to_string().contains("another gateway"));
    place.reader();
    drop(writer);
    place.write([event()]);
    assert_eq!(place.sum(), 1);
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let texts: [&[u8]; 3] = [b"mode = \"enforce\"\n", b"x", &[0; 8192]];
    for mode in [AuditMode::BestEffort, AuditMode::Required] {
        for text in texts {
            let mut place = Place::new();
            place.audit.mode = mode;
            std::fs::write(place.file(), text).unwrap();
            let refused = place.try_start().map(|_| ()).unwrap_err();
            assert!(matches!(refused, Error::NotAStore(_)), "{refused}");
            assert_eq!(std::fs::read(place.file()).unwrap(), text);
            let refused = Reader::open(place.file()).map(|_| ()).unwrap_err();
            assert!(matches!(refused, Error::NotAStore(_)), "{refused}");
        }
        let mut place = Place::new();
        place.audit.mode = mode;
        let other = Connection::open(place.file()).unwrap();
        other.execute_batch("CREATE TABLE theirs (a)").unwrap();
        drop(other);
        let refused = place.try_start().map(|_| ()).unwrap_err();
        assert!(matches!(refused, Error::NotAStore(_)), "{refused}");
        let refused = Reader::open(place.file()).map(|_| ()).unwrap_err();
        assert!(matches!(refused, Error::NotAStore(_)), "{refused}");
    }
}

#[test]
fn a_store_from_the_future_is_refused_by_writer_and_reader() {
    let place = Place::new();
    place.write([event()]);
    let later = Connection::open(place.file()).unwrap();
    later.pragma_update(None, "user_version", 2).unwrap();
    drop(later);
    let refused = place.try_start().map(|_| ()).unwrap_err();
    assert!(matches!(
        refused,
        Error::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
    assert!(refused.to_string().contains("newer version"), "{refused}");
    let refused = Reader::open(place.file()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::Newer { .. }), "{refused}");
}

#[test]
fn a_reader_says_what_is_wrong() {
    let place = Place::new();
    let refused = Reader::open(place.file()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::Missing(_)), "{refused}");
    let refused = Reader::open(place.directory.path())
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(refused, Error::NotAStore(_)), "{refused}");
    std::fs::write(place.file(), "").unwrap();
    let refused = Reader::open(place.file()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::NotAStore(_)), "{refused}");
}

/// Nobody is held up: with a store that stands still, events beyond the queue's bound are counted.
#[test]
fn a_queue_that_is_full_drops_and_says_how_many() {
    let place = Place::new();
    let (events, writer) = place.start();
    events.offer(event());
    until("written", || place.sum() == 1);
    // Holds the writer up.
    let blocker = Connection::open(place.file()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let many = queue::MOST + 70_000;
    for _ in 0..many {
        events.offer(event());
    }
    let dropped = place.metrics.dropped.get();
    blocker.execute_batch("ROLLBACK").unwrap();
    drop(blocker);
    drop(writer);
    assert!(dropped > 0);
    assert_eq!(place.metrics.dropped.get(), dropped);
    let kept = i64::try_from(many).unwrap() + 1 - i64::try_from(dropped).unwrap();
    assert_eq!(place.sum(), kept);
    let gaps = place.gaps();
    let lost: i64 = gaps.iter().filter_map(|(lost, _)| *lost).sum();
    assert_eq!(lost, i64::try_from(dropped).unwrap(), "{gaps:?}");
}

#[test]
fn times_before_1970_are_no_reason_to_fail() {
    let place = Place::new();
    place.write([Event {
        time: UNIX_EPOCH - Duration::from_secs(5),
        ..event()
    }]);
    assert!(place.gaps().is_empty());
}
