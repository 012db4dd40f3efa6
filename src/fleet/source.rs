//! Keeps the policies in force up with etcd: one conversation with one member after another, each
//! until it fails.
//!
//! 1. Look whether this is the history that was applied: the same cluster, no lower revision, and
//!    the last heartbeat that was seen still where it was. Otherwise nothing is applied
//!    ([`End::Regressed`]) until an operator accepts it (`accept.rs`).
//! 2. Where nothing was ever applied, read everything at one revision (`source/snapshot.rs`).
//! 3. Watch from there on, and apply what comes, in its order (`source/follow.rs`).
//! 4. What was compacted meanwhile cannot be watched: read everything again, and go on with 3. So it is
//!    where changes come out of their order.
//!
//! Invariant: revisions that are applied only rise, within one history. Policies are confirmed only
//! by something that was written after the conversation began: a watch that catches up with an hour
//! that was missed delivers the heartbeats of that hour as well.
//!
//! Whatever fails, what is in force stays in force.

mod follow;
mod history;
mod others;
mod snapshot;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Uri;
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use crate::config::Etcd;
use crate::policies::{Found, Shared, Watching};
use crate::tls::Renewed;

use super::announce;
use super::beat;
use super::etcd::{EtcdError, KeyValue, RangeResponse, Session};
use super::keys::Keys;
use super::ledger::{Keep, Ledger, Older, Pass, Row};
use super::presence::Presence;
use super::standing::Standing;
use super::store::{Meta, Origin, Store};

/// Between two attempts: a random part of this, which doubles with each round of all members.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How often the cache is told that nothing changed.
const KEEP: Duration = Duration::from_secs(15);

/// How long a cache that could not be written is left alone, at first and at most.
const ANEW: Duration = Duration::from_secs(60);
const LATEST_ANEW: Duration = Duration::from_secs(3600);

/// Why a conversation ended.
#[derive(Debug, Error)]
enum End {
    /// Everything is to be written to the cache anew.
    #[error("the cache is written anew")]
    CacheBehind,
    /// The endpoints are no one cluster's.
    #[error("members of cluster {0:016x} and of cluster {1:016x} among policies.etcd.endpoints")]
    Divided(u64, u64),
    /// A member, or the way to it.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// The store's history is not the one that was applied.
    #[error("{0}")]
    Regressed(String),
}

impl From<Older> for End {
    fn from(_: Older) -> Self {
        Self::Regressed("a key is older than it was".to_owned())
    }
}

/// See above.
pub(super) struct Source {
    pub(super) etcd: Arc<Etcd>,
    pub(super) tls: Arc<Renewed>,
    pub(super) keys: Keys,
    pub(super) ledger: Ledger,
    /// What was applied; none: nothing ever.
    pub(super) meta: Option<Meta>,
    pub(super) store: Store,
    pub(super) standing: Arc<Standing>,
    pub(super) shared: Arc<Shared>,
    pub(super) beats: beat::Writer,
    pub(super) presence: Presence,
    /// Told once that policies were confirmed, or that they cannot be.
    pub(super) first: Option<std::sync::mpsc::Sender<()>>,
    pub(super) pace: Pace,
    /// Whether the cache is being told of everything.
    pub(super) writing_all: bool,
    /// What is known of the history of this conversation.
    pub(super) witness: Witness,
    /// What is known of the one in the cache.
    pub(super) origin: Origin,
    /// Whether something broke off in the middle, so that nobody knows what is in force.
    pub(super) broken: bool,
}

/// Whether it is known that a history is the one that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Witness {
    /// Nobody can tell: what could be compared was compacted, or never was.
    Nobody,
    /// A heartbeat that was seen is where it was, or all that was applied is of this conversation.
    Seen,
}

/// When things were done that are not done all the time.
pub(super) struct Pace {
    kept: Instant,
    anew: Instant,
    anew_after: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            kept: now,
            anew: now,
            anew_after: ANEW,
        }
    }
}

/// What a conversation is to catch up with before anything is confirmed in it.
#[derive(Clone, Debug)]
struct Goal {
    revision: i64,
    beat: i64,
}

