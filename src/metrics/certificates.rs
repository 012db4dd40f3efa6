//! What is counted about certificates and their files.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::config::{Config, RouteKind};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfListener {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfUpstream {
    upstream: String,
}

/// Series of one listener, provider, service, webhook or collector.
const OF_ONE: usize = 4;

/// Of all listeners, and of all that the gateway calls.
#[derive(Clone, Default)]
pub(super) struct Families {
    listeners: Four<OfListener>,
    upstreams: Four<OfUpstream>,
}

#[derive(Clone)]
struct Four<L: Clone + Eq + std::hash::Hash> {
    expiry: Family<L, Gauge<i64, AtomicI64>>,
    failures: Family<L, Counter>,
    problems: Family<L, Gauge<i64, AtomicI64>>,
    reloads: Family<L, Counter>,
}

impl<L: Clone + Eq + std::hash::Hash> Default for Four<L> {
    fn default() -> Self {
        Self {
            expiry: Family::default(),
            failures: Family::default(),
            problems: Family::default(),
            reloads: Family::default(),
        }
    }
}

impl<L: Clone + Eq + std::hash::Hash> Four<L> {
    fn of(&self, labels: &L) -> CertificateMetrics
    where
        L: Send + Sync + 'static,
    {
        let (expiry, labels_of_expiry) = (self.expiry.clone(), labels.clone());
        CertificateMetrics {
            failures: self.failures.get_or_create_owned(labels),
            problems: self.problems.get_or_create_owned(labels),
            reloads: self.reloads.get_or_create_owned(labels),
            expiry: Box::new(move |seconds| {
                expiry.get_or_create(&labels_of_expiry).set(seconds);
            }),
        }
    }
}

impl Families {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Self {
            listeners,
            upstreams,
        } = self;
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the certificate that a listener shows expires, since the epoch",
            Unit::Seconds,
            listeners.expiry.clone(),
        );
        registry.register(
            "certificate_problems",
            "Whether a listener's certificate files hold what cannot be used",
            listeners.problems.clone(),
        );
        registry.register(
            "certificate_reload_failures",
            "Changes of a listener's certificates that could not be used",
            listeners.failures.clone(),
        );
        registry.register(
            "certificate_reloads",
            "Changes of a listener's certificates",
            listeners.reloads.clone(),
        );
        registry.register_with_unit(
            "upstream_certificate_expiry_timestamp",
            "When the certificate that is shown to an upstream expires, since the epoch",
            Unit::Seconds,
            upstreams.expiry.clone(),
        );
        registry.register(
            "upstream_certificate_problems",
            "Whether certificate files of an upstream hold what cannot be used",
            upstreams.problems.clone(),
        );
        registry.register(
            "upstream_certificate_reload_failures",
            "Changes of an upstream's certificates that could not be used",
            upstreams.failures.clone(),
        );
        registry.register(
            "upstream_certificate_reloads",
            "Changes of an upstream's certificates",
            upstreams.reloads.clone(),
        );
    }

    pub(super) fn of_listener(&self, listener: &'static str) -> CertificateMetrics {
        self.listeners.of(&OfListener { listener })
    }

    pub(super) fn of_upstream(&self, upstream: &str) -> CertificateMetrics {
        let upstream = upstream.to_owned();
        self.upstreams.of(&OfUpstream { upstream })
    }

    /// The most series: of both listeners, and of each upstream by its name.
    pub(super) fn series(config: &Config) -> usize {
        let services = config.routes.iter().filter_map(|route| match &route.kind {
            RouteKind::Connection(connection) => Some(&*connection.service.name),
            RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => None,
        });
        let services: BTreeSet<&str> = services.collect();
        let called = config.providers().len()
            + services.len()
            + config.webhooks.len()
            + usize::from(config.traces.is_some())
            + usize::from(config.logs.is_some());
        (2 + called) * OF_ONE
    }
}

/// Of one listener, or of one upstream: a provider, a service, a webhook, a collector.
pub struct CertificateMetrics {
    /// Changes that could not be used.
    pub failures: Counter,
    /// How often the files hold now what cannot be used: at most once for all that is made of them.
    pub problems: Gauge<i64, AtomicI64>,
    /// Changes.
    pub reloads: Counter,
    expiry: Box<dyn Fn(i64) + Send + Sync>,
}

impl CertificateMetrics {
    /// Sets when the certificate expires, in Unix seconds.
    pub fn expires(&self, at: i64) {
        (self.expiry)(at);
    }
}
