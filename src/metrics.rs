//! Metrics: what an operator watches, as Prometheus text.
//!
//! Invariant: labels come from the configuration and from closed lists of words; no tenant id, no
//! text of a peer. So the number of series is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::policies::Stats;

mod certificates;
mod keys;

pub use certificates::CertificateMetrics;
pub use keys::KeyMetrics;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    exchanges: Family<ExchangeLabels, Counter>,
    gateway_seconds: Histogram,
    upstream_seconds: Histogram,
    /// Requests that ended before an exchange began, by reason.
    pub refused: Family<Reason, Counter>,
    /// Connections closed because there were too many.
    pub connections_refused: Counter,
    /// Open client connections.
    pub connections: Gauge<i64, AtomicI64>,
    /// Exchanges under way.
    pub in_flight: Gauge<i64, AtomicI64>,
    policies: Gauge<i64, AtomicI64>,
    policies_unreadable: Gauge<i64, AtomicI64>,
    policies_reloaded: Gauge<i64, AtomicI64>,
    policy_reload_failures: Counter<u64, AtomicU64>,
    policy_requests: Family<PolicyRequestLabels, Counter>,
    audit_dropped: Counter<u64, AtomicU64>,
    certificates: certificates::Families,
    keys: keys::Families,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyRequestLabels {
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ExchangeLabels {
    route: Arc<str>,
    decision: &'static str,
    reason: &'static str,
}

impl EncodeLabelSet for ExchangeLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        (&[
            ("route", &*self.route),
            ("decision", self.decision),
            ("reason", self.reason),
        ][..])
            .encode(encoder)
    }
}

/// Why, in one word from a closed list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// The word.
    pub reason: &'static str,
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Self {
        let latencies = || Histogram::new(exponential_buckets(0.000_01, 4.0, 10));
        let mut metrics = Self {
            registry: Registry::with_prefix("tidegate"),
            exchanges: Family::default(),
            gateway_seconds: latencies(),
            upstream_seconds: latencies(),
            refused: Family::default(),
            connections_refused: Counter::default(),
            connections: Gauge::default(),
            in_flight: Gauge::default(),
            policies: Gauge::default(),
            policies_unreadable: Gauge::default(),
            policies_reloaded: Gauge::default(),
            policy_reload_failures: Counter::default(),
            policy_requests: Family::default(),
            audit_dropped: Counter::default(),
            certificates: certificates::Families::default(),
            keys: keys::Families::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "exchanges",
            "Token exchanges by route, decision and reason",
            self.exchanges.clone(),
        );
        registry.register_with_unit(
            "exchange_gateway",
            "Time of an exchange spent in the gateway itself",
            Unit::Seconds,
            self.gateway_seconds.clone(),
        );
        registry.register_with_unit(
            "exchange_upstream",
            "Time of an exchange spent waiting for the provider",
            Unit::Seconds,
            self.upstream_seconds.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests that ended before an exchange began",
            self.refused.clone(),
        );
        registry.register(
            "connections_refused",
            "Client connections closed because there were too many",
            self.connections_refused.clone(),
        );
        registry.register(
            "connections",
            "Open client connections",
            self.connections.clone(),
        );
        registry.register(
            "exchanges_in_flight",
            "Exchanges under way",
            self.in_flight.clone(),
        );
        registry.register("policies", "Tenants with a policy", self.policies.clone());
        registry.register(
            "policies_unreadable",
            "Policies of which no version could be read",
            self.policies_unreadable.clone(),
        );
        registry.register_with_unit(
            "policies_reloaded_timestamp",
            "When policies were last read without a fault, since the epoch",
            Unit::Seconds,
            self.policies_reloaded.clone(),
        );
        registry.register(
            "policy_reload_failures",
            "Policy changes that could not be read",
            self.policy_reload_failures.clone(),
        );
        registry.register(
            "policy_requests",
            "Requests to the policies API by method and status",
            self.policy_requests.clone(),
        );
        registry.register(
            "audit_records_dropped",
            "Audit records lost because the output was too slow or failed",
            self.audit_dropped.clone(),
        );
        registry.register(
            "build",
            "The program that serves",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        self.keys.register(registry);
        self.certificates.register(registry);
    }

    /// What is counted about one provider's keys.
    pub fn keys_of(&self, provider: &str) -> KeyMetrics {
        self.keys.of(provider)
    }

    /// What is counted about the certificates of a listener.
    pub fn certificates_of_listener(&self, listener: &'static str) -> CertificateMetrics {
        self.certificates.of_listener(listener)
    }

    /// What is counted about the certificates that belong to a provider or service.
    pub fn certificates_of_upstream(&self, upstream: &str) -> CertificateMetrics {
        self.certificates.of_upstream(upstream)
    }

    /// Counts one exchange.
    pub fn exchange(
        &self,
        route: &Arc<str>,
        decision: &'static str,
        reason: &'static str,
        total: Duration,
        upstream_us: u64,
    ) {
        let labels = ExchangeLabels {
            route: Arc::clone(route),
            decision,
            reason,
        };
        self.exchanges.get_or_create(&labels).inc();
        let upstream = Duration::from_micros(upstream_us);
        self.gateway_seconds
            .observe(total.saturating_sub(upstream).as_secs_f64());
        if upstream_us > 0 {
            self.upstream_seconds.observe(upstream.as_secs_f64());
        }
    }

    /// Counts one request to the policies API.
    pub fn policy_request(&self, method: &http::Method, status: u16) {
        let method = match *method {
            http::Method::GET => "get",
            http::Method::PUT => "put",
            _ => "other",
        };
        let labels = PolicyRequestLabels { method, status };
        self.policy_requests.get_or_create(&labels).inc();
    }

    /// Everything as Prometheus text, with how policies stand and how many audit records were lost.
    pub fn encode(&self, stats: Stats, audit_dropped: u64) -> String {
        self.policies.set(number(stats.policies));
        self.policies_unreadable.set(number(stats.unreadable));
        self.policies_reloaded.set(stats.last_reload);
        self.policy_reload_failures
            .inner()
            .store(stats.reload_failures, Ordering::Relaxed);
        self.audit_dropped
            .inner()
            .store(audit_dropped, Ordering::Relaxed);
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
