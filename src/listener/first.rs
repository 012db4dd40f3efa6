//! The first byte of a client that has just connected when the process shall end: it is waited for,
//! and not for long.
//!
//! It exists because hyper cannot tell a connection on which nothing was sent yet from one on which
//! requests were answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::io::InspectReader;

use super::Phase;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The wait for the first byte, once there is one.
pub(super) struct First {
    heard: Heard,
    until: Option<Instant>,
}

impl First {
    pub(super) const fn new(heard: Heard) -> Self {
        Self { heard, until: None }
    }

    /// Whether nothing was heard yet.
    pub(super) fn is_missing(&self) -> bool {
        !self.heard.0.load(Ordering::Relaxed)
    }

    /// Begins to wait.
    pub(super) fn wait(&mut self) {
        self.until.get_or_insert_with(|| Instant::now() + PATIENCE);
    }

    /// Whether the wait is over; told once.
    pub(super) fn is_over(&mut self) -> bool {
        let over = self.until.is_some_and(|until| until <= Instant::now());
        if over {
            self.until = None;
        }
        over
    }

    /// How long to sleep, if nothing else wakes before `left`.
    pub(super) fn at_most(&self, left: Duration) -> Duration {
        let until = |until: Instant| left.min(until.saturating_duration_since(Instant::now()));
        self.until.map_or(left, until)
    }
}

/// Waits until it is too late for a handshake that is under way when the process shall end.
pub(super) async fn too_late(mut phase: watch::Receiver<Phase>) {
    // Nobody is left to tell of phases: the process is ending.
    drop(phase.wait_for(|phase| *phase == Phase::Ending).await);
    sleep(PATIENCE).await;
}

/// Whether anything was heard.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<AtomicBool>);

impl Heard {
    /// Listens to a stream.
    pub(super) fn on<S: AsyncRead>(
        &self,
        stream: S,
    ) -> InspectReader<S, impl FnMut(&[u8]) + use<S>> {
        let Self(heard) = self.clone();
        InspectReader::new(stream, move |bytes| {
            if !bytes.is_empty() {
                heard.store(true, Ordering::Relaxed);
            }
        })
    }
}
