//! Age, size and the number of kinds are bounded.

use super::*;

fn size(place: &Place) -> u64 {
    ["", "-wal"]
        .iter()
        .filter_map(|suffix| std::fs::metadata(reader::beside(place.file(), suffix)).ok())
        .map(|found| found.len())
        .sum()
}

#[test]
fn what_is_older_than_configured_goes() {
    let mut place = Place::new();
    place.config.keep = Duration::from_secs(30 * DAY);
    let old = Event {
        creator: Some(tenant(3)),
        ..ago(40 * DAY)
    };
    place.write([old.clone(), ago(35 * DAY), ago(20 * DAY), event()]);
    let (_events, writer) = place.start();
    until("the old go", || place.sum() == 2);
    until("their subject goes", || {
        place.number("SELECT count(*) FROM subjects") == 1
    });
    drop(writer);
    // A subject that is seen again is made again.
    place.write([Event {
        time: SystemTime::now(),
        ..old
    }]);
    assert_eq!(place.sum(), 3);
    assert_eq!(
        place.number("SELECT count(*) FROM tallies WHERE subject NOT IN (SELECT id FROM subjects)"),
        0
    );
}

#[test]
fn beyond_the_size_the_oldest_goes_first() {
    let mut place = Place::new();
    place.config.max_size = 1 << 20;
    let (events, writer) = place.start();
    // Days that do not merge: each subject's of its own.
    let mut count = 0;
    for day in (0..300).rev() {
        for connector in 0..100 {
            events.offer(Event {
                connector: Some(format!("connector-{connector}")),
                user_object_id: None,
                ..ago(day * DAY)
            });
            count += 1;
        }
        until("taken", || place.metrics.written.get() + 3_000 > count);
        // One transaction's journal comes on top.
        assert!(size(&place) <= 2 << 20, "{}", size(&place));
    }
    until("all written", || place.metrics.written.get() == count);
    drop(writer);
    assert!(size(&place) <= 1 << 20, "{}", size(&place));
    let oldest = place.number("SELECT min(start) FROM tallies");
    let now = gather::milliseconds(SystemTime::now()) / 1000;
    assert!(oldest > now - 299 * 86_400, "nothing went");
    // Newer than what went, all of it is there.
    let newest = "SELECT sum(count) FROM tallies WHERE start >=";
    assert_eq!(
        place.number(&format!("{newest} {}", now - 9 * 86_400 - 80_000)),
        1_000
    );
    assert_eq!(place.metrics.dropped.get(), 0);
    assert!(place.gaps().is_empty());
}

#[test]
fn kinds_are_folded_beyond_a_bound_and_sums_stay_true() {
    let place = Place::new();
    let flood = usize::try_from(subjects::OF_A_PAIR).unwrap() * 3;
    let (events, writer) = place.start();
    for number in 0..flood {
        events.offer(Event {
            connector: Some(format!("made-up-{number}")),
            ..event()
        });
    }
    // Who is not part of the flood keeps its detail.
    events.offer(Event {
        sign_in: Some(tenant(9)),
        ..event()
    });
    drop(writer);
    assert_eq!(place.sum(), i64::try_from(flood).unwrap() + 1);
    let kinds = place.number("SELECT count(*) FROM subjects");
    assert_eq!(kinds, subjects::OF_A_PAIR + 2);
    let folded = place.number(
        "SELECT sum(count) FROM tallies JOIN subjects ON id = subject WHERE connector IS NULL",
    );
    assert_eq!(folded, 2 * subjects::OF_A_PAIR);
    assert_eq!(i64::try_from(place.metrics.folded.get()).unwrap(), folded);
    let users = place.number("SELECT sum(count) FROM users");
    assert_eq!(users, i64::try_from(flood).unwrap() + 1);
}

#[test]
fn tenants_are_folded_beyond_a_bound_as_well() {
    let place = Place::new();
    place.write([event()]);
    let full = Connection::open(place.file()).unwrap();
    full.execute(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO subjects (creator, sign_in, route)
            SELECT randomblob(16), randomblob(16), 'full' FROM n",
        [subjects::MANY],
    )
    .unwrap();
    // A subject of which nothing is told goes.
    let told = "INSERT OR IGNORE INTO tallies SELECT id, 86400, unixepoch() / 86400 * 86400,
        'allow', 'full', 0, 0, 0 FROM subjects WHERE route = 'full'";
    full.execute(told, []).unwrap();
    let subject = |number: u128| Event {
        creator: Some(tenant(1_000 + number)),
        ..event()
    };
    let (events, writer) = place.start();
    // Known: as ever. New: without connector and application.
    events.offer(event());
    events.offer(subject(1));
    until("written", || place.metrics.written.get() == 3);
    let bare = "SELECT count(*) FROM subjects WHERE creator IS NOT NULL AND connector IS NULL
                AND route = 'token'";
    assert_eq!(place.number(bare), 1);
    drop(writer);
    full.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO subjects (creator, sign_in, route)
            SELECT randomblob(16), randomblob(16), 'full' FROM n",
        [subjects::MOST - subjects::MANY],
    )
    .unwrap();
    full.execute(told, []).unwrap();
    drop(full);
    place.write((2..500).map(subject));
    let nobody = "SELECT count(*) FROM subjects WHERE creator IS NULL AND route = 'token'";
    assert_eq!(place.number(nobody), 1);
    assert_eq!(place.sum(), 3 + 498);
    assert_eq!(place.metrics.folded.get(), 1 + 498);
}

/// Who floods the store with tenants could hide among them: reports say so.
#[test]
fn a_report_says_when_tenants_were_not_told_apart() {
    use crate::report::{Gather, Today, Window, from_store};

    let warned = |place: &Place| {
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
        let since = Some(until - jiff::SignedDuration::from_hours(3));
        let mut gather = Gather::new(tenant(1), Window { since, until }, 100);
        from_store(&place.reader(), &mut gather).unwrap();
        let report = gather.report(&Today::unknown(), until);
        let text = report.warnings.join("\n");
        text.contains("without their tenants")
    };
    let place = Place::new();
    place.write([event()]);
    assert!(!warned(&place));
    let full = Connection::open(place.file()).unwrap();
    full.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO subjects (creator, sign_in, route)
            SELECT randomblob(16), randomblob(16), 'full' FROM n",
        [subjects::MOST],
    )
    .unwrap();
    drop(full);
    let new = |seconds| Event {
        creator: Some(tenant(77)),
        ..ago(seconds)
    };
    place.write([new(6 * 3_600)]);
    assert!(!warned(&place), "that was before");
    place.write([new(0)]);
    assert!(warned(&place));
}

/// A clock that is set years ahead by mistake must not cost years of records.
#[test]
fn a_leap_of_the_clock_drops_nothing_at_once() {
    let mut place = Place::new();
    place.config.keep = Duration::from_secs(30 * DAY);
    place.write([ago(20 * DAY), event()]);
    super::sums::sweep(&place, 3_650 * DAY);
    assert_eq!(place.sum(), 2);
    super::sums::sweep(&place, 0);
    assert_eq!(place.sum(), 2);
}
