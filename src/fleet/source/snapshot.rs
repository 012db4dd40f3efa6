//! Everything, read at one revision, in pages that stay far below what a message may hold.
//!
//! Invariant: it becomes visible all at once, or not at all.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::time::Instant;

use super::super::accept::{Accepted, History};
use super::super::etcd::{EtcdError, RangeRequest, RangeResponse, Session};
use super::super::keys::{Owner, owner};
use super::super::ledger::{Keep, Kept, Pass};
use super::super::pages::Parts;
use super::super::store::{Meta, Origin};
use super::{ANEW, End, Goal, LATEST_ANEW, Source, Witness, header, regressed, row};

/// Keys of a page, at first and at most.
const FIRST: i64 = 100;
const MOST: i64 = 500;

/// What a page should hold, in bytes.
const PAGE: i64 = 1024 * 1024;

impl Source {
    /// Reads everything, and puts it in force. What the cache is told of it ends with what is known
    /// to be whole.
    pub(super) async fn read_all(&mut self, session: &Session, keep: Keep) -> Result<Goal, End> {
        self.read(session, keep, Base::Applied).await
    }

    /// The same, of another history than the one that was applied: of that, nothing stays.
    pub(super) async fn read_anew(
        &mut self,
        session: &Session,
        accepted: &Accepted,
    ) -> Result<Goal, End> {
        let base = Base::Accepted(accepted);
        self.read(session, Keep::Everything, base).await
    }

    async fn read(&mut self, session: &Session, keep: Keep, base: Base<'_>) -> Result<Goal, End> {
        self.standing.snapshots.fetch_add(1, Ordering::Relaxed);
        self.writing_all = true;
        if keep == Keep::Everything {
            let again = self.meta.is_some();
            self.pace.anew_after = if again {
                (self.pace.anew_after * 2).min(LATEST_ANEW)
            } else {
                ANEW
            };
            self.pace.anew = Instant::now();
            self.store.clear().await;
        }
        let read = self.pages(session, keep, base).await;
        self.writing_all = false;
        if read.is_err() {
            self.store.abort().await;
        }
        if matches!((&read, base), (Err(End::Regressed(_)), Base::Applied)) {
            self.doubt(session.cluster());
        }
        self.broken &= read.is_err();
        read
    }

    async fn pages(&mut self, session: &Session, keep: Keep, base: Base<'_>) -> Result<Goal, End> {
        // What is in force stays as it is until everything is there.
        let mut ledger = match base {
            Base::Accepted(_) => self.ledger.anew(),
            Base::Applied => self.ledger.clone(),
        };
        let known_up_to = self.known_up_to(base);
        let mut names: HashSet<Bytes> = HashSet::new();
        let mut pass = Pass::default();
        let (key, range_end) = self.keys.policies();
        let mut page = Page {
            key: key.clone().into(),
            parts: Parts::of(key.into(), range_end.into()),
            limit: FIRST,
            revision: 0,
        };
        let (mut cluster, mut beat) = (0, None);
        loop {
            let answer = page.read(session).await?;
            if page.revision == 0 {
                (cluster, page.revision) = header(&answer);
                let history = History {
                    cluster,
                    revision: page.revision,
                };
                self.check(history, base)?;
            }
            let (more, count) = (answer.more, answer.count);
            let (mut rows, mut size) = (Vec::new(), 0);
            let mut last = None;
            for kv in answer.kvs {
                last = Some(kv.key.clone());
                size += kv.key.len() + kv.value.len();
                let Some(row) = row(&self.keys, kv, false) else {
                    continue;
                };
                if owner(&row.name) == Owner::Beat {
                    beat = row.value.map(|value| (row.revision, own(&value)));
                } else {
                    names.insert(own(&row.name));
                    rows.push(row);
                }
            }
            page.fit(rows.len(), size);
            let part = ledger.apply_newer(rows, keep, known_up_to)?;
            self.add(part, &mut pass).await;
            match page.parts.next(&page.key, last.as_deref(), more, count) {
                Some(next) => page.key = next,
                None => break,
            }
        }
        if let Base::Accepted(accepted) = base {
            // Also where it went away meanwhile: it is obeyed now, and never again.
            let key = self.keys.acceptance(&accepted.id);
            ledger.see(self.keys.name(&key).unwrap_or_default(), page.revision);
        }
        let gone = ledger.retain(&names, page.revision);
        self.add(gone, &mut pass).await;
        self.store.add(ledger.seen()).await;
        let goal = Goal {
            revision: page.revision,
            beat: beat.as_ref().map_or(0, |(revision, _)| *revision),
        };
        let meta = Meta {
            cluster,
            revision: page.revision,
            beat,
            confirmed: 0,
            doubted: false,
        };
        self.standing.cluster.store(cluster, Ordering::Release);
        self.ledger = ledger;
        self.meta = Some(meta);
        self.witness = Witness::Seen;
        self.origin = Origin::Here;
        self.publish(&pass);
        let revision = u64::try_from(page.revision).unwrap_or(0);
        match base {
            Base::Accepted(_) => self.standing.begins_anew(revision),
            Base::Applied => self.standing.applied(revision),
        }
        self.confirm();
        if let Some(meta) = self.meta.clone() {
            self.store.commit(meta).await;
        }
        tracing::info!(
            policy.revision = page.revision,
            policy.count = self.ledger.snapshot().len(),
            "policies read from etcd"
        );
        Ok(goal)
    }

