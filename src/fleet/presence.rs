//! What each gateway tells of itself, for `tidegate fleet status`: a key in etcd, tied to a lease.
//!
//! Invariant: it is no part of enforcement: whatever happens to it, policies are taken up as they
//! come. What the whole fleet writes is bounded, however many gateways there are: each counts the
//! others and tells the less often, about `TOLD_A_SECOND` of all in a second and
//! `TOLD_A_SECOND_AT_MOST` while policies change. (etcd keeps every text until it compacts.)
//!
//! A gateway that is told to end gives its lease back and is gone from the list; one that is killed or
//! hangs is when its lease is over, after [`LEASE`]; one
//! that refuses the store's history tells it nothing, and is not in the list either.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use super::etcd::{
    EtcdError, LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest, RequestOp, Session,
    TxnRequest, request_op,
};
use super::keys::Keys;
use super::standing::Standing;
use crate::policies::Shared;

/// How long a gateway is believed to be there that says nothing.
pub const LEASE: Duration = Duration::from_secs(10);

/// How often the lease is kept alive.
const ALIVE: Duration = Duration::from_secs(3);

/// How long the end of a gateway waits for that.
const LEAVE: Duration = Duration::from_secs(1);

/// After something failed.
const AGAIN: Duration = Duration::from_secs(5);

/// How many gateways of all tell of themselves in a second, more or less.
const TOLD_A_SECOND: u64 = 10;

/// While policies change.
const TOLD_A_SECOND_AT_MOST: u64 = 50;

/// What a gateway tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its configured name.
    pub gateway: String,
    /// The program's version.
    pub program: String,
    /// When it started, by its own clock.
    pub started: Timestamp,
    /// When it told this, by its own clock.
    pub told: Timestamp,
    /// Everything up to this revision is in force there; none before it has any policies.
    pub revision: Option<u64>,
    /// The last change of a policy that it has in force, as far as it saw it.
    #[serde(default)]
    pub changed: Option<u64>,
    /// How long before `told` that was last confirmed.
    pub age_ms: Option<u64>,
    /// Tenants with a policy in force.
    pub policies: usize,
    /// Problems that stand.
    pub problems: usize,
    /// It tells again within this.
    pub every_s: u64,
}

/// How a gateway stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stands {
    /// See [`Told::revision`].
    pub revision: Option<u64>,
    /// See [`Told::changed`].
    pub changed: Option<u64>,
    /// How long ago that was confirmed.
    pub age: Option<Duration>,
    /// See [`Told::policies`].
    pub policies: usize,
    /// See [`Told::problems`].
    pub problems: usize,
    /// Another number after each change of policies.
    pub changes: u64,
}

impl Stands {
    /// As it is now.
    pub(super) fn of(standing: &Standing, shared: &Shared) -> Self {
        let fresh = standing.freshness();
        let stats = shared.stats();
        Self {
            revision: fresh.map(|fresh| fresh.revision),
            changed: standing.last_change(),
            age: fresh.map(|fresh| fresh.age),
            policies: stats.policies,
            problems: stats.problems,
            changes: stats.reloads,
        }
    }
}

/// One gateway among the others.
#[derive(Clone)]
pub struct Presence {
    keys: Keys,
    id: String,
    gateway: String,
    started: Timestamp,
    held: Arc<Mutex<Option<Held>>>,
}

/// A lease, and where it can be given back.
struct Held {
    session: Session,
    lease: i64,
}

/// How often a gateway tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    /// Again at the latest.
    most: Duration,
    /// Again at the earliest, when policies have changed.
    least: Duration,
}

impl Pace {
    /// Among so many.
    fn among(gateways: u64) -> Self {
        let at = |a_second: u64, least: u64| {
            Duration::from_millis((gateways.saturating_mul(1000) / a_second).max(least))
        };
        Self {
            most: at(TOLD_A_SECOND, 5_000),
            least: at(TOLD_A_SECOND_AT_MOST, 2_000),
        }
    }

    /// Some less, so that gateways that started together do not tell together.
    fn jittered(self, chance: u64) -> Self {
        let less = |pause: Duration| {
            let quarter = pause / 4;
            let part = u32::try_from(chance % 1024).unwrap_or(0);
            pause.saturating_sub(quarter * part / 1024)
        };
        Self {
            most: less(self.most),
            least: less(self.least),
        }
    }
}

/// What was told last, and when.
struct Last {
    at: Instant,
    changes: u64,
    pace: Pace,
}

impl Last {
    /// Whether it is time to tell again.
    fn is_over(&self, stands: &Stands) -> bool {
        let pause = if stands.changes != self.changes {
            self.pace.least
        } else {
            self.pace.most
        };
        self.at.elapsed() >= pause
    }
}

impl Presence {
    /// Of a gateway of this name. Two of one name are two nevertheless, by `instance`.
    pub fn new(keys: Keys, gateway: &str, instance: Uuid) -> Self {
        Self {
            keys,
            id: format!("{gateway}.{}", instance.simple()),
            gateway: gateway.to_owned(),
            started: Timestamp::now(),
            held: Arc::default(),
        }
    }

