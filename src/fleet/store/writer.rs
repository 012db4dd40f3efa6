//! The thread that writes what is to be kept.
//!
//! Invariant: after something could not be handed over or written, nothing counts until everything
//! is written anew: each writing of everything has a number, and one that misses something is told
//! by it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;

use super::super::standing::Standing;
use super::file::File;
use super::{Job, StoreError};

/// How long the disk is waited for, where somebody may wait.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Writes until there is nobody any more to hand something over.
pub(super) fn write(mut file: File, mut jobs: mpsc::Receiver<Job>, standing: &Standing) {
    let (mut generation, mut clearing) = (1, false);
    while let Some(job) = jobs.blocking_recv() {
        if let Job::Clear(next) = &job {
            file.roll_back();
            (generation, clearing) = (*next, true);
        }
        if standing.cache_misses(generation) {
            file.roll_back();
            continue;
        }
        // What was there before is older than what was applied.
        if matches!(job, Job::Abort) && clearing {
            standing.cache_broke(generation);
        }
        clearing &= !matches!(job, Job::Commit(_));
        if let Err(error) = work(&mut file, job, standing) {
            file.roll_back();
            standing.cache_broke(generation);
            standing.cache_failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                error = %error,
                "policies are not kept for the next start: the cache cannot be written"
            );
        }
    }
}

fn work(file: &mut File, job: Job, standing: &Standing) -> Result<(), StoreError> {
    match job {
        Job::Abort => file.roll_back(),
        Job::Clear(_) => file.clear()?,
        Job::Commit(meta) => {
            file.commit(&meta)?;
            let revision = u64::try_from(meta.revision).unwrap_or(0);
            standing.cached.store(revision, Ordering::Relaxed);
        }
        Job::Rows(rows) => file.add(&rows)?,
    }
    Ok(())
}
