//! What a simulation found, as a table and as JSON.

use std::fmt;

use comfy_table::Table;
use jiff::Timestamp;
use serde::Serialize;

use super::record::NotDecided;
use super::tally::{Group, Key, Tally};
use crate::cli::output::{plural, table};
use crate::cli::tenants::Tenants;
use crate::compare::{Decided, Effect};
use crate::core::policy::Direction;
use crate::core::tenant::TenantId;
use crate::problem::visible;

/// Groups in the table; JSON has them all.
const MOST_ROWS: usize = 100;

#[derive(Serialize)]
pub(super) struct Report<'t> {
    replayed: u64,
    changed: u64,
    newly_blocked: u64,
    newly_allowed: u64,
    newly_reported: u64,
    no_longer_reported: u64,
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    groups: Vec<Row<'t>>,
    beyond_groups: u64,
    not_replayed: NotReplayed,
    unreadable_lines: u64,
    torn_lines: u64,
    unreadable: &'t [String],
}

#[derive(Serialize)]
struct NotReplayed {
    errors: u64,
    policy_unreadable: u64,
    events: u64,
    non_entra: u64,
    no_sign_in_tenant: u64,
    of_other_tenants: u64,
}

#[derive(Serialize)]
struct Row<'t> {
    effect: Effect,
    before: Decided,
    after: Decided,
    creator: Option<Named<'t>>,
    sign_in: Named<'t>,
    connector: Option<&'t str>,
    exchanges: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    blocked_by: Vec<BlockedBy>,
}

#[derive(Serialize)]
struct BlockedBy {
    tenant: TenantId,
    direction: Direction,
}

#[derive(Serialize)]
struct Named<'t> {
    tenant: TenantId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'t str>,
}

impl<'t> Report<'t> {
    pub(super) fn of(tally: &'t Tally, tenants: &'t Tenants) -> Self {
        let with = |effect| {
            let changes = tally.changes.iter();
            let alike = changes.filter(move |(change, _)| change.effect == effect);
            alike.map(|(_, count)| count).sum()
        };
        let not_decided = |kind| tally.not_decided.get(&kind).copied().unwrap_or_default();
        let mut groups: Vec<_> = tally.groups.iter().collect();
        groups.sort_by(|(one, a), (other, b)| {
            let gravest = one.change.effect.cmp(&other.change.effect);
            gravest.then(b.count.cmp(&a.count)).then(one.cmp(other))
        });
        Self {
            replayed: tally.replayed,
            changed: tally.changed(),
            newly_blocked: with(Effect::NewlyBlocked),
            newly_allowed: with(Effect::NewlyAllowed),
            newly_reported: with(Effect::NewlyReported),
            no_longer_reported: with(Effect::NoLongerReported),
            first_seen: tally.span.map(|(first, _)| first),
            last_seen: tally.span.map(|(_, last)| last),
            groups: groups
                .into_iter()
                .map(|(key, group)| Row::of(key, group, tenants))
                .collect(),
            beyond_groups: tally.beyond,
            not_replayed: NotReplayed {
                errors: not_decided(NotDecided::Error),
                policy_unreadable: not_decided(NotDecided::PolicyUnreadable),
                events: not_decided(NotDecided::Event),
                non_entra: not_decided(NotDecided::NonEntra),
                no_sign_in_tenant: not_decided(NotDecided::NoSignInTenant),
                of_other_tenants: tally.of_others,
            },
            unreadable_lines: tally.unreadable_lines,
            torn_lines: tally.torn_lines,
            unreadable: &tally.unreadable,
        }
    }

    fn table(&self) -> Table {
        let mut table = table([
            "change",
            "creator tenant",
            "sign-in tenant",
            "connector",
            "exchanges",
            "first seen",
            "last seen",
            "blocks",
        ]);
        table.add_rows(self.groups.iter().take(MOST_ROWS).map(Row::cells));
        table
    }
}

