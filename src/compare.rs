//! What decisions differ between two sets of policies.
//!
//! Invariant: a decision is [`evaluate`]'s own, on each of the two snapshots; nothing of the rule is
//! written here a second time. Every pair of tenants is covered:
//! 1. tenants that a policy belongs to or names, on either side, one by one;
//! 2. all others by one that nobody names, because the rule cannot tell two such tenants apart;
//! 3. connections without a client tenant id, as creator.
//!
//! And every moment from the given one on: between two expiries of entries that could matter to a
//! pair its decision stays the same, so it is asked for at the first moment and at each expiry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::core::isolation::{Decision, OnUndetermined, Provider, Terms, Verdict, evaluate};
use crate::core::policy::{Isolation, Mode, Policy, Snapshot, Subject, UnixSeconds, Version};
use crate::core::tenant::{PERSONAL_ACCOUNTS, TenantId};

/// Policies, and what holds for tenants that have none.
#[derive(Clone, Debug)]
pub struct Policies {
    snapshot: Snapshot,
    tenants: BTreeMap<TenantId, Arc<Policy>>,
    mode: Mode,
    absent: Isolation,
}

impl Policies {
    /// Policies of a gateway in this mode, where a tenant without a record counts as `absent`.
    /// Of two of one tenant the later counts.
    pub fn new(
        policies: impl IntoIterator<Item = (TenantId, Policy)>,
        mode: Mode,
        absent: Isolation,
    ) -> Self {
        // Two texts of one meaning are one policy here.
        let meaning = |(tenant, mut policy): (TenantId, Policy)| {
            policy.version = Version(0);
            (tenant, Arc::new(policy))
        };
        let tenants: BTreeMap<_, _> = policies.into_iter().map(meaning).collect();
        let mut snapshot = Snapshot::default();
        for (tenant, policy) in &tenants {
            snapshot.insert(*tenant, Arc::clone(policy));
        }
        Self {
            snapshot,
            tenants,
            mode,
            absent,
        }
    }

    /// How a connection of `creator` (none: without a client tenant id) that signs in to `sign_in`
    /// is decided by a gateway in its own mode.
    pub fn decision(
        &self,
        creator: Option<TenantId>,
        sign_in: TenantId,
        now: UnixSeconds,
    ) -> Decided {
        Decided::of(&self.decide(self.mode, creator, sign_in, now))
    }

    /// The same by a gateway in another mode, with its reasons.
    pub fn decide(
        &self,
        mode: Mode,
        creator: Option<TenantId>,
        sign_in: TenantId,
        now: UnixSeconds,
    ) -> Decision {
        let terms = Terms {
            mode,
            absent: self.absent,
            // Neither matters here: the sign-in tenant is known.
            undetermined: OnUndetermined::Block,
            provider: Provider::Entra,
        };
        evaluate(creator, sign_in, &self.snapshot, terms, now)
    }

    /// Tenants that a policy belongs to or names.
    fn named(&self) -> impl Iterator<Item = TenantId> {
        self.tenants.iter().flat_map(|(owner, policy)| {
            let subjects = policy
                .entries()
                .iter()
                .filter_map(|entry| match entry.subject {
                    Subject::Any => None,
                    Subject::Tenant(tenant) => Some(tenant),
                });
            subjects.chain([*owner])
        })
    }

    /// When entries of `tenant`'s policy end that could name `other`.
    fn ends(&self, tenant: TenantId, other: Option<TenantId>) -> impl Iterator<Item = UnixSeconds> {
        let policy = self.tenants.get(&tenant);
        let entries = policy.map_or(&[][..], |policy| policy.entries()).iter();
        let about = entries.filter(move |entry| match entry.subject {
            Subject::Any => true,
            Subject::Tenant(tenant) => Some(tenant) == other,
        });
        about.filter_map(|entry| entry.expires_on)
    }
}

/// A decision without its reasons, in the words of audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decided {
    /// Allowed.
    Allow,
    /// Blocked.
    Block,
    /// A policy cannot be had.
    #[serde(rename = "error")]
    Unavailable,
    /// Allowed, and recorded as one that would be blocked if every side enforced.
    WouldBlock,
}

impl Decided {
    /// What a decision comes to.
    pub const fn of(decision: &Decision) -> Self {
        match decision.verdict {
            Verdict::Allow(_) | Verdict::PassNonEntra(_) => Self::Allow,
            Verdict::Block => Self::Block,
            Verdict::Unavailable => Self::Unavailable,
            Verdict::WouldBlock(_) => Self::WouldBlock,
        }
    }

    /// Whether the connection gets through.
    pub const fn passes(self) -> bool {
        match self {
            Self::Allow | Self::WouldBlock => true,
            Self::Block | Self::Unavailable => false,
        }
    }
}

/// What another decision means to the connection, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It got through, and no longer does.
    NewlyBlocked,
    /// It did not get through, and now does.
    NewlyAllowed,
    /// It still gets through, and is now recorded as one that would be blocked.
    NewlyReported,
    /// It still gets through, and is no longer recorded so.
    NoLongerReported,
}

