//! Keeps the policies in force up with etcd: one conversation with one member after another, each
//! until it fails.
//!
//! 1. Look whether this is the history that was applied: the same cluster, no lower revision, and
//!    the last heartbeat that was seen still where it was. Otherwise nothing is applied
//!    ([`End::Regressed`]) until an operator removes the cache and starts the gateway again.
//! 2. Where nothing was ever applied, read everything at one revision (`source/snapshot.rs`).
//! 3. Watch from the next revision on, and apply what comes, in its order.
//! 4. What was compacted meanwhile cannot be watched: read everything again, and go on with 3.
//!
//! Invariant: revisions that are applied only rise. Policies are confirmed only by something that
//! was written after the conversation began: a watch that catches up with an hour that was missed
//! delivers the heartbeats of that hour as well.
//!
//! Whatever fails, what is in force stays in force.

mod history;
mod snapshot;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Uri;
use rustls::ClientConfig;
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::Etcd;
use crate::policies::{Found, Shared, Watching};

use super::announce;
use super::beat::{self, SILENCE, Seen};
use super::etcd::{
    EtcdError, EventType, KeyValue, RangeResponse, Session, WatchCreateRequest, WatchResponse,
};
use super::keys::{Keys, Owner, owner};
use super::ledger::{Keep, Ledger, Older, Pass, Row};
use super::presence::{Presence, Stands};
use super::standing::Standing;
use super::store::{Meta, Store};

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
    pub(super) tls: Arc<ClientConfig>,
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
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>, again: Arc<Notify>) {
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
            let session = Session::open(&self.etcd, &self.tls, member).await?;
            self.standing.sessions.fetch_add(1, Ordering::Relaxed);
            let mut goal = self.look(&session).await?;
            if self.meta.is_none() || self.standing.cache_is_behind() {
                goal = self.read_all(&session, Keep::Everything).await?;
            }
            loop {
                let end = self.follow(&session, &goal).await;
                if !matches!(end, End::Etcd(EtcdError::Compacted)) {
                    return Err(end);
                }
                goal = self.read_all(&session, Keep::Changes).await?;
            }
        };
        let ended: Result<std::convert::Infallible, End> = conversation.await;
        match ended {
            Err(end) => end,
        }
    }

    /// Notes how a conversation ended, and tells of it if that is news.
    fn part(&mut self, end: &End, member: &Uri, told: &mut Option<String>) {
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
                 If it is as it should be, remove policies.etcd.cache and start again"
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

    /// Applies what changes, for as long as something is told.
    async fn follow(&mut self, session: &Session, goal: &Goal) -> End {
        let (key, range_end) = self.keys.policies();
        let applied = self.meta.as_ref().map_or(0, |meta| meta.revision);
        let request = WatchCreateRequest {
            key: key.into(),
            range_end: range_end.into(),
            start_revision: applied + 1,
            fragment: true,
            ..WatchCreateRequest::default()
        };
        let mut watch = match session.watch(request).await {
            Ok(watch) => watch,
            Err(error) => return error.into(),
        };
        self.standing.connected.store(true, Ordering::Relaxed);
        self.shared.watching(Watching::Events);
        tracing::info!(
            member = %session.member(), policy.revision = applied, "policies are watched in etcd"
        );
        let (seen, beats) = watch::channel(Seen {
            revision: goal.beat,
            own: false,
            confirmed: false,
        });
        let writer = beat::Writer {
            key: self.keys.beat(),
            gateway: self.etcd.gateway.clone(),
            instance: self.beats.instance,
            standing: Arc::clone(&self.standing),
        };
        let writing = writer.keep(session, beats);
        tokio::pin!(writing);
        let presence = self.presence.clone();
        let (standing, shared) = (Arc::clone(&self.standing), Arc::clone(&self.shared));
        let telling = presence.keep(session, || Stands::of(&standing, &shared));
        tokio::pin!(telling);
        let mut silent_at = Instant::now() + SILENCE;
        loop {
            let answer = tokio::select! {
                answer = watch.next() => answer,
                () = &mut writing => Err(EtcdError::Silent),
                () = &mut telling => Err(EtcdError::Silent),
                () = sleep_until(silent_at) => Err(EtcdError::Silent),
            };
            match answer {
                Ok(answer) if answer.events.is_empty() => {}
                Ok(answer) => {
                    silent_at = Instant::now() + SILENCE;
                    self.take(answer, goal, &seen);
                }
                Err(error) => return error.into(),
            }
            if self.standing.cache_is_behind() && self.pace.anew.elapsed() > self.pace.anew_after {
                return End::CacheBehind;
            }
        }
    }

    /// Applies one answer of the watch.
    fn take(&mut self, answer: WatchResponse, goal: &Goal, seen: &watch::Sender<Seen>) {
        let Some(meta) = &mut self.meta else { return };
        let mut rows = Vec::new();
        let mut beat = None;
        let mut applied = meta.revision;
        for event in answer.events {
            let gone = event.r#type() == EventType::Delete;
            let Some(kv) = event.kv else { continue };
            // What was applied already, told twice.
            if kv.mod_revision <= meta.revision {
                continue;
            }
            applied = applied.max(kv.mod_revision);
            match row(&self.keys, kv, gone) {
                Some(row) if owner(&row.name) == Owner::Beat => beat = Some(row),
                Some(row) => rows.push(row),
                None => {}
            }
        }
        meta.revision = applied;
        let confirmed = applied > goal.revision;
        if let Some(row) = &beat {
            let value = row.value.clone();
            let own = value.as_ref().is_some_and(|value| self.beats.wrote(value));
            meta.beat = value.map(|value| (row.revision, value));
            seen.send_replace(Seen {
                // Of one that was deleted, there is none.
                revision: row.value.as_ref().map_or(0, |_| row.revision),
                own,
                confirmed,
            });
        }
        let pass = self.ledger.apply(rows);
        let changed = !pass.kept.is_empty() || !pass.changes.is_empty();
        if changed {
            self.publish(&pass);
        }
        self.standing.applied(u64::try_from(applied).unwrap_or(0));
        if confirmed && beat.is_some() {
            self.confirm();
        }
        if changed || self.pace.kept.elapsed() > KEEP {
            self.keep(pass.kept);
        }
    }

    /// Makes what was applied visible to decisions.
    fn publish(&self, pass: &Pass) {
        let problems = self.ledger.problems().cloned().collect();
        let found = Found {
            unreadable: self.ledger.unreadable(),
            problems: !pass.found.is_empty(),
        };
        self.shared.replace(self.ledger.snapshot(), problems, found);
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
        if let Some(meta) = &self.meta {
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

/// How long to wait after so many failures in a row.
fn pause(failures: usize, members: usize) -> Duration {
    let rounds = u32::try_from(failures / members.max(1)).unwrap_or(u32::MAX);
    let most = PAUSE.saturating_mul(2_u32.saturating_pow(rounds));
    beat::jitter(most.min(LONGEST_PAUSE))
}
