//! Who asks for a fetch, and who waits for one.
//!
//! Invariant: one fetch at a time, and at most one for unknown keys in a cooldown, whoever asks
//! and from whichever runtime. A fetch that is under way already serves those who come late, and
//! not more than a crowd waits for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

/// So many may wait for one fetch: each of them holds a request up, and any junk can.
pub(super) const CROWD: usize = 64;

/// Asks for fetches.
pub(super) struct Demand {
    desk: Mutex<Desk>,
    wake: Notify,
    ended: watch::Sender<Ended>,
}

#[derive(Default)]
struct Desk {
    /// A fetch runs, or will at once.
    under_way: bool,
    /// One is to begin.
    wanted: bool,
    last_for_unknown: Option<Instant>,
}

/// The fetches that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ended {
    count: u64,
    last: Outcome,
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Something could not be fetched.
    #[default]
    Failed,
    /// Every source answered.
    Whole,
}

/// What becomes of asking for a fetch because a key is unknown.
pub(super) enum Asked {
    /// Too many wait already.
    Crowded,
    /// There was one a short while ago.
    TooSoon,
    /// It is under way: what it reads may be older than the key.
    UnderWay(UnderWay),
    /// It was asked for now, and will begin at once.
    Begun(UnderWay),
}

/// A fetch that is under way.
pub(super) struct UnderWay(watch::Receiver<Ended>);

impl UnderWay {
    /// Waits for its end.
    pub(super) async fn ended(mut self) -> Outcome {
        match self.0.changed().await {
            Ok(()) => self.0.borrow().last,
            Err(_) => Outcome::Failed,
        }
    }
}

impl Default for Demand {
    fn default() -> Self {
        Self {
            desk: Mutex::default(),
            wake: Notify::new(),
            ended: watch::Sender::new(Ended::default()),
        }
    }
}

impl Demand {
    /// Asks for a fetch at once: the operator wants it.
    pub(super) fn ask(&self) {
        self.desk().wanted = true;
        self.wake.notify_one();
    }

    /// Asks for a fetch because a key is unknown.
    pub(super) fn ask_for_unknown(&self, cooldown: Duration) -> Asked {
        let mut desk = self.desk();
        if self.ended.receiver_count() >= CROWD {
            return Asked::Crowded;
        }
        // Before the fetch can end.
        let waiting = UnderWay(self.ended.subscribe());
        if !desk.under_way {
            let last = desk.last_for_unknown;
            if last.is_some_and(|last| last.elapsed() < cooldown) {
                return Asked::TooSoon;
            }
            desk.last_for_unknown = Some(Instant::now());
            desk.under_way = true;
            desk.wanted = true;
            drop(desk);
            self.wake.notify_one();
            return Asked::Begun(waiting);
        }
        Asked::UnderWay(waiting)
    }

    /// Waits until a fetch is asked for.
    pub(super) async fn asked(&self) {
        while !self.desk().wanted {
            self.wake.notified().await;
        }
    }

    /// A fetch begins, for all who asked.
    pub(super) fn begin(&self) {
        let mut desk = self.desk();
        desk.wanted = false;
        desk.under_way = true;
    }

    /// It has ended, and what it brought is in force.
    pub(super) fn end(&self, outcome: Outcome) {
        let mut desk = self.desk();
        desk.under_way = desk.wanted;
        self.ended.send_modify(|ended| {
            ended.count = ended.count.wrapping_add(1);
            ended.last = outcome;
        });
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
