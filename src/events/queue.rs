//! Takes events from exchanges, and never holds one up.
//!
//! Invariant: at most [`MOST`] events wait; one that finds no place is counted. Where records are
//! required, one of an exchange that released something always finds a place: there are no more of
//! those than exchanges may be under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Event;
use crate::config::AuditMode;
use crate::metrics::EventMetrics;

/// Events that may wait: what a second brings at the most that one machine takes.
pub(super) const MOST: usize = 65_536;

/// From here on they are written at once, and nothing more is released where records are required.
const MANY: usize = MOST / 2;

/// How long one write may take before the store counts as one that takes nothing.
const STUCK: Duration = Duration::from_secs(3);

/// The store, as exchanges see it. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    queue: Arc<Queue>,
}

/// What exchanges leave and the writer takes.
pub(super) struct Queue {
    mode: AuditMode,
    pub(super) metrics: EventMetrics,
    waiting: Mutex<Waiting>,
    /// Wakes the writer at the first event, at many, and at the end.
    filled: Condvar,
    failing: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    dropped: u64,
    ended: bool,
    /// Since when events are being written, while they are.
    writing: Option<Instant>,
}

/// What the writer finds.
#[derive(Default)]
pub(super) struct Taken {
    /// How many found no place since the last look.
    pub(super) dropped: u64,
    pub(super) ended: bool,
}

impl Events {
    pub(super) fn new(mode: AuditMode, metrics: EventMetrics) -> Self {
        let queue = Queue {
            mode,
            metrics,
            waiting: Mutex::default(),
            filled: Condvar::new(),
            failing: AtomicBool::new(false),
        };
        Self {
            queue: Arc::new(queue),
        }
    }

    /// Leaves an event to be written. Never waits for a disk.
    pub fn offer(&self, event: Event) {
        self.queue.offer(event);
    }

    /// Whether an event that is left now will be kept, as far as anybody can tell.
    pub fn keeps(&self) -> bool {
        if self.queue.failing.load(Ordering::Acquire) {
            return false;
        }
        let waiting = self.queue.lock();
        let stuck = waiting.writing.is_some_and(|since| since.elapsed() > STUCK);
        !stuck && waiting.events.len() < MANY
    }

    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, event: Event) {
        let mut waiting = self.lock();
        let must = self.mode == AuditMode::Required && event.released;
        if waiting.events.len() >= MOST && !must {
            waiting.dropped += 1;
            drop(waiting);
            self.metrics.dropped.inc();
            return;
        }
        waiting.events.push(event);
        let count = waiting.events.len();
        drop(waiting);
        if count == 1 || count == MANY {
            self.filled.notify_one();
        }
    }

    /// Waits at most `idle` for a first event, then at most `gather` for more, and takes them all.
    /// The end and many events are not waited with.
    pub(super) fn take(&self, into: &mut Vec<Event>, idle: Duration, gather: Duration) -> Taken {
        let mut waiting = self.lock();
        waiting = self.wait(waiting, idle, |waiting| !waiting.events.is_empty());
        if !waiting.events.is_empty() {
            waiting = self.wait(waiting, gather, |waiting| waiting.events.len() >= MANY);
        }
        std::mem::swap(into, &mut waiting.events);
        self.metrics.queue.set(number(into.len()));
        Taken {
            dropped: std::mem::take(&mut waiting.dropped),
            ended: waiting.ended,
        }
    }

    fn wait<'w>(
        &self,
        waiting: MutexGuard<'w, Waiting>,
        patience: Duration,
        enough: impl Fn(&Waiting) -> bool,
    ) -> MutexGuard<'w, Waiting> {
        let until = Instant::now() + patience;
        self.filled
            .wait_timeout_while(
                waiting,
                until.saturating_duration_since(Instant::now()),
                |waiting| !waiting.ended && !enough(waiting),
            )
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Tells the writer that nothing more comes.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.filled.notify_all();
    }

    /// Notes that what was taken is being written.
    pub(super) fn writes(&self) {
        self.lock().writing = Some(Instant::now());
    }

    /// Notes whether what was taken could be written.
    pub(super) fn wrote(&self, failing: bool) {
        self.failing.store(failing, Ordering::Release);
        self.lock().writing = None;
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
