//! What is counted about certificates and their files.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfListener {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfUpstream {
    upstream: String,
}

/// Of all listeners, and of all providers and services.
#[derive(Clone, Default)]
pub(super) struct Families {
    listeners: Three<OfListener>,
    upstreams: Three<OfUpstream>,
}

#[derive(Clone)]
struct Three<L: Clone + Eq + std::hash::Hash> {
    expiry: Family<L, Gauge<i64, AtomicI64>>,
    failures: Family<L, Counter>,
    reloads: Family<L, Counter>,
}

impl<L: Clone + Eq + std::hash::Hash> Default for Three<L> {
    fn default() -> Self {
        Self {
            expiry: Family::default(),
            failures: Family::default(),
            reloads: Family::default(),
        }
    }
}

impl<L: Clone + Eq + std::hash::Hash> Three<L> {
    fn of(&self, labels: &L) -> CertificateMetrics
    where
        L: Send + Sync + 'static,
    {
        let (expiry, labels_of_expiry) = (self.expiry.clone(), labels.clone());
        CertificateMetrics {
            failures: self.failures.get_or_create_owned(labels),
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
            "When the certificate that a provider or service is shown expires, since the epoch",
            Unit::Seconds,
            upstreams.expiry.clone(),
        );
        registry.register(
            "upstream_certificate_reload_failures",
            "Changes of a provider's or service's certificates that could not be used",
            upstreams.failures.clone(),
        );
        registry.register(
            "upstream_certificate_reloads",
            "Changes of a provider's or service's certificates",
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
}

/// Of one listener, provider or service.
pub struct CertificateMetrics {
    /// Changes that could not be used.
    pub failures: Counter,
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
