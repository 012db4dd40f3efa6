//! Webhooks: administrators and operators are told of blocks, and of what passes through the known
//! gap, while it happens.
//!
//! 1. A decision is offered when its exchange ends. Each webhook takes those of its decisions and
//!    tenants; a user is named to nobody but the sign-in tenant and the operator.
//! 2. Decisions that are alike gather in the webhook's outbox (`webhooks/outbox.rs`).
//! 3. A thread of its own sends them, signed, again and again until they are taken
//!    (`webhooks/delivery.rs`), and once more what is left when the gateway ends.
//!
//! Invariant: offering takes a lock that is never held over I/O, and memory that is bounded; what is
//! not told of is counted. A webhook waits for its own receiver only.
//!
//! Source: Standard Webhooks 1.0.

mod delivery;
mod message;
mod outbox;
mod receiver;
mod signature;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Audience, Webhook};
use crate::events::Event;
use crate::metrics::{Metrics, WebhookMetrics};
use crate::tls::Certificates;
use message::{Message, Users};
use outbox::Outbox;
use receiver::{Failure, Receiver};

pub(crate) use signature::Signer;

/// How long the end waits for what is left to be sent.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why webhooks cannot be served.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// Its secret or its authorities cannot be used.
    #[error("{name}: {why}")]
    Setup {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The system refuses a thread or a runtime.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Where decisions are offered. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<[Arc<Hook>]>);

/// Ends the sending when dropped, after what is left was tried.
pub struct Deliveries {
    end: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Webhooks {
    /// Prepares every webhook and starts to send.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn start(
        webhooks: &[Webhook],
        certificates: &Certificates,
        metrics: &Metrics,
    ) -> Result<(Self, Deliveries), WebhookError> {
        let hook = |webhook: &Webhook| match Hook::new(webhook, certificates, metrics) {
            Ok(hook) => Ok(Arc::new(hook)),
            Err(why) => Err(WebhookError::Setup {
                name: webhook.name.clone(),
                why,
            }),
        };
        let hooks: Vec<_> = webhooks.iter().map(hook).collect::<Result<_, _>>()?;
        let (end, told) = watch::channel(false);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let theirs = hooks.clone();
        let thread = thread::Builder::new()
            .name("webhooks".to_owned())
            .spawn(move || serve(runtime, &theirs, &told))?;
        let deliveries = Deliveries {
            end,
            thread: Some(thread),
        };
        Ok((Self(hooks.into()), deliveries))
    }

    /// Whether anybody is told of such decisions.
    pub fn wants(&self, decision: &str) -> bool {
        self.0.iter().any(|hook| hook.wants(decision))
    }

    /// Offers a decision to every webhook. Never waits for a receiver.
    pub fn offer(&self, event: &Event) {
        for hook in self.0.iter() {
            if let Some(users) = hook.concerns(event) {
                hook.add(event, users);
            }
        }
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        // Sent even if nobody waits any more.
        self.end.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // It ends within its patience. A panic was printed where it happened.
            drop(thread.join());
        }
    }
}

/// Sends for all webhooks until told to end.
fn serve(runtime: Runtime, hooks: &[Arc<Hook>], end: &watch::Receiver<bool>) {
    let all = async {
        let mut tasks = JoinSet::new();
        for hook in hooks {
            tasks.spawn(delivery::deliver(Arc::clone(hook), end.clone()));
        }
        let mut told = end.clone();
        // An error means that nobody could tell any more.
        drop(told.wait_for(|end| *end).await);
        let finished = async { while tasks.join_next().await.is_some() {} };
        drop(timeout(PATIENCE, finished).await);
    };
    runtime.block_on(all);
    // A name that is being looked up would be waited for.
    runtime.shutdown_background();
    for hook in hooks {
        let messages = hook.metrics.waiting();
        if messages > 0 {
            tracing::warn!(webhook = hook.name, messages, "not sent before the end");
        }
    }
}

