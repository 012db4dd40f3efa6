//! What is counted about spans on their way to the collector.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Reason;

/// Of the process.
#[derive(Clone, Default)]
pub(super) struct Families {
    exported: Counter,
    dropped: Family<Reason, Counter>,
}

impl Families {
    /// The most series there can be.
    pub(super) const SERIES: usize = 4;

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "spans_exported",
            "Spans that the collector took",
            self.exported.clone(),
        );
        registry.register(
            "spans_dropped",
            "Spans that the collector was not given, by reason",
            self.dropped.clone(),
        );
    }

    /// The counters, each at 0 from now on.
    pub(super) fn counters(&self) -> TraceMetrics {
        let dropped = |reason| self.dropped.get_or_create_owned(&Reason { reason });
        TraceMetrics {
            exported: self.exported.clone(),
            dropped_by_collector: dropped("rejected"),
            dropped_by_delivery: dropped("delivery"),
            dropped_by_queue: dropped("queue_full"),
        }
    }
}

/// What is counted, where traces are configured.
pub struct TraceMetrics {
    /// Spans that the collector took.
    pub exported: Counter,
    /// Spans that the collector rejected.
    pub dropped_by_collector: Counter,
    /// Spans that did not reach the collector.
    pub dropped_by_delivery: Counter,
    /// Spans for which there was no room.
    pub dropped_by_queue: Counter,
}
