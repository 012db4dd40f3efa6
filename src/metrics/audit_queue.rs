//! How audit records stand: what waits, what was lost, whether the output takes them.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::number;
use crate::audit::Standing;

#[derive(Default)]
pub(super) struct Gauges {
    dropped: Counter<u64, AtomicU64>,
    waiting: Gauge,
    failing: Gauge,
}

impl Gauges {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "audit_records_dropped",
            "Audit records lost because the output was too slow or failed",
            self.dropped.clone(),
        );
        registry.register_with_unit(
            "audit_queue",
            "Audit records that wait to be written",
            Unit::Bytes,
            self.waiting.clone(),
        );
        registry.register(
            "audit_failing",
            "1 while audit records cannot be written",
            self.failing.clone(),
        );
    }

    pub(super) fn stand(&self, standing: &Standing) {
        let dropped = self.dropped.inner();
        dropped.store(standing.dropped, Ordering::Relaxed);
        self.waiting.set(number(standing.waiting));
        self.failing.set(i64::from(standing.failing));
    }

    /// Series.
    pub(super) const SERIES: usize = 3;
}
