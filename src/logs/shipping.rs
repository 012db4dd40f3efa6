//! Carries one batch after the other to the collector.
//!
//! 1. A batch is sent again while the collector may take it another time: after a second, then twice
//!    as long each time up to [`LONGEST`], with jitter, and never before it says (`retry-after`, as
//!    far as that is within [`PATIENT`]).
//! 2. It is given up when that has gone on for the configured time. The next one is not sent before
//!    the collector said either.
//! 3. Told to end, every batch is sent once more, at once.
//!
//! Invariant: every batch ends as taken (but for what the collector says it rejected), refused or
//! given up, and is counted as that.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::answer::{Failure, judge};
use super::queue::{Batch, Queue};
use super::record::Envelope;
use crate::again::pauses;
use crate::otlp::Collector;

/// The longest pause between attempts.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest that a collector may ask for.
const PATIENT: Duration = Duration::from_secs(5 * 60);

/// Sends what is in the queue.
pub(super) struct Shipper {
    queue: Arc<Queue>,
    collector: Collector,
    envelope: Envelope,
    retry_for: Duration,
    end: watch::Receiver<bool>,
    /// Nothing is sent before this moment: the collector said so.
    not_before: Option<Instant>,
    /// Whether the last attempt failed.
    failing: bool,
}

impl Shipper {
    pub(super) const fn new(
        queue: Arc<Queue>,
        collector: Collector,
        envelope: Envelope,
        retry_for: Duration,
        end: watch::Receiver<bool>,
    ) -> Self {
        Self {
            queue,
            collector,
            envelope,
            retry_for,
            end,
            not_before: None,
            failing: false,
        }
    }

    /// Sends what there is to send, until told to end and everything was tried once more.
    pub(super) async fn ship(&mut self) {
        while let Some(batch) = self.queue.next(&mut self.end).await {
            let export = self.envelope.export(&batch);
            let ended = self.carry(export).await;
            self.ended(&batch, ended);
        }
    }

    /// Counts what could not be sent before the end.
    pub(super) fn leave(&self) {
        let records = self.queue.close();
        if records > 0 {
            self.queue
                .metrics
                .dropped_by_delivery
                .inc_by(number(records));
            tracing::warn!(records, "the collector did not take the last audit records");
        }
    }

    /// Carries a batch to its end.
    async fn carry(&mut self, export: Bytes) -> Result<u64, Failure> {
        let deadline = Instant::now() + self.retry_for;
        let mut pauses = pauses(LONGEST);
        self.pause().await;
        loop {
            let answer = self.collector.post(export.clone()).await;
            let failure = match judge(answer, SystemTime::now()) {
                Ok(rejected) => return Ok(rejected),
                Err(failure) => failure,
            };
            self.failed(&failure);
            let Failure::Again { after, .. } = &failure else {
                return Err(failure);
            };
            let pause = pauses.next().unwrap_or(LONGEST);
            let asked = after.map(|after| after.min(PATIENT) + pause / 4);
            let now = Instant::now();
            // The next batch waits for it, if this one does not.
            self.not_before = asked.map(|asked| now + asked);
            if now >= deadline || self.is_ending() {
                return Err(failure);
            }
            self.not_before = Some(now + asked.unwrap_or_default().max(pause));
            self.pause().await;
        }
    }

    /// Nobody who could tell of the end is the end as well.
    fn is_ending(&self) -> bool {
        *self.end.borrow() || self.end.has_changed().is_err()
    }

    /// Waits as long as must be, or until told to end.
    async fn pause(&mut self) {
        let Some(moment) = self.not_before.take() else {
            return;
        };
        tokio::select! {
            () = sleep_until(moment) => {}
            _ = self.end.wait_for(|end| *end) => {}
        }
    }

    /// Notes an attempt that failed. The log tells of the first in a row.
    fn failed(&mut self, failure: &Failure) {
        self.queue.metrics.failures.inc();
        if !self.failing {
            tracing::warn!(reason = %failure, "audit records cannot be delivered to the collector");
        }
        self.failing = true;
    }

    /// Notes how a batch ended.
    fn ended(&mut self, batch: &Batch, ended: Result<u64, Failure>) {
        let (metrics, records) = (&self.queue.metrics, number(batch.records));
        match ended {
            Ok(rejected) => {
                let rejected = rejected.min(records);
                metrics.dropped_by_collector.inc_by(rejected);
                metrics.exported.inc_by(records - rejected);
                if self.failing {
                    tracing::info!("audit records are delivered to the collector again");
                }
                self.failing = false;
            }
            Err(Failure::Again { .. }) => {
                metrics.dropped_by_delivery.inc_by(records);
            }
            Err(Failure::Refused(_)) => {
                metrics.dropped_by_collector.inc_by(records);
            }
        }
        self.queue.release(batch);
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
