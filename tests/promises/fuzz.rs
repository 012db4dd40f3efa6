//! Promise 11: what fuzzing found worth keeping is run by `tests/fuzz_corpus.rs` in every build;
//! here is counted what there is, and read what the last long run recorded (`fuzz/README.md`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::frame::{Figure, Scale};

/// The targets that the promise names, and the whole exchange.
const TARGETS: [&str; 8] = [
    "config", "exchange", "form", "jwt", "key_set", "path", "policy", "reply",
];

/// Seconds that each target must have run for.
const DEMANDED: u64 = 600;

/// Reads it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let recorded = recorded(&fs::read_to_string(directory.join("README.md")).unwrap());
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
    let mutants = fs::read_to_string(directory.join("../.cargo/mutants.toml")).unwrap();
    let (_, mutants) = mutants.split_once("exclude_re").unwrap_or_default();
    figures.push(Figure::new(
        "mutants of the decision core that are set aside, each with its reason",
        mutants
            .lines()
            .filter(|line| line.trim_start().starts_with(['"', '\'']))
            .count(),
        "none that changes a decision (`cargo mutants`)",
        true,
    ));
    figures
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
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
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
