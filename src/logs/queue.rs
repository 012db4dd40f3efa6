//! Lines that wait for the collector, in batches as they will be sent.
//!
//! Invariant: adding never waits. At most [`RECORDS`] lines and [`BYTES`] bytes of them are held,
//! those on their way to the collector included; what does not fit is counted. Lines stay in order.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::sleep_until;

use crate::metrics::LogMetrics;

/// Lines that may be held.
pub(super) const RECORDS: usize = 32 * 1024;

/// Bytes that lines may take.
pub(super) const BYTES: usize = 32 * 1024 * 1024;

/// Lines of one request to the collector.
const RECORDS_OF_BATCH: usize = 512;

/// Bytes of them: with what goes round them less than 1 MiB, which servers take that take least.
const BYTES_OF_BATCH: usize = 512 * 1024;

/// How long lines gather before they are sent.
const GATHER: Duration = Duration::from_secs(1);

/// What a batch begins with room for.
const ROOM: usize = 8 * 1024;

/// Lines of the audit on their way to the collector.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Wakes who sends when there is a batch more.
    filled: Notify,
    pub(super) metrics: LogMetrics,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    /// Lines that wait or are under way, and their bytes.
    held: (usize, usize),
    /// Whether nobody sends any more.
    closed: bool,
}

/// Lines that are sent together.
pub(super) struct Batch {
    /// Whole lines, one after the other.
    pub(super) lines: Vec<u8>,
    pub(super) records: usize,
    /// When the first of them came.
    since: Instant,
}

/// What there is to send.
enum Next {
    Batch(Batch),
    /// Nothing more, ever.
    End,
    /// Nothing before this moment, if nothing comes.
    Nothing(Option<Instant>),
}

impl Queue {
    pub(super) fn new(metrics: LogMetrics) -> Self {
        Self {
            waiting: Mutex::default(),
            filled: Notify::new(),
            metrics,
        }
    }

    /// Adds a line, its end included.
    pub(super) fn add(&self, line: &[u8]) {
        let mut waiting = self.lock();
        let (records, bytes) = waiting.held;
        if waiting.closed || records >= RECORDS || bytes + line.len() > BYTES {
            drop(waiting);
            self.metrics.dropped_by_queue.inc();
            return;
        }
        waiting.held = (records + 1, bytes + line.len());
        let is_new = waiting.add(line);
        drop(waiting);
        self.metrics.queue.inc();
        if is_new {
            self.filled.notify_one();
        }
    }

    /// The next batch to send: one that is full or has gathered for long enough, and at the end any.
    /// None: there is nothing left, and nothing more is taken.
    pub(super) async fn next(&self, end: &mut watch::Receiver<bool>) -> Option<Batch> {
        loop {
            // Nobody who could tell of the end is the end as well.
            let ending = *end.borrow_and_update() || end.has_changed().is_err();
            let due = match self.take(ending) {
                Next::Batch(batch) => return Some(batch),
                Next::End => return None,
                Next::Nothing(due) => due,
            };
            tokio::select! {
                () = self.filled.notified() => {}
                () = until(due) => {}
                _ = end.changed() => {}
            }
        }
    }

    fn take(&self, ending: bool) -> Next {
        let mut waiting = self.lock();
        let is_full = waiting.batches.len() > 1;
        let due = waiting.batches.front().map(|batch| batch.since + GATHER);
        match due {
            None if ending => {
                waiting.closed = true;
                Next::End
            }
            Some(due) if !is_full && !ending && due > Instant::now() => Next::Nothing(Some(due)),
            _ => match waiting.batches.pop_front() {
                Some(batch) => Next::Batch(batch),
                None => Next::Nothing(None),
            },
        }
    }

    /// Makes room for as much as a batch took, however it ended.
    pub(super) fn release(&self, batch: &Batch) {
        let mut waiting = self.lock();
        let (records, bytes) = waiting.held;
        waiting.held = (
            records.saturating_sub(batch.records),
            bytes.saturating_sub(batch.lines.len()),
        );
        drop(waiting);
        self.metrics.queue.dec_by(signed(batch.records));
    }

    /// Gives up what is left, and takes nothing more: so many lines.
    pub(super) fn close(&self) -> usize {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.batches.clear();
        let (left, _) = std::mem::take(&mut waiting.held);
        drop(waiting);
        self.metrics.queue.dec_by(signed(left));
        left
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Adds a line to the last batch, or begins one; tells whether it did that.
    fn add(&mut self, line: &[u8]) -> bool {
        if let Some(batch) = self.batches.back_mut()
            && batch.records < RECORDS_OF_BATCH
            && batch.lines.len() + line.len() <= BYTES_OF_BATCH
        {
            batch.lines.extend_from_slice(line);
            batch.records += 1;
            return false;
        }
        let mut lines = Vec::with_capacity(ROOM.max(line.len()));
        lines.extend_from_slice(line);
        self.batches.push_back(Batch {
            lines,
            records: 1,
            since: Instant::now(),
        });
        true
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
