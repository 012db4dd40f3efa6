//! Whatever is merged, sums stay what a plain counter says.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::keep::Keeper;
use super::super::opening::Opening;
use super::*;

/// Creator, decision: how many, the earliest and the latest.
type Counts = BTreeMap<(Vec<u8>, String), (i64, i64, i64)>;

fn counted(place: &Place) -> Counts {
    let reader = place.reader();
    let mut query = reader
        .connection()
        .prepare(
            "SELECT creator, decision, sum(count), min(first), max(last)
             FROM tallies JOIN subjects ON id = subject GROUP BY 1, 2",
        )
        .unwrap();
    let rows = query.query_map([], |row| {
        let key = (row.get(0)?, row.get(1)?);
        Ok((key, (row.get(2)?, row.get(3)?, row.get(4)?)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn plain(events: &[Event]) -> Counts {
    let mut counts = Counts::new();
    for event in events {
        let time = gather::milliseconds(event.time);
        let creator = event.creator.unwrap().as_bytes().to_vec();
        let key = (creator, event.decision.to_owned());
        let (count, first, last) = counts.entry(key).or_insert((0, time, time));
        *count += 1;
        *first = time.min(*first);
        *last = time.max(*last);
    }
    counts
}

/// Sweeps once, as if it were so many seconds later.
pub(super) fn sweep(place: &Place, later: u64) {
    let mut opening = Opening::new(&place.config, &place.audit).unwrap();
    let now = SystemTime::now() + Duration::from_secs(later);
    let mut store = opening.open(gather::milliseconds(now)).unwrap().store;
    let mut keeper = Keeper::new(place.config.keep);
    keeper
        .step(&mut store, gather::milliseconds(now) / 1000)
        .unwrap();
    while keeper.is_busy() {
        keeper
            .step(&mut store, gather::milliseconds(now) / 1000)
            .unwrap();
    }
    store.close(gather::milliseconds(now)).unwrap();
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0..100 * DAY, 0..4_u128, any::<bool>(), 0..3_u128).prop_map(
        |(seconds, creator, blocked, user)| Event {
            creator: Some(tenant(creator)),
            decision: if blocked { "block" } else { "allow" },
            user_object_id: Some(Uuid::from_u128(user)),
            ..ago(seconds)
        },
    );
    proptest::collection::vec(one, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn merging_keeps_every_sum(events in events(), later in prop::collection::vec(0..70 * DAY, 1..4)) {
        let place = Place::new();
        place.write(events.clone());
        let expected = plain(&events);
        prop_assert_eq!(&counted(&place), &expected);
        let mut passed = 0;
        for later in later {
            passed += later;
            sweep(&place, passed);
            prop_assert_eq!(&counted(&place), &expected);
            let misaligned = "SELECT count(*) FROM tallies WHERE start % grain <> 0";
            prop_assert_eq!(place.number(misaligned), 0);
        }
        let now = gather::milliseconds(SystemTime::now()) / 1000 + i64::try_from(passed).unwrap();
        let fine = format!(
            "SELECT count(*) FROM tallies WHERE grain = 60 AND start < {} OR grain = 3600 AND start < {}",
            now - 2 * 86_400 - 3_600, now - 61 * 86_400,
        );
        prop_assert_eq!(place.number(&fine), 0);
        let users: i64 = place.number("SELECT sum(count) FROM users");
        prop_assert_eq!(usize::try_from(users).unwrap(), events.len());
    }
}

#[test]
fn years_of_traffic_become_a_row_a_day() {
    let place = Place::new();
    let mut events = Vec::new();
    for day in 70..170 {
        for hour in 0..24 {
            for minute in 0..4 {
                events.push(ago(day * DAY + hour * 3_600 + minute * 600));
            }
        }
    }
    let count = i64::try_from(events.len()).unwrap();
    place.write(events);
    sweep(&place, 0);
    assert_eq!(place.sum(), count);
    let rows = place.number("SELECT count(*) FROM tallies");
    assert!((100..=102).contains(&rows), "{rows}");
}

/// What is merged twice into the same hour, or comes late, is added.
#[test]
fn a_late_event_joins_what_was_merged() {
    let place = Place::new();
    place.write([ago(10 * DAY), ago(10 * DAY)]);
    sweep(&place, 0);
    place.write([ago(10 * DAY)]);
    sweep(&place, 0);
    assert_eq!(place.sum(), 3);
    let fine = place.number("SELECT count(*) FROM tallies WHERE grain = 60");
    assert_eq!(fine, 0);
}

/// A disk that has been full for long, and an exchange that released something before that showed.
#[test]
fn where_records_are_required_what_was_released_finds_a_place() {
    use super::gather::{Full, Gathered, Item};

    let item = |number: usize| {
        let connector = Some(format!("connector-{number}"));
        Item::from(Event {
            connector,
            user_object_id: None,
            ..event()
        })
    };
    let mut gathered = Gathered::default();
    let mut added = 0;
    while gathered.add(item(added), false).is_ok() {
        added += 1;
    }
    assert!(added >= 100_000, "{added}");
    assert_eq!(gathered.add(item(added), false), Err(Full));
    assert_eq!(gathered.add(item(added), true), Ok(()));
    assert_eq!(gathered.events, u64::try_from(added).unwrap() + 1);
}
