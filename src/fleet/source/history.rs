//! Whether etcd has the history that was applied.
//!
//! Invariant: without a look here nothing of a conversation is applied. A backup that was restored
//! is told by a lower revision, and, once that has been overtaken, by the heartbeat that is not
//! where it was; another cluster by its id.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::super::etcd::{EtcdError, KeyValue, RangeRequest, RangeResponse, Session};
use super::{End, Goal, Source, header, regressed};

impl Source {
    /// Looks whether this is the history that was applied.
    pub(super) async fn look(&mut self, session: &Session) -> Result<Goal, End> {
        let now = self.beat_at(session, 0).await?;
        let (cluster, revision) = header(&now);
        let beat = now.kvs.first().map_or(0, |kv| kv.mod_revision);
        if let Some(meta) = &self.meta {
            if cluster != meta.cluster {
                let (now, then) = (cluster, meta.cluster);
                return Err(regressed(format!("cluster {now:x}, and not {then:x}")));
            }
            if revision < meta.revision {
                let then = meta.revision;
                return Err(regressed(format!("at revision {revision}, before {then}")));
            }
            if let Some((revision, value)) = meta.beat.clone() {
                self.look_back(session, revision, &value).await?;
            }
        }
        self.standing.regressed.store(false, Ordering::Relaxed);
        if self
            .meta
            .as_ref()
            .is_some_and(|meta| meta.revision == revision)
        {
            self.confirm();
        }
        Ok(Goal { revision, beat })
    }

    /// Whether a heartbeat that was seen is where it was.
    async fn look_back(&self, session: &Session, revision: i64, value: &Bytes) -> Result<(), End> {
        let then = match self.beat_at(session, revision).await {
            Ok(then) => then,
            // Nobody can tell any more.
            Err(EtcdError::Compacted) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let same = |kv: &KeyValue| kv.mod_revision == revision && kv.value == *value;
        if then.kvs.first().is_some_and(same) {
            Ok(())
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
