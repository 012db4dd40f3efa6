//! Every adversarial case by its id, and what holds it: one line each.

mod list;
pub(crate) mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::frame::Scale;
use list::{CASES, Case};
use run::{Ended, Program, Programs};

/// Where the cases are written down, for whoever has that beside the checkout.
const WRITTEN: &str = "../shared/security-cases.md";

/// Prints the cases.
pub(crate) fn list() {
    for case in CASES {
        println!("{}: {}: {}", case.id, case.about, held_by(case));
    }
}

/// Looks that every case is held by something that exists and, at the long scale, runs the tests;
/// whether all hold.
pub(crate) async fn prove(scale: Scale) -> bool {
    let mut faults = doubled();
    faults.extend(left_out());
    let programs = Programs::built().await;
    for (program, tests) in named() {
        let known = programs.names(program).await;
        let missing = tests
            .iter()
            .filter(|test| !known.iter().any(|known| known == *test));
        faults.extend(missing.map(|test| format!("there is no test {test}")));
    }
    for fault in &faults {
        println!("FAIL: {fault}");
    }
    if !faults.is_empty() || scale == Scale::Short {
        let tests: usize = named().values().map(BTreeSet::len).sum();
        println!(
            "{} cases are held by {tests} tests and the promises.",
            CASES.len()
        );
        return faults.is_empty();
    }
    let mut ended = BTreeMap::new();
    for (program, tests) in named() {
        let tests: Vec<&str> = tests.into_iter().collect();
        for (test, how) in programs.ended(program, &tests).await {
            ended.insert((program, test), how);
        }
    }
    for case in CASES {
        println!("{}", line(case, &ended));
    }
    CASES.iter().all(|case| verdict(case, &ended) != "FAIL")
}

/// Every test that a case names, by program.
fn named() -> BTreeMap<Program, BTreeSet<&'static str>> {
    let mut named: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (program, test) in CASES
        .iter()
        .flat_map(|case| case.tests)
        .map(|name| Program::of(name))
    {
        named.entry(program).or_default().insert(test);
    }
    named
}

/// Ids that stand twice, and cases that nothing holds.
fn doubled() -> Vec<String> {
    let mut seen = BTreeSet::new();
    let twice = CASES.iter().filter(|case| !seen.insert(case.id));
    let nothing = |case: &&Case| case.tests.is_empty() && case.promises.is_empty();
    twice
        .map(|case| format!("{} stands twice", case.id))
        .chain(
            CASES
                .iter()
                .filter(nothing)
                .map(|case| format!("nothing holds {}", case.id)),
        )
        .collect()
}

/// Where the cases are written down: those that are missing here, or only here.
fn left_out() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(WRITTEN);
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {WRITTEN} is not there to hold the ids against");
        return Vec::new();
    };
    let id = |line: &str| Some(line.strip_prefix("- **")?.split_once("**")?.0.to_owned());
    let written: BTreeSet<String> = text.lines().filter_map(id).collect();
    let ours: BTreeSet<String> = CASES.iter().map(|case| case.id.to_owned()).collect();
    let difference = written.symmetric_difference(&ours);
    difference
        .map(|id| format!("{id} is in one list only"))
        .collect()
}

/// `A1: pass: creator header twice: the_test_that_holds_it`.
fn line(case: &Case, ended: &BTreeMap<(Program, String), Ended>) -> String {
    let verdict = verdict(case, ended);
    format!("{}: {verdict}: {}: {}", case.id, case.about, held_by(case))
}

fn held_by(case: &Case) -> String {
    let tests = case.tests.iter().map(|test| (*test).to_owned());
    let promises = case
        .promises
        .iter()
        .map(|number| format!("promise {number}"));
    tests.chain(promises).collect::<Vec<_>>().join(", ")
}

/// What its tests came to. A test without a result counts as failed.
fn verdict(case: &Case, ended: &BTreeMap<(Program, String), Ended>) -> String {
    let how = |name: &&'static str| {
        let (program, test) = Program::of(name);
        ended
            .get(&(program, test.to_owned()))
            .cloned()
            .unwrap_or(Ended::Failed)
    };
    let all: Vec<Ended> = case.tests.iter().map(how).collect();
    let skipped = all.iter().find_map(|how| match how {
        Ended::Skipped(why) => Some(format!("skipped in part: {why}")),
        Ended::Failed | Ended::Passed => None,
    });
    if all.contains(&Ended::Failed) {
        "FAIL".to_owned()
    } else if let Some(skipped) = skipped {
        skipped
    } else if all.is_empty() {
        "see promise".to_owned()
    } else {
        "pass".to_owned()
    }
}
