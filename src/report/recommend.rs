//! What to allow before isolation is turned On, so that nothing that runs today breaks.
//!
//! 1. Every tenant whose exchanges got through (allowed, or reported as would-be-blocked) is listed in
//!    the directions in which they did.
//! 2. Entries of the policy that is there stay as they are, with their names, notes and ends; what
//!    they allow already, a `*` included, is not listed again.
//! 3. Connections without a client tenant id that got through need the policy's own choice.
//! 4. Where the policy blocks today (isolation is On and enforced), what it blocks does not run, and
//!    is not allowed again: it is named as left out.
//! 5. A document that would hold more entries than a policy may is not made; nothing is cut.
//!
//! Invariant: nothing is recommended that was not seen to get through.

mod notes;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Counts, Named};
use crate::core::policy::{
    Direction, Isolation, MAX_ENTRIES, Mode, Policy, Subject, Version, WithoutClientTenant,
};
use crate::core::tenant::TenantId;
use crate::policies::document::{AllowedTenant, Document};

/// The policy of today.
#[derive(Clone, Debug)]
pub struct Today {
    document: Option<Document>,
    state: State,
}

/// What the policy of today does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Isolation is On and blocks.
    Enforced,
    /// Isolation is Off, or only reported.
    NotEnforced,
    /// Nobody said where policies are.
    Unknown,
}

/// What to allow.
#[derive(Clone, Debug, Serialize)]
pub struct Recommendation {
    /// What the policy of today does.
    pub isolation_today: State,
    /// Tenants whose exchanges got through and go on.
    pub tenants: Vec<Recommended>,
    /// Tenants whose exchanges got through earlier and are blocked by the policy of today.
    pub left_out: Vec<Recommended>,
    /// Exchanges of connections without a client tenant id that got through.
    pub without_client_tenant: u64,
    /// How many entries the policy has.
    pub entries: usize,
    /// What a reader should know before it is put in force.
    pub notes: Vec<String>,
    /// Microsoft's document. None: it would hold too many entries.
    pub policy: Option<Document>,
}

/// A tenant to allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recommended {
    /// Which.
    #[serde(flatten)]
    pub tenant: Named,
    /// Its connections sign in here.
    pub inbound: bool,
    /// Connections from here sign in there.
    pub outbound: bool,
    /// What becomes of the entry for it.
    pub entry: Standing,
    /// Exchanges that got through.
    pub passed: u64,
    /// Exchanges in these directions that were blocked: by the other tenant's policy, or by this one's.
    pub blocked: u64,
    /// When the last one ended.
    pub last_seen: Timestamp,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is to be added, or to allow a direction more.
    Added,
    /// The policy of today allows it, and goes on to.
    Kept,
    /// The policy of today blocks it, and goes on to.
    LeftOut,
}

/// What got through, by tenant and direction.
#[derive(Debug, Default)]
pub(super) struct Passed {
    tenants: BTreeMap<TenantId, [Option<(Counts, Timestamp)>; 2]>,
    without_client_tenant: u64,
    non_entra: u64,
    undetermined: u64,
}

impl Today {
    /// Nobody said where policies are.
    pub const fn unknown() -> Self {
        Self {
            document: None,
            state: State::Unknown,
        }
    }

    /// A tenant's policy in a gateway in this mode, where no policy counts as `absent`.
    pub fn new(document: Option<Document>, mode: Mode, absent: Isolation) -> Self {
        let properties = document.as_ref().map(|document| &document.properties);
        let is_on = properties.map_or(absent == Isolation::On, |it| !it.is_disabled);
        let is_reported = properties.is_some_and(|it| it.report_only == Some(true));
        let state = if is_on && !is_reported && mode == Mode::Enforce {
            State::Enforced
        } else {
            State::NotEnforced
        };
        Self { document, state }
    }
}

impl Standing {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "to be added",
            Self::Kept => "there already",
            Self::LeftOut => "left out: blocked today",
        }
    }
}

impl Recommendation {
    /// Every tenant whose exchanges got through, those left out at the end.
    pub fn all(&self) -> impl Iterator<Item = &Recommended> {
        self.tenants.iter().chain(&self.left_out)
    }
}

impl Recommended {
    /// The directions, in words.
    pub const fn directions(&self) -> &'static str {
        match (self.inbound, self.outbound) {
            (true, true) => "inbound and outbound",
            (true, false) => "inbound",
            (false, true) => "outbound",
            (false, false) => "",
        }
    }
}

impl Passed {
    pub(super) fn join(
        &mut self,
        direction: Direction,
        external: Option<TenantId>,
        counts: &Counts,
        last: Timestamp,
    ) {
        self.non_entra += counts.passed_non_entra;
        match (external, direction) {
            (Some(tenant), _) => {
                let [inbound, outbound] = self.tenants.entry(tenant).or_default();
                let side = match direction {
                    Direction::Inbound => inbound,
                    Direction::Outbound => outbound,
                };
                let (sum, until) = side.get_or_insert((Counts::default(), last));
                sum.join(counts);
                *until = last.max(*until);
            }
            (None, Direction::Inbound) => self.without_client_tenant += counts.passed(),
            (None, Direction::Outbound) => self.undetermined += counts.passed(),
        }
    }
}

