//! The last known good policies, kept over restarts so that a gateway starts while etcd is away.
//!
//! Invariant: what is in the file was in etcd at one revision, all of it: rows and revision are
//! written in one transaction, and a sum over all rows tells at the start whether any is missing or
//! changed. A file that is not whole is set aside and counts as none.
//!
//! It is SQLite and not a policy directory: a directory cannot change the policies of two tenants
//! and the revision they are of at once, so after a crash nobody could tell what it holds.
//!
//! Writing is a thread's of its own. What it cannot write is not waited for: the file stays at an
//! older revision, which is whole as well, and everything is written anew later.

mod damage;
mod file;
mod sum;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::accept::History;
use super::ledger::{Kept, Read};
use super::standing::Standing;
use crate::config::Etcd;

pub(super) use damage::StoreError;
use file::File;

/// Jobs that may wait for the disk. A page of policies is one.
const WAITING: usize = 64;

/// What the rows are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) cluster: u64,
    /// Everything up to this revision is in the rows.
    pub(super) revision: i64,
    /// The last heartbeat among them, with its revision: a witness of this history.
    pub(super) beat: Option<(i64, Bytes)>,
    /// When that was last confirmed, in milliseconds since 1970.
    pub(super) confirmed: i64,
    /// Whether etcd has told of another history since, and nobody resolved that.
    pub(super) doubted: bool,
}

impl Meta {
    pub(super) const fn history(&self) -> History {
        History {
            cluster: self.cluster,
            revision: self.revision,
        }
    }
}

/// What the file held.
pub(super) struct Restored {
    pub(super) meta: Meta,
    /// Where it is from.
    pub(super) origin: Origin,
    pub(super) rows: Vec<(Kept, Read)>,
}

/// Which cluster what was kept is of, as far as the configuration tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// One of whose endpoints none is configured now: another cluster's, until etcd says otherwise.
    Elsewhere,
    /// The configured one.
    Here,
}

/// What a file belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owns {
    pub(super) prefix: String,
    pub(super) endpoints: Vec<String>,
}

impl Owns {
    pub(super) fn of(etcd: &Etcd) -> Self {
        Self {
            prefix: etcd.prefix.clone(),
            endpoints: etcd.endpoints.iter().map(ToString::to_string).collect(),
        }
    }
}

enum Job {
    /// Everything goes; what is in force follows. The number of this writing of everything.
    Clear(u64),
    Rows(Vec<Kept>),
    /// What was handed over since the last one counts now.
    Commit(Meta),
    /// It does not.
    Abort,
}

/// Hands over what is to be kept.
pub(super) struct Store {
    jobs: Option<mpsc::Sender<Job>>,
    standing: Arc<Standing>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the file, or makes it, and reads what it holds.
    ///
    /// # Errors
    /// It cannot be used, and that is the operator's to mend. A damaged one is no error.
    pub(super) fn open(
        path: &Path,
        owns: &Owns,
        standing: &Arc<Standing>,
    ) -> Result<(Self, Option<Restored>), StoreError> {
        let (file, restored) = File::open(path, owns)?;
        if let Some(restored) = &restored {
            let revision = u64::try_from(restored.meta.revision).unwrap_or(0);
            standing.cached.store(revision, Ordering::Relaxed);
        }
        let (jobs, waiting) = mpsc::channel(WAITING);
        let theirs = Arc::clone(standing);
        let thread = thread::Builder::new()
            .name("fleet-cache".to_owned())
            .spawn(move || writer::write(file, waiting, &theirs))
            .map_err(StoreError::Thread)?;
        let store = Self {
            jobs: Some(jobs),
            standing: Arc::clone(standing),
            thread: Some(thread),
        };
        Ok((store, restored))
    }

    /// Keeps changes, and what they are of. Never waits.
    pub(super) fn keep(&self, rows: Vec<Kept>, meta: Meta) {
        if !rows.is_empty() {
            self.offer(Job::Rows(rows));
        }
        self.offer(Job::Commit(meta));
    }

    /// Begins to write everything anew.
    pub(super) async fn clear(&self) {
        let generation = self.standing.cache_anew();
        self.send(Job::Clear(generation)).await;
    }

    /// Keeps a part of what [`Store::commit`] ends.
    pub(super) async fn add(&self, rows: Vec<Kept>) {
        if !rows.is_empty() {
            self.send(Job::Rows(rows)).await;
        }
    }

    /// What was added since counts now.
    pub(super) async fn commit(&self, meta: Meta) {
        self.send(Job::Commit(meta)).await;
    }

    /// What was added since does not count.
    pub(super) async fn abort(&self) {
        self.send(Job::Abort).await;
    }

    /// Many rows follow each other: the disk may be waited for, but not for long.
    async fn send(&self, job: Job) {
        let Some(jobs) = &self.jobs else { return };
        let sent = tokio::time::timeout(writer::PATIENCE, jobs.send(job)).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.lost();
        }
    }

    fn offer(&self, job: Job) {
        let Some(jobs) = &self.jobs else { return };
        if jobs.try_send(job).is_err() {
            self.lost();
        }
    }

    /// The thread does not take any more: its disk hangs, or it ended. It is told once.
    fn lost(&self) {
        if !self.standing.cache_is_behind() {
            self.standing.cache_broke(self.standing.cache_generation());
            self.standing.cache_failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!("policies are not kept for the next start: the cache cannot keep up");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The thread writes what waits, and ends.
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests;
