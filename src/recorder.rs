//! Where the end of an exchange goes: audit lines and counters always, the rest as configured.
//!
//! Invariant: nothing here waits: not for a disk, not for a network.

use std::sync::Arc;

use crate::audit::Audit;
use crate::events::{Event, Events};
use crate::metrics::Metrics;
use crate::traces::Traces;
use crate::webhooks::Webhooks;

/// Takes the end of each exchange. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    /// Audit lines.
    pub audit: Audit,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The store of decision events.
    pub events: Option<Events>,
    /// Traces.
    pub traces: Option<Traces>,
    /// Who is told of decisions while they are made.
    pub webhooks: Option<Webhooks>,
}

impl Recorder {
    /// Lines and counters alone.
    pub const fn new(audit: Audit, metrics: Arc<Metrics>) -> Self {
        Self {
            audit,
            metrics,
            events: None,
            traces: None,
            webhooks: None,
        }
    }

    /// Whether the record of an exchange that ends now will be kept, where that is required before
    /// something is released; else true.
    pub fn will_keep(&self) -> bool {
        !self.audit.is_required()
            || self.audit.has_room() && self.events.as_ref().is_none_or(Events::keeps)
    }

    /// Whether anybody wants the event of such a decision.
    pub fn wants(&self, decision: &str) -> bool {
        let told = |webhooks: &Webhooks| webhooks.wants(decision);
        self.events.is_some() || self.webhooks.as_ref().is_some_and(told)
    }

    /// Hands an event to everybody who wants it.
    pub fn tell(&self, event: Event) {
        if let Some(webhooks) = &self.webhooks {
            webhooks.offer(&event);
        }
        if let Some(events) = &self.events {
            events.offer(event);
        }
    }
}
