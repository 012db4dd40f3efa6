//! The task that keeps one provider's keys up with what it publishes.
//!
//! Invariant: keys that were fetched are in force before anybody who waited for them is told. An
//! error is logged when it appears, changes or ends, not each time it is met.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Keys;
use super::demand::Outcome;
use super::fetch::FetchError;
use super::in_force::{Fetched, InForce, Source};
use super::schedule::{Have, Schedule, chance};
use crate::core::token::keys::{Key, KeySet};

type Answer = Result<KeySet, FetchError>;

/// Fetches again and again.
pub(super) struct Keeper {
    keys: Arc<Keys>,
    schedule: Schedule,
}

impl Keeper {
    pub(super) fn new(keys: Arc<Keys>) -> Self {
        let schedule = Schedule::new(keys.verification.key_refresh);
        Self { keys, schedule }
    }

    /// Keeps the keys for as long as it is polled.
    pub(super) async fn run(mut self) {
        loop {
            let pause = self.fetch().await;
            self.rest(pause).await;
        }
    }

    /// One fetch from every source. Returns the pause after it.
    async fn fetch(&mut self) -> Duration {
        self.keys.demand.begin();
        let answers = self.ask_all().await;
        let outcome = if answers.iter().all(Result::is_ok) {
            Outcome::Whole
        } else {
            Outcome::Failed
        };
        let sources = self.keys.in_force.load().sources.clone();
        let sources = sources
            .into_iter()
            .zip(answers)
            .map(|(source, answer)| self.updated(source, answer));
        let have = self.put_in_force(sources.collect());
        self.keys.demand.end(outcome);
        self.schedule.pause(outcome, have, chance())
    }

    /// Every source's answer, in their order; all are asked at once.
    async fn ask_all(&self) -> Vec<Answer> {
        let mut asked = JoinSet::new();
        let paths: Vec<String> = {
            let in_force = self.keys.in_force.load();
            let paths = in_force.sources.iter().map(|source| source.path.clone());
            paths.collect()
        };
        for (place, path) in paths.into_iter().enumerate() {
            let keys = Arc::clone(&self.keys);
            asked.spawn(async move { (place, keys.fetcher.fetch(&path).await) });
        }
        let mut answers = asked.join_all().await;
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// The source after an answer: a bad one leaves its keys as they are.
    fn updated(&self, mut source: Source, answer: Answer) -> Source {
        let provider = &*self.keys.provider;
        let path = &*source.path;
        match answer {
            Ok(keys) => {
                self.keys.metrics.fetched("ok");
                if source.error.is_some() {
                    tracing::info!(provider, source = path, "signing keys can be fetched again");
                }
                source.error = None;
                source.fetched = Some(Fetched::now(keys));
            }
            Err(error) => {
                self.keys.metrics.fetched(error.as_str());
                if source.error.as_ref() != Some(&error) {
                    tracing::warn!(
                        provider, source = path, %error,
                        "signing keys cannot be fetched: the last ones are used while they are not too old"
                    );
                }
                source.error = Some(error);
            }
        }
        source
    }

    fn put_in_force(&self, sources: Vec<Source>) -> Have {
        let keys = &self.keys;
        let next = Arc::new(InForce::of(sources, keys.verification.key_max_age));
        let last = keys.in_force.swap(Arc::clone(&next));
        if last.version != next.version {
            keys.remembered.forget();
            self.announce(&last.keys, &next.keys);
        }
        if last.whole && !next.whole {
            tracing::error!(
                provider = &*keys.provider,
                "signing keys are too old: tokens that need them cannot be verified"
            );
        }
        if next.whole {
            keys.ready.store(true, Ordering::Release);
            return Have::All;
        }
        Have::NotAll
    }

    fn announce(&self, last: &KeySet, next: &KeySet) {
        let names = |of: &KeySet, without: &KeySet| -> Vec<String> {
            let new = of.keys().iter().filter(|key| !without.holds(key.id()));
            new.map(|Key { kid, .. }| kid.clone()).collect()
        };
        tracing::info!(
            provider = &*self.keys.provider,
            keys.count = next.keys().len(),
            keys.skipped = next.skipped(),
            keys.added = ?names(next, last),
            keys.removed = ?names(last, next),
            "signing keys have changed"
        );
    }

    /// Waits for the pause to end, or to be asked. Keys that get too old meanwhile go.
    async fn rest(&self, pause: Duration) {
        let end = Instant::now() + pause;
        loop {
            let too_old = self.keys.in_force.load().until.map(Instant::from_std);
            let wake = too_old.map_or(end, |too_old| too_old.min(end));
            tokio::select! {
                () = self.keys.demand.asked() => return,
                () = sleep_until(wake) => {}
            }
            if wake == end {
                return;
            }
            self.put_in_force(self.keys.in_force.load().sources.clone());
        }
    }
}
