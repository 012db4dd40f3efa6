//! How policies stand that come from etcd. There is nothing to show where they do not.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::fleet::SourceStats;

type Shown = Family<[(&'static str, &'static str); 0], Gauge>;
type Counted = Family<[(&'static str, &'static str); 0], Counter<u64, AtomicU64>>;

#[derive(Default)]
pub(super) struct Families {
    revision: Shown,
    age: Shown,
    connected: Shown,
    regressed: Shown,
    cached: Shown,
    sessions: Counted,
    failures: Counted,
    snapshots: Counted,
    beats: Counted,
    cache_failures: Counted,
}

impl Families {
    /// The most series there can be.
    pub(super) const SERIES: usize = 10;

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "policy_source_revision",
            "The revision of etcd up to which policies are in force",
            self.revision.clone(),
        );
        registry.register_with_unit(
            "policy_source_age",
            "Since it was last confirmed that no change of policies is missing",
            Unit::Seconds,
            self.age.clone(),
        );
        registry.register(
            "policy_source_connected",
            "1 while changes of policies arrive from etcd",
            self.connected.clone(),
        );
        registry.register(
            "policy_source_regressed",
            "1 while etcd has another history than the policies in force, and is not followed",
            self.regressed.clone(),
        );
        registry.register(
            "policy_cache_revision",
            "The revision of the policies that are kept for the next start",
            self.cached.clone(),
        );
        registry.register(
            "policy_source_sessions",
            "Conversations begun with members of etcd",
            self.sessions.clone(),
        );
        registry.register(
            "policy_source_failures",
            "Conversations with members of etcd that failed",
            self.failures.clone(),
        );
        registry.register(
            "policy_source_snapshots",
            "Times that all policies were read from etcd",
            self.snapshots.clone(),
        );
        registry.register(
            "policy_source_beats",
            "Heartbeats that this gateway wrote for the fleet",
            self.beats.clone(),
        );
        registry.register(
            "policy_cache_failures",
            "Writes of policies for the next start that failed",
            self.cache_failures.clone(),
        );
    }

    pub(super) fn stand(&self, stats: &SourceStats) {
        let show = |family: &Shown, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&[]).set(value);
        };
        let count = |family: &Counted, value: u64| {
            family
                .get_or_create(&[])
                .inner()
                .store(value, Ordering::Relaxed);
        };
        // Of what was never had, neither revision nor age is shown: 0 would be a good age.
        if let Some(fresh) = stats.freshness {
            show(&self.revision, fresh.revision);
            show(&self.age, fresh.age.as_secs());
        }
        show(&self.connected, u64::from(stats.connected));
        show(&self.regressed, u64::from(stats.regressed));
        show(&self.cached, stats.cached);
        count(&self.sessions, stats.sessions);
        count(&self.failures, stats.failures);
        count(&self.snapshots, stats.snapshots);
        count(&self.beats, stats.beats);
        count(&self.cache_failures, stats.cache_failures);
    }
}
