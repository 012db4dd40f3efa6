//! The policies in force: loaded from a directory, and kept up with it while the gateway runs.
//!
//! Invariant: readers never wait. A decision takes one [`Snapshot`], which no later change
//! touches; the thread that watches the directory puts a new one in its place.
//!
//! The first load is whole or refused. From then on a file that cannot be read leaves its tenant's
//! last good policy in force (`policies/ledger.rs` has the table), is reported, and counted.
//!
//! A fleet of gateways shares its policies through etcd instead ([`crate::fleet`]).
//!
//! Policies are written in one place, [`write`](mod@write), whoever wants it; files edited by hand
//! live beside that.

pub mod directory;
pub mod document;
pub mod expiry;
mod file;
mod ledger;
mod lock;
pub(crate) mod parallel;
mod present;
mod stored;
mod versions;
mod watch;
pub mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use crate::config;
use crate::core::policy::{Record, Snapshot, UnixSeconds, Version};
use crate::core::tenant::TenantId;
use crate::fleet::{Fleet, Freshness, SourceStats};
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
    fleet: Option<Arc<Fleet>>,
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
    /// How etcd stands, if they come from there.
    pub source: Option<SourceStats>,
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
            fleet: None,
        })
    }

    /// Policies that a fleet of gateways shares through etcd, kept up with it from now on. They need
    /// not be there yet: [`Policies::is_available`] tells.
    ///
    /// # Errors
    /// What the operator has to mend. That etcd is away is nothing of that.
    pub fn fleet(etcd: &config::Etcd) -> Result<Self, Vec<Problem>> {
        let shared = Arc::new(Shared::default());
        let fleet = Fleet::start(etcd, Arc::clone(&shared)).map_err(|problem| vec![problem])?;
        Ok(Self {
            shared,
            watch: None,
            directory: None,
            fleet: Some(Arc::new(fleet)),
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
            fleet: None,
        }
    }

    /// All policies at this moment. A decision takes one snapshot and reads both sides from it.
    /// Where policies are not available, no policy in it can be had.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        if self.is_available() {
            self.shared.snapshot.load_full()
        } else {
            Arc::new(Snapshot::unavailable())
        }
    }

    /// Whether exchanges can be decided: false where etcd was never reached and nothing was kept,
    /// and where what is known was last confirmed too long ago.
    pub fn is_available(&self) -> bool {
        let usable = |fleet: &Arc<Fleet>| fleet.standing().is_usable();
        self.fleet.as_ref().is_none_or(usable)
    }

    /// How fresh they are; none where nobody else holds them, and before they were had at all.
    pub fn freshness(&self) -> Option<Freshness> {
        self.fleet.as_ref()?.standing().freshness()
    }

    /// The fleet that shares them, if one does.
    pub fn source(&self) -> Option<&Fleet> {
        self.fleet.as_deref()
    }

    /// Where they stand; none for fixed ones.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(|dir| dir.as_path())
    }

    /// Has a tenant's file looked at now, and waits until this version of it, or a later one, is
    /// in force. False: it was not to be had.
    fn await_in_force(&self, tenant: TenantId, version: Version) -> bool {
        let looked = self.watch.as_ref().is_some_and(|watch| watch.look(tenant));
        looked && self.is_in_force(tenant, version)
    }

    /// Whether this version of a tenant's policy, or a later one, is in force.
    fn is_in_force(&self, tenant: TenantId, version: Version) -> bool {
        match self.snapshot().get(tenant) {
            Record::Absent | Record::Unreadable => false,
            Record::Present(policy) => policy.version >= version,
        }
    }

    /// Figures for metrics.
    pub fn stats(&self) -> Stats {
        let mut stats = self.shared.stats();
        stats.source = self.source().map(|fleet| fleet.standing().stats());
        stats
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
        if let Some(fleet) = &self.fleet {
            fleet.reconnect();
        }
    }
}

/// What readers see.
#[derive(Debug, Default)]
pub(crate) struct Shared {
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

/// What was found in policies that come from elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Tenants with a record and no policy in force.
    pub(crate) unreadable: usize,
    /// Whether there are problems that were not there before.
    pub(crate) problems: bool,
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

    /// Makes policies visible that come from elsewhere.
    pub(crate) fn replace(&self, snapshot: &Snapshot, problems: Vec<Problem>, found: Found) {
        self.snapshot.store(Arc::new(snapshot.clone()));
        let mut standing = self.standing();
        let stats = &mut standing.stats;
        stats.policies = snapshot.len() - found.unreadable;
        stats.unreadable = found.unreadable;
        stats.reloads += 1;
        stats.reload_failures += u64::from(found.problems);
        stats.problems = problems.len();
        standing.problems = problems;
    }

    /// Figures, but for those of etcd.
    pub(crate) fn stats(&self) -> Stats {
        self.standing().stats
    }

    /// It was confirmed just now that everything there is was seen.
    pub(crate) fn confirmed(&self) {
        let mut standing = self.standing();
        if standing.problems.is_empty() {
            standing.stats.last_reload = now();
        }
    }

    pub(crate) fn watching(&self, watching: Watching) {
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