impl Source {
    /// Runs until told to stop. `again` cuts a pause short.
    pub(super) async fn run(&mut self, mut stop: watch::Receiver<bool>, again: Arc<Notify>) {
        let members = self.etcd.endpoints.clone();
        let start = usize::try_from(beat::jitter(Duration::from_millis(1000)).as_millis());
        let mut member = start.unwrap_or(0);
        let mut failures = 0;
        let mut told = None;
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        tokio::pin!(stopped);
        loop {
            let Some(uri) = members.get(member % members.len().max(1)) else {
                return;
            };
            let before = self.standing.freshness().map(|fresh| fresh.revision);
            let end = tokio::select! {
                biased;
                () = &mut stopped => break,
                () = again.notified() => {
                    self.presence.forget();
                    self.cut_short();
                    continue;
                }
                end = self.converse(uri) => end,
            };
            self.part(&end, uri, &mut told);
            let moved = self.standing.freshness().map(|fresh| fresh.revision) > before;
            failures = if moved { 0 } else { failures + 1 };
            if !matches!(end, End::CacheBehind) {
                member += 1;
                let pause = pause(failures, members.len());
                tokio::select! {
                    biased;
                    () = &mut stopped => break,
                    () = again.notified() => {}
                    () = sleep(pause) => {}
                }
            }
        }
        self.cut_short();
        self.keep(Vec::new());
        self.presence.leave().await;
    }

    /// After a panic, whose place was told where it happened.
    pub(super) fn mend(&mut self) {
        self.cut_short();
        self.broken = true;
        self.standing.connected.store(false, Ordering::Relaxed);
        self.standing.failures.fetch_add(1, Ordering::Relaxed);
        self.shared.watching(Watching::Nothing);
        tracing::error!(
            "a fault of this program: policies in force stay in force, and all are read anew"
        );
    }

    /// Whether it is time to write the cache anew. Not at every connection: a fleet with full disks
    /// would read everything whenever etcd's leader changes.
    fn cache_is_due(&self) -> bool {
        self.standing.cache_is_behind() && self.pace.anew.elapsed() > self.pace.anew_after
    }

    /// What was being written of everything is not whole, and never counts.
    fn cut_short(&mut self) {
        if std::mem::take(&mut self.writing_all) {
            self.standing.cache_broke(self.standing.cache_generation());
        }
    }

    /// One conversation, to its end.
    async fn converse(&mut self, member: &Uri) -> End {
        let conversation = async {
            let session = Session::open(&self.etcd, &self.tls.now(), member).await?;
            self.standing.sessions.fetch_add(1, Ordering::Relaxed);
            let mut goal = self.look(&session).await?;
            if self.meta.is_none() {
                self.ask_the_others(&session).await?;
            }
            if self.meta.is_none() || self.broken || self.cache_is_due() {
                goal = self.read_all(&session, Keep::Everything).await?;
            }
            let end = self.follow(&session, &goal).await;
            if !must_read(&end) {
                return Err(end);
            }
            // Once: whoever has to again waits as after any failure.
            goal = self.read_all(&session, Keep::Changes).await?;
            Err(self.follow(&session, &goal).await)
        };
        let ended: Result<std::convert::Infallible, End> = conversation.await;
        match ended {
            Err(end) => end,
        }
    }

