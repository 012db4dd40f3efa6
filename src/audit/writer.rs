//! Writes audit lines from a thread of its own, so that no exchange waits for a disk.
//!
//! Invariant: lines are whole and in order. They gather in memory for at most [`GATHER`] and
//! [`MOST`] bytes; beyond that they are counted as dropped and an alarm is raised. Where records
//! are required, lines that could not be written stay in memory and are written when the output
//! takes them again, and one of an exchange that released something always finds a place: there
//! are no more of those than exchanges may be under way.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::output::Output;
use crate::config::{AuditMode, AuditOutput};
use crate::logs::Logs;

/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(20);

/// Between attempts to write what is kept.
const RETRY: Duration = Duration::from_millis(250);

/// How long one write may take before the output counts as one that takes nothing.
const STUCK: Duration = Duration::from_secs(2);

/// How long the end waits for an output that does not take what is left.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes that may wait.
const MOST: usize = 16 * 1024 * 1024;

/// Bytes that may wait where a record must not be lost: a policy's is below what is left.
const ROOM: usize = MOST / 2;

/// Where records go. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    mode: AuditMode,
    waiting: Mutex<Waiting>,
    /// Wakes the writer when the first line arrives, or the end.
    filled: Condvar,
    dropped: AtomicU64,
    /// Whether the last lines could not be written.
    failing: AtomicBool,
    /// Who is offered every line as well.
    logs: Option<Logs>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    ended: bool,
    /// Whether to look where the output's name leads, though there are no lines.
    reopen: bool,
    /// Since when lines are being written, while they are.
    writing: Option<Instant>,
}

/// Ends the writer when dropped, after everything is written.
pub struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Audit {
    /// Opens the output and starts the writer.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn start(output: &AuditOutput, mode: AuditMode) -> io::Result<(Self, Writer)> {
        Self::start_with(output, mode, None)
    }

    /// The same; every line is offered to `logs` as well.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn start_with(
        output: &AuditOutput,
        mode: AuditMode,
        logs: Option<Logs>,
    ) -> io::Result<(Self, Writer)> {
        let sink = Output::open(output)?;
        let queue = Arc::new(Queue {
            mode,
            logs,
            ..Queue::default()
        });
        let theirs = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || theirs.write_all(sink))?;
        let writer = Writer {
            queue: Arc::clone(&queue),
            thread: Some(thread),
        };
        Ok((Self { queue }, writer))
    }

    /// Adds one line. Never blocks on the output.
    pub(super) fn write(&self, line: &impl Serialize) {
        self.add(line, MOST);
    }

    /// Adds the line of an exchange that released something.
    pub(super) fn write_released(&self, line: &impl Serialize) {
        self.add(line, if self.is_required() { usize::MAX } else { MOST });
    }

    /// Whether nothing may be released unless its record is kept.
    pub fn is_required(&self) -> bool {
        self.queue.mode == AuditMode::Required
    }

    fn add(&self, line: &impl Serialize, most: usize) {
        let mut waiting = self.queue.lock();
        if waiting.lines.len() >= most {
            drop(waiting);
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            self.offer(line);
            return;
        }
        let (first, length) = (waiting.lines.is_empty(), waiting.lines.len());
        if serde_json::to_writer(&mut waiting.lines, line).is_err() {
            waiting.lines.truncate(length);
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.lines.push(b'\n');
        if let Some(logs) = &self.queue.logs {
            logs.offer(waiting.lines.get(length..).unwrap_or_default());
        }
        drop(waiting);
        if first {
            self.queue.filled.notify_one();
        }
    }

    /// Offers a line that is not written here to those who may still take it.
    fn offer(&self, line: &impl Serialize) {
        if let Some(logs) = &self.queue.logs
            && let Ok(mut line) = serde_json::to_vec(line)
        {
            line.push(b'\n');
            logs.offer(&line);
        }
    }

    /// Looks whether the file was moved; otherwise that is done when the next lines are written.
    pub fn reopen(&self) {
        self.queue.lock().reopen = true;
        self.queue.filled.notify_one();
    }

    /// Whether a line that is added now is likely to be written: there is room for it, and the
    /// output took the last ones.
    ///
    /// Lines are written after they are added, so what breaks from then on (20 ms and the time
    /// of one write) shows with the next line. An output that fails from the start shows once it
    /// was given a first line.
    pub fn has_room(&self) -> bool {
        if self.queue.failing.load(Ordering::Acquire) {
            return false;
        }
        let waiting = self.queue.lock();
        let stuck = waiting.writing.is_some_and(|since| since.elapsed() > STUCK);
        !stuck && waiting.lines.len() < ROOM
    }

    /// Lines that were lost since the start: the output was too slow or failed.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped.load(Ordering::Relaxed)
    }

    /// How the queue stands, for metrics.
    pub fn standing(&self) -> Standing {
        Standing {
            dropped: self.dropped(),
            waiting: self.queue.lock().lines.len(),
            failing: self.queue.failing.load(Ordering::Acquire),
        }
    }
}

