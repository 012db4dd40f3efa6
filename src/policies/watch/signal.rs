//! What is to be looked at: filled by whoever notices a change, emptied by the watching thread.
//!
//! Invariant: bounded. Changes to one file are one change; too many of them are one look at
//! everything. A change is handed over once things are quiet, and after [`LONGEST`] in any case.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A writer that says no more for this long has finished.
pub(super) const QUIET: Duration = Duration::from_millis(50);

/// Changes wait no longer than this for a writer to finish.
pub(super) const LONGEST: Duration = Duration::from_millis(200);

/// With more names than this the whole directory is looked at.
const MOST_NAMES: usize = 4096;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Look at the whole directory.
    All,
    /// Nothing happened for as long as was waited.
    Idle,
    /// Look at these files.
    Names(BTreeSet<OsString>),
    /// Look at these files before anything else: somebody waits until this many looks were had.
    Now(BTreeSet<OsString>, u64),
    /// Look at the whole directory, because the operator asked.
    Reload,
    /// End.
    Stop,
}

/// The place where changes are noted.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pending: Mutex<Pending>,
    changed: Condvar,
    looks: Mutex<u64>,
    looked: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    now: BTreeSet<OsString>,
    /// How many looks were asked for, ever.
    asked: u64,
    names: BTreeSet<OsString>,
    all: bool,
    reload: bool,
    stop: bool,
    latest: Option<Instant>,
}

impl Signal {
    /// This file may have changed.
    pub(super) fn name(&self, name: OsString) {
        self.note(|pending| {
            pending.names.insert(name);
            if pending.names.len() > MOST_NAMES {
                pending.names.clear();
                pending.all = true;
            }
        });
    }

    /// Has a file looked at before anything else, and waits for that. False: it took too long.
    pub(super) fn look(&self, name: OsString, patience: Duration) -> bool {
        let mut pending = self.pending();
        pending.now.insert(name);
        pending.asked += 1;
        let asked = pending.asked;
        drop(pending);
        self.changed.notify_one();
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let (looks, _) = self
            .looked
            .wait_timeout_while(looks, patience, |looks| *looks < asked)
            .unwrap_or_else(PoisonError::into_inner);
        *looks >= asked
    }

    /// So many of the looks that were asked for were had, and what they brought is in force.
    pub(super) fn looked(&self, asked: u64) {
        *self.looks.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        self.looked.notify_all();
    }

    /// Anything may have changed.
    pub(super) fn all(&self) {
        self.note(|pending| pending.all = true);
    }

    /// The operator wants a look at everything.
    pub(super) fn reload(&self) {
        self.note(|pending| pending.reload = true);
    }

    /// The thread is to end.
    pub(super) fn stop(&self) {
        self.note(|pending| pending.stop = true);
    }

    /// Waits for work, and for it to be all of it; at most `idle` for the first sign of it.
    pub(super) fn wait(&self, idle: Duration) -> Work {
        let (mut pending, _) = self
            .changed
            .wait_timeout_while(self.pending(), idle, |pending| pending.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + LONGEST;
        while let Some(latest) = pending.latest
            && !pending.stop
            && pending.now.is_empty()
        {
            let rest = (latest + QUIET)
                .min(end)
                .saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(pending, rest);
            (pending, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        pending.take()
    }

    fn note(&self, change: impl FnOnce(&mut Pending)) {
        let mut pending = self.pending();
        change(&mut pending);
        pending.latest = Some(Instant::now());
        drop(pending);
        self.changed.notify_one();
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.latest.is_none() && self.now.is_empty()
    }

    /// Takes out what is to be done first.
    fn take(&mut self) -> Work {
        if !self.stop && !self.now.is_empty() {
            return Work::Now(std::mem::take(&mut self.now), self.asked);
        }
        let rest = Self {
            asked: self.asked,
            ..Self::default()
        };
        std::mem::replace(self, rest).into_work()
    }

    fn into_work(self) -> Work {
        if self.stop {
            Work::Stop
        } else if self.reload {
            Work::Reload
        } else if self.all {
            Work::All
        } else if self.names.is_empty() {
            Work::Idle
        } else {
            Work::Names(self.names)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::atomic::{AtomicBool, Ordering};

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn changes_to_one_file_are_one_change() {
        let signal = Signal::default();
        for name in ["a", "b", "a"] {
            signal.name(name.into());
        }
        let names = BTreeSet::from(["a".into(), "b".into()]);
        assert_eq!(signal.wait(SOON), Work::Names(names));
        assert_eq!(signal.wait(Duration::ZERO), Work::Idle);
    }

    #[test]
    fn the_larger_task_wins() {
        let signal = Signal::default();
        signal.name("a".into());
        signal.all();
        assert_eq!(signal.wait(SOON), Work::All);
        signal.all();
        signal.reload();
        assert_eq!(signal.wait(SOON), Work::Reload);
        signal.reload();
        signal.stop();
        assert_eq!(signal.wait(SOON), Work::Stop);
    }

    #[test]
    fn many_names_are_one_look_at_everything() {
        let signal = Signal::default();
        for index in 0..=MOST_NAMES {
            signal.name(index.to_string().into());
        }
        assert_eq!(signal.wait(SOON), Work::All);
    }

    #[test]
    fn a_look_that_is_awaited_comes_first_and_keeps_the_rest() {
        let signal = Signal::default();
        signal.name("a".into());
        signal.reload();
        std::thread::scope(|scope| {
            let looks = ["b", "b", "c"].map(|name| scope.spawn(|| signal.look(name.into(), SOON)));
            let mut asked = 0;
            while asked < looks.len() as u64 {
                let Work::Now(names, now) = signal.wait(SOON) else {
                    panic!("something else first")
                };
                assert!(!names.is_empty() && names.iter().all(|name| name != "a"));
                assert!(now > asked);
                asked = now;
                signal.looked(asked);
            }
            assert!(looks.into_iter().all(|look| look.join().unwrap()));
        });
        assert_eq!(signal.wait(SOON), Work::Reload);
        assert_eq!(signal.wait(Duration::ZERO), Work::Idle);
    }

    #[test]
    fn a_look_that_nobody_takes_ends() {
        let signal = Signal::default();
        assert!(!signal.look("a".into(), Duration::from_millis(1)));
        // Had late: it is not counted for the next one.
        assert!(matches!(signal.wait(SOON), Work::Now(_, 1)));
        assert!(!signal.look("a".into(), Duration::from_millis(1)));
    }

    #[test]
    fn a_writer_who_never_rests_is_not_waited_for() {
        let signal = Signal::default();
        let handed_over = AtomicBool::new(false);
        let end = Instant::now() + SOON;
        signal.name("a".into());
        let ended_early = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                while !handed_over.load(Ordering::Relaxed) && Instant::now() < end {
                    signal.name("a".into());
                    std::thread::yield_now();
                }
                Instant::now() < end
            });
            assert_ne!(signal.wait(SOON), Work::Idle);
            handed_over.store(true, Ordering::Relaxed);
            writer.join().unwrap()
        });
        assert!(ended_early, "handed over while the writer went on");
    }
}
