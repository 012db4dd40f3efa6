//! One provider's keys, and the judgement of a token under them.
//!
//! Invariant: a judgement reads the keys in force once. What is remembered of a token is found only
//! under those very keys, and is held against audience and time as if it were read anew.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arc_swap::ArcSwap;
use moka::sync::Cache;
use tokio::time::timeout;

use super::NotVerified;
use super::demand::{Asked, Demand, Outcome};
use super::fetch::Fetcher;
use super::in_force::{InForce, Source};
use super::remembered::Remembered;
use crate::clock::moment;
use crate::config::{Provider, Verification};
use crate::core::policy::Moment;
use crate::core::token::issuer::Issuers;
use crate::core::token::verified::{Refused, Unverified, Verified};
use crate::core::token::{self, Class, Untrusted};
use crate::metrics::{KeyMetrics, Metrics};
use crate::tls::Certificates;

/// Unknown keys remembered at most, for one provider.
pub(super) const MOST_UNKNOWN: u64 = 1024;

/// One provider's keys.
pub struct Keys {
    pub(super) provider: String,
    issuers: Issuers,
    pub(super) verification: Verification,
    leeway: u32,
    pub(super) fetcher: Fetcher,
    pub(super) in_force: ArcSwap<InForce>,
    /// Set when every source has answered once.
    pub(super) ready: AtomicBool,
    pub(super) demand: Demand,
    /// Key names that a fetch did not bring.
    pub(super) unknown: Cache<String, ()>,
    pub(super) remembered: Arc<Remembered>,
    pub(super) metrics: KeyMetrics,
}

/// A wait for signing keys. Of several it spans them all.
#[derive(Clone, Copy, Debug)]
pub struct Waited {
    /// Since when.
    pub from: Instant,
    /// Until when.
    pub until: Instant,
}

impl Waited {
    fn note(waited: &mut Option<Self>, from: Instant) {
        let until = Instant::now();
        waited.get_or_insert(Self { from, until }).until = until;
    }
}

/// How a token was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Anew,
    Remembered,
}

impl Keys {
    /// Prepares one provider; nothing is fetched yet.
    ///
    /// # Errors
    /// A sentence about its endpoint or certificates.
    pub(super) fn new(
        provider: &Provider,
        verification: &Verification,
        certificates: &Certificates,
        remembered: Arc<Remembered>,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        let sources = provider.key_tenants.iter().map(|tenant| Source {
            path: format!("/{tenant}/v2.0/.well-known/openid-configuration"),
            fetched: None,
            error: None,
        });
        let max_age = verification.key_max_age;
        Ok(Self {
            provider: provider.name.clone(),
            issuers: provider.issuers.clone(),
            leeway: u32::try_from(verification.leeway.as_secs()).unwrap_or(u32::MAX),
            fetcher: Fetcher::new(provider, verification.key_timeout, certificates)?,
            in_force: ArcSwap::from_pointee(InForce::of(sources.collect(), max_age)),
            ready: AtomicBool::new(false),
            demand: Demand::default(),
            unknown: Cache::builder()
                .max_capacity(MOST_UNKNOWN)
                .time_to_live(verification.key_cooldown)
                .build(),
            remembered,
            metrics: metrics.keys_of(&provider.name),
            verification: verification.clone(),
        })
    }

    /// Whether a token says that this provider issued it. Nothing is verified.
    pub fn claims_to_issue(&self, token: &str) -> bool {
        match token::classify(token, &self.issuers) {
            Class::Entra(_)
            | Class::Untrusted(Untrusted::Algorithm | Untrusted::TenantMismatch) => true,
            // Whose it is cannot be read, or it is another's.
            Class::Untrusted(Untrusted::Issuer | Untrusted::Malformed) | Class::NotEntra(_) => {
                false
            }
        }
    }

