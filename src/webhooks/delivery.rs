//! Takes messages out of an outbox and sends them until each is taken, refused or given up.
//!
//! Invariant: no more than [`LANES`] messages are under way, so one that nobody takes does not hold
//! the others up; each ends within the time that the webhook gives it, and all within the patience
//! of whoever ends the gateway.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::Hook;
use super::message::Message;
use super::receiver::Failure;

/// Messages under way at once.
const LANES: usize = 4;

/// Between attempts: about a second, then twice as long each time.
const SHORTEST: Duration = Duration::from_secs(1);
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
    let mut pauses = backoff();
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

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(SHORTEST)
        .with_max_delay(LONGEST)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_never_end() {
        let pauses: Vec<Duration> = backoff().take(200).collect();
        assert_eq!(pauses.len(), 200);
        for (index, pause) in pauses.iter().enumerate() {
            let base = LONGEST.min(SHORTEST * 2_u32.saturating_pow(u32::try_from(index).unwrap()));
            assert!((base..=base * 2).contains(pause), "{index}: {pause:?}");
        }
        assert_ne!(pauses, backoff().take(200).collect::<Vec<_>>(), "jitter");
    }
}