/// One webhook.
struct Hook {
    name: String,
    audience: Audience,
    decisions: Vec<&'static str>,
    retry_for: Duration,
    receiver: Receiver,
    outbox: Mutex<Outbox>,
    /// Wakes who sends when there is a message more.
    filled: Notify,
    /// Whether the receiver wants no more messages.
    gone: AtomicBool,
    /// Whether the last attempt failed.
    failing: AtomicBool,
    metrics: WebhookMetrics,
}

impl Hook {
    fn new(
        webhook: &Webhook,
        certificates: &Certificates,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        Ok(Self {
            name: webhook.name.clone(),
            audience: webhook.audience.clone(),
            decisions: webhook.decisions.clone(),
            retry_for: webhook.retry_for,
            receiver: Receiver::new(webhook, certificates)?,
            outbox: Mutex::new(Outbox::new(webhook.window)),
            filled: Notify::new(),
            gone: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            metrics: metrics.webhook(&webhook.name),
        })
    }

    fn wants(&self, decision: &str) -> bool {
        self.decisions.contains(&decision)
    }

    /// Whether it is told of a decision, and of who signed in.
    fn concerns(&self, event: &Event) -> Option<Users> {
        if !self.wants(event.decision) {
            return None;
        }
        match &self.audience {
            Audience::Everyone => Some(Users::Told),
            Audience::Tenants(tenants) => {
                let ours = |tenant| tenants.contains(tenant);
                match (
                    event.sign_in.as_ref().is_some_and(ours),
                    event.creator.as_ref().is_some_and(ours),
                ) {
                    (true, _) => Some(Users::Told),
                    (false, true) => Some(Users::Hidden),
                    (false, false) => None,
                }
            }
        }
    }

    fn add(&self, event: &Event, users: Users) {
        if self.is_gone() {
            self.metrics.dropped.inc();
            return;
        }
        if self.outbox().add(event, users, Instant::now()) {
            self.metrics.queue.inc();
            self.filled.notify_one();
        }
    }

    /// The next message to send; at the end any, due or not.
    fn take(&self, ending: bool) -> Option<Message> {
        let mut outbox = self.outbox();
        if ending {
            outbox.take_any()
        } else {
            outbox.take(Instant::now())
        }
    }

    fn due(&self) -> Option<Instant> {
        self.outbox().due()
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Notes an attempt that failed. The log tells of the first in a row.
    fn failed(&self, failure: &Failure) {
        self.metrics.failures.inc();
        if !self.failing.swap(true, Ordering::AcqRel) {
            tracing::warn!(webhook = self.name, error = %failure, "a receiver takes no messages");
        }
    }

    /// Notes how a message ended.
    fn ended(&self, message: &Message, ended: Result<(), Failure>) {
        self.metrics.queue.dec();
        match ended {
            Ok(()) => {
                self.metrics.sent.inc();
                if self.failing.swap(false, Ordering::AcqRel) {
                    tracing::info!(webhook = self.name, "the receiver takes messages again");
                }
            }
            Err(failure) => {
                self.metrics.dropped.inc_by(message.count);
                tracing::error!(
                    webhook = self.name, decision_id = %message.id, decisions = message.count,
                    error = %failure, "a message is given up"
                );
                if failure == Failure::Gone {
                    self.stop();
                }
            }
        }
    }

    /// Sends nothing more: the receiver said so.
    fn stop(&self) {
        if self.gone.swap(true, Ordering::AcqRel) {
            return;
        }
        self.metrics.stopped.set(1);
        let webhook = &self.name;
        tracing::error!(
            webhook,
            "the receiver is gone (410): nothing is sent until a restart"
        );
        let mut outbox = self.outbox();
        while let Some(message) = outbox.take_any() {
            self.metrics.queue.dec();
            self.metrics.dropped.inc_by(message.count);
        }
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
