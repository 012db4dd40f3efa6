//! How policies stand, and who asked for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::number;
use crate::policies::{Stats, Watching};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    by: &'static str,
}

#[derive(Default)]
pub(super) struct Families {
    count: Gauge,
    unreadable: Gauge,
    problems: Gauge,
    reloaded: Gauge,
    age: Gauge,
    reloads: Counter<u64, AtomicU64>,
    reload_failures: Counter<u64, AtomicU64>,
    watched: Family<By, Gauge>,
    requests: Family<Request, Counter>,
}

impl Families {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("policies", "Tenants with a policy", self.count.clone());
        registry.register(
            "policies_unreadable",
            "Policies of which no version could be read",
            self.unreadable.clone(),
        );
        registry.register(
            "policy_problems",
            "Problems that stand in policy files and their directory",
            self.problems.clone(),
        );
        registry.register_with_unit(
            "policies_reloaded_timestamp",
            "When policies were last read without a fault, since the epoch",
            Unit::Seconds,
            self.reloaded.clone(),
        );
        registry.register_with_unit(
            "policies_age",
            "Since everything in the policy directory was last seen in force",
            Unit::Seconds,
            self.age.clone(),
        );
        registry.register(
            "policy_reloads",
            "Times that policies were put in force",
            self.reloads.clone(),
        );
        registry.register(
            "policy_reload_failures",
            "Policy changes that could not be read",
            self.reload_failures.clone(),
        );
        registry.register(
            "policies_watched",
            "1 for how changes of policies are noticed",
            self.watched.clone(),
        );
        registry.register(
            "policy_requests",
            "Requests to the policies API by method and status",
            self.requests.clone(),
        );
    }

    pub(super) fn stand(&self, stats: &Stats) {
        self.count.set(number(stats.policies));
        self.unreadable.set(number(stats.unreadable));
        self.problems.set(number(stats.problems));
        self.reloaded.set(stats.last_reload);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
        self.age.set(now.saturating_sub(stats.last_reload).max(0));
        let (reloads, failures) = (self.reloads.inner(), self.reload_failures.inner());
        reloads.store(stats.reloads, Ordering::Relaxed);
        failures.store(stats.reload_failures, Ordering::Relaxed);
        for watching in WATCHING {
            let by = By {
                by: watching.as_str(),
            };
            let is_it = i64::from(stats.watching == watching);
            self.watched.get_or_create(&by).set(is_it);
        }
    }

    pub(super) fn request(&self, method: &http::Method, status: u16) {
        let method = match *method {
            http::Method::GET => "get",
            http::Method::POST => "post",
            http::Method::PUT => "put",
            _ => "other",
        };
        let labels = Request { method, status };
        self.requests.get_or_create(&labels).inc();
    }

    /// Series. A request's status is one of those that the API's description names.
    pub(super) const SERIES: usize = 7 + WATCHING.len() + METHODS * STATUSES;
}

const WATCHING: [Watching; 3] = [Watching::Events, Watching::Nothing, Watching::Polling];

/// `get`, `post`, `put`, `other`.
const METHODS: usize = 4;

/// More than the policies API may answer with.
const STATUSES: usize = 24;
