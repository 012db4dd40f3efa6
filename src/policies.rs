//! The policies in force: loaded from a directory, and kept up with it while the gateway runs.
//!
//! Invariant: readers never wait. A decision takes one [`Snapshot`], which no later change
//! touches; the thread that watches the directory puts a new one in its place.
//!
//! The first load is whole or refused. From then on a file that cannot be read leaves its tenant's
//! last good policy in force (`policies/ledger.rs` has the table), is reported, and counted.
//!
//! Policies are written in one place, [`write`](mod@write), whoever wants it; files edited by hand
//! live beside that.

pub mod directory;
pub mod document;
pub mod expiry;
mod file;
mod ledger;
mod lock;
mod parallel;
mod present;
mod stored;
mod versions;
mod watch;
pub mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use crate::core::policy::{Record, Snapshot, UnixSeconds, Version};
use crate::core::tenant::TenantId;
use crate::problem::Problem;

pub use stored::{Stored, read_stored};

use ledger::{Ledger, Pass, Recording};
use watch::Watch;

/// The policies in force; cheap to clone. The directory is watched until the last clone is
/// dropped.
#[derive(Clone, Debug)]
pub struct Policies {
    shared: Arc<Shared>,
    watch: Option<Arc<Watch>>,
    directory: Option<Arc<PathBuf>>,
}

/// Figures for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Tenants with a policy in force.
    pub policies: usize,
    /// Tenants with a record and no policy in force: exchanges that need it are answered 503.
    pub unreadable: usize,
    /// Problems that stand now, in files and in the directory itself.
    pub problems: usize,
    /// When everything in the directory was last seen in force, in Unix seconds.
    pub last_reload: UnixSeconds,
    /// Times that policies were put in force or looked at on request, the first load included.
    pub reloads: u64,
    /// Times that a look at the directory found a new problem.
    pub reload_failures: u64,
    /// How changes are noticed.
    pub watching: Watching,
}

/// How changes are noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watching {
    /// The system tells of them.
    Events,
    /// They are not.
    #[default]
    Nothing,
    /// The directory is looked at again and again.
    Polling,
}

impl Watching {
    /// The word used in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Nothing => "nothing",
            Self::Polling => "polling",
        }
    }
}

impl Policies {
    /// Loads a directory and watches it from then on, in a thread of its own.
    ///
    /// # Errors
    /// Every problem in the directory, the operator's to mend: the first load must be whole.
    pub fn open(dir: &Path) -> Result<Self, Vec<Problem>> {
        // A later change of the working directory must not make it another directory.
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let (ledger, pass) = directory::open(&dir, Recording::Yes)?;
        ledger.remove_leftovers();
        let shared = Arc::new(Shared::default());
        shared.publish(&ledger, &pass, Asked::Yes);
        tracing::info!(
            policy.directory = %dir.display(),
            policy.count = ledger.snapshot().len(),
            policy.ignored = pass.ignored.len(),
            "policies loaded"
        );
        if ledger.snapshot().is_empty() {
            tracing::warn!(
                policy.directory = %dir.display(),
                "policy directory holds no policy: every tenant counts as absent"
            );
        }
        let watch = Watch::start(dir.clone(), ledger, Arc::clone(&shared))?;
        Ok(Self {
            shared,
            watch: Some(Arc::new(watch)),
            directory: Some(Arc::new(dir)),
        })
    }

    /// Policies that never change: for tests, benches and one-off commands.
    pub fn fixed(snapshot: Snapshot) -> Self {
        let shared = Shared::default();
        shared.standing().stats.policies = snapshot.len();
        shared.snapshot.store(Arc::new(snapshot));
        Self {
            shared: Arc::new(shared),
            watch: None,
            directory: None,
        }
    }

    /// All policies at this moment. A decision takes one snapshot and reads both sides from it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// Where they stand; none for fixed ones.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(|dir| dir.as_path())
    }

    /// Has a tenant's file looked at now, and waits until this version of it, or a later one, is
    /// in force. False: it was not to be had.
    fn await_in_force(&self, tenant: TenantId, version: Version) -> bool {
        let looked = self.watch.as_ref().is_some_and(|watch| watch.look(tenant));
        let snapshot = self.snapshot();
        looked
            && match snapshot.get(tenant) {
                Record::Absent | Record::Unreadable => false,
                Record::Present(policy) => policy.version >= version,
            }
    }

    /// Figures for metrics.
    pub fn stats(&self) -> Stats {
        self.shared.standing().stats
    }

    /// The problems that stand now.
    pub fn problems(&self) -> Vec<Problem> {
        self.shared.standing().problems.clone()
    }

    /// Looks at the whole directory again, soon and without waiting for it (SIGHUP).
    pub fn reload(&self) {
        if let Some(watch) = &self.watch {
            watch.reload();
        }
    }
}

/// What readers see.
#[derive(Debug, Default)]
struct Shared {
    snapshot: ArcSwap<Snapshot>,
    standing: Mutex<Standing>,
}

/// How things stand, for metrics.
#[derive(Debug, Default)]
struct Standing {
    stats: Stats,
    problems: Vec<Problem>,
}

/// Whether a look at the directory was asked for, by the operator or by starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    No,
    Yes,
}

impl Shared {
    /// Makes the outcome of a pass visible.
    fn publish(&self, ledger: &Ledger, pass: &Pass, asked: Asked) {
        // A new problem may have made a record unreadable.
        if !pass.changes.is_empty() || !pass.found.is_empty() {
            self.snapshot.store(Arc::new(ledger.snapshot().clone()));
        }
        let unreadable = ledger.unreadable();
        let problems = ledger.problems().count();
        let mut standing = self.standing();
        let same = pass.found.is_empty() && problems == standing.problems.len();
        if !same {
            standing.problems = ledger.problems().cloned().collect();
        }
        let stats = &mut standing.stats;
        stats.policies = ledger.snapshot().len() - unreadable;
        stats.unreadable = unreadable;
        stats.reloads += u64::from(!pass.changes.is_empty() || asked == Asked::Yes);
        stats.reload_failures += u64::from(!pass.found.is_empty());
        stats.problems = problems;
        if problems == 0 {
            stats.last_reload = now();
        }
    }

    fn watching(&self, watching: Watching) {
        self.standing().stats.watching = watching;
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> UnixSeconds {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
