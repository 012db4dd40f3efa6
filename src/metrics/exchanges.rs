//! What is counted about exchanges: how many ended how, and how long they took.
//!
//! Invariant: an ended exchange costs no lookup that workers share. Each worker has a
//! [`RouteMetrics`] for each of its routes, which remembers the counters that it met.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds for the gateway's own share, in seconds. It is well below a millisecond; what is
/// above is a client that sends its request slowly, or a gateway in trouble.
pub(super) const GATEWAY: [f64; 13] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Upper bounds for the wait for the server behind, in seconds: from one beside the gateway to the
/// default of `limits.upstream_timeout`.
pub(super) const UPSTREAM: [f64; 13] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Labels {
    route: Arc<str>,
    words: Words,
}

/// Decision, reason, token kind.
type Words = [&'static str; 3];

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        let [decision, reason, token_kind] = self.words;
        (&[
            ("route", &*self.route),
            ("decision", decision),
            ("reason", reason),
            ("token_kind", token_kind),
        ][..])
            .encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    route: String,
}

type Histograms = Family<OfRoute, Histogram>;

/// Of all routes.
#[derive(Clone)]
pub(super) struct Families {
    exchanges: Family<Labels, Counter>,
    gateway_seconds: Histograms,
    upstream_seconds: Histograms,
}

impl Default for Families {
    fn default() -> Self {
        Self {
            exchanges: Family::default(),
            gateway_seconds: Family::new_with_constructor(|| Histogram::new(GATEWAY)),
            upstream_seconds: Family::new_with_constructor(|| Histogram::new(UPSTREAM)),
        }
    }
}

impl Families {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "exchanges",
            "Exchanges by route, decision, reason and the most telling token's kind",
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
            "Time of an exchange spent waiting for the server behind",
            Unit::Seconds,
            self.upstream_seconds.clone(),
        );
    }

    pub(super) fn of(&self, route: &str) -> RouteMetrics {
        let labels = OfRoute {
            route: route.to_owned(),
        };
        RouteMetrics {
            route: route.into(),
            exchanges: self.exchanges.clone(),
            gateway_seconds: self.gateway_seconds.get_or_create_owned(&labels),
            upstream_seconds: self.upstream_seconds.get_or_create_owned(&labels),
            met: Mutex::default(),
        }
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The decision, in a record's word.
    pub decision: &'static str,
    /// The reason, in a record's word.
    pub reason: &'static str,
    /// The most telling kind of token, in a record's word; none where no token was looked at.
    pub token_kind: Option<&'static str>,
    /// From its first header to its answer.
    pub total: Duration,
    /// Of that, the wait for the server behind; none where it was not asked.
    pub upstream: Option<Duration>,
}

/// One route's, as one worker counts them.
pub struct RouteMetrics {
    route: Arc<str>,
    exchanges: Family<Labels, Counter>,
    gateway_seconds: Histogram,
    upstream_seconds: Histogram,
    /// The counters that were met, the usual ones first.
    met: Mutex<Vec<(Words, Counter)>>,
}

impl RouteMetrics {
    /// Counts one exchange.
    pub fn ended(&self, ended: Ended) {
        let kind = ended.token_kind.unwrap_or(UNSEEN);
        self.count([ended.decision, ended.reason, kind]);
        let upstream = ended.upstream.unwrap_or_default();
        let own = ended.total.saturating_sub(upstream);
        self.gateway_seconds.observe(own.as_secs_f64());
        if let Some(upstream) = ended.upstream {
            self.upstream_seconds.observe(upstream.as_secs_f64());
        }
    }

    fn count(&self, words: Words) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = met.iter().position(|(known, _)| *known == words) {
            if let Some((_, counter)) = met.get(place) {
                counter.inc();
            }
            // What comes often comes to the front.
            if let Some(before) = place.checked_sub(1) {
                met.swap(before, place);
            }
            return;
        }
        let labels = Labels {
            route: Arc::clone(&self.route),
            words,
        };
        let counter = self.exchanges.get_or_create_owned(&labels);
        counter.inc();
        met.push((words, counter));
    }
}

/// The token kind where no token was looked at.
const UNSEEN: &str = "unseen";

#[cfg(test)]
mod tests;
