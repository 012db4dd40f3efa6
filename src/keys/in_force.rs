//! The keys in force: what every source last gave, put together.
//!
//! Invariant: keys that are too old are in no set. What is told of a token depends on whether keys
//! are missing: then one that names an unknown key may still be good.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::fetch::FetchError;
use crate::core::token::keys::KeySet;

/// Changes with the keys, and with nothing else.
pub(super) type Version = [u8; 32];

/// A tenant's metadata, and what it led to.
#[derive(Clone)]
pub(super) struct Source {
    /// Path of the metadata.
    pub(super) path: String,
    /// The last keys that could be fetched.
    pub(super) fetched: Option<Fetched>,
    /// Why the last fetch failed, if it did.
    pub(super) error: Option<FetchError>,
}

impl Source {
    /// The age of its keys. None: it has none.
    pub(super) fn age(&self) -> Option<Duration> {
        self.fetched.as_ref().map(|fetched| fetched.at.elapsed())
    }
}

/// Keys, and when they came.
#[derive(Clone)]
pub(super) struct Fetched {
    pub(super) keys: Arc<KeySet>,
    pub(super) at: Instant,
    /// The same, for people.
    pub(super) time: Timestamp,
}

impl Fetched {
    /// Keys that have come just now.
    pub(super) fn now(keys: KeySet) -> Self {
        Self {
            keys: Arc::new(keys),
            at: Instant::now(),
            time: Timestamp::now(),
        }
    }
}

/// The keys in force.
pub(super) struct InForce {
    /// Of all sources.
    pub(super) keys: KeySet,
    /// Their version.
    pub(super) version: Version,
    /// Whether every source has given keys that are not too old.
    pub(super) whole: bool,
    /// When the first of them will be too old. None: there are none.
    pub(super) until: Option<Instant>,
    /// Where they are from.
    pub(super) sources: Vec<Source>,
}

impl InForce {
    /// Puts together what is not older than `max_age`.
    pub(super) fn of(sources: Vec<Source>, max_age: Duration) -> Self {
        let now = Instant::now();
        let fresh: Vec<&Fetched> = sources
            .iter()
            .filter_map(|source| source.fetched.as_ref())
            .filter(|fetched| now < fetched.at + max_age)
            .collect();
        let keys = KeySet::merge(fresh.iter().map(|fetched| (*fetched.keys).clone()));
        Self {
            version: keys.fingerprint(),
            keys,
            whole: fresh.len() == sources.len(),
            until: fresh.iter().map(|fetched| fetched.at + max_age).min(),
            sources,
        }
    }

    /// Whether tokens can be verified with them now.
    pub(super) fn usable(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// The age of the oldest source's keys. None: a source has none at all.
    pub(super) fn age(&self) -> Option<Duration> {
        let ages = self.sources.iter().map(Source::age);
        ages.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}