    /// Gives the lease back, if there is one: the gateway is not in the list any more.
    pub(super) async fn leave(&self) {
        let Some(held) = self.hold(None) else { return };
        let request = LeaseRevokeRequest { id: held.lease };
        let left = timeout(LEAVE, held.session.lease_revoke(request)).await;
        if !matches!(left, Ok(Ok(_))) {
            tracing::debug!("this gateway's key in etcd stays until its lease is over");
        }
    }

    /// The session is over, and its lease will be.
    pub(super) fn forget(&self) {
        drop(self.hold(None));
    }

    fn hold(&self, held: Option<Held>) -> Option<Held> {
        let mut place = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, held)
    }

    /// Tells how the gateway stands, for as long as the session lasts: it never returns.
    pub async fn keep(&self, session: &Session, stands: impl Fn() -> Stands) {
        let mut warned = false;
        loop {
            let Err(error) = self.keep_lease(session, &stands).await;
            if error == EtcdError::Denied && !warned {
                warned = true;
                tracing::warn!(
                    "etcd denies this gateway its key below gateways/: `fleet status` will not \
                     list it"
                );
            } else {
                tracing::debug!(%error, "this gateway's key in etcd is not kept");
            }
            sleep_until(Instant::now() + AGAIN).await;
        }
    }

    /// Takes a lease and keeps it until it is lost.
    async fn keep_lease(
        &self,
        session: &Session,
        stands: &impl Fn() -> Stands,
    ) -> Result<std::convert::Infallible, EtcdError> {
        let request = LeaseGrantRequest {
            ttl: i64::try_from(LEASE.as_secs()).unwrap_or(10),
            id: 0,
        };
        let lease = session.lease_grant(request).await?.id;
        self.hold(Some(Held {
            session: session.clone(),
            lease,
        }));
        let mut last = self.tell(session, lease, &stands()).await?;
        loop {
            sleep_until(Instant::now() + ALIVE).await;
            if session.keep_alive(lease).await? <= 0 {
                return Err(EtcdError::Refused("the lease is over".to_owned()));
            }
            let stands = stands();
            if last.is_over(&stands) {
                last = self.tell(session, lease, &stands).await?;
            }
        }
    }

    async fn tell(
        &self,
        session: &Session,
        lease: i64,
        stands: &Stands,
    ) -> Result<Last, EtcdError> {
        let (key, range_end) = self.keys.gateways();
        let all = RangeRequest {
            key: key.into(),
            range_end: range_end.into(),
            count_only: true,
            // How often to tell may be a little wrong.
            serializable: true,
            ..RangeRequest::default()
        };
        let gateways = session.range(all).await?.count;
        let chance = Uuid::new_v4().as_u64_pair().1;
        let pace = Pace::among(u64::try_from(gateways).unwrap_or(0)).jittered(chance);
        let told = self.told(stands, pace);
        let value =
            serde_json::to_vec(&told).map_err(|error| EtcdError::Refused(error.to_string()))?;
        // Nobody else writes this key, and a late text of it is an old one and no wrong one.
        let put = PutRequest {
            key: self.keys.gateway(&self.id).into(),
            value: value.into(),
            lease,
        };
        let request = TxnRequest {
            success: vec![RequestOp {
                request: Some(request_op::Request::RequestPut(put)),
            }],
            ..TxnRequest::default()
        };
        session.txn(request).await?;
        Ok(Last {
            at: Instant::now(),
            changes: stands.changes,
            pace,
        })
    }

    fn told(&self, stands: &Stands, pace: Pace) -> Told {
        let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Told {
            gateway: self.gateway.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            told: Timestamp::now(),
            revision: stands.revision,
            changed: stands.changed,
            age_ms: stands.age.map(millis),
            policies: stands.policies,
            problems: stands.problems,
            every_s: (pace.most + ALIVE).as_secs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_of_any_size_writes_little() {
        for gateways in [0_u64, 1, 10, 50, 1_000, 10_000, 100_000] {
            for chance in [0, 500, 1023, u64::MAX] {
                let pace = Pace::among(gateways).jittered(chance);
                assert!(pace.least <= pace.most, "{gateways}");
                let a_second = |pause: Duration| gateways as f64 / pause.as_secs_f64();
                assert!(
                    a_second(pace.most) <= 1.34 * TOLD_A_SECOND as f64,
                    "{gateways}"
                );
                let most = 1.34 * TOLD_A_SECOND_AT_MOST as f64;
                assert!(a_second(pace.least) <= most, "{gateways}");
            }
        }
        let few = Pace::among(5);
        assert_eq!((few.most.as_secs(), few.least.as_secs()), (5, 2));
        assert_eq!(Pace::among(10_000).most.as_secs(), 1_000);
    }

    #[test]
    fn news_is_told_sooner() {
        let stands = Stands {
            revision: Some(7),
            changed: None,
            age: None,
            policies: 1,
            problems: 0,
            changes: 1,
        };
        let since = |age| Last {
            at: Instant::now() - Duration::from_secs(age),
            changes: 1,
            pace: Pace::among(1),
        };
        let news = Stands {
            changes: 2,
            ..stands
        };
        for (age, same, changed) in [(0, false, false), (3, false, true), (6, true, true)] {
            assert_eq!(since(age).is_over(&stands), same, "{age}");
            assert_eq!(since(age).is_over(&news), changed, "{age}");
        }
    }
}
