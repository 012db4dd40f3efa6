//! A report out of audit records.
//!
//! Invariant: a record counts once, however often and in however many files it stands; every line is
//! counted, told as unreadable, or is no exchange's.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::fault::Fault;
use crate::cli::lines::{Line, TOO_LONG};
use crate::cli::output::{note, plural};
use crate::cli::source::Sources;
use crate::problem::visible;
use crate::report::{Gather, Observed, Reading, read};

/// Unreadable lines that are named.
const MOST_NAMED: usize = 10;

#[derive(Default)]
struct Lines {
    seen: HashSet<u128>,
    /// Exchanges, before the window is asked.
    exchanges: u64,
    again: u64,
    outside: u64,
    events: u64,
    unreadable: u64,
    torn: u64,
    /// Files that could not be read to their ends.
    broken: u64,
    named: Vec<String>,
}

/// Counts the exchanges of these files. What could not be read is told as a sentence.
pub(super) fn gather(files: &[PathBuf], report: &mut Gather) -> Result<Option<String>, Fault> {
    let mut lines = Lines::default();
    Sources::of(files)?.each_line(|file, number, line| match line {
        Ok(line) => lines.take(report, file, number, &line),
        Err(error) => lines.broken(file, number, &error),
    });
    lines.named.iter().for_each(|line| note(line));
    if lines.exchanges + lines.events == 0 {
        if lines.broken > 0 {
            return Err(Fault::Failed("no file can be read".to_owned()));
        }
        if lines.unreadable > 0 {
            return Err(Fault::Wrong("no line is an audit record".to_owned()));
        }
    }
    lines.warn(report);
    Ok(lines.unread())
}

impl Lines {
    fn take(&mut self, report: &mut Gather, file: &Path, number: u64, line: &Line<'_>) {
        let (text, is_torn) = match line {
            Line::Whole(text) => (text, false),
            Line::Torn(text) => (text, true),
            Line::TooLong => return self.unreadable(file, number, TOO_LONG),
        };
        match read(text) {
            Ok(Reading::Blank) => {}
            Ok(Reading::Event) => self.events += 1,
            Ok(Reading::Exchange(record)) => {
                self.exchanges += 1;
                if !self.seen.insert(record.id.as_u128()) {
                    self.again += 1;
                    return;
                }
                if !report.window().holds(record.time, record.time) {
                    self.outside += 1;
                    return;
                }
                let seen = Observed {
                    creator: record.creator,
                    sign_in: record.sign_in,
                    connector: record.connector.as_deref(),
                    app: record.app,
                    ending: record.ending,
                    reason: &record.reason,
                    count: 1,
                    first: record.time,
                    last: record.time,
                };
                report.count(&seen);
                if let Some(user) = record.user {
                    report.user(&seen, user);
                }
            }
            // A writer was in the middle of it, or was killed there.
            Err(_) if is_torn => {
                self.torn += 1;
                self.name(file, number, "the file ends in the middle of it");
            }
            Err(error) => self.unreadable(file, number, &error),
        }
    }

    fn unreadable(&mut self, file: &Path, number: u64, error: &str) {
        self.unreadable += 1;
        self.name(file, number, error);
    }

    fn broken(&mut self, file: &Path, number: u64, error: &io::Error) {
        self.broken += 1;
        // Named however many lines were: each stands for any number of records.
        let error = format!("it cannot be read from here on: {error}");
        self.named.push(named(file, number, &error));
    }

    /// What could not be read, other than a line that a writer had not ended.
    fn unread(&self) -> Option<String> {
        let lines = (self.unreadable > 0).then(|| plural(self.unreadable, "line"));
        let files =
            (self.broken > 0).then(|| format!("the rest of {}", plural(self.broken, "file")));
        let unread: Vec<_> = lines.into_iter().chain(files).collect();
        let unread = (!unread.is_empty()).then(|| unread.join(" and "));
        unread.map(|unread| format!("{unread} cannot be read; the report is of the others"))
    }

    fn name(&mut self, file: &Path, number: u64, error: &str) {
        if self.named.len() < MOST_NAMED {
            self.named.push(named(file, number, error));
        }
    }

    fn warn(&self, report: &mut Gather) {
        let lost = self.unreadable + self.torn;
        if lost > 0 {
            report.warn(format!(
                "Cannot be read, and missing here: {}.",
                plural(lost, "line")
            ));
        }
        if self.broken > 0 {
            report.warn(format!(
                "Cannot be read to their ends, and what follows is missing here: {}.",
                plural(self.broken, "file")
            ));
        }
        if self.outside > 0 {
            let exchanges = plural(self.outside, "exchange");
            report.warn(format!(
                "Recorded before or after this time, and not counted: {exchanges}."
            ));
        }
        if self.again > 0 {
            let records = plural(self.again, "record");
            report.warn(format!(
                "Given more than once, and counted once: {records}."
            ));
        }
    }
}

fn named(file: &Path, number: u64, error: &str) -> String {
    let file = visible(&file.to_string_lossy());
    format!("{file}:{number}: {}", visible(error))
}
