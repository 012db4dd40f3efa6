//! Writing to standard output and standard error.
//!
//! Invariant: what people read holds no control character but the ends of lines. A text from a file
//! or a server that is to stay in its line or cell goes through [`visible`](crate::problem::visible)
//! on its way there.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::Exit;
use crate::problem::{Problem, visible_json, visible_lines};

/// Prints a command's output. A reader that went away has read enough.
pub(super) fn print(text: &str, exit: Exit) -> Exit {
    print_bytes(&visible_lines(text), exit)
}

/// Prints a text byte for byte: for what another program reads.
pub(super) fn print_bytes(text: &str, exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        Ok(()) | Err(_) => exit,
    }
}

/// Tells of a fault on standard error.
pub(super) fn tell(text: &str, exit: Exit) -> Exit {
    note(text);
    exit
}

/// Tells of something on standard error that a reader should know.
pub(super) fn note(text: &str) {
    // Nobody is left to tell if this cannot be written.
    drop(writeln!(io::stderr().lock(), "{}", visible_lines(text)));
}

/// Tells of every problem, one a line, and how many there are.
pub(super) fn tell_problems(problems: &[Problem]) -> Exit {
    let lines: String = problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect();
    tell(&format!("{lines}{}", count(problems)), Exit::Wrong)
}

/// "2 problems in 1 file".
pub(super) fn count(problems: &[Problem]) -> String {
    let mut files: Vec<_> = problems.iter().map(|problem| &problem.file).collect();
    files.sort();
    files.dedup();
    let (problems, files) = (
        plural(problems.len() as u64, "problem"),
        plural(files.len() as u64, "file"),
    );
    format!("{problems} in {files}")
}

/// "1 file", "2 files"; of words that end in -y, "1 policy", "2 policies", but "2 gateways".
pub(super) fn plural(number: u64, word: &str) -> String {
    let stem = word.strip_suffix('y').filter(|stem| !stem.ends_with('a'));
    match (number, stem) {
        (1, _) => format!("1 {word}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {word}s"),
    }
}

/// A value as JSON, for `--json`.
pub(super) fn json(value: &impl Serialize) -> String {
    // Nothing that is printed refuses to be written.
    visible_json(&serde_json::to_string_pretty(value).unwrap_or_default()) + "\n"
}

/// An empty table.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}
