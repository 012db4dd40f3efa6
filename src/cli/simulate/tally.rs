//! What became of all records, counted.
//!
//! Invariant: every line read is counted in exactly one place, and nothing here grows without bound.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use jiff::Timestamp;

use super::record::{Exchange, NotDecided, Text};
use crate::compare::{Decided, Effect};
use crate::core::isolation::Decision;
use crate::core::policy::Direction;
use crate::core::tenant::TenantId;
use crate::problem::visible;

/// Groups that are told apart; what comes beyond them is counted together.
const MOST_GROUPS: usize = 100_000;

/// Unreadable lines that are named.
const MOST_NAMED: usize = 10;

#[derive(Default)]
pub(super) struct Tally {
    /// Exchanges decided again.
    pub(super) replayed: u64,
    /// Exchanges that the asked tenant takes no part in.
    pub(super) of_others: u64,
    /// When the first and the last of those replayed was recorded.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    /// Records of what policies do not decide.
    pub(super) not_decided: BTreeMap<NotDecided, u64>,
    /// Lines that are no record.
    pub(super) unreadable_lines: u64,
    /// Files that end in the middle of a record.
    pub(super) torn_lines: u64,
    /// The first of both, each with its place.
    pub(super) unreadable: Vec<String>,
    /// Exchanges that would end otherwise, by change.
    pub(super) changes: BTreeMap<Change, u64>,
    /// The same by pair and connector.
    pub(super) groups: HashMap<Key, Group>,
    /// Those in none of the groups.
    pub(super) beyond: u64,
}

/// From which decision to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) effect: Effect,
    pub(super) before: Decided,
    pub(super) after: Decided,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) change: Change,
    pub(super) creator: Option<TenantId>,
    pub(super) sign_in: TenantId,
    pub(super) connector: Option<Box<str>>,
}

pub(super) struct Group {
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Whose policies block, and in which direction.
    pub(super) by: Vec<(TenantId, Direction)>,
}

impl Tally {
    pub(super) fn replayed(
        &mut self,
        exchange: &Exchange<'_>,
        after: Decided,
        decision: &Decision,
    ) {
        self.replayed += 1;
        let time = exchange.time;
        let span = self.span.get_or_insert((time, time));
        *span = (span.0.min(time), span.1.max(time));
        let before = exchange.decided;
        let Some(effect) = Effect::of(before, after) else {
            return;
        };
        let change = Change {
            effect,
            before,
            after,
        };
        *self.changes.entry(change).or_default() += 1;
        let key = Key {
            change,
            creator: exchange.creator,
            sign_in: exchange.sign_in,
            connector: exchange
                .connector
                .as_ref()
                .map(Text::as_str)
                .map(Into::into),
        };
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key) {
            self.beyond += 1;
            return;
        }
        let blocking = decision
            .blocking()
            .map(|side| (side.tenant, side.direction));
        let group = self.groups.entry(key).or_insert_with(|| Group {
            count: 0,
            first: time,
            last: time,
            by: blocking.collect(),
        });
        group.count += 1;
        group.first = group.first.min(time);
        group.last = group.last.max(time);
    }

    pub(super) fn not_decided(&mut self, kind: NotDecided) {
        *self.not_decided.entry(kind).or_default() += 1;
    }

    pub(super) fn unreadable(&mut self, path: &Path, number: u64, error: &str) {
        self.unreadable_lines += 1;
        self.name(path, number, error);
    }

    pub(super) fn torn(&mut self, path: &Path, number: u64) {
        self.torn_lines += 1;
        self.name(path, number, "the file ends in the middle of it");
    }

    fn name(&mut self, path: &Path, number: u64, error: &str) {
        if self.unreadable.len() < MOST_NAMED {
            let named = format!(
                "{}:{number}: {}",
                visible(&path.to_string_lossy()),
                visible(error)
            );
            self.unreadable.push(named);
        }
    }

    /// Exchanges that would end otherwise.
    pub(super) fn changed(&self) -> u64 {
        self.changes.values().sum()
    }

    /// Whether there were lines and none was a record.
    pub(super) fn is_no_audit(&self) -> bool {
        let records = self.replayed + self.of_others + self.not_decided.values().sum::<u64>();
        records == 0 && self.unreadable_lines > 0
    }
}
