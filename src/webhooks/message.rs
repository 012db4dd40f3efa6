//! One message: a decision, or several that are alike, as JSON.
//!
//! Invariant: what it says holds for every decision in it. A member in which they differ is null
//! and named in `various`.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::core::policy::Direction;
use crate::core::tenant::TenantId;
use crate::events::{Blocks, Event};

/// Decisions that are told together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// The first one's decision id. It stays the same however often the message is sent.
    pub(super) id: Uuid,
    /// How many they are.
    pub(super) count: u64,
    first: SystemTime,
    last: SystemTime,
    decision: &'static str,
    reason: Member<&'static str>,
    route: Member<Arc<str>>,
    connector: Member<String>,
    creator: Member<TenantId>,
    sign_in: Member<TenantId>,
    app_id: Member<Uuid>,
    user_object_id: Member<Uuid>,
    blocks: Blocks,
}

/// Whether a receiver may know who signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Users {
    Hidden,
    Told,
}

/// A value that decisions have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Member<T> {
    Same(Option<T>),
    Various,
}

impl<T: PartialEq> Member<T> {
    fn merge<Q: PartialEq + ?Sized>(&mut self, other: Option<&Q>)
    where
        T: Borrow<Q>,
    {
        if let Self::Same(value) = self
            && value.as_ref().map(T::borrow) != other
        {
            *self = Self::Various;
        }
    }

    fn get(&self) -> Option<&T> {
        match self {
            Self::Same(value) => value.as_ref(),
            Self::Various => None,
        }
    }

    const fn is_various(&self) -> bool {
        matches!(self, Self::Various)
    }
}

impl Message {
    /// A message about one decision.
    pub(super) fn of(event: &Event, users: Users) -> Self {
        Self {
            id: event.id,
            count: 1,
            first: event.time,
            last: event.time,
            decision: event.decision,
            reason: Member::Same(Some(event.reason)),
            route: Member::Same(Some(Arc::clone(&event.route))),
            connector: Member::Same(event.connector.clone()),
            creator: Member::Same(event.creator),
            sign_in: Member::Same(event.sign_in),
            app_id: Member::Same(event.app_id),
            user_object_id: Member::Same(user(event, users)),
            blocks: event.blocks,
        }
    }

    /// Adds a decision of the same word.
    pub(super) fn add(&mut self, event: &Event, users: Users) {
        self.count = self.count.saturating_add(1);
        self.first = self.first.min(event.time);
        self.last = self.last.max(event.time);
        self.reason.merge(Some(&event.reason));
        self.route.merge(Some(&event.route));
        self.connector.merge(event.connector.as_deref());
        self.creator.merge(event.creator.as_ref());
        self.sign_in.merge(event.sign_in.as_ref());
        self.app_id.merge(event.app_id.as_ref());
        self.user_object_id.merge(user(event, users).as_ref());
        self.blocks.outbound |= event.blocks.outbound;
        self.blocks.inbound |= event.blocks.inbound;
    }

    /// The body.
    pub(super) fn body(&self) -> Vec<u8> {
        let directions = [
            (Direction::Outbound, self.blocks.outbound),
            (Direction::Inbound, self.blocks.inbound),
        ];
        let various = [
            ("reason", self.reason.is_various()),
            ("route", self.route.is_various()),
            ("connector", self.connector.is_various()),
            ("creator_tenant", self.creator.is_various()),
            ("sign_in_tenant", self.sign_in.is_various()),
            ("app_id", self.app_id.is_various()),
            ("user_object_id", self.user_object_id.is_various()),
        ];
        let body = Body {
            r#type: format!("tidegate.{}", self.decision),
            timestamp: timestamp(self.last),
            data: Data {
                decision_id: self.id,
                decision: self.decision,
                reason: self.reason.get().copied(),
                directions: of(directions),
                creator_tenant: self.creator.get().copied(),
                sign_in_tenant: self.sign_in.get().copied(),
                route: self.route.get().map(AsRef::as_ref),
                connector: self.connector.get().map(String::as_str),
                app_id: self.app_id.get().copied(),
                user_object_id: self.user_object_id.get().copied(),
                count: self.count,
                first: timestamp(self.first),
                last: timestamp(self.last),
                various: of(various),
            },
        };
        // Nothing in it refuses to be written.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

fn user(event: &Event, users: Users) -> Option<Uuid> {
    event.user_object_id.filter(|_| users == Users::Told)
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Those of which it is so.
fn of<T, const N: usize>(all: [(T, bool); N]) -> Vec<T> {
    let those = all.into_iter().filter(|(_, so)| *so);
    those.map(|(one, _)| one).collect()
}

#[derive(Serialize)]
struct Body<'m> {
    r#type: String,
    timestamp: Timestamp,
    data: Data<'m>,
}

#[derive(Serialize)]
struct Data<'m> {
    decision_id: Uuid,
    decision: &'static str,
    reason: Option<&'static str>,
    directions: Vec<Direction>,
    creator_tenant: Option<TenantId>,
    sign_in_tenant: Option<TenantId>,
    route: Option<&'m str>,
    connector: Option<&'m str>,
    app_id: Option<Uuid>,
    user_object_id: Option<Uuid>,
    count: u64,
    first: Timestamp,
    last: Timestamp,
    various: Vec<&'static str>,
}