impl Effect {
    /// None: the connection fares as before.
    pub fn of(before: Decided, after: Decided) -> Option<Self> {
        match (before.passes(), after.passes()) {
            (true, false) => Some(Self::NewlyBlocked),
            (false, true) => Some(Self::NewlyAllowed),
            (true, true) if before == after => None,
            (true, true) if after == Decided::WouldBlock => Some(Self::NewlyReported),
            (true, true) => Some(Self::NoLongerReported),
            (false, false) => None,
        }
    }

    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewlyAllowed => "newly allowed",
            Self::NewlyBlocked => "newly blocked",
            Self::NewlyReported => "newly reported",
            Self::NoLongerReported => "no longer reported",
        }
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// This tenant.
    Tenant(TenantId),
    /// Every tenant that no policy belongs to or names.
    AnyOther,
    /// A creator that is not known: a connection without a client tenant id.
    Unknown,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => fmt::Display::fmt(tenant, f),
            Self::AnyOther => f.write_str("any other tenant"),
            Self::Unknown => f.write_str("no client tenant id"),
        }
    }
}

impl serde::Serialize for Party {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A decision that is not the same on both sides, for as long as it stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Who creates or runs the connection.
    pub creator: Party,
    /// Whose account signs in.
    pub sign_in: Party,
    /// From when; none: from the first moment compared.
    pub from: Option<UnixSeconds>,
    /// Until when; none: with no end.
    pub until: Option<UnixSeconds>,
    /// By the first policies.
    pub before: Decided,
    /// By the second.
    pub after: Decided,
}

/// Every difference from `now` on, sorted by creator and sign-in tenant, then by time.
pub fn differences(before: &Policies, after: &Policies, now: UnixSeconds) -> Vec<Difference> {
    let named: BTreeSet<_> = before.named().chain(after.named()).collect();
    let other = stranger(&named);
    let everybody: Vec<_> = named.iter().copied().chain([other]).collect();
    let all = before.mode != after.mode || before.absent != after.absent;
    let is_changed =
        |tenant: &TenantId| all || before.tenants.get(tenant) != after.tenants.get(tenant);
    let changed: Vec<_> = everybody.iter().copied().filter(is_changed).collect();

    let party = |tenant| {
        if tenant == other {
            Party::AnyOther
        } else {
            Party::Tenant(tenant)
        }
    };
    let mut found = Vec::new();
    let mut compare = |creator, creator_party, sign_in| {
        let pair = (creator_party, party(sign_in));
        spans(before, after, (creator, sign_in), pair, now, &mut found);
    };
    for creator in &everybody {
        // Where neither policy changed, no decision does.
        let partners = if is_changed(creator) {
            &everybody
        } else {
            &changed
        };
        for sign_in in partners.iter().filter(|sign_in| *sign_in != creator) {
            compare(Some(*creator), party(*creator), *sign_in);
        }
    }
    for sign_in in &changed {
        compare(None, Party::Unknown, *sign_in);
    }
    if all {
        // Of tenants that nobody names there are more than one.
        let beyond = stranger(&everybody.iter().copied().collect());
        compare(Some(beyond), Party::AnyOther, other);
    }
    found.sort_by_key(|found| (found.creator, found.sign_in, found.from));
    found
}

/// Adds the times, from `now` on, at which a pair is decided differently.
fn spans(
    before: &Policies,
    after: &Policies,
    (creator, sign_in): (Option<TenantId>, TenantId),
    parties: (Party, Party),
    now: UnixSeconds,
    found: &mut Vec<Difference>,
) {
    let mut moments = BTreeSet::from([now]);
    for side in [before, after] {
        moments.extend(side.ends(sign_in, creator));
        if let Some(creator) = creator {
            moments.extend(side.ends(creator, Some(sign_in)));
        }
    }
    let mut current: Option<Difference> = None;
    for moment in moments.range(now..) {
        let was = before.decision(creator, sign_in, *moment);
        let is = after.decision(creator, sign_in, *moment);
        let goes_on = |span: &Difference| (span.before, span.after) == (was, is);
        if current.as_ref().is_some_and(goes_on) {
            continue;
        }
        found.extend(current.take().map(|span| Difference {
            until: Some(*moment),
            ..span
        }));
        current = (was != is).then_some(Difference {
            creator: parties.0,
            sign_in: parties.1,
            from: (*moment > now).then_some(*moment),
            until: None,
            before: was,
            after: is,
        });
    }
    found.extend(current);
}

/// A tenant that is not among these.
fn stranger(named: &BTreeSet<TenantId>) -> TenantId {
    let candidates = (0_u64..).filter_map(|number| {
        let text = format!("ffffffff-ffff-4fff-8fff-{number:012x}");
        TenantId::parse(&text).ok()
    });
    let mut free = candidates.filter(|candidate| !named.contains(candidate));
    // There is always one: no set holds all numbers.
    free.next().unwrap_or(PERSONAL_ACCOUNTS)
}

#[cfg(test)]
mod tests;
