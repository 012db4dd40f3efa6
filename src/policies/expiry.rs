//! Tells the operator of allowlist entries that expire, before they do.
//!
//! Invariant: an entry is told of at most once for each of three things: that it expires within
//! seven days, within one day, and that it has expired. What had expired a day before it was first
//! seen is not told of: `policy show` shows it.
//!
//! Nothing is decided here: an entry stops acting at its time whether or not that was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::core::policy::{Entry, Policy, Snapshot, Subject, UnixSeconds};
use crate::core::tenant::TenantId;

use super::Policies;

/// How often entries are looked at.
const PERIOD: Duration = Duration::from_secs(30);

/// Most lines written in one look; the rest follow in the next ones.
const MOST_LINES: usize = 100;

const DAY: UnixSeconds = 24 * 60 * 60;
const WEEK: UnixSeconds = 7 * DAY;

/// Tells of entries of these policies for as long as it is awaited.
pub async fn announce(policies: Policies) {
    let mut entries = Expiring::default();
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        entries.follow(&policies.snapshot());
        entries
            .due(crate::clock::now())
            .iter()
            .for_each(Due::announce);
    }
}

/// How near an entry's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Week,
    Day,
    Expired,
}

/// An entry, and what is to be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    tenant: TenantId,
    entry: Entry,
    end: UnixSeconds,
    stage: Stage,
}

/// The entries that expire, and what was told of them.
#[derive(Debug, Default)]
struct Expiring {
    /// Where they were taken from.
    snapshot: Arc<Snapshot>,
    entries: Vec<(TenantId, Entry, UnixSeconds)>,
    told: BTreeMap<(TenantId, Entry), Stage>,
}

impl Expiring {
    /// Takes the entries that expire out of the policies in force, if those are others than before.
    fn follow(&mut self, snapshot: &Arc<Snapshot>) {
        if Arc::ptr_eq(&self.snapshot, snapshot) {
            return;
        }
        self.snapshot = Arc::clone(snapshot);
        self.entries = snapshot
            .policies()
            .flat_map(|(tenant, policy)| expiring(tenant, policy))
            .collect();
        self.entries.sort_unstable();
    }

    /// What is to be told at this time, at most [`MOST_LINES`]; it counts as told.
    fn due(&mut self, now: UnixSeconds) -> Vec<Due> {
        let told = &self.told;
        let due = |&(tenant, entry, end): &(TenantId, Entry, UnixSeconds)| {
            let stage = stage(end, now)?;
            let known = told.get(&(tenant, entry));
            known.is_none_or(|known| *known < stage).then_some(Due {
                tenant,
                entry,
                end,
                stage,
            })
        };
        let mut due: Vec<_> = self.entries.iter().filter_map(due).collect();
        // What is over first, if there are too many.
        due.sort_by_key(|due| due.end);
        due.truncate(MOST_LINES);
        let new = due.iter().map(|due| ((due.tenant, due.entry), due.stage));
        self.told.extend(new);
        // What is long over is not told again, so it need not be remembered.
        self.told
            .retain(|(_, entry), _| entry.expires_on.is_some_and(|end| now - end <= DAY));
        due
    }
}

/// The entries of one policy that expire and allow something until then.
fn expiring(
    tenant: TenantId,
    policy: &Policy,
) -> impl Iterator<Item = (TenantId, Entry, UnixSeconds)> {
    let acting = |entry: &&Entry| entry.inbound || entry.outbound;
    let ends = move |entry: &Entry| Some((tenant, *entry, entry.expires_on?));
    policy.entries().iter().filter(acting).filter_map(ends)
}

fn stage(end: UnixSeconds, now: UnixSeconds) -> Option<Stage> {
    let left = end.saturating_sub(now);
    if !(-DAY..=WEEK).contains(&left) {
        None
    } else if left > DAY {
        Some(Stage::Week)
    } else if left > 0 {
        Some(Stage::Day)
    } else {
        Some(Stage::Expired)
    }
}

impl Due {
    fn announce(&self) {
        let other = match self.entry.subject {
            Subject::Any => "*".to_owned(),
            Subject::Tenant(tenant) => tenant.to_string(),
        };
        let (inbound, outbound) = (self.entry.inbound, self.entry.outbound);
        let end = jiff::Timestamp::from_second(self.end).unwrap_or_default();
        macro_rules! tell {
            ($message:literal) => {
                tracing::warn!(
                    policy.tenant = %self.tenant,
                    policy.entry = %other,
                    policy.inbound = inbound,
                    policy.outbound = outbound,
                    policy.expires_on = %end,
                    $message
                )
            };
        }
        match self.stage {
            Stage::Week => tell!("allowlist entry expires within seven days"),
            Stage::Day => tell!("allowlist entry expires within a day"),
            Stage::Expired => tell!("allowlist entry has expired"),
        }
    }
}

#[cfg(test)]
mod tests;
