//! Versions: each text of a tenant's policy has a greater one than the text before.

use super::*;

use std::time::SystemTime;

use proptest::prelude::*;
use tidegate::policies::read_stored;
use tidegate::policies::write::{Expect, put_in};

/// What happens to Contoso's file, while the gateway runs or not.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Put through the gateway, or, if none runs, into the directory.
    Put,
    /// Edited by hand; the file's time is so many days from now.
    Edit(i64),
    /// Replaced by hand.
    Replace(i64),
    /// Touched: the same text, another time.
    Touch(i64),
    /// Deleted, until the gateway has seen it, and made anew by hand with the same text.
    Delete(i64),
    /// The gateway ends, or starts.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let days = || prop_oneof![Just(0_i64), -20_000_i64..0, 1_i64..80_000];
    let step = prop_oneof![
        3 => Just(Step::Put),
        2 => days().prop_map(Step::Edit),
        2 => days().prop_map(Step::Replace),
        1 => days().prop_map(Step::Touch),
        1 => days().prop_map(Step::Delete),
        3 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..14)
}

/// Sets a file's time: whoever sets the clock back, or restores files, makes such times.
fn date(file: &Path, days: i64) {
    let far = Duration::from_secs(days.unsigned_abs() * 86_400);
    let time = if days < 0 {
        SystemTime::now() - far
    } else {
        SystemTime::now() + far
    };
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_modified(time).unwrap();
}

fn text(n: usize) -> String {
    policy(CONTOSO, Blocked) + &" ".repeat(n)
}

/// Writes a file with a time, as one change.
fn replace(place: &Place, text: &str, days: i64) {
    let new = place.dir.join(".new");
    fs::write(&new, text).unwrap();
    date(&new, days);
    fs::rename(&new, place.file()).unwrap();
}

/// A version is given once a gateway, or somebody who puts, has seen the text.
fn run(steps: &[Step]) {
    let place = Place::new();
    let mut running = Some(place.open());
    let stored = || read_stored(&place.dir, tenant(CONTOSO)).unwrap().unwrap();
    let mut last = stored().version;
    let mut changed = false;
    for (n, step) in (1..).zip(steps) {
        match *step {
            Step::Put => {
                let (text, expect) = (text(n), Expect::Present);
                let put = match &running {
                    Some(policies) => {
                        policies.put_blocking(tenant(CONTOSO), text.as_bytes(), &expect)
                    }
                    None => put_in(&place.dir, tenant(CONTOSO), text.as_bytes(), &expect),
                };
                let version = put.unwrap().version;
                assert_eq!(version, stored().version);
                assert!(version > last, "{steps:?}: {version} after {last} at {n}");
                (last, changed) = (version, false);
            }
            Step::Edit(days) => {
                fs::write(place.file(), text(n)).unwrap();
                date(&place.file(), days);
                changed = true;
            }
            Step::Replace(days) => {
                replace(&place, &text(n), days);
                changed = true;
            }
            Step::Touch(days) => date(&place.file(), days),
            Step::Delete(days) => {
                let bytes = fs::read_to_string(place.file()).unwrap();
                fs::remove_file(place.file()).unwrap();
                // A gateway that never saw it gone sees the same text.
                if let Some(policies) = &running {
                    until("gone", || in_force(policies).is_none());
                    changed = true;
                }
                replace(&place, &bytes, days);
            }
            Step::Restart => {
                running = match running.take() {
                    Some(_) => None,
                    None => Some(place.open()),
                };
            }
        }
        let Some(policies) = &running else {
            continue;
        };
        let given = || in_force(policies).filter(|version| *version > last.0 || !changed);
        until("it is in force", || given() == Some(stored().version.0));
        let now = stored().version;
        assert!(
            changed || now == last,
            "{steps:?}: {now} after {last} at {n}"
        );
        (last, changed) = (now, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn versions_only_go_up(steps in steps()) {
        run(&steps);
    }
}

#[test]
fn a_text_of_tomorrow_is_followed_by_greater_ones_today() {
    use Step::{Delete, Edit, Put, Replace, Restart};
    run(&[
        Edit(40_000),
        Put,
        Restart,
        Restart,
        Put,
        Replace(-3_000),
        Delete(-5_000),
        Restart,
        Edit(-1),
        Put,
        Restart,
        Put,
    ]);
}

#[test]
fn the_version_is_the_time_of_the_file_where_nothing_else_is_known() {
    let place = Place::new();
    let modified = fs::metadata(place.file()).unwrap().modified().unwrap();
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let policies = place.open();
    assert_eq!(in_force(&policies), Some(since.as_micros() as u64));
}

#[test]
fn versions_written_down_wrongly_are_passed_over() {
    let place = Place::new();
    let first = in_force(&place.open()).unwrap();
    let notes = place.dir.join(".tidegate.versions");
    let mut text = fs::read(&notes).unwrap();
    for wrong in [
        &b"\n"[..],
        b"\xff\xfe\n",
        b"contoso 1 -\n",
        format!("{CONTOSO} 18446744073709551615 -\n").as_bytes(),
        format!("{CONTOSO} -1 -\n{CONTOSO}\n{CONTOSO} 9 9\n").as_bytes(),
        format!("{CONTOSO} 99999999").as_bytes(),
    ] {
        text.extend_from_slice(wrong);
    }
    fs::write(&notes, text).unwrap();
    let policies = place.open();
    assert_eq!(in_force(&policies), Some(first));
    let put = policies.put_blocking(tenant(CONTOSO), self::text(1).as_bytes(), &Expect::Any);
    let version = put.unwrap().version;
    drop(policies);
    assert_eq!(in_force(&place.open()), Some(version.0));

    fs::remove_file(&notes).unwrap();
    let policies = place.open();
    assert_eq!(in_force(&policies), Some(version.0), "the file's time");
    assert!(notes.exists());
    fs::remove_file(&notes).unwrap();
    fs::write(place.file(), self::text(2)).unwrap();
    until("changed", || in_force(&policies) > Some(version.0));
    until("what is known is written down again", || {
        fs::read_to_string(&notes).is_ok_and(|text| text.contains(FABRIKAM))
    });
}
