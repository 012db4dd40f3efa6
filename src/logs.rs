//! Audit records as OTLP logs: what the audit writes as a line goes to a collector as a log record
//! as well.
//!
//! 1. A line is offered when it is added to the audit, whether or not the audit's own output takes
//!    it: a disk in trouble does not keep a record from the collector, nor the other way round.
//! 2. Lines gather in batches in a bounded queue (`logs/queue.rs`). A record's body is its line,
//!    byte for byte; everything else in it is read out of the line (`logs/record.rs`).
//! 3. A thread of its own sends one batch after the other, each until the collector takes it,
//!    refuses it, or it is given up (`logs/shipping.rs`), and once more what is left at the end.
//!
//! Invariant: offering takes a lock that is never held over I/O, and memory that is bounded; what is
//! not delivered is counted. A batch whose answer was lost is sent again, so a record can arrive
//! twice: `log.record.uid` tells.
//!
//! Without `[audit.otlp]` there is none of this.
//!
//! Source: OTLP 1.9; the logs data model of OpenTelemetry.

mod answer;
mod queue;
mod record;
mod shipping;

use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config;
use crate::metrics::Metrics;
use crate::otlp::Collector;
use crate::tls::Certificates;

use queue::Queue;
use record::Envelope;
use shipping::Shipper;

/// How long the end waits for a collector to take what is left.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where lines are offered. Cheap to clone.
#[derive(Clone)]
pub struct Logs(Arc<Queue>);

/// Ends the sending when dropped, after the collector was given what is left.
pub struct Shipping {
    end: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Logs {
    /// Starts to send; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the collector, its certificates, the file of headers or the system.
    pub fn start(
        config: &config::Logs,
        certificates: &Certificates,
        metrics: &Metrics,
    ) -> Result<(Self, Shipping), String> {
        let collector = Collector::new("audit.otlp", &config.collector, certificates)?;
        let envelope = Envelope::of(&config.collector.service_name);
        let queue = Arc::new(Queue::new(metrics.logs()));
        let (end, told) = watch::channel(false);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let theirs = Arc::clone(&queue);
        let shipper = Shipper::new(theirs, collector, envelope, config.retry_for, told.clone());
        let thread = thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || serve(runtime, shipper, told))
            .map_err(|error| error.to_string())?;
        let shipping = Shipping {
            end,
            thread: Some(thread),
        };
        Ok((Self(queue), shipping))
    }

    /// Offers a line of the audit, its end included. Never waits for a collector.
    pub(crate) fn offer(&self, line: &[u8]) {
        self.0.add(line);
    }
}

impl Shipping {
    /// Begins the end: what is left is tried once more, and nothing is waited for here.
    pub fn tell_end(&self) {
        // Sent even if nobody waits any more.
        self.end.send_replace(true);
    }
}

impl Drop for Shipping {
    fn drop(&mut self) {
        self.tell_end();
        if let Some(thread) = self.thread.take() {
            // It ends within its patience. A panic was printed where it happened.
            drop(thread.join());
        }
    }
}

/// Sends until told to end, and then what is left within its patience.
fn serve(runtime: Runtime, mut shipper: Shipper, mut end: watch::Receiver<bool>) {
    runtime.block_on(async {
        let mut shipping = pin!(shipper.ship());
        tokio::select! {
            () = &mut shipping => return,
            // An error means that nobody could tell any more.
            _ = end.wait_for(|end| *end) => {}
        }
        drop(timeout(PATIENCE, shipping).await);
    });
    // A name that is being looked up would be waited for.
    runtime.shutdown_background();
    shipper.leave();
}

#[cfg(test)]
impl Logs {
    /// Lines wait, and nobody sends them.
    pub(crate) fn unsent(metrics: &Metrics) -> Self {
        Self(Arc::new(Queue::new(metrics.logs())))
    }
}

#[cfg(test)]
mod tests;
