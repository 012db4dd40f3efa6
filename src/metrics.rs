//! Metrics: what an operator watches, as OpenMetrics text.
//!
//! Invariant: labels come from the configuration and from closed lists of words; no tenant id, no
//! text of a peer. So the number of series is bounded, and [`bound`] computes it from the
//! configuration.
//!
//! A theme's metrics live in a file of their own below `metrics/`: families, how they are
//! registered, how many series they can have, and what the rest of the program counts with.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::audit;
use crate::config::{Limits, Route, RouteKind};
use crate::policies::Stats;

mod audit_queue;
mod bound;
mod build;
mod certificates;
mod events;
mod exchanges;
mod fleet;
mod keys;
mod logs;
mod plain;
mod policies;
mod traces;
mod webhooks;

pub use bound::bound;
pub use certificates::CertificateMetrics;
pub use events::EventMetrics;
pub use exchanges::{Ended, RouteMetrics};
pub use keys::KeyMetrics;
pub use logs::LogMetrics;
pub use plain::plain;
pub use traces::TraceMetrics;
pub use webhooks::WebhookMetrics;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    exchanges: exchanges::Families,
    /// Requests that ended before an exchange began, by reason.
    pub refused: Family<Reason, Counter>,
    /// Connections closed because there were too many.
    pub connections_refused: Counter,
    /// Open client connections.
    pub connections: Gauge<i64, AtomicI64>,
    connections_limit: Gauge,
    /// Requests under way.
    pub in_flight: Gauge<i64, AtomicI64>,
    in_flight_limit: Gauge,
    policies: policies::Families,
    fleet: fleet::Families,
    audit: audit_queue::Gauges,
    /// The store of decision events.
    pub events: EventMetrics,
    certificates: certificates::Families,
    keys: keys::Families,
    webhooks: webhooks::Families,
    traces: traces::Families,
    logs: logs::Families,
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
        let mut metrics = Self {
            registry: Registry::with_prefix("tidegate"),
            exchanges: exchanges::Families::default(),
            refused: Family::default(),
            connections_refused: Counter::default(),
            connections: Gauge::default(),
            connections_limit: Gauge::default(),
            in_flight: Gauge::default(),
            in_flight_limit: Gauge::default(),
            policies: policies::Families::default(),
            fleet: fleet::Families::default(),
            audit: audit_queue::Gauges::default(),
            events: EventMetrics::default(),
            certificates: certificates::Families::default(),
            keys: keys::Families::default(),
            webhooks: webhooks::Families::default(),
            traces: traces::Families::default(),
            logs: logs::Families::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        self.exchanges.register(registry);
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
            "connections_limit",
            "Client connections that may be open at once",
            self.connections_limit.clone(),
        );
        registry.register(
            "exchanges_in_flight",
            "Exchanges under way",
            self.in_flight.clone(),
        );
        registry.register(
            "exchanges_in_flight_limit",
            "Exchanges that may be under way at once",
            self.in_flight_limit.clone(),
        );
        self.policies.register(registry);
        self.fleet.register(registry);
        self.audit.register(registry);
        self.events.register(registry);
        self.keys.register(registry);
        self.webhooks.register(registry);
        self.traces.register(registry);
        self.logs.register(registry);
        self.certificates.register(registry);
        build::register(registry);
    }

    /// Shows the bounds that the gateway keeps.
    pub fn limits(&self, limits: &Limits) {
        self.connections_limit.set(number(limits.connections));
        self.in_flight_limit.set(number(limits.in_flight));
    }

    /// What is counted about spans; shown from now on.
    pub fn traces(&self) -> TraceMetrics {
        self.traces.counters()
    }

    /// What is counted about audit records as OTLP logs; shown from now on.
    pub fn logs(&self) -> LogMetrics {
        self.logs.counters()
    }

    /// What is counted about one route's exchanges.
    pub fn of_route(&self, route: &Route) -> RouteMetrics {
        match route.kind {
            RouteKind::Connection(_) | RouteKind::Token => self.exchanges.of(&route.name),
            // No exchange comes on it: there is nothing to show.
            RouteKind::Discovery | RouteKind::Relay { .. } => {
                exchanges::Families::default().of(&route.name)
            }
        }
    }

    /// What is counted about one provider's keys.
    pub fn keys_of(&self, provider: &str) -> KeyMetrics {
        self.keys.of(provider)
    }

    /// What is counted about the certificates of a listener.
    pub fn certificates_of_listener(&self, listener: &'static str) -> CertificateMetrics {
        self.certificates.of_listener(listener)
    }

    /// What is counted about the certificates that belong to an upstream.
    pub fn certificates_of_upstream(&self, upstream: &str) -> CertificateMetrics {
        self.certificates.of_upstream(upstream)
    }

    /// What is counted about one webhook.
    pub fn webhook(&self, webhook: &str) -> WebhookMetrics {
        self.webhooks.of(webhook)
    }

    /// Counts one request to the policies API.
    pub fn policy_request(&self, method: &http::Method, status: u16) {
        self.policies.request(method, status);
    }

    /// Everything as OpenMetrics text, with how policies and audit records stand.
    pub fn encode(&self, policies: Stats, audit: audit::Standing) -> String {
        self.policies.stand(&policies);
        if let Some(source) = &policies.source {
            self.fleet.stand(source);
        }
        self.audit.stand(&audit);
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
