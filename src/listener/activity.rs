//! What is under way on a connection, from a request's head until the last of its reply is written.
//!
//! It exists because hyper times out neither a silent HTTP/2 peer nor one that hardly takes its
//! answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::proxy::Held;

/// The requests of one connection.
pub(super) struct Activity(Mutex<Requests>);

/// The open requests, and since when none is open.
struct Requests {
    next: u64,
    open: usize,
    /// Those whose answers wait to be taken, and since when: few, one at most with HTTP/1.1.
    answered: Vec<(u64, Instant)>,
    quiet: Instant,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Requests {
            next: 0,
            open: 0,
            answered: Vec::new(),
            quiet: Instant::now(),
        }))
    }

    fn open(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        open.open += 1;
        Busy {
            activity: Arc::clone(self),
            number,
        }
    }

    /// How long nothing can be overdue: that none is open for `idle`, or that an answer waits for
    /// `taking` and its client has not taken it.
    pub(super) fn left(&self, idle: Option<Duration>, taking: Duration) -> Duration {
        let open = self.open();
        let oldest = open.answered.iter().map(|(_, since)| since).min();
        let waiting = oldest.map_or(Duration::ZERO, Instant::elapsed);
        let quiet = if open.open == 0 {
            open.quiet.elapsed()
        } else {
            Duration::ZERO
        };
        let taken = taking.saturating_sub(waiting);
        idle.map_or(taken, |idle| taken.min(idle.saturating_sub(quiet)))
    }
}

/// One request under way.
pub(super) struct Busy {
    activity: Arc<Activity>,
    number: u64,
}

impl Held for Busy {
    fn answered(&self) {
        let mut open = self.activity.open();
        open.answered.push((self.number, Instant::now()));
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut open = self.activity.open();
        open.open -= 1;
        open.answered.retain(|(number, _)| *number != self.number);
        open.quiet = Instant::now();
    }
}
