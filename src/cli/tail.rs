//! `tail`: decisions as they are recorded, a line each.
//!
//! Invariant: a whole record that the filter takes is shown once; what a record holds cannot move
//! the terminal's cursor or colour.

mod args;
mod filter;
mod follow;
mod last;
mod pieces;
mod record;
mod show;
mod wake;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anstream::AutoStream;

use self::filter::Filter;
use self::follow::Follow;
use self::pieces::Pieces;
use self::record::Record;
use self::show::Show;
use self::wake::{Wake, Wakes};
use super::Exit;
use super::fault::Fault;
use super::output::note;
use crate::problem::visible_json;

pub(super) use args::{HELP, TailArgs};

/// How often files are looked at though nothing was told.
const POLL: Duration = Duration::from_millis(250);

pub(super) fn run(args: &TailArgs) -> Exit {
    match tail(args) {
        Ok(()) => Exit::Done,
        Err(fault) => fault.tell(),
    }
}

fn tail(args: &TailArgs) -> Result<(), Fault> {
    let files = args::files(args)?;
    let tenant = args.tenant.as_deref().map(|text| args::tenant(text, args));
    let filter = Filter {
        tenant: tenant.transpose()?.map(|tenant| tenant.to_string()),
        kinds: args.decision.clone(),
        connector: args.connector.clone(),
        route: args.route.clone(),
    };
    let mut tail = Tail {
        filter,
        show: Show::default(),
        json: args.json,
        out: AutoStream::new(Box::new(io::stdout()), args.color.choice()),
        passed_over: false,
    };
    let read = |path: &Path, error| Fault::Failed(format!("{}: {error}", path.display()));
    match tail.run(&files, args) {
        Ok(()) => Ok(()),
        // Nobody reads any more.
        Err((_, error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err((path, error)) => Err(read(&path, error)),
    }
}

/// A fault of one file, or of the output.
type Failed = (PathBuf, io::Error);

struct Tail {
    filter: Filter,
    show: Show,
    json: bool,
    out: AutoStream<Box<dyn Write>>,
    /// Whether a line was that is no record.
    passed_over: bool,
}

impl Tail {
    fn run(&mut self, files: &[PathBuf], args: &TailArgs) -> Result<(), Failed> {
        let wakes = Wakes::new().map_err(|error| (PathBuf::from("signals"), error))?;
        let (streams, files): (Vec<&PathBuf>, Vec<&PathBuf>) =
            files.iter().partition(|file| is_stream(file));
        if args.no_follow
            && let Some(absent) = files.iter().find(|file| !file.exists())
        {
            let error = io::Error::from(io::ErrorKind::NotFound);
            return Err(((*absent).clone(), error));
        }
        let mut follows: Vec<Follow> = files.iter().map(|file| Follow::new(file)).collect();
        if !args.since_start {
            self.last(&mut follows, args)?;
        }
        for follow in &mut follows {
            wakes.watch(follow.path());
        }
        let mut pieces: Vec<Pieces> = streams.iter().map(|_| Pieces::default()).collect();
        for (index, path) in streams.iter().enumerate() {
            let opened = if is_stdin(path) {
                None
            } else {
                Some(File::open(path).map_err(|error| ((*path).clone(), error))?)
            };
            wakes.read(index, opened);
        }
        let mut open = streams.len();
        loop {
            for follow in &mut follows {
                follow.look(args.no_follow, &mut |line| self.line(line))?;
            }
            self.flush()?;
            if open == 0 && (args.no_follow || follows.is_empty()) {
                return Ok(());
            }
            match wakes.wait(POLL) {
                Ok(Wake::Changed) => {}
                Ok(Wake::End) => return Ok(()),
                Ok(Wake::Bytes(index, bytes)) => {
                    if let Some(pieces) = pieces.get_mut(index) {
                        pieces.feed(&bytes, &mut |line| self.line(line))?;
                    }
                }
                Ok(Wake::Ended(index, ended)) => {
                    open -= 1;
                    let path = streams.get(index).map(|path| (*path).clone());
                    let path = path.unwrap_or_default();
                    ended.map_err(|error| (path, error))?;
                    if let Some(rest) = pieces.get_mut(index).map(Pieces::rest) {
                        self.torn(&rest)?;
                    }
                }
                Err(RecvTimeoutError::Timeout) if wake::is_stdout_closed() => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Shows the last records of all files, by time; they are followed from there.
    fn last(&mut self, follows: &mut [Follow], args: &TailArgs) -> Result<(), Failed> {
        let number = usize::try_from(args.number).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        for follow in follows {
            let Some((file, end)) = follow.begin_at_end()? else {
                continue;
            };
            let takes = |line: &[u8]| Record::read(line).is_some_and(|it| self.filter.takes(&it));
            let lines = last::last(file, end, number, takes);
            found.extend(lines.map_err(|error| (follow.path().to_owned(), error))?);
        }
        found.sort_by_cached_key(|line| Record::read(line).map(|record| record.time));
        let beyond = found.len().saturating_sub(number);
        found
            .iter()
            .skip(beyond)
            .try_for_each(|line| self.line(line))
    }

    /// Shows a line, if it is a record that is asked for.
    fn line(&mut self, line: &[u8]) -> Result<(), Failed> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let Some(record) = Record::read(line) else {
            if !self.passed_over {
                self.passed_over = true;
                note("lines that are no audit records are passed over");
            }
            return Ok(());
        };
        self.record(line, &record)
    }

    /// Shows what stands after the last end of a line, if it is whole all the same.
    fn torn(&mut self, line: &[u8]) -> Result<(), Failed> {
        match Record::read(line) {
            Some(record) => self.record(line, &record),
            None => Ok(()),
        }
    }

    fn record(&mut self, line: &[u8], record: &Record) -> Result<(), Failed> {
        if !self.filter.takes(record) {
            return Ok(());
        }
        let text = if self.json {
            visible_json(&String::from_utf8_lossy(line.trim_ascii()))
        } else {
            self.show.line(record)
        };
        writeln!(self.out, "{text}").map_err(output)
    }

    fn flush(&mut self) -> Result<(), Failed> {
        self.out.flush().map_err(output)
    }
}

fn output(error: io::Error) -> Failed {
    (PathBuf::from("standard output"), error)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether it is read once, from start to end, and cannot be followed by its name.
fn is_stream(path: &Path) -> bool {
    let other = |path: &Path| path.metadata().is_ok_and(|found| !found.is_file());
    is_stdin(path) || other(path)
}
