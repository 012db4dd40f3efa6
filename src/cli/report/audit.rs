//! A report out of audit records.
//!
//! Invariant: a record counts once, however often and in however many files it stands; every line is
//! counted, told as unreadable, or is no exchange's.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cli::fault::Fault;
use crate::cli::lines::{Line, TOO_LONG};
use crate::cli::output::{note, plural};
use crate::cli::source::each_line;
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
    named: Vec<String>,
}

/// Counts the exchanges of these files. What could not be read is told as a sentence.
pub(super) fn gather(files: &[PathBuf], report: &mut Gather) -> Result<Option<String>, Fault> {
    let mut lines = Lines::default();
    for file in files {
        each_line(file, |number, line| lines.take(report, file, number, &line))
            .map_err(|error| Fault::Failed(format!("{}: {error}", file.display())))?;
    }
    lines.named.iter().for_each(|line| note(line));
    if lines.exchanges + lines.events == 0 && lines.unreadable > 0 {
        return Err(Fault::Wrong("no line is an audit record".to_owned()));
    }
    lines.warn(report);
    let unread = plural(lines.unreadable, "line");
    Ok((lines.unreadable > 0)
        .then(|| format!("{unread} cannot be read; the report is of the others")))
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

    fn name(&mut self, file: &Path, number: u64, error: &str) {
        if self.named.len() < MOST_NAMED {
            let file = visible(&file.to_string_lossy());
            self.named
                .push(format!("{file}:{number}: {}", visible(error)));
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
