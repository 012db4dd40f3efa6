//! The watch, for as long as something is told.
//!
//! Invariant: changes are applied in their order, all of one revision at once. One that is told late is
//! no reason to go back, and none to forget it: everything is read again then.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::beat::{self, SILENCE, Seen};
use super::super::etcd::{EtcdError, EventType, Session, WatchCreateRequest, WatchResponse};
use super::super::keys::{Owner, owner};
use super::super::presence::Stands;
use super::{End, Goal, KEEP, Source, row};
use crate::policies::Watching;

impl Source {
    /// Applies what changes, for as long as something is told.
    pub(super) async fn follow(&mut self, session: &Session, goal: &Goal) -> End {
        let (key, range_end) = self.keys.policies();
        let applied = self.meta.as_ref().map_or(0, |meta| meta.revision);
        let request = WatchCreateRequest {
            key: key.into(),
            range_end: range_end.into(),
            // Not the next one: before etcd 3.4.34 and 3.5.15 a deletion at the very revision that
            // was compacted is not told to whoever watches from there on
            // (github.com/etcd-io/etcd, issue 18089).
            start_revision: applied.max(1),
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
                    if let Err(error) = self.take(answer, goal, &seen) {
                        return error.into();
                    }
                }
                Err(error) => return error.into(),
            }
            if self.cache_is_due() {
                return End::CacheBehind;
            }
        }
    }

    /// Applies one answer of the watch.
    fn take(
        &mut self,
        answer: WatchResponse,
        goal: &Goal,
        seen: &watch::Sender<Seen>,
    ) -> Result<(), EtcdError> {
        let Some(meta) = &mut self.meta else {
            return Ok(());
        };
        let mut rows = Vec::new();
        let mut beat = None;
        let mut applied = meta.revision;
        for event in answer.events {
            let gone = event.r#type() == EventType::Delete;
            let Some(kv) = event.kv else { continue };
            let revision = kv.mod_revision;
            let Some(row) = row(&self.keys, kv, gone) else {
                continue;
            };
            if revision <= meta.revision {
                // Told twice; or late, and something was taken for all there is.
                if self.ledger.misses(&row) {
                    return Err(EtcdError::Nonsense("changes are not in their order"));
                }
                continue;
            }
            applied = applied.max(revision);
            if owner(&row.name) == Owner::Beat {
                beat = Some(row);
            } else {
                rows.push(row);
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
        Ok(())
    }
}
