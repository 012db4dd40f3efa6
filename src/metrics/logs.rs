//! What is counted about audit records on their way to a collector.

use std::sync::atomic::AtomicI64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Reason;

/// Of the process.
#[derive(Clone, Default)]
pub(super) struct Families {
    exported: Counter,
    dropped: Family<Reason, Counter>,
    failures: Counter,
    queue: Gauge<i64, AtomicI64>,
}

impl Families {
    /// The most series there can be.
    pub(super) const SERIES: usize = 6;

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "log_records_exported",
            "Audit records that the collector took as OTLP logs",
            self.exported.clone(),
        );
        registry.register(
            "log_records_dropped",
            "Audit records that the collector was not given or did not take, by reason",
            self.dropped.clone(),
        );
        registry.register(
            "log_records_queue",
            "Audit records that wait for the collector or are on their way",
            self.queue.clone(),
        );
        registry.register(
            "log_export_failures",
            "Attempts to give audit records to the collector that failed",
            self.failures.clone(),
        );
    }

    /// The counters, each at 0 from now on.
    pub(super) fn counters(&self) -> LogMetrics {
        let dropped = |reason| self.dropped.get_or_create_owned(&Reason { reason });
        LogMetrics {
            exported: self.exported.clone(),
            dropped_by_collector: dropped("rejected"),
            dropped_by_delivery: dropped("delivery"),
            dropped_by_queue: dropped("queue_full"),
            failures: self.failures.clone(),
            queue: self.queue.clone(),
        }
    }
}

/// What is counted, where audit records go to a collector.
pub struct LogMetrics {
    /// Records that the collector took.
    pub exported: Counter,
    /// Records that the collector refused.
    pub dropped_by_collector: Counter,
    /// Records that were given up.
    pub dropped_by_delivery: Counter,
    /// Records for which there was no room.
    pub dropped_by_queue: Counter,
    /// Attempts that failed.
    pub failures: Counter,
    /// Records that wait or are under way.
    pub queue: Gauge<i64, AtomicI64>,
}