    /// Up to which revision everything is known that a snapshot can hold, where only that can show
    /// that it is of another history.
    fn known_up_to(&self, base: Base<'_>) -> Option<i64> {
        let is_told_apart = self.witness == Witness::Seen || self.broken;
        let meta = self.meta.as_ref().filter(|_| !is_told_apart)?;
        matches!(base, Base::Applied).then_some(meta.revision)
    }

    /// Whether a snapshot of this cluster and revision may be applied.
    fn check(&self, history: History, base: Base<'_>) -> Result<(), End> {
        let History { cluster, revision } = history;
        if let Base::Accepted(accepted) = base {
            let other = || regressed(format!("{history}, which is not what was accepted"));
            return accepted.fits(history).then_some(()).ok_or_else(other);
        }
        match &self.meta {
            Some(meta) if cluster != meta.cluster => Err(regressed("another cluster".to_owned())),
            Some(meta) if revision < meta.revision => {
                let then = meta.revision;
                Err(regressed(format!("at revision {revision}, before {then}")))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn add(&self, part: Pass, pass: &mut Pass) {
        pass.changes.extend(part.changes);
        pass.found.extend(part.found);
        pass.mended.extend(part.mended);
        let kept: Vec<Kept> = part.kept;
        self.store.add(kept).await;
        // The heartbeat of the connection gets its turn.
        tokio::task::yield_now().await;
    }
}

/// What everything is read in the place of.
#[derive(Clone, Copy)]
enum Base<'a> {
    /// Another history, because an operator accepted this one.
    Accepted(&'a Accepted),
    /// What was applied, if anything was.
    Applied,
}

/// A copy: a part of an answer would keep all of it in memory.
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// What is read next.
struct Page {
    key: Bytes,
    parts: Parts,
    limit: i64,
    /// 0: that of the first answer.
    revision: i64,
}

impl Page {
    async fn read(&mut self, session: &Session) -> Result<RangeResponse, EtcdError> {
        loop {
            let request = RangeRequest {
                key: self.key.clone(),
                range_end: self.parts.end_after(&self.key),
                limit: self.limit,
                revision: self.revision,
                // The member that answered the first page has what the others are of.
                serializable: self.revision > 0,
                ..RangeRequest::default()
            };
            match session.range(request).await {
                Err(EtcdError::TooLarge) if self.limit > 1 => self.limit = (self.limit / 4).max(1),
                answer => return answer,
            }
        }
    }

    /// Makes the next page about as large as it should be.
    fn fit(&mut self, rows: usize, bytes: usize) {
        let rows = i64::try_from(rows.max(1)).unwrap_or(i64::MAX);
        let each = i64::try_from(bytes).unwrap_or(i64::MAX) / rows;
        self.limit = (PAGE / each.max(1)).clamp(1, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fits_what_it_holds() {
        let mut page = Page {
            key: Bytes::new(),
            parts: Parts::of(Bytes::new(), Bytes::new()),
            limit: FIRST,
            revision: 0,
        };
        for (rows, bytes, limit) in [
            (100, 100 * 900, MOST),
            (100, 100 * 10_000, 104),
            (1, 1_500_000, 1),
            (0, 0, MOST),
        ] {
            page.fit(rows, bytes);
            assert_eq!(page.limit, limit, "{rows} rows of {bytes} bytes");
        }
    }
}
