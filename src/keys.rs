//! Signing keys of the Entra providers, fetched and kept; and the tokens verified with them.
//!
//! 1. Each provider has a task that fetches its keys: at the start, every `key_refresh`, soon after
//!    a failure, when the operator asks, and for a token that names an unknown key, at most once in
//!    `key_cooldown`.
//! 2. What was fetched is in force at once, a key that is gone as well. What could not be fetched
//!    leaves the last good keys in force, until they are older than `key_max_age`.
//! 3. Workers read the keys in force and wait for nothing, but for a fetch for an unknown key.
//!
//! Invariant: a token is accepted only under the keys in force at that moment, for its audience and
//! at its time, whether it was seen before or not.

mod demand;
mod fetch;
mod in_force;
mod keeper;
mod provider;
mod remembered;
mod report;
mod schedule;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use crate::config::{Config, CreatorSource, Provider, RouteKind};
use crate::core::token::verified::Refused;
use crate::metrics::Metrics;
use crate::tls::Certificates;

use fetch::FetchError;
use keeper::Keeper;
pub use provider::{Keys, Waited};
use remembered::Remembered;
pub use report::{Report, ReportedKey};

/// What can be wrong with a fetch, as many words.
pub(crate) const FETCH_ERRORS: usize = <FetchError as strum::EnumCount>::COUNT;

/// The keys of every Entra provider whose tokens a route or the policies API verifies. Shared by all
/// workers.
#[derive(Default)]
pub struct KeyStore {
    providers: Vec<Arc<Keys>>,
}

impl KeyStore {
    /// Prepares the providers that the configuration verifies tokens of; nothing is fetched yet.
    ///
    /// # Errors
    /// The provider's name, and a sentence about its endpoint or certificates.
    pub fn new(
        config: &Config,
        certificates: &Certificates,
        metrics: &Metrics,
    ) -> Result<Self, (String, String)> {
        let verification = &config.verification;
        let remembered = Arc::new(Remembered::new(
            verification.remembered_tokens,
            verification.key_max_age,
        ));
        let providers = verifiers(config)
            .into_iter()
            .map(|provider| {
                let remembered = Arc::clone(&remembered);
                Keys::new(provider, verification, certificates, remembered, metrics)
                    .map(Arc::new)
                    .map_err(|error| (provider.name.clone(), error))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { providers })
    }

    /// One provider's keys.
    pub fn of(&self, provider: &str) -> Option<&Arc<Keys>> {
        self.providers.iter().find(|keys| keys.provider == provider)
    }

    /// Fetches every provider's keys from now on, in tasks of the runtime that this is called on.
    /// Dropped, the tasks end.
    #[must_use = "keys are fetched while this lives"]
    pub fn keep(&self) -> JoinSet<()> {
        self.providers
            .iter()
            .map(|keys| Keeper::new(Arc::clone(keys)).run())
            .collect()
    }

    /// Has all keys fetched, soon and without waiting for it (SIGHUP).
    pub fn fetch(&self) {
        self.providers.iter().for_each(|keys| keys.demand.ask());
    }

    /// Whether all keys were fetched once. From then on it stays so.
    pub fn ready(&self) -> bool {
        self.providers
            .iter()
            .all(|keys| keys.ready.load(Ordering::Acquire))
    }

    /// How things stand, source by source.
    pub fn report(&self) -> Vec<Report> {
        self.providers
            .iter()
            .flat_map(|keys| report::of(&keys.provider, &keys.in_force.load()))
            .collect()
    }

    /// Puts how things stand into the metrics.
    pub fn measure(&self) {
        for keys in &self.providers {
            let in_force = keys.in_force.load();
            keys.metrics
                .stand(in_force.keys.keys().len(), in_force.age());
        }
    }
}

/// The providers whose tokens routes and administrators of policies show, each once.
fn verifiers(config: &Config) -> Vec<&Provider> {
    let administrators = config.admin.policies.administrators.iter();
    let mut providers: Vec<&Provider> = administrators.map(|they| &*they.provider).collect();
    for route in &config.routes {
        let of_creators = route.creator.iter().filter_map(|source| match source {
            CreatorSource::Bearer { provider, .. } => Some(provider),
            CreatorSource::Fixed(_) | CreatorSource::Header(_) | CreatorSource::Path(_) => None,
        });
        let of_sign_ins = match &route.kind {
            RouteKind::Connection(connection) => connection.verifiers.as_slice(),
            RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => &[],
        };
        for provider in of_creators.chain(of_sign_ins) {
            if providers.iter().all(|known| known.name != provider.name) {
                providers.push(provider);
            }
        }
    }
    providers
}

/// Why a token cannot be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotVerified {
    /// The token is at fault.
    Refused(Refused),
    /// No keys, only ones too old, or too many who wait for them: nobody can tell.
    Unavailable,
}

#[cfg(test)]
mod tests;
