//! What is counted about the store of decision events.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Of the store. All stay zero without one.
#[derive(Clone, Debug, Default)]
pub struct EventMetrics {
    /// Events that the writer found waiting when it last looked.
    pub queue: Gauge<i64, AtomicI64>,
    /// Events lost.
    pub dropped: Counter<u64, AtomicU64>,
    /// Events recorded without their connector, application or tenants.
    pub folded: Counter<u64, AtomicU64>,
    /// Size of the store.
    pub bytes: Gauge<i64, AtomicI64>,
    /// Transactions that failed.
    pub failures: Counter<u64, AtomicU64>,
    /// Events written.
    pub written: Counter<u64, AtomicU64>,
}

impl EventMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "events_queue",
            "Decision events that the store's writer last found waiting",
            self.queue.clone(),
        );
        registry.register(
            "events_dropped",
            "Decision events that the store lost: it was too slow or failed",
            self.dropped.clone(),
        );
        registry.register(
            "events_folded",
            "Decision events stored without connector and application, or tenants: too many kinds",
            self.folded.clone(),
        );
        registry.register_with_unit(
            "events_store",
            "Size of the store of decision events, with its journal",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register(
            "events_write_failures",
            "Writes to the store of decision events that failed",
            self.failures.clone(),
        );
        registry.register(
            "events_written",
            "Decision events in the store since the start",
            self.written.clone(),
        );
    }

    /// Series.
    pub(super) const SERIES: usize = 6;
}
