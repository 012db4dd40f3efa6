//! Writes audit lines from a thread of its own, so that no exchange waits for a disk.
//!
//! Invariant: lines are whole and in order. They gather in memory for at most [`GATHER`] and
//! [`MOST`] bytes; beyond that they are counted as dropped and an alarm is raised.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::AuditOutput;

/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(20);

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
    waiting: Mutex<Waiting>,
    /// Wakes the writer when the first line arrives, or the end.
    filled: Condvar,
    dropped: AtomicU64,
    /// Whether the last lines could not be written.
    failing: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    ended: bool,
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
    pub fn start(output: &AuditOutput) -> io::Result<(Self, Writer)> {
        let sink = match output {
            AuditOutput::File(path) => {
                Sink::File(OpenOptions::new().create(true).append(true).open(path)?)
            }
            AuditOutput::Stdout => Sink::Stdout(io::stdout()),
        };
        let queue = Arc::new(Queue::default());
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
        let mut waiting = self.queue.lock();
        if waiting.lines.len() >= MOST {
            drop(waiting);
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (first, length) = (waiting.lines.is_empty(), waiting.lines.len());
        if serde_json::to_writer(&mut waiting.lines, line).is_err() {
            waiting.lines.truncate(length);
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.lines.push(b'\n');
        drop(waiting);
        if first {
            self.queue.filled.notify_one();
        }
    }

    /// Whether a line that is added now is likely to be written: there is room for it, and the
    /// output took the last ones.
    ///
    /// Lines are written after they are added, so what breaks from then on (20 ms and the time
    /// of one write) shows with the next line. An output that fails from the start shows once it
    /// was given a first line.
    pub fn has_room(&self) -> bool {
        !self.queue.failing.load(Ordering::Acquire) && self.queue.lock().lines.len() < ROOM
    }

    /// Lines that were lost since the start: the output was too slow or failed.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped.load(Ordering::Relaxed)
    }
}

enum Sink {
    File(File),
    Stdout(io::Stdout),
}

impl Sink {
    /// Writes lines; on failure, tells how many bytes went out before.
    fn write(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
            let step = match self {
                Self::File(file) => file.write(rest),
                Self::Stdout(stdout) => stdout.write(rest),
            };
            match step {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        match self {
            Self::File(_) => Ok(()),
            Self::Stdout(stdout) => stdout.flush().map_err(|error| (written, error)),
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut sink: Sink) {
        let mut batch = Vec::new();
        let mut failing = false;
        let mut torn = false;
        loop {
            let mut waiting = self
                .filled
                .wait_while(self.lock(), |waiting| {
                    waiting.lines.is_empty() && !waiting.ended
                })
                .unwrap_or_else(PoisonError::into_inner);
            if waiting.lines.is_empty() && waiting.ended {
                return;
            }
            if !waiting.ended {
                waiting = self
                    .filled
                    .wait_timeout_while(waiting, GATHER, |waiting| !waiting.ended)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            std::mem::swap(&mut batch, &mut waiting.lines);
            drop(waiting);
            if torn {
                // What a failed write left of a line ends here.
                batch.insert(0, b'\n');
            }
            match sink.write(&batch) {
                Ok(()) if failing => {
                    (failing, torn) = (false, false);
                    self.failing.store(false, Ordering::Release);
                    tracing::warn!("audit records are written again");
                }
                Ok(()) => {}
                Err((written, error)) => {
                    torn = match written.checked_sub(1).and_then(|last| batch.get(last)) {
                        Some(last) => *last != b'\n',
                        None => torn,
                    };
                    let unwritten = batch.get(written..).unwrap_or_default();
                    let lost = unwritten.iter().filter(|byte| **byte == b'\n').count();
                    self.dropped
                        .fetch_add(u64::try_from(lost).unwrap_or(u64::MAX), Ordering::Relaxed);
                    if !failing {
                        failing = true;
                        self.failing.store(true, Ordering::Release);
                        tracing::error!(%error, "audit records cannot be written");
                    }
                }
            }
            batch.clear();
            batch.shrink_to(1024 * 1024);
        }
    }
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
mod tests {
    use super::*;

    #[test]
    fn there_is_room_while_the_output_takes_lines() {
        let audit = Audit {
            queue: Arc::new(Queue::default()),
        };
        assert!(audit.has_room());
        audit.queue.lock().lines = vec![b' '; ROOM - 1];
        assert!(audit.has_room());
        // What is written is written whole, so the largest record has its place.
        audit.write(&"x".repeat(8 * 1024 * 1024));
        assert!(!audit.has_room());
        assert_eq!(audit.dropped(), 0);
        audit.queue.lock().lines.clear();
        audit.queue.failing.store(true, Ordering::Release);
        assert!(!audit.has_room());
    }
}
