//! Where traces go, in a summary.

use std::fmt;

use serde::Serialize;

use crate::config;

/// The collector.
#[derive(Serialize)]
pub(super) struct Traces {
    endpoint: String,
    sample: f64,
    service_name: String,
}

impl Traces {
    pub(super) fn of(traces: &config::Traces) -> Self {
        Self {
            endpoint: traces.collector.url(),
            sample: traces.sample,
            service_name: traces.collector.service_name.clone(),
        }
    }
}

impl fmt::Display for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            endpoint,
            sample,
            service_name,
        } = self;
        write!(
            f,
            "traces: to {endpoint} as {service_name}; of those that begin here a share of {sample}"
        )
    }
}
