//! The heartbeat: a key that one gateway of the fleet writes every [`BEAT`], so that every watch has
//! something to tell. A watch that tells nothing for [`SILENCE`] is replaced.
//!
//! It is a key and not the progress that etcd reports of a watch, for two reasons. A beat went
//! through the leader and a majority of members; a progress report tells what one member knows.
//! And before etcd 3.4.25 and 3.5.8 a report may come before the changes that it covers
//! (github.com/etcd-io/etcd, issue 15220), while a beat stands in the watch's own order.
//!
//! Who wrote the last beat writes the next one; the others wait [`TAKEOVER`] and a little longer,
//! each another while, and write only if that beat is still the last (compare-and-swap). So one
//! gateway writes, whatever the size of the fleet. A gateway that waits to hear that it has
//! everything writes sooner, but not before [`FIRST`], which bounds how many beats a whole fleet
//! that comes back can cause.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use super::etcd::compare::{CompareResult, CompareTarget, TargetUnion};
use super::etcd::request_op::Request;
use super::etcd::{Compare, EtcdError, PutRequest, RequestOp, Session, TxnRequest};
use super::standing::Standing;

const BEAT: Duration = Duration::from_secs(2);
const TAKEOVER: Duration = Duration::from_secs(4);
const SPREAD: Duration = Duration::from_secs(2);
const FIRST: Duration = Duration::from_millis(200);
const FIRST_SPREAD: Duration = Duration::from_millis(800);

/// Longer than any gateway waits to take over, and some time for the write.
pub(super) const SILENCE: Duration = Duration::from_secs(8);

/// The last beat that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// 0: there is none.
    pub(super) revision: i64,
    /// Whether this gateway wrote it.
    pub(super) own: bool,
    /// Whether it is known that nothing is missing.
    pub(super) confirmed: bool,
}

/// Who writes.
pub(super) struct Writer {
    pub(super) key: Vec<u8>,
    /// In the beat, for people.
    pub(super) gateway: String,
    /// Tells this process from all others.
    pub(super) instance: Uuid,
    pub(super) standing: Arc<Standing>,
}

impl Writer {
    /// Whether a beat is this gateway's.
    pub(super) fn wrote(&self, value: &[u8]) -> bool {
        let told: Option<serde_json::Value> = serde_json::from_slice(value).ok();
        let instance = told
            .as_ref()
            .and_then(|told| told.get("instance")?.as_str());
        instance == Some(self.instance.to_string().as_str())
    }

    /// Writes beats when they are due, for as long as it is awaited.
    pub(super) async fn keep(&self, session: &Session, mut seen: watch::Receiver<Seen>) {
        let mut denied = false;
        loop {
            let last = seen.borrow_and_update().clone();
            let due = Instant::now() + delay(&last);
            tokio::select! {
                changed = seen.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return std::future::pending().await,
                },
                () = sleep_until(due) => {}
            }
            match self.write(session, last.revision).await {
                Ok(true) => {
                    self.standing.beats.fetch_add(1, Ordering::Relaxed);
                }
                // Somebody else did.
                Ok(false) => {}
                Err(EtcdError::Denied) if !denied => {
                    denied = true;
                    tracing::warn!(
                        key = %String::from_utf8_lossy(&self.key),
                        "etcd does not let this gateway write the heartbeat: others must"
                    );
                }
                Err(error) => tracing::debug!(%error, "the heartbeat was not written"),
            }
            // It shows in the watch, or in silence.
            let wait = timeout(BEAT, seen.changed());
            if matches!(wait.await, Ok(Err(_))) {
                return std::future::pending().await;
            }
        }
    }

    async fn write(&self, session: &Session, last: i64) -> Result<bool, EtcdError> {
        let value = serde_json::json!({
            "gateway": self.gateway,
            "instance": self.instance.to_string(),
            "time": jiff::Timestamp::now().to_string(),
        });
        let key = Bytes::from(self.key.clone());
        let unchanged = Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Mod.into(),
            key: key.clone(),
            target_union: Some(TargetUnion::ModRevision(last)),
        };
        let put = PutRequest {
            key,
            value: value.to_string().into(),
            lease: 0,
        };
        let answer = session.txn(TxnRequest {
            compare: vec![unchanged],
            success: vec![RequestOp {
                request: Some(Request::RequestPut(put)),
            }],
            failure: Vec::new(),
        });
        Ok(answer.await?.succeeded)
    }
}

/// How long after the last beat the next one is due here.
fn delay(last: &Seen) -> Duration {
    if !last.confirmed {
        FIRST + jitter(FIRST_SPREAD)
    } else if last.own {
        BEAT
    } else {
        TAKEOVER + jitter(SPREAD)
    }
}

/// A random part of a time span.
pub(super) fn jitter(most: Duration) -> Duration {
    // The last 48 bits of such an id are random.
    let (_, low) = Uuid::now_v7().as_u64_pair();
    let share = u32::try_from((low >> 16) & 0xffff).unwrap_or(0);
    most.saturating_mul(share) / 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_gateway_writes_and_the_others_wait_longer() {
        let seen = |own, confirmed| Seen {
            revision: 7,
            own,
            confirmed,
        };
        for _ in 0..1000 {
            assert_eq!(delay(&seen(true, true)), BEAT);
            let other = delay(&seen(false, true));
            assert!((TAKEOVER..=TAKEOVER + SPREAD).contains(&other));
            assert!(other > BEAT && other < SILENCE);
            let first = delay(&seen(false, false));
            assert!((FIRST..=FIRST + FIRST_SPREAD).contains(&first));
        }
        let many: std::collections::HashSet<_> = (0..100).map(|_| jitter(SPREAD)).collect();
        assert!(many.len() > 50);
    }
}
