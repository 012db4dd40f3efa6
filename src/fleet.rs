//! Policies that a fleet of gateways shares through etcd.
//!
//! Invariant: a gateway that never saw the store decides nothing (503); one that loses it keeps
//! enforcing what it knows, unless the operator set an age beyond which it may not. Older revisions
//! than what was applied are never applied, over restarts as well, unless an operator says so.
//!
//! | file | what |
//! |---|---|
//! | `keys.rs` | what stands where in etcd |
//! | `etcd.rs` | one conversation with one member |
//! | `source.rs` | which conversations, and what is applied of them |
//! | `ledger.rs` | what is in force, and what has faults |
//! | `beat.rs` | the heartbeat, by which silence is told from peace |
//! | `store.rs` | what is kept for the next start |
//! | `accept.rs` | an operator's word that another history is to be followed |
//! | `standing.rs` | what decisions, probes and metrics see of all this |
//! | `write.rs`, `bulk.rs` | how policies are put there, one or all |
//! | `presence.rs`, `status.rs`, `latest.rs` | what each gateway tells of itself, and what that says of the fleet |
//!
//! Everything runs in one thread of its own, with a runtime of its own; the cache is written in a
//! second one. Without `[policies.etcd]` none of it exists.

pub mod accept;
mod announce;
mod beat;
pub mod bulk;
pub mod etcd;
pub mod keys;
mod latest;
mod ledger;
mod pages;
pub(crate) mod password;
pub mod presence;
mod source;
mod standing;
pub mod status;
mod store;
pub mod write;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::config::Etcd;
use crate::policies::{Found, Shared};
use crate::problem::Problem;

pub use etcd::tls;
pub use standing::{Freshness, SourceStats, Standing};

use beat::Writer;
use keys::Keys;
use ledger::Ledger;
use presence::Presence;
use source::{Pace, Source, Witness};
use store::{Meta, Origin, Owns, Restored, Store, StoreError};
use write::Originals;

/// How long a start waits until policies are confirmed. It goes on without: with what was kept, or
/// not ready.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// Between a panic and the next attempt.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// By how much the clock on the wall may have been set back since the cache was written.
const CLOCK: Duration = Duration::from_secs(60);

/// The thread that keeps policies up with etcd; it ends when this is dropped.
pub struct Fleet {
    etcd: Arc<Etcd>,
    keys: Keys,
    originals: Originals,
    instance: Uuid,
    standing: Arc<Standing>,
    handle: Handle,
    stop: watch::Sender<bool>,
    again: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Fleet {
    /// Opens the cache, starts to follow etcd, and waits a little for it.
    pub(crate) fn start(etcd: &Etcd, shared: Arc<Shared>) -> Result<Self, Problem> {
        let etcd = Arc::new(etcd.clone());
        let tls = etcd::renewed(&etcd).map_err(|found| Problem {
            file: etcd.cache.clone(),
            key: String::new(),
            found,
            expected: "certificates that can be used".to_owned(),
        })?;
        let tls = Arc::new(tls);
        let keys = Keys::below(&etcd.prefix);
        let standing = Arc::new(Standing::new(etcd.max_age));
        let opened = Store::open(&etcd.cache, &Owns::of(&etcd), &standing);
        let (store, restored) = opened.map_err(|error| unusable(&etcd, &error))?;
        let mut ledger = Ledger::new(keys.clone());
        let origin = restored.as_ref().map_or(Origin::Here, |found| found.origin);
        let meta = restored.map(|restored| restore(restored, &mut ledger, &shared, &standing));
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| no_thread(&etcd, &error))?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = watch::channel(false);
        let (first, confirmed) = mpsc::channel();
        let again = Arc::new(Notify::new());
        let instance = Uuid::now_v7();
        let source = Source {
            etcd: Arc::clone(&etcd),
            tls: Arc::clone(&tls),
            ledger,
            meta,
            store,
            standing: Arc::clone(&standing),
            shared,
            beats: Writer {
                key: keys.beat(),
                gateway: etcd.gateway.clone(),
                instance,
                standing: Arc::clone(&standing),
            },
            presence: Presence::new(keys.clone(), &etcd.gateway, instance),
            keys: keys.clone(),
            first: Some(first),
            pace: Pace::new(),
            writing_all: false,
            witness: Witness::Nobody,
            origin,
            broken: false,
        };
        let theirs = Arc::clone(&again);
        let thread = thread::Builder::new()
            .name("fleet".to_owned())
            .spawn(move || follow(runtime, source, stopped, theirs))
            .map_err(|error| no_thread(&etcd, &error))?;
        // An error means that there is nothing to wait for.
        let _ = confirmed.recv_timeout(FIRST_LOOK);
        if !standing.is_usable() {
            tracing::error!("no policies yet: exchanges are answered 503 until etcd is reached");
        }
        Ok(Self {
            originals: Originals::in_cluster(&etcd, &tls, Arc::clone(&standing.cluster)),
            etcd,
            keys,
            instance,
            standing,
            handle,
            stop,
            again,
            thread: Some(thread),
        })
    }