impl<'t> Row<'t> {
    fn of(key: &'t Key, group: &'t Group, tenants: &'t Tenants) -> Self {
        let named = |tenant| Named {
            tenant,
            name: tenants.name(tenant),
        };
        let by = |(tenant, direction): &(TenantId, Direction)| BlockedBy {
            tenant: *tenant,
            direction: *direction,
        };
        Self {
            effect: key.change.effect,
            before: key.change.before,
            after: key.change.after,
            creator: key.creator.map(named),
            sign_in: named(key.sign_in),
            connector: key.connector.as_deref(),
            exchanges: group.count,
            first_seen: group.first,
            last_seen: group.last,
            blocked_by: group.by.iter().map(by).collect(),
        }
    }

    fn cells(&self) -> [String; 8] {
        let creator = self.creator.as_ref();
        let by = self.blocked_by.iter().map(|by| by.direction.as_str());
        [
            self.effect.as_str().to_owned(),
            creator.map_or_else(|| "no client tenant id".to_owned(), Named::to_string),
            self.sign_in.to_string(),
            self.connector.map(visible).unwrap_or_default(),
            self.exchanges.to_string(),
            seconds(self.first_seen),
            seconds(self.last_seen),
            by.collect::<Vec<_>>().join(", "),
        ]
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tenant)?;
        self.name
            .iter()
            .try_for_each(|name| write!(f, "\n{}", visible(name)))
    }
}

fn seconds(time: Timestamp) -> String {
    let whole = Timestamp::from_second(time.as_second());
    whole.unwrap_or(time).to_string()
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exchanges = |number| plural(number, "exchange");
        write!(f, "{} decided again", exchanges(self.replayed))?;
        if let (Some(first), Some(last)) = (self.first_seen, self.last_seen) {
            write!(f, ", recorded from {} to {}", seconds(first), seconds(last))?;
        }
        writeln!(f)?;
        let counts = [
            (Effect::NewlyBlocked, self.newly_blocked),
            (Effect::NewlyAllowed, self.newly_allowed),
            (Effect::NewlyReported, self.newly_reported),
            (Effect::NoLongerReported, self.no_longer_reported),
        ];
        for (effect, count) in counts {
            if count > 0 || effect < Effect::NewlyReported {
                writeln!(f, "{}: {}", effect.as_str(), exchanges(count))?;
            }
        }
        if !self.groups.is_empty() {
            writeln!(f, "\n{}", self.table())?;
        }
        let hidden = self.groups.len().saturating_sub(MOST_ROWS);
        if hidden > 0 {
            writeln!(f, "and {hidden} rows more, which --json tells")?;
        }
        if self.beyond_groups > 0 {
            let beyond = exchanges(self.beyond_groups);
            writeln!(
                f,
                "and {beyond} more that change, in more groups than are told apart"
            )?;
        }
        self.rest(f)
    }
}

impl Report<'_> {
    /// What was not decided again, and why.
    fn rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = &self.not_replayed;
        let rest = [
            (not.of_other_tenants, "exchange", "of other tenants"),
            (not.errors, "exchange", "that ended in an error"),
            (
                not.policy_unreadable,
                "exchange",
                "that met a policy nobody could read (policy_unreadable)",
            ),
            (not.non_entra, "exchange", "without an Entra token"),
            (
                not.no_sign_in_tenant,
                "exchange",
                "without a sign-in tenant",
            ),
            (not.events, "record", "of something else than an exchange"),
        ];
        let told: Vec<_> = rest.iter().filter(|(count, _, _)| *count > 0).collect();
        if !told.is_empty() {
            writeln!(f, "\nnot decided again:")?;
        }
        for (count, word, what) in told {
            writeln!(f, "  {} {what}", plural(*count, word))?;
        }
        let lost = self.unreadable_lines + self.torn_lines;
        if lost > 0 {
            writeln!(f, "\nunreadable: {}", plural(lost, "line"))?;
            self.unreadable
                .iter()
                .try_for_each(|line| writeln!(f, "  {line}"))?;
            let unnamed = lost.saturating_sub(self.unreadable.len() as u64);
            if unnamed > 0 {
                writeln!(f, "  and {unnamed} more")?;
            }
        }
        Ok(())
    }
}
