//! What is counted about signing keys and the tokens verified with them.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::keys::FETCH_ERRORS;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProvider {
    provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultOfProvider {
    provider: String,
    result: &'static str,
}

/// Series of one provider: keys, their age, the results of fetches and of verifications.
pub(super) const SERIES: usize = 2 + FETCHES + 4;

/// `ok`, and the words of what can be wrong with a fetch.
const FETCHES: usize = 1 + FETCH_ERRORS;

/// Of all providers.
#[derive(Clone, Default)]
pub(super) struct Families {
    keys: Family<OfProvider, Gauge>,
    age: Family<OfProvider, Gauge>,
    fetches: Family<ResultOfProvider, Counter>,
    verified: Family<ResultOfProvider, Counter>,
}

impl Families {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "keys",
            "Signing keys in force, by provider",
            self.keys.clone(),
        );
        registry.register_with_unit(
            "keys_age",
            "Since the oldest of a provider's signing keys were fetched",
            Unit::Seconds,
            self.age.clone(),
        );
        registry.register(
            "key_fetches",
            "Fetches of signing keys, by provider and result",
            self.fetches.clone(),
        );
        registry.register(
            "tokens_verified",
            "Tokens in requests, by provider and result",
            self.verified.clone(),
        );
    }

    pub(super) fn of(&self, provider: &str) -> KeyMetrics {
        let result = |result: &'static str| ResultOfProvider {
            provider: provider.to_owned(),
            result,
        };
        let verified = |word| self.verified.get_or_create_owned(&result(word));
        KeyMetrics {
            provider: provider.to_owned(),
            families: self.clone(),
            refused: verified("refused"),
            remembered: verified("remembered"),
            unavailable: verified("unavailable"),
            verified: verified("verified"),
        }
    }
}

/// Of one provider.
pub struct KeyMetrics {
    provider: String,
    families: Families,
    /// Tokens that were refused.
    pub refused: Counter,
    /// Tokens accepted that had been verified before.
    pub remembered: Counter,
    /// Tokens that nobody could verify.
    pub unavailable: Counter,
    /// Tokens accepted.
    pub verified: Counter,
}

impl KeyMetrics {
    /// Counts a fetch; `result` is one word of a closed list.
    pub fn fetched(&self, result: &'static str) {
        let labels = ResultOfProvider {
            provider: self.provider.clone(),
            result,
        };
        self.families.fetches.get_or_create(&labels).inc();
    }

    /// Sets how many keys are in force, and how old the oldest are, if there are any.
    pub fn stand(&self, keys: usize, age: Option<Duration>) {
        let labels = OfProvider {
            provider: self.provider.clone(),
        };
        let keys = i64::try_from(keys).unwrap_or(i64::MAX);
        self.families.keys.get_or_create(&labels).set(keys);
        if let Some(age) = age {
            let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            self.families.age.get_or_create(&labels).set(age);
        }
    }
}
