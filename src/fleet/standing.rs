//! How the source of policies stands: what was applied, and when it was last confirmed.
//!
//! Invariant: the revision only goes up, unless an operator accepts another history; it is told after
//! the policies of it are in force. Ages are
//! measured by the clock that nobody sets and that runs on while the machine sleeps; only what was
//! kept over a restart has its age from the clock on the wall.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::accept::Obeyed;
use crate::clock::Running;

/// What decisions and records need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Everything up to this revision of etcd is in force.
    pub revision: u64,
    /// Since that was last confirmed.
    pub age: Duration,
}

/// Figures for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// What was applied, if anything ever was.
    pub freshness: Option<Freshness>,
    /// Whether changes arrive.
    pub connected: bool,
    /// Whether etcd's history is not the one that was applied.
    pub regressed: bool,
    /// Conversations begun with members.
    pub sessions: u64,
    /// Conversations that failed.
    pub failures: u64,
    /// Times that everything was read.
    pub snapshots: u64,
    /// Heartbeats written here.
    pub beats: u64,
    /// The revision in the cache.
    pub cached: u64,
    /// Writes to the cache that failed.
    pub cache_failures: u64,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            revision: 0,
            age: Duration::MAX,
        }
    }
}

/// See above.
#[derive(Debug)]
pub struct Standing {
    max_age: Option<Duration>,
    /// The cluster whose policies are in force; 0: none.
    pub(super) cluster: Arc<AtomicU64>,
    base: Running,
    /// Milliseconds after `base`, which may be negative; `NEVER` before there is anything.
    confirmed: AtomicI64,
    applied: watch::Sender<u64>,
    obeyed: watch::Sender<Option<Obeyed>>,
    pub(super) connected: AtomicBool,
    pub(super) regressed: AtomicBool,
    pub(super) sessions: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) snapshots: AtomicU64,
    pub(super) beats: AtomicU64,
    pub(super) cached: AtomicU64,
    pub(super) cache_failures: AtomicU64,
    /// The last change of a policy that was applied; 0: none was.
    changed: AtomicU64,
    /// Which writing of everything the cache is at, and the last one that misses something.
    cache_generation: AtomicU64,
    cache_broken: AtomicU64,
}

const NEVER: i64 = i64::MIN;

impl Standing {
    /// Nothing was ever seen.
    pub fn new(max_age: Option<Duration>) -> Self {
        Self {
            max_age,
            cluster: Arc::default(),
            base: Running::start(),
            confirmed: AtomicI64::new(NEVER),
            applied: watch::Sender::new(0),
            obeyed: watch::Sender::new(None),
            connected: AtomicBool::default(),
            regressed: AtomicBool::default(),
            sessions: AtomicU64::default(),
            failures: AtomicU64::default(),
            snapshots: AtomicU64::default(),
            beats: AtomicU64::default(),
            cached: AtomicU64::default(),
            cache_failures: AtomicU64::default(),
            changed: AtomicU64::default(),
            cache_generation: AtomicU64::new(1),
            cache_broken: AtomicU64::default(),
        }
    }

    /// Everything up to `revision` is in force.
    pub(super) fn applied(&self, revision: u64) {
        self.applied.send_if_modified(|known| {
            let rises = revision > *known;
            *known = revision.max(*known);
            rises
        });
    }

    /// Everything up to `revision` of another history is in force, on the operator's word.
    pub(super) fn begins_anew(&self, revision: u64) {
        self.applied.send_replace(revision);
    }

    /// What was done on the operator's word.
    pub(super) fn obeyed(&self, obeyed: Obeyed) {
        self.obeyed.send_replace(Some(obeyed));
    }

    /// What is done on the operator's word, and the last of it that was.
    pub(crate) fn obeys(&self) -> watch::Receiver<Option<Obeyed>> {
        self.obeyed.subscribe()
    }

    /// The last change of a policy that is in force was at this revision.
    pub(super) fn changed(&self, revision: i64) {
        let revision = u64::try_from(revision).unwrap_or(0);
        self.changed.store(revision, Ordering::Relaxed);
    }

