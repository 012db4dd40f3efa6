//! Keeps the policies in force up with their directory, in a thread of its own.
//!
//! Invariant: every change shows in decisions well under a second after it is complete, whatever
//! its kind, and a change that is never told of shows at the next slow rescan.
//!
//! | what happens | how it is noticed |
//! |---|---|
//! | a file written, renamed over, deleted (looked at twice), its permissions changed | its event: that file is read |
//! | a policy is put ([`super::write`]) | it says so itself, and waits: that file is read at once |
//! | `..data` swapped, a linked file changed, events lost, SIGHUP | everything is looked at, by fingerprint |
//! | the directory replaced, renamed, made again | an event of its parent: everything |
//! | the same behind links further up; mounted, unmounted | its identity is looked at every [`GLANCE`] |
//! | anything the system does not tell (network file systems) | everything is looked at every [`RESCAN`] |
//! | the system refuses to watch | everything is looked at every [`GLANCE`], with a warning |

mod announce;
mod eyes;
mod signal;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::core::tenant::TenantId;
use crate::problem::Problem;

use super::file::usual_name;
use super::ledger::{Ledger, Pass};
use super::parallel::Pace;
use super::{Asked, Shared, Watching};

use eyes::Eyes;
use signal::{Signal, Work};

/// How often the directory's identity is looked at: one system call.
const GLANCE: Duration = Duration::from_millis(250);

/// How often everything is looked at though nothing was told.
const RESCAN: Duration = Duration::from_secs(30);

/// Looking at everything, unasked, takes at most this share of the time: one in a hundred where
/// events tell of changes, one in five where nothing else does.
const SHARE_WATCHING: u32 = 100;
const SHARE_POLLING: u32 = 5;

/// How long a look at one file may take, all that was begun before it included.
const LOOK: Duration = Duration::from_secs(10);

/// How long a dropped watch waits for its thread, which a hanging file system may hold.
const PATIENCE: Duration = Duration::from_secs(2);

/// The watching thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
    /// Closed by the thread's end.
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Watch {
    /// Starts to keep `shared` up with `dir`, which `ledger` has seen already.
    pub(super) fn start(
        dir: PathBuf,
        ledger: Ledger,
        shared: Arc<Shared>,
    ) -> Result<Self, Vec<Problem>> {
        let signal = Arc::new(Signal::default());
        let eyes = Eyes::new(&dir, Arc::clone(&signal));
        Self::start_with(eyes, signal, dir, ledger, shared)
    }

    fn start_with(
        eyes: Eyes,
        signal: Arc<Signal>,
        dir: PathBuf,
        ledger: Ledger,
        shared: Arc<Shared>,
    ) -> Result<Self, Vec<Problem>> {
        let keeper = Keeper {
            dir: dir.clone(),
            ledger,
            shared,
            signal: Arc::clone(&signal),
            eyes,
            watching: Watching::Nothing,
            rescan_at: Instant::now(),
        };
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("policies".to_owned())
            .spawn(move || {
                keeper.run();
                drop(end);
            });
        let thread = thread.map_err(|error| {
            vec![Problem {
                file: dir,
                key: String::new(),
                found: format!("no thread to watch it with ({error})"),
                expected: "a thread".to_owned(),
            }]
        })?;
        Ok(Self {
            signal,
            thread: Some(thread),
            ended: Mutex::new(ended),
        })
    }

    /// Has a tenant's file looked at now, and waits until what it holds is in force. False: it
    /// took too long.
    pub(super) fn look(&self, tenant: TenantId) -> bool {
        self.signal.look(usual_name(tenant), LOOK)
    }

    /// Has everything looked at, because the operator asked.
    pub(super) fn reload(&self) {
        self.signal.reload();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.signal.stop();
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let ended = ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected);
        if let Some(thread) = self.thread.take().filter(|_| ended) {
            // A panic was printed where it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Keeper {
    dir: PathBuf,
    ledger: Ledger,
    shared: Arc<Shared>,
    signal: Arc<Signal>,
    eyes: Eyes,
    watching: Watching,
    rescan_at: Instant,
}

impl Keeper {
    fn run(mut self) {
        // What changed between the first load and the first watch.
        self.look_at_all(Asked::No, Pace::Fast);
        loop {
            match self.signal.wait(GLANCE) {
                Work::All => self.look_at_all(Asked::No, Pace::Fast),
                Work::Idle => {}
                Work::Names(names) => drop(self.look_at(names)),
                Work::Now(names, asked) => {
                    if self.look_at(names).again {
                        self.look_at_all(Asked::No, Pace::Fast);
                    }
                    self.signal.looked(asked);
                }
                Work::Reload => self.look_at_all(Asked::Yes, Pace::Fast),
                Work::Stop => return,
            }
            if !self.ledger.is_in_place() {
                self.look_at_all(Asked::No, Pace::Fast);
            } else if Instant::now() >= self.rescan_at {
                let pace = match self.watching {
                    Watching::Events => Pace::Gentle,
                    Watching::Nothing | Watching::Polling => Pace::Fast,
                };
                self.look_at_all(Asked::No, pace);
            }
        }
    }

    fn look_at(&mut self, names: BTreeSet<OsString>) -> Pass {
        let pass = self.ledger.look_at(names);
        let unwatched = self.eyes.follow(self.ledger.links());
        self.finish(&pass, Asked::No, unwatched);
        pass
    }

    fn look_at_all(&mut self, asked: Asked, pace: Pace) {
        let start = Instant::now();
        let watched = super::file::identity(&self.dir);
        let seeing = self.eyes.see();
        let pass = self.ledger.look_at_all(pace);
        let unwatched = self.eyes.follow(self.ledger.links());
        if watched.is_some() {
            self.note_watching(seeing);
        }
        let other = watched.is_some() && !self.ledger.is_from(watched);
        self.finish(&pass, asked, unwatched || other);

        let took = start.elapsed();
        let pause = match self.watching {
            Watching::Events => RESCAN.max(took * SHARE_WATCHING),
            Watching::Nothing | Watching::Polling => GLANCE.max(took * SHARE_POLLING),
        };
        self.rescan_at = Instant::now() + pause;
    }

    /// Makes a pass visible. `unwatched`: some of it may have changed before it was watched.
    fn finish(&self, pass: &Pass, asked: Asked, unwatched: bool) {
        if pass.again || unwatched {
            self.signal.all();
        }
        pass.waiting
            .iter()
            .for_each(|name| self.signal.name(name.clone()));
        self.shared.publish(&self.ledger, pass, asked);
        announce::announce(&self.ledger, pass, asked);
    }

    fn note_watching(&mut self, seeing: Result<(), String>) {
        let watching = match &seeing {
            Ok(()) => Watching::Events,
            Err(_) => Watching::Polling,
        };
        if watching == self.watching {
            return;
        }
        match seeing {
            Ok(()) => tracing::info!(
                policy.directory = %self.dir.display(),
                "policy directory is watched"
            ),
            Err(error) => tracing::warn!(
                policy.directory = %self.dir.display(),
                error = %error,
                "policy directory cannot be watched and is polled"
            ),
        }
        self.watching = watching;
        self.shared.watching(watching);
    }
}

#[cfg(test)]
mod tests;
