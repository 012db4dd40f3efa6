//! Writing to standard output and standard error.

use std::io::{self, Write};

use super::Exit;
use crate::problem::Problem;

/// Prints a command's output. A reader that went away has read enough.
pub(super) fn print(text: &str, exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        Ok(()) | Err(_) => exit,
    }
}

/// Tells of a fault on standard error.
pub(super) fn tell(text: &str, exit: Exit) -> Exit {
    // Nobody is left to tell if this cannot be written.
    drop(writeln!(io::stderr().lock(), "{text}"));
    exit
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
        plural(problems.len(), "problem"),
        plural(files.len(), "file"),
    );
    format!("{problems} in {files}")
}

/// "1 file", "2 files".
pub(super) fn plural(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
