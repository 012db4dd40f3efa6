//! Where the end of an exchange goes: audit lines and counters always, the rest as configured.
//!
//! Invariant: nothing here waits: not for a disk, not for a network.

use std::sync::Arc;

use crate::audit::Audit;
use crate::metrics::Metrics;

/// Takes the end of each exchange. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    /// Audit lines.
    pub audit: Audit,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Recorder {
    /// Lines and counters alone.
    pub const fn new(audit: Audit, metrics: Arc<Metrics>) -> Self {
        Self { audit, metrics }
    }
}
