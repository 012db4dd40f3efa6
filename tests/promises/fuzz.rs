//! Promise 11: what fuzzing found worth keeping is run again, by `tests/fuzz_corpus.rs` (in the short
//! run that program stands beside this one); and what the last long runs of the fuzzer and of the
//! mutants recorded (`fuzz/README.md`) is read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cases::run::{Ended, Program, Programs};
use crate::frame::{Figure, Scale};

/// The targets that the promise names, and the whole exchange.
const TARGETS: [&str; 8] = [
    "config", "exchange", "form", "jwt", "key_set", "path", "policy", "reply",
];

/// Seconds that each target must have run for.
const DEMANDED: u64 = 600;

/// Reads it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let directory = directory();
    let readme = fs::read_to_string(directory.join("README.md")).unwrap();
    let recorded = recorded(&readme);
    let mut figures: Vec<Figure> = TARGETS
        .iter()
        .map(|target| {
            let inputs = count(directory.join("corpus").join(target));
            let found = count(directory.join("found").join(target));
            let run = recorded.get(*target);
            let long_enough = run.is_some_and(|run| run.seconds >= DEMANDED);
            let run = run.map_or_else(
                || "no run is recorded".to_owned(),
                |run| format!("{} executions in {} s", run.executions, run.seconds),
            );
            Figure::new(
                format!("{target}: inputs kept, that once failed; the last long run"),
                format!("{inputs}, {found}; {run}"),
                format!("{DEMANDED} s, no finding left"),
                inputs >= 10 && (long_enough || scale == Scale::Short),
            )
        })
        .collect();
    figures.push(replayed(scale, "all of these inputs, run again", &TARGETS).await);
    figures.push(mutants(&readme, scale));
    figures
}

/// Every input that was kept of these targets, through the same functions that the fuzzer calls.
pub(crate) async fn replayed(scale: Scale, what: &str, targets: &[&'static str]) -> Figure {
    if scale == Scale::Short {
        return Figure::skipped(what, "tests/fuzz_corpus.rs does that, beside this");
    }
    let inputs = |target: &&str| {
        ["corpus", "found"]
            .map(|kind| count(directory().join(kind).join(target)))
            .iter()
            .sum::<usize>()
    };
    let ended = Programs::built()
        .await
        .ended(Program::FuzzCorpus, targets)
        .await;
    let held = |target: &&&str| ended.get(**target) == Some(&Ended::Passed);
    let failed: Vec<&&str> = targets.iter().filter(|target| !held(target)).collect();
    Figure::new(
        what,
        format!(
            "{}, targets that failed: {} {failed:?}",
            targets.iter().map(inputs).sum::<usize>(),
            failed.len()
        ),
        "some, 0",
        failed.is_empty(),
    )
}

/// The last run of the mutants, and how many are set aside.
fn mutants(readme: &str, scale: Scale) -> Figure {
    let aside = fs::read_to_string(directory().join("../.cargo/mutants.toml")).unwrap();
    let (_, aside) = aside.split_once("exclude_re").unwrap_or_default();
    let aside = aside
        .lines()
        .filter(|line| line.trim_start().starts_with(['"', '\'']))
        .count();
    let run = readme.lines().find_map(Mutants::recorded);
    let measured = run.as_ref().map_or_else(
        || "no run is recorded".to_owned(),
        |run| format!("{} caught, {} missed", run.caught, run.missed),
    );
    Figure::new(
        "mutants of the decision core; kinds set aside, each with its reason",
        format!("{measured}; {aside}"),
        "some caught, 0 missed",
        run.map_or(scale == Scale::Short, |run| {
            run.caught > 0 && run.missed == 0
        }),
    )
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn count(directory: PathBuf) -> usize {
    fs::read_dir(directory).map_or(0, Iterator::count)
}

/// One line of the table of runs.
struct Run {
    seconds: u64,
    executions: String,
}

/// The table of the last long run: `| target | seconds | executions | ... |`.
fn recorded(text: &str) -> BTreeMap<String, Run> {
    let row = |line: &str| {
        let mut cells = cells(line)?;
        let target = cells.next()?.trim_matches('`').to_owned();
        let seconds = cells.next()?.parse().ok()?;
        let executions = cells.next()?.to_owned();
        Some((
            target,
            Run {
                seconds,
                executions,
            },
        ))
    };
    text.lines().filter_map(row).collect()
}

/// What the last run of the mutants came to.
struct Mutants {
    caught: usize,
    missed: usize,
}

impl Mutants {
    /// A row `| mutants | caught | missed | ... |`.
    fn recorded(line: &str) -> Option<Self> {
        let mut cells = cells(line)?;
        (cells.next()? == "mutants").then_some(())?;
        let mut number = || cells.next()?.replace(',', "").parse().ok();
        Some(Self {
            caught: number()?,
            missed: number()?,
        })
    }
}

fn cells(line: &str) -> Option<impl Iterator<Item = &str>> {
    Some(line.strip_prefix('|')?.split('|').map(str::trim))
}