    /// Verifies a token for one of these audiences, now. Waits only for a fetch, and only if the
    /// token names an unknown key.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub async fn verify(&self, token: &str, audience: &[String]) -> Result<Verified, NotVerified> {
        self.verify_noting(token, audience, &mut None).await
    }

    /// The same, and notes how long it waited.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub async fn verify_noting(
        &self,
        token: &str,
        audience: &[String],
        waited: &mut Option<Waited>,
    ) -> Result<Verified, NotVerified> {
        let mut judged = self.judge(token, audience, moment());
        if let Err(NotVerified::Refused(Refused::UnknownKey)) = judged
            && let Ok(unverified) = Unverified::read(token, &self.issuers)
        {
            let from = Instant::now();
            judged = self
                .judge_after_fetch(unverified.kid(), token, audience)
                .await;
            Waited::note(waited, from);
        }
        let counter = match judged {
            Ok((_, How::Anew)) => &self.metrics.verified,
            Ok((_, How::Remembered)) => &self.metrics.remembered,
            Err(NotVerified::Refused(_)) => &self.metrics.refused,
            Err(NotVerified::Unavailable) => &self.metrics.unavailable,
        };
        counter.inc();
        judged.map(|(verified, _)| verified)
    }

    /// Judges a token under the keys in force.
    pub(super) fn judge(
        &self,
        token: &str,
        audience: &[String],
        now: impl Into<Moment>,
    ) -> Result<(Verified, How), NotVerified> {
        let now = now.into();
        let in_force = self.in_force.load();
        if !in_force.usable() {
            return Err(NotVerified::Unavailable);
        }
        let digest = self
            .remembered
            .digest(&self.provider, &in_force.version, token);
        if let Some(authentic) = digest.and_then(|digest| self.remembered.find(&digest)) {
            let verified = authentic.accept(audience, now, self.leeway);
            return verified
                .map(|verified| (verified, How::Remembered))
                .map_err(NotVerified::Refused);
        }
        let authentic = Unverified::read(token, &self.issuers)
            .and_then(|unverified| unverified.verify(&in_force.keys))
            .map_err(NotVerified::Refused)?;
        let verified = authentic
            .accept(audience, now, self.leeway)
            .map_err(NotVerified::Refused)?;
        if let Some(digest) = digest {
            self.remembered.keep(digest, authentic, token.len());
        }
        Ok((verified, How::Anew))
    }

    /// Judges a token whose key is unknown again, after a fetch if there may be one.
    async fn judge_after_fetch(
        &self,
        kid: &str,
        token: &str,
        audience: &[String],
    ) -> Result<(Verified, How), NotVerified> {
        // One that was under way may have read its document before the key was in it.
        for _ in 0..2 {
            let fetched = self.fetch_for(kid).await?;
            let judged = self.judge(token, audience, moment());
            let Err(NotVerified::Refused(Refused::UnknownKey)) = judged else {
                return judged;
            };
            match fetched {
                Fetched::Late => {}
                Fetched::Whole => {
                    self.unknown.insert(kid.to_owned(), ());
                    break;
                }
                Fetched::Nothing => break,
            }
        }
        if self.in_force.load().whole {
            Err(NotVerified::Refused(Refused::UnknownKey))
        } else {
            // It may be among those that are missing.
            Err(NotVerified::Unavailable)
        }
    }

    /// Waits for a fetch that may bring this key.
    async fn fetch_for(&self, kid: &str) -> Result<Fetched, NotVerified> {
        if self.unknown.contains_key(kid) {
            return Ok(Fetched::Nothing);
        }
        let Verification {
            key_cooldown,
            key_timeout,
            ..
        } = self.verification;
        match self.demand.ask_for_unknown(key_cooldown) {
            Asked::Begun(fetch) => Ok(match timeout(key_timeout, fetch.ended()).await {
                Ok(Outcome::Whole) => Fetched::Whole,
                Ok(Outcome::Failed) | Err(_) => Fetched::Nothing,
            }),
            Asked::Crowded => Err(NotVerified::Unavailable),
            Asked::TooSoon => Ok(Fetched::Nothing),
            Asked::UnderWay(fetch) => Ok(match timeout(key_timeout, fetch.ended()).await {
                Ok(_) => Fetched::Late,
                Err(_) => Fetched::Nothing,
            }),
        }
    }
}

/// What came of asking for a fetch because of a key.
enum Fetched {
    /// One ended that had begun before.
    Late,
    /// There was none, or none that ended well and in time.
    Nothing,
    /// One began after the key was asked for, and every source answered.
    Whole,
}
