//! What is counted about webhooks.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfWebhook {
    webhook: String,
}

/// Series of one webhook.
pub(super) const SERIES: usize = 5;

/// Of all webhooks.
#[derive(Clone, Default)]
pub(super) struct Families {
    sent: Family<OfWebhook, Counter>,
    failures: Family<OfWebhook, Counter>,
    dropped: Family<OfWebhook, Counter>,
    queue: Family<OfWebhook, Gauge<i64, AtomicI64>>,
    stopped: Family<OfWebhook, Gauge<i64, AtomicI64>>,
}

impl Families {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "webhook_sent",
            "Messages that a webhook's receiver took",
            self.sent.clone(),
        );
        registry.register(
            "webhook_failures",
            "Attempts to send a message that failed, by webhook",
            self.failures.clone(),
        );
        registry.register(
            "webhook_dropped",
            "Decisions that a webhook's receiver was not told of",
            self.dropped.clone(),
        );
        registry.register(
            "webhook_queue",
            "Messages that wait or are under way, by webhook",
            self.queue.clone(),
        );
        registry.register(
            "webhook_stopped",
            "Whether a webhook's receiver answered 410, so that nothing more is sent",
            self.stopped.clone(),
        );
    }

    pub(super) fn of(&self, webhook: &str) -> WebhookMetrics {
        let labels = OfWebhook {
            webhook: webhook.to_owned(),
        };
        WebhookMetrics {
            sent: self.sent.get_or_create_owned(&labels),
            failures: self.failures.get_or_create_owned(&labels),
            dropped: self.dropped.get_or_create_owned(&labels),
            queue: self.queue.get_or_create_owned(&labels),
            stopped: self.stopped.get_or_create_owned(&labels),
        }
    }
}

/// Of one webhook.
pub struct WebhookMetrics {
    /// Messages taken.
    pub sent: Counter,
    /// Attempts that failed.
    pub failures: Counter,
    /// Decisions that the receiver was not told of.
    pub dropped: Counter,
    /// Messages that wait or are under way.
    pub queue: Gauge<i64, AtomicI64>,
    /// Whether nothing more is sent.
    pub stopped: Gauge<i64, AtomicI64>,
}

impl WebhookMetrics {
    /// Messages that wait or are under way.
    pub fn waiting(&self) -> i64 {
        self.queue.get()
    }
}
