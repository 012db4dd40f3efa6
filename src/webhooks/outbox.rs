//! What a receiver is still to be told.
//!
//! Decisions that are alike gather: the first is told at once, those that follow within the window
//! together when it ends. Under a flood of decisions that differ, details are left out rather than
//! decisions: first connectors, routes and reasons, then sign-in tenants, then creator tenants.
//!
//! Invariant: no more than [`MOST`] groups and one for each decision, whatever happens; every
//! decision offered is in exactly one message.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::message::{Message, Users};
use crate::core::tenant::TenantId;
use crate::events::Event;

/// Groups that are told apart in full, by pair of tenants, and by creator tenant at least.
const FULL: usize = 512;
const PAIRS: usize = 768;
const MOST: usize = 1024;

/// What makes decisions alike.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    decision: &'static str,
    detail: Detail,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Detail {
    Full {
        reason: &'static str,
        route: Arc<str>,
        connector: Option<String>,
        creator: Option<TenantId>,
        sign_in: Option<TenantId>,
    },
    Pair(Option<TenantId>, Option<TenantId>),
    Creator(Option<TenantId>),
    None,
}

impl Detail {
    /// From the finest to the coarsest, each with how many groups there may be before it.
    fn of(event: &Event, level: usize) -> (Self, usize) {
        let (creator, sign_in) = (event.creator, event.sign_in);
        match level {
            0 => {
                let full = Self::Full {
                    reason: event.reason,
                    route: Arc::clone(&event.route),
                    connector: event.connector.clone(),
                    creator,
                    sign_in,
                };
                (full, FULL)
            }
            1 => (Self::Pair(creator, sign_in), PAIRS),
            2 => (Self::Creator(creator), MOST),
            _ => (Self::None, usize::MAX),
        }
    }
}

/// Decisions that are alike.
struct Group {
    /// When its message may go; without one, when it is forgotten.
    due: Instant,
    message: Option<Message>,
}

/// What waits for one receiver.
pub(super) struct Outbox {
    window: Duration,
    groups: HashMap<Key, Group>,
}

impl Outbox {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            groups: HashMap::new(),
        }
    }

    /// Takes a decision in. True: there is a message more.
    pub(super) fn add(&mut self, event: &Event, users: Users, now: Instant) -> bool {
        for level in 0.. {
            let (detail, most) = Detail::of(event, level);
            let decision = event.decision;
            let full = self.groups.len() >= most;
            let group = match self.groups.entry(Key { decision, detail }) {
                Entry::Occupied(group) => group.into_mut(),
                Entry::Vacant(_) if full => continue,
                Entry::Vacant(place) => place.insert(Group {
                    due: now,
                    message: None,
                }),
            };
            if let Some(message) = &mut group.message {
                message.add(event, users);
                return false;
            }
            group.message = Some(Message::of(event, users));
            break;
        }
        true
    }

    /// The message that is due first, and forgets groups that have been quiet for long enough.
    pub(super) fn take(&mut self, now: Instant) -> Option<Message> {
        self.groups
            .retain(|_, group| group.message.is_some() || group.due > now);
        let waiting = self.groups.values_mut();
        let group = waiting
            .filter(|group| group.message.is_some() && group.due <= now)
            .min_by_key(|group| group.due)?;
        group.due = now + self.window;
        group.message.take()
    }

    /// Any message, due or not.
    pub(super) fn take_any(&mut self) -> Option<Message> {
        let mut groups = self.groups.values_mut();
        groups.find_map(|group| group.message.take())
    }

    /// When there is something to do again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.groups.values().map(|group| group.due).min()
    }
}

#[cfg(test)]
mod tests;
