//! What a transaction adds: events, counted together before the disk is touched.
//!
//! Invariant: the sums of what gathers equal the events that were added; what finds no place (a
//! disk that has been full for long) is refused and said so, never half counted. Where records are
//! required, an exchange that released something always finds one: there are no more of those than
//! exchanges were under way when the disk became full.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::Event;
use super::schema::MINUTE;

/// Tallies and users that may gather while nothing can be written.
const MOST: usize = 200_000;

/// Bytes of decision ids that may gather; more than any five seconds bring.
const MOST_IDS: usize = 16 * 1024 * 1024;

/// A tenant's, an application's or a user's id.
pub(super) type Id = [u8; 16];

/// A word of a record: of an event, or read from a line.
pub(super) type Word = Cow<'static, str>;

/// Who met whom, by what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) creator: Option<Id>,
    pub(super) sign_in: Option<Id>,
    pub(super) connector: Option<String>,
    pub(super) app: Option<Id>,
    pub(super) route: Cow<'static, str>,
}

/// One exchange, as it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) id: Uuid,
    pub(super) subject: Subject,
    pub(super) decision: Word,
    pub(super) reason: Word,
    pub(super) user: Option<Id>,
}

/// How often, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Tally {
    const fn one(time: i64) -> Self {
        Self {
            count: 1,
            first: time,
            last: time,
        }
    }

    fn again(&mut self, time: i64) {
        self.count += 1;
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }
}

/// A minute, a decision and a reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    /// Seconds since 1970.
    pub(super) start: i64,
    pub(super) decision: Word,
    pub(super) reason: Word,
}

/// What is added about one subject.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) tallies: HashMap<Kind, Tally>,
    pub(super) users: HashMap<Id, Tally>,
}

/// There is no place for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What gathers.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) subjects: HashMap<Subject, About>,
    /// How many events.
    pub(super) events: u64,
    /// Their decision ids, one after another.
    pub(super) ids: Vec<u8>,
    entries: usize,
}

impl Gathered {
    /// Adds one exchange, if there is a place for it or it `must` find one.
    pub(super) fn add(&mut self, item: Item, must: bool) -> Result<(), Full> {
        if self.entries >= MOST && !must {
            return Err(Full);
        }
        let Item {
            time,
            id,
            subject,
            decision,
            reason,
            user,
        } = item;
        let about = match self.subjects.entry(subject) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(About::default()),
        };
        let kind = Kind {
            start: minute(time),
            decision,
            reason,
        };
        match about.tallies.entry(kind) {
            Entry::Occupied(mut known) => known.get_mut().again(time),
            Entry::Vacant(new) => {
                self.entries += 1;
                new.insert(Tally::one(time));
            }
        }
        if let Some(user) = user {
            match about.users.entry(user) {
                Entry::Occupied(mut known) => known.get_mut().again(time),
                Entry::Vacant(new) => {
                    self.entries += 1;
                    new.insert(Tally::one(time));
                }
            }
        }
        self.events += 1;
        if self.ids.len() >= MOST_IDS {
            // After so many only the last ones tell anything.
            self.ids.drain(..MOST_IDS / 2);
        }
        self.ids.extend_from_slice(id.as_bytes());
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.events == 0
    }
}

fn minute(time: i64) -> i64 {
    time.div_euclid(1000 * MINUTE) * MINUTE
}

/// Milliseconds since 1970; what lies before counts as then.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

impl From<Event> for Item {
    fn from(event: Event) -> Self {
        Self {
            time: milliseconds(event.time),
            id: event.id,
            subject: Subject {
                creator: event.creator.map(|tenant| *tenant.as_bytes()),
                sign_in: event.sign_in.map(|tenant| *tenant.as_bytes()),
                connector: event.connector,
                app: event.app_id.map(Uuid::into_bytes),
                route: Cow::Owned(event.route.to_string()),
            },
            decision: Cow::Borrowed(event.decision),
            reason: Cow::Borrowed(event.reason),
            user: event.user_object_id.map(Uuid::into_bytes),
        }
    }
}