    /// The cluster, as configured.
    pub const fn etcd(&self) -> &Arc<Etcd> {
        &self.etcd
    }

    /// What stands where.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The texts as they stand there.
    pub const fn originals(&self) -> &Originals {
        &self.originals
    }

    /// Tells this process from all others.
    pub const fn instance(&self) -> Uuid {
        self.instance
    }

    /// What was applied, and how fresh it is.
    pub const fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// The runtime of the thread: what is spawned there ends with it, and whoever may block can wait
    /// there for a conversation with etcd.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Begins a new conversation with etcd, because the operator asked.
    pub fn reconnect(&self) {
        self.again.notify_one();
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic was printed where it happened.
            drop(thread.join());
        }
    }
}

fn follow(
    runtime: Runtime,
    mut source: Source,
    stopped: watch::Receiver<bool>,
    again: Arc<Notify>,
) {
    let run = |source: &mut Source| {
        runtime.block_on(source.run(stopped.clone(), Arc::clone(&again)));
    };
    let mend = |source: &mut Source| {
        source.mend();
        let mut stopped = stopped.clone();
        let stop = async { drop(stopped.wait_for(|stop| *stop).await) };
        let pause = async { tokio::time::timeout(AFTER_PANIC, stop).await };
        drop(runtime.block_on(pause));
    };
    insist(&mut source, run, mend);
    drop(source);
    // A name that is being looked up would be waited for.
    runtime.shutdown_background();
}

/// Does something until it ends without a panic: a thread that is gone would leave the gateway on the
/// policies of that day, and nobody would see more of it than an age that rises.
fn insist<S>(on: &mut S, work: impl Fn(&mut S), mend: impl Fn(&mut S)) {
    while catch_unwind(AssertUnwindSafe(|| work(on))).is_err() {
        mend(on);
    }
}

/// Puts in force what the cache held.
fn restore(restored: Restored, ledger: &mut Ledger, shared: &Shared, standing: &Standing) -> Meta {
    let Restored { meta, origin, rows } = restored;
    ledger.restore(rows);
    let found = Found {
        unreadable: ledger.unreadable(),
        problems: ledger.problems().next().is_some(),
    };
    shared.replace(
        ledger.snapshot(),
        ledger.problems().cloned().collect(),
        found,
    );
    standing.changed(ledger.changed());
    standing.cluster.store(meta.cluster, Ordering::Release);
    standing.applied(u64::try_from(meta.revision).unwrap_or(0));
    let age = age(meta.confirmed);
    match origin {
        Origin::Here => standing.confirmed_before(age),
        Origin::Elsewhere => tracing::warn!(
            "the cache is of other endpoints: until etcd says that it is the same cluster, nothing \
             is decided"
        ),
    }
    tracing::info!(
        policy.revision = meta.revision,
        policy.count = ledger.snapshot().len(),
        policy.age_seconds = age.as_secs(),
        "policies restored from the cache"
    );
    meta
}

/// How long ago that was, in milliseconds since 1970. What lies in the future is of no age that
/// anybody could tell: it counts as older than any bound.
fn age(confirmed: i64) -> Duration {
    let now = jiff::Timestamp::now().as_millisecond();
    match u64::try_from(now.saturating_sub(confirmed)) {
        Ok(age) => Duration::from_millis(age),
        Err(_) if Duration::from_millis(confirmed.abs_diff(now)) <= CLOCK => Duration::ZERO,
        Err(_) => Duration::MAX,
    }
}

fn unusable(etcd: &Etcd, error: &StoreError) -> Problem {
    Problem {
        file: etcd.cache.clone(),
        key: String::new(),
        found: error.to_string(),
        expected: "a file of this gateway's own, to keep policies in (policies.etcd.cache)"
            .to_owned(),
    }
}

fn no_thread(etcd: &Etcd, error: &io::Error) -> Problem {
    Problem {
        file: etcd.cache.clone(),
        key: String::new(),
        found: format!("no thread to follow etcd with ({error})"),
        expected: "a thread".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_not_the_end() {
        let mut tries = Vec::new();
        let work = |tries: &mut Vec<&str>| {
            tries.push("work");
            assert!(tries.len() > 3, "on purpose");
        };
        insist(&mut tries, work, |tries| tries.push("mend"));
        assert_eq!(tries, ["work", "mend", "work", "mend", "work"]);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_fresh() {
        let now = jiff::Timestamp::now().as_millisecond();
        assert!(age(now) < Duration::from_secs(5));
        assert!(age(now - 3_600_000) >= Duration::from_secs(3600));
        assert_eq!(age(now + 30_000), Duration::ZERO);
        assert_eq!(age(now + 3_600_000), Duration::MAX);
        assert_eq!(age(i64::MAX), Duration::MAX);
    }
}