pub(super) fn of(
    tenant: TenantId,
    passed: &Passed,
    today: &Today,
    now: Timestamp,
) -> Recommendation {
    let mut document = today
        .document
        .clone()
        .unwrap_or_else(|| Document::new(tenant));
    let before = document.policy(Version::default());
    let properties = &mut document.properties;
    properties.is_disabled = false;
    // Said, because a document that does not say it may be read as "as before".
    properties.report_only = properties.report_only.map(|_| false);
    let mut needs = Needs::default();
    for (other, sides) in &passed.tenants {
        needs.add(*other, sides, &before, today.state, now);
    }
    for (other, inbound, outbound) in &needs.missing {
        allow(&mut document, *other, *inbound, *outbound);
    }
    let mut notes = notes::notes(passed, &needs, &before, today.state);
    if passed.without_client_tenant > 0 && today.state != State::Enforced {
        let choice = &mut document.properties.connections_without_client_tenant;
        *choice = Some(WithoutClientTenant::Allow);
    }
    let entries = document.properties.allowed_tenants.len();
    if entries > MAX_ENTRIES {
        notes.push(format!(
            "The policy would hold {entries} entries, and a policy may hold {MAX_ENTRIES}: none is \
             made. Allow all tenants (*) in a direction, or look at a shorter time."
        ));
    }
    Recommendation {
        isolation_today: today.state,
        tenants: needs.kept,
        left_out: needs.left_out,
        without_client_tenant: passed.without_client_tenant,
        entries,
        notes,
        policy: (entries <= MAX_ENTRIES).then_some(document),
    }
}

/// What tenants need that got through.
#[derive(Default)]
struct Needs {
    kept: Vec<Recommended>,
    left_out: Vec<Recommended>,
    /// Inbound, outbound: what no entry allows yet.
    missing: Vec<(TenantId, bool, bool)>,
    /// Entries that allow it today, and end.
    ending: usize,
}

impl Needs {
    fn add(
        &mut self,
        other: TenantId,
        sides: &[Option<(Counts, Timestamp)>; 2],
        before: &Policy,
        state: State,
        now: Timestamp,
    ) {
        const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];
        let mut kept = Wanted::default();
        let mut left_out = Wanted::default();
        let mut missing = Wanted::default();
        for (direction, side) in DIRECTIONS.into_iter().zip(sides) {
            let Some((counts, last)) = side.filter(|(counts, _)| counts.passed() > 0) else {
                continue;
            };
            let rule = before.rule_for(other, direction, now.as_second());
            self.ending += usize::from(rule.is_some_and(|rule| rule.expires_on.is_some()));
            if rule.is_none() && state == State::Enforced {
                left_out.add(direction, &counts, last);
                continue;
            }
            kept.add(direction, &counts, last);
            if rule.is_none() {
                missing.add(direction, &counts, last);
            }
        }
        let is_new = missing.inbound || missing.outbound;
        let standing = if is_new {
            Standing::Added
        } else {
            Standing::Kept
        };
        self.kept.extend(kept.of(other, standing));
        self.left_out.extend(left_out.of(other, Standing::LeftOut));
        if is_new {
            self.missing
                .push((other, missing.inbound, missing.outbound));
        }
    }
}

#[derive(Default)]
struct Wanted {
    inbound: bool,
    outbound: bool,
    counts: Counts,
    last: Option<Timestamp>,
}

impl Wanted {
    fn add(&mut self, direction: Direction, counts: &Counts, last: Timestamp) {
        match direction {
            Direction::Inbound => self.inbound = true,
            Direction::Outbound => self.outbound = true,
        }
        self.counts.join(counts);
        self.last = self.last.max(Some(last));
    }

    fn of(self, tenant: TenantId, entry: Standing) -> Option<Recommended> {
        Some(Recommended {
            tenant: Named::new(tenant),
            inbound: self.inbound,
            outbound: self.outbound,
            entry,
            passed: self.counts.passed(),
            blocked: self.counts.blocked,
            last_seen: self.last?,
        })
    }
}

/// Adds to the entry that names the tenant and has no end, or a new one.
fn allow(document: &mut Document, other: TenantId, inbound: bool, outbound: bool) {
    let entries = &mut document.properties.allowed_tenants;
    let subject = Subject::Tenant(other);
    let lasting = entries
        .iter_mut()
        .find(|entry| entry.tenant_id == subject && entry.expires_on.is_none());
    match lasting {
        Some(entry) => {
            entry.direction.inbound |= inbound;
            entry.direction.outbound |= outbound;
        }
        None => entries.push(AllowedTenant::new(subject, inbound, outbound)),
    }
}
