//! Traces: W3C trace context carried through, and spans of each exchange exported over OTLP.
//!
//! 1. An exchange belongs to the trace that its request names, or begins one.
//! 2. A sampled parent is followed, and so is one that is not; of the traces that begin here the
//!    configured share is sampled.
//! 3. The exchange is a span, with children for the request upstream, the wait for signing keys and
//!    each evaluation. The request upstream names its own span as the parent of what follows.
//! 4. Spans are made when the exchange ends, of what its record holds, and wait in a bounded queue
//!    for a thread of their own.
//!
//! Invariant: no exchange waits for a collector. A span holds what an audit record holds, but not
//! the account that signed in; never a token, code or secret, nor a path, query or header of a
//! request.
//!
//! Without `[traces]` there is none of this: an exchange has no trace, and the headers travel
//! untouched.

mod collector;
pub(crate) mod context;
mod export;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample, SpanData};

use crate::config;
use crate::metrics::Metrics;
use crate::otlp;
use crate::tls::Certificates;

use collector::Collector;
use export::Queue;
pub use trace::{Ended, Trace, status_code};

/// How long the end waits for a collector to take what is left.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where traces go. Cheap to clone.
#[derive(Clone)]
pub struct Traces(Arc<Shared>);

struct Shared {
    queue: Queue,
    sampler: Sampler,
    scope: InstrumentationScope,
}

/// Ends the export when dropped, after the collector was given what is left.
pub struct Exporting(Traces);

impl Traces {
    /// Starts the export; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the collector, its certificates or the file of headers.
    pub fn start(
        config: &config::Traces,
        certificates: &Certificates,
        metrics: &Metrics,
    ) -> Result<(Self, Exporting), String> {
        let to = &config.collector;
        let collector = Collector::new(to, certificates)?;
        let resource = otlp::resource(&to.service_name);
        let traces = Self(Arc::new(Shared {
            queue: Queue::start(collector, to.timeout, &resource, metrics)?,
            sampler: Sampler::TraceIdRatioBased(config.sample),
            scope: otlp::scope(),
        }));
        Ok((traces.clone(), Exporting(traces)))
    }

    /// Begins an exchange's part of the trace that its request names.
    pub fn begin(&self, headers: &HeaderMap) -> Box<Trace> {
        Box::new(Trace::begin(self, headers))
    }

    /// Whether a trace that begins here is among those that are told of.
    fn samples(&self, id: TraceId) -> bool {
        let sampler = &self.0.sampler;
        let result = sampler.should_sample(None, id, "", &SpanKind::Server, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    fn add(&self, spans: Vec<SpanData>) {
        self.0.queue.add(spans);
    }

    fn scope(&self) -> InstrumentationScope {
        self.0.scope.clone()
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        self.0.0.queue.end(PATIENCE);
    }
}

#[cfg(test)]
mod tests;