    /// Notes how a conversation ended, and tells of it if that is news.
    fn part(&mut self, end: &End, member: &Uri, told: &mut Option<String>) {
        self.presence.forget();
        let was_connected = self.standing.connected.swap(false, Ordering::Relaxed);
        self.shared.watching(Watching::Nothing);
        if matches!(end, End::CacheBehind) {
            return;
        }
        self.standing.failures.fetch_add(1, Ordering::Relaxed);
        let error = end.to_string();
        if let End::Regressed(_) = end {
            self.standing.regressed.store(true, Ordering::Relaxed);
            drop(self.first.take());
        }
        if !was_connected && told.as_ref() == Some(&error) {
            return;
        }
        let fresh = self.standing.freshness();
        let revision = fresh.map(|fresh| fresh.revision);
        match end {
            End::Regressed(_) => tracing::error!(
                member = %member, error, policy.revision = revision,
                "etcd is older than the policies in force, or another: nothing of it is applied. \
                 If it is as it should be, say so: tidegate fleet accept"
            ),
            End::Divided(..) => tracing::error!(
                member = %member, error, "nobody can tell whose policies are meant: there are none"
            ),
            End::CacheBehind | End::Etcd(_) if revision.is_none() => tracing::warn!(
                member = %member, error, "etcd does not answer: there are no policies yet"
            ),
            End::CacheBehind | End::Etcd(_) => tracing::warn!(
                member = %member, error, policy.revision = revision,
                "etcd does not answer: policies in force stay in force"
            ),
        }
        *told = Some(error);
    }

    /// Makes what was applied visible to decisions.
    fn publish(&self, pass: &Pass) {
        let problems = self.ledger.problems().cloned().collect();
        let found = Found {
            unreadable: self.ledger.unreadable(),
            problems: !pass.found.is_empty(),
        };
        self.shared.replace(self.ledger.snapshot(), problems, found);
        self.standing.changed(self.ledger.changed());
        let revision = self.meta.as_ref().map_or(0, |meta| meta.revision);
        announce::announce(&self.ledger, pass, revision);
    }

    /// Nothing is missing at this moment.
    fn confirm(&mut self) {
        self.standing.confirm();
        self.shared.confirmed();
        if let Some(meta) = &mut self.meta {
            meta.confirmed = jiff::Timestamp::now().as_millisecond();
        }
        // Whoever waited for it goes on.
        drop(self.first.take());
    }

    fn keep(&mut self, rows: Vec<super::ledger::Kept>) {
        // What is of other endpoints stays theirs until it is known to be of these as well.
        if let Some(meta) = self.meta.as_ref().filter(|_| self.origin == Origin::Here) {
            self.store.keep(rows, meta.clone());
            self.pace.kept = Instant::now();
        }
    }
}

/// A key as etcd tells of it. None: it is none of the policies.
fn row(keys: &Keys, kv: KeyValue, gone: bool) -> Option<Row> {
    let length = keys.name(&kv.key)?.len();
    Some(Row {
        name: kv.key.slice(kv.key.len() - length..),
        revision: kv.mod_revision,
        value: (!gone).then_some(kv.value),
    })
}

fn header(answer: &RangeResponse) -> (u64, i64) {
    let header = answer.header.as_ref();
    header.map_or((0, 0), |header| (header.cluster_id, header.revision))
}

fn regressed(what: String) -> End {
    End::Regressed(what)
}

/// Whether it ended because there is something that cannot be had by watching.
const fn must_read(end: &End) -> bool {
    matches!(
        end,
        End::Etcd(EtcdError::Compacted | EtcdError::Nonsense(_) | EtcdError::TooLarge)
    )
}

/// How long to wait after so many failures in a row.
fn pause(failures: usize, members: usize) -> Duration {
    let rounds = u32::try_from(failures / members.max(1)).unwrap_or(u32::MAX);
    let most = PAUSE.saturating_mul(2_u32.saturating_pow(rounds));
    beat::jitter(most.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_comes_back_at_many_different_times() {
        for members in [0, 1, 3] {
            for failures in [0, 1, 2, 9, 10, 100, 1_000_000, usize::MAX] {
                let pauses: Vec<_> = (0..200).map(|_| pause(failures, members)).collect();
                let most = pauses.iter().max().unwrap();
                assert!(*most <= LONGEST_PAUSE, "{failures}");
                // Not in step, and not in no time.
                assert!(*most >= PAUSE / 2, "{failures}");
                let different: std::collections::HashSet<_> = pauses.iter().collect();
                assert!(different.len() > 100, "{failures}");
            }
        }
        let longest = (0..200).map(|_| pause(100, 3)).max();
        assert!(longest >= Some(LONGEST_PAUSE / 2));
    }
}