/// How the queue stands, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Lines that were lost since the start.
    pub dropped: u64,
    /// Bytes that wait to be written.
    pub waiting: usize,
    /// Whether the last lines could not be written.
    pub failing: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut output: Output) {
        let mut batch = Vec::new();
        let mut torn = false;
        // What was written of a line that is not whole yet.
        let mut started = Vec::new();
        while self.next(&mut batch) {
            let moved = output.follow();
            if matches!(moved, Ok(true)) {
                // What a failed write began stands in another file, and is begun anew.
                batch.splice(0..0, started.drain(..));
                torn = false;
            }
            if batch.is_empty() {
                self.lock().writing = None;
                continue;
            }
            if torn {
                // What a failed write left of a line ends here.
                batch.insert(0, b'\n');
            }
            let ended = write(&mut output, moved, &batch);
            match &ended {
                Ok(()) => {
                    torn = false;
                    started.clear();
                }
                Err((written, error)) => {
                    if self.mode == AuditMode::Required {
                        // The rest goes on where it stopped.
                        begin(&mut started, batch.drain(..*written));
                    } else {
                        torn = match written.checked_sub(1).and_then(|last| batch.get(last)) {
                            Some(last) => *last != b'\n',
                            None => torn,
                        };
                        self.lose(batch.get(*written..).unwrap_or_default());
                    }
                    if !self.failing.swap(true, Ordering::AcqRel) {
                        tracing::error!(%error, "audit records cannot be written");
                    }
                }
            }
            if ended.is_ok() || self.mode == AuditMode::BestEffort {
                batch.clear();
                batch.shrink_to(1024 * 1024);
            }
            let mut waiting = self.lock();
            waiting.writing = None;
            let last = waiting.ended && ended.is_err();
            drop(waiting);
            if ended.is_ok() && self.failing.swap(false, Ordering::AcqRel) {
                tracing::warn!("audit records are written again");
            }
            if last {
                self.lose(&batch);
                self.lose(&self.lock().lines);
                return;
            }
        }
    }

    /// Waits for lines, takes them, and begins to write; false is the end. Lines that were kept
    /// are tried again first.
    fn next(&self, batch: &mut Vec<u8>) -> bool {
        let (first, patience) = if batch.is_empty() {
            let waiting = self
                .filled
                .wait_while(self.lock(), |waiting| {
                    waiting.lines.is_empty() && !waiting.ended && !waiting.reopen
                })
                .unwrap_or_else(PoisonError::into_inner);
            if waiting.lines.is_empty() && !waiting.reopen {
                return false;
            }
            (waiting, GATHER)
        } else {
            (self.lock(), RETRY)
        };
        let mut waiting = self
            .filled
            .wait_timeout_while(first, patience, |waiting| !waiting.ended)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        if batch.is_empty() {
            std::mem::swap(batch, &mut waiting.lines);
        }
        waiting.reopen = false;
        waiting.writing = Some(Instant::now());
        true
    }

    /// Counts lines that are lost.
    fn lose(&self, lines: &[u8]) {
        let lost = lines.iter().filter(|byte| **byte == b'\n').count();
        let lost = u64::try_from(lost).unwrap_or(u64::MAX);
        self.dropped.fetch_add(lost, Ordering::Relaxed);
    }
}

/// Keeps what was written of a line that is not whole yet.
fn begin(started: &mut Vec<u8>, written: impl Iterator<Item = u8>) {
    started.extend(written);
    let whole = memchr::memrchr(b'\n', started).map_or(0, |end| end + 1);
    started.drain(..whole);
}

/// Writes lines to where the output's name leads.
fn write(
    output: &mut Output,
    moved: io::Result<bool>,
    lines: &[u8],
) -> Result<(), (usize, io::Error)> {
    moved.map_err(|error| (0, error))?;
    output.write(lines)?;
    if output.is_removed() {
        // Perhaps before it was written: again, to the file that is there now.
        output.follow().map_err(|error| (0, error))?;
        output.write(lines)?;
    }
    Ok(())
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.lock().ended = true;
        self.queue.filled.notify_all();
        let end = Instant::now() + PATIENCE;
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && Instant::now() < end {
                thread::sleep(Duration::from_millis(2));
            }
            if thread.is_finished() {
                drop(thread.join());
            } else {
                tracing::error!("the audit output does not take the last records");
            }
        }
    }
}

#[cfg(test)]
mod tests;