    /// The revision of the last change of a policy that is in force.
    pub(super) fn last_change(&self) -> Option<u64> {
        Some(self.changed.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// It was confirmed just now that nothing is missing.
    pub(super) fn confirm(&self) {
        self.confirmed.store(self.now(), Ordering::Release);
    }

    /// It was confirmed before the start, this long ago.
    pub(super) fn confirmed_before(&self, age: Duration) {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let at = self.now().saturating_sub(age).max(NEVER + 1);
        self.confirmed.store(at, Ordering::Release);
    }

    /// Everything is about to be written to the cache anew.
    pub(super) fn cache_anew(&self) -> u64 {
        self.cache_generation.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The writing of everything that what is kept now belongs to.
    pub(super) fn cache_generation(&self) -> u64 {
        self.cache_generation.load(Ordering::Acquire)
    }

    /// Something that belongs to this writing will be missing.
    pub(super) fn cache_broke(&self, generation: u64) {
        self.cache_broken.fetch_max(generation, Ordering::AcqRel);
    }

    /// Whether something is missing of this writing.
    pub(super) fn cache_misses(&self, generation: u64) -> bool {
        self.cache_broken.load(Ordering::Acquire) >= generation
    }

    /// Whether the cache misses something that was applied.
    pub(super) fn cache_is_behind(&self) -> bool {
        self.cache_misses(self.cache_generation())
    }

    /// What is in force, if anything ever was.
    pub fn freshness(&self) -> Option<Freshness> {
        // First: what is in force by then is at least this.
        let revision = *self.applied.borrow();
        let age = self.age()?;
        Some(Freshness { revision, age })
    }

    /// Whether exchanges may be decided.
    pub fn is_usable(&self) -> bool {
        match (self.age(), self.max_age) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(age), Some(most)) => age <= most,
        }
    }

    /// Waits until everything up to `revision` is in force. False: it was not, in time.
    pub async fn reaches(&self, revision: u64, patience: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= revision);
        matches!(tokio::time::timeout(patience, reached).await, Ok(Ok(_)))
    }

    /// Figures for metrics.
    pub fn stats(&self) -> SourceStats {
        SourceStats {
            freshness: self.freshness(),
            connected: self.connected.load(Ordering::Relaxed),
            regressed: self.regressed.load(Ordering::Relaxed),
            sessions: self.sessions.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            snapshots: self.snapshots.load(Ordering::Relaxed),
            beats: self.beats.load(Ordering::Relaxed),
            cached: self.cached.load(Ordering::Relaxed),
            cache_failures: self.cache_failures.load(Ordering::Relaxed),
        }
    }

    fn age(&self) -> Option<Duration> {
        let at = self.confirmed.load(Ordering::Acquire);
        let age = self.now().saturating_sub(at);
        (at != NEVER).then(|| Duration::from_millis(u64::try_from(age).unwrap_or(0)))
    }

    fn now(&self) -> i64 {
        i64::try_from(self.base.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_usable_that_was_never_seen_or_is_too_old() {
        let hour = Duration::from_secs(3600);
        let standing = Standing::new(None);
        assert!(!standing.is_usable());
        assert_eq!(standing.freshness(), None);
        standing.confirmed_before(1000 * hour);
        assert!(standing.is_usable());

        let standing = Standing::new(Some(hour));
        assert!(!standing.is_usable());
        standing.confirmed_before(2 * hour);
        assert!(!standing.is_usable());
        standing.confirmed_before(hour / 2);
        assert!(standing.is_usable());
        standing.confirmed_before(Duration::MAX);
        assert!(!standing.is_usable());
        standing.confirm();
        assert!(standing.is_usable());
        assert!(standing.freshness().unwrap().age < hour);
    }

    /// A virtual machine that stood still for a minute has policies that are a minute old.
    #[test]
    fn ages_count_the_time_that_the_machine_sleeps() {
        let minute = Duration::from_secs(60);
        let mut standing = Standing::new(Some(minute / 2));
        standing.confirm();
        assert!(standing.is_usable());
        if standing.base.sleep(minute) {
            assert!(standing.freshness().unwrap().age >= minute);
            assert!(!standing.is_usable());
        }
    }

    #[test]
    fn the_revision_only_goes_up() {
        let standing = Standing::new(None);
        standing.confirm();
        standing.applied(7);
        standing.applied(5);
        assert_eq!(standing.freshness().unwrap().revision, 7);
    }
}
