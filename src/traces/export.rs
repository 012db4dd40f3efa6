//! The queue between exchanges and the collector.
//!
//! Invariant: adding never waits. At most [`MOST`] spans wait, those on their way to the collector
//! included; an exchange's spans are added whole or dropped whole, and what is dropped is counted.
//! The log tells when delivery begins to fail and when it works again, and not in between.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor,
};

use super::collector::Collector;
use crate::metrics::{Metrics, TraceMetrics};

/// Spans that may wait.
const MOST: usize = 8192;

/// Spans of one request to the collector.
const BATCH: usize = 1024;

/// How long spans gather before they are sent.
const GATHER: Duration = Duration::from_secs(1);

/// Takes the spans of exchanges that have ended.
pub(super) struct Queue {
    processor: BatchSpanProcessor,
    standing: Arc<Standing>,
}

/// How the export stands.
struct Standing {
    waiting: AtomicUsize,
    /// Whether the last spans could not be delivered.
    failing: AtomicBool,
    metrics: TraceMetrics,
}

impl Queue {
    /// Starts the thread that sends.
    ///
    /// # Errors
    /// A sentence about what cannot be set up.
    pub(super) fn start(
        collector: Collector,
        timeout: Duration,
        resource: &Resource,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        let standing = Arc::new(Standing {
            waiting: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            metrics: metrics.traces(),
        });
        let collector = Arc::new(collector);
        // Everything is said here, or the environment would be asked.
        let otlp = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_shared_http_client(Arc::clone(&collector) as _)
            .with_endpoint(collector.url())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(timeout)
            .build()
            .map_err(|error| error.to_string())?;
        let exporter = Counted {
            otlp,
            collector,
            standing: Arc::clone(&standing),
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(MOST)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(GATHER)
            .build();
        let mut processor = BatchSpanProcessor::new(exporter, config);
        processor.set_resource(resource);
        Ok(Self {
            processor,
            standing,
        })
    }

    /// Adds the spans of one exchange.
    pub(super) fn add(&self, spans: Vec<SpanData>) {
        let (standing, count) = (&self.standing, spans.len());
        let before = standing.waiting.fetch_add(count, Ordering::AcqRel);
        if before + count > MOST {
            standing.waiting.fetch_sub(count, Ordering::AcqRel);
            standing.metrics.dropped_by_queue.inc_by(number(count));
            return;
        }
        for span in spans {
            self.processor.on_end(span);
        }
    }

    /// Sends what is left, as long as that takes no longer than `patience`.
    pub(super) fn end(&self, patience: Duration) {
        // What failed was told of when it failed.
        drop(self.processor.shutdown_with_timeout(patience));
        let lost = self.standing.waiting.load(Ordering::Acquire);
        if lost > 0 {
            tracing::warn!(spans = lost, "the collector did not take the last spans");
        }
    }
}

/// The exporter, counted.
struct Counted {
    otlp: opentelemetry_otlp::SpanExporter,
    collector: Arc<Collector>,
    standing: Arc<Standing>,
}

impl SpanExporter for Counted {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let count = batch.len();
        let exported = self.otlp.export(batch);
        async move {
            let result = exported.await;
            self.standing.waiting.fetch_sub(count, Ordering::AcqRel);
            self.note(count, result.is_ok());
            result
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

impl Counted {
    fn note(&self, count: usize, delivered: bool) {
        let (standing, last) = (&self.standing, self.collector.last());
        let was_failing = standing.failing.swap(!delivered, Ordering::AcqRel);
        if !delivered {
            standing.metrics.dropped_by_delivery.inc_by(number(count));
            if !was_failing {
                tracing::warn!(reason = %last, "spans cannot be delivered to the collector");
            }
            return;
        }
        let rejected = last.rejected().min(number(count));
        standing.metrics.dropped_by_collector.inc_by(rejected);
        standing.metrics.exported.inc_by(number(count) - rejected);
        if was_failing {
            tracing::info!("spans are delivered to the collector again");
        }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
