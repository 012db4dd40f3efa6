//! Takes messages out of an outbox and sends them until each is taken, refused or given up.
//!
//! Invariant: no more than [`LANES`] messages are under way, so one that nobody takes does not hold
//! the others up; each ends within the time that the webhook gives it, and all within the patience
//! of whoever ends the gateway.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::Hook;
use super::message::Message;
use super::receiver::Failure;
use crate::again::pauses;

/// Messages under way at once.
const LANES: usize = 4;

/// The longest pause between attempts.
const LONGEST: Duration = Duration::from_secs(60);

/// Sends what there is to send, until told to end and everything was tried once more.
pub(super) async fn deliver(hook: Arc<Hook>, mut end: watch::Receiver<bool>) {
    let mut lanes = JoinSet::new();
    loop {
        let ending = *end.borrow_and_update();
        while lanes.len() < LANES
            && let Some(message) = hook.take(ending)
        {
            lanes.spawn(carry(Arc::clone(&hook), message, end.clone()));
        }
        if ending && lanes.is_empty() {
            return;
        }
        let due = hook.due().filter(|_| lanes.len() < LANES);
        tokio::select! {
            () = hook.filled.notified(), if lanes.len() < LANES => {}
            () = until(due.map(Instant::from_std)) => {}
            Some(_) = lanes.join_next() => {}
            // Only the end is told of.
            _ = end.changed(), if !ending => {}
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// Carries one message to its end.
async fn carry(hook: Arc<Hook>, message: Message, mut end: watch::Receiver<bool>) {
    let (id, body) = (message.id.to_string(), message.body());
    let deadline = Instant::now() + hook.retry_for;
    let mut pauses = pauses(LONGEST);
    let ended = loop {
        let failure = match hook.receiver.send(&id, &body).await {
            Ok(()) => break Ok(()),
            Err(failure) => failure,
        };
        hook.failed(&failure);
        let after = match &failure {
            Failure::Again { after, .. } if !hook.is_gone() => *after,
            Failure::Again { .. } | Failure::Gone | Failure::Refused(_) => break Err(failure),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || *end.borrow() {
            break Err(failure);
        }
        let pause = pauses.next().max(after).unwrap_or(LONGEST).min(left);
        tokio::select! {
            () = sleep(pause) => {}
            // Told to end: one more attempt, at once.
            _ = end.wait_for(|end| *end) => {}
        }
    };
    hook.ended(&message, ended);
}
