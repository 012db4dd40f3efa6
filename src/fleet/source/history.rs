//! Whether etcd has the history that was applied.
//!
//! Invariant: without a look here nothing of a conversation is applied. A backup that was restored
//! is told by a lower revision, and, once that has been overtaken, by the heartbeat or the last policy that is not
//! where it was; another cluster by its id. Both are refused until an operator accepts them, and not
//! only until nobody can tell any more: a doubt outlives what it came from, restarts included.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::super::accept::{self, Accepted, History, Obeyed, cluster_id};
use super::super::etcd::{EtcdError, KeyValue, RangeRequest, RangeResponse, Session};
use super::super::ledger::Newest;
use super::super::store::{Meta, Origin};
use super::{End, Goal, Source, Witness, header, regressed};
use crate::clock::now;

impl Source {
    /// Looks whether this is the history that was applied.
    pub(super) async fn look(&mut self, session: &Session) -> Result<Goal, End> {
        let now = self.beat_at(session, 0).await?;
        let (cluster, revision) = header(&now);
        let beat = now.kvs.first().map_or(0, |kv| kv.mod_revision);
        match self.compare(session, History { cluster, revision }).await {
            Ok(witness) => {
                self.witness = witness;
                self.origin = Origin::Here;
            }
            Err(End::Regressed(why)) => {
                self.doubt(cluster);
                return self.look_for_acceptance(session, why).await;
            }
            Err(end) => return Err(end),
        }
        self.standing.regressed.store(false, Ordering::Relaxed);
        let is_seen = self.witness == Witness::Seen;
        if let Some(meta) = &mut self.meta {
            meta.doubted &= !is_seen;
            if meta.revision == revision && (is_seen || meta.beat.is_none()) && !self.broken {
                self.confirm();
            }
        }
        Ok(Goal { revision, beat })
    }

    /// Notes that a history of the same cluster was not the one that was applied. From then on only
    /// what was seen where it was removes the doubt: when the other history has gone on for long
    /// enough, nobody can compare them any more.
    pub(super) fn doubt(&mut self, cluster: u64) {
        if let Some(meta) = &mut self.meta
            && meta.cluster == cluster
            && !meta.doubted
        {
            meta.doubted = true;
            self.keep(Vec::new());
        }
    }

    async fn compare(&self, session: &Session, now: History) -> Result<Witness, End> {
        let Some(meta) = &self.meta else {
            return Ok(Witness::Nobody);
        };
        let then = meta.history();
        if now.cluster != then.cluster {
            let (now, then) = (cluster_id(now.cluster), cluster_id(then.cluster));
            return Err(regressed(format!("cluster {now}, and not {then}")));
        }
        if now.revision < then.revision {
            let (now, then) = (now.revision, then.revision);
            return Err(regressed(format!("at revision {now}, before {then}")));
        }
        let witness = match meta.beat.clone() {
            Some((revision, value)) => self.look_back(session, revision, &value).await?,
            None => Witness::Nobody,
        };
        let witness = match (self.ledger.newest(), witness) {
            (Some(newest), Witness::Nobody) => self.look_at(session, newest).await?,
            (Some(newest), Witness::Seen) => {
                self.look_at(session, newest).await?;
                Witness::Seen
            }
            (None, witness) => witness,
        };
        if meta.doubted && witness == Witness::Nobody {
            let why = "a history that was another, and that nobody can compare any more";
            return Err(regressed(why.to_owned()));
        }
        Ok(witness)
    }

    /// Whether the operator accepted what stands there instead; then it is put in force.
    async fn look_for_acceptance(&mut self, session: &Session, why: String) -> Result<Goal, End> {
        let accepted = match self.acceptance(session).await {
            Ok(Some(accepted)) => accepted,
            Ok(None) => return Err(End::Regressed(why)),
            // What cannot be read is not accepted.
            Err(error) => {
                let unread = format!("{why}; whether it was accepted cannot be read: {error}");
                return Err(End::Regressed(unread));
            }
        };
        let Some(before) = self.meta.as_ref().map(Meta::history) else {
            return Err(End::Regressed(why));
        };
        tracing::warn!(
            why,
            acceptance.id = accepted.id,
            acceptance.by = accepted.acceptance.by,
            "an operator accepted etcd's history: everything is read anew"
        );
        let goal = self.read_anew(session, &accepted).await?;
        self.standing.regressed.store(false, Ordering::Relaxed);
        if let Some(after) = self.meta.as_ref().map(Meta::history) {
            tracing::warn!(%before, %after, "policies of another history are in force");
            let obeyed = Obeyed::new(before, after, accepted);
            self.standing.obeyed(obeyed);
        }
        Ok(goal)
    }

    /// The last one that was not seen, is about what stands there, and speaks to us.
    async fn acceptance(&self, session: &Session) -> Result<Option<Accepted>, EtcdError> {
        let (found, history) = accept::read(session, &self.keys).await?;
        let Some(ours) = self.meta.as_ref().map(|meta| meta.cluster) else {
            return Ok(None);
        };
        let now = now();
        let is_new = |accepted: &Accepted| {
            let key = self.keys.acceptance(&accepted.id);
            let seen = self
                .keys
                .name(&key)
                .is_none_or(|name| self.ledger.has_seen(name));
            !seen && accepted.fits(history) && accepted.speaks_to(ours, now)
        };
        Ok(found.accepted.into_iter().rev().find(is_new))
    }

    /// Whether a heartbeat that was seen is where it was.
    async fn look_back(
        &self,
        session: &Session,
        revision: i64,
        value: &Bytes,
    ) -> Result<Witness, End> {
        let then = match self.beat_at(session, revision).await {
            Ok(then) => then,
            // Nobody can tell any more.
            Err(EtcdError::Compacted) => return Ok(Witness::Nobody),
            Err(error) => return Err(error.into()),
        };
        let same = |kv: &KeyValue| kv.mod_revision == revision && kv.value == *value;
        if then.kvs.first().is_some_and(same) {
            Ok(Witness::Seen)
        } else {
            Err(regressed(format!("another history at revision {revision}")))
        }
    }

    /// Whether the last change that was seen is where it was; where etcd does not have that revision
    /// any more, whether the key is older now than it was.
    async fn look_at(&self, session: &Session, newest: &Newest) -> Result<Witness, End> {
        let Newest { name, revision, .. } = newest;
        let mut request = RangeRequest {
            key: self.keys.named(name).into(),
            revision: *revision,
            // This member has just told that it has what most have.
            serializable: true,
            ..RangeRequest::default()
        };
        let (is_same, witness) = match session.range(request.clone()).await {
            Ok(then) => {
                // That something is absent shows nothing: it is in many histories.
                let shows = newest.value.is_some();
                let witness = if shows {
                    Witness::Seen
                } else {
                    Witness::Nobody
                };
                (newest.is(then.kvs.first()), witness)
            }
            Err(EtcdError::Compacted) => {
                request.revision = 0;
                let now = session.range(request).await?;
                let older = |kv: &KeyValue| kv.mod_revision < *revision;
                let is_same = newest.value.is_none() || !now.kvs.first().is_some_and(older);
                (is_same, Witness::Nobody)
            }
            Err(error) => return Err(error.into()),
        };
        if is_same {
            Ok(witness)
        } else {
            Err(regressed(format!("another history at revision {revision}")))
        }
    }

    async fn beat_at(&self, session: &Session, revision: i64) -> Result<RangeResponse, EtcdError> {
        let request = RangeRequest {
            key: self.keys.beat().into(),
            revision,
            ..RangeRequest::default()
        };
        session.range(request).await
    }
}
