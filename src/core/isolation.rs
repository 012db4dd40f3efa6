//! The rule: may a connection of creator tenant C hold a token of sign-in tenant S?
//!
//! 1. C = S: allowed, and never evaluated against rules. A guest signed in to the host tenant has
//!    that tenant's `tid`, so the documented guest case is this one.
//! 2. Otherwise C's policy must allow S outbound AND S's policy must allow C inbound. Both are
//!    always evaluated; a block names every side that blocked.
//! 3. A policy that is absent or Off allows. (Absent counts as On where the operator says so.)
//! 4. On: everything cross-tenant is blocked but for the allowlist. An entry names a tenant or
//!    `*`, inbound and/or outbound; the most permissive match wins; expired entries do not act.
//! 5. C unknown: S's policy Off allows; On, S's choice for connections without a client tenant
//!    decides, and nothing else.
//! 6. S undeterminable at an Entra provider: blocked, unless the operator chose `allow`; and even
//!    then a tenant that one of the tokens does name is evaluated.
//! 7. Not an Entra token, at a provider declared non-Entra: passed, or blocked where the operator
//!    made the gap a wall. A genuine Entra token from such a provider is evaluated as one.
//! 8. A policy that cannot be had: unavailable, never allowed.
//!
//! Truth table of rules 1 to 5 (out: C's policy towards S; in: S's policy towards C):
//!
//! | C | out | in | decision |
//! |---|---|---|---|
//! | = S | any | any | allow |
//! | known | Off or listed | Off or listed | allow |
//! | known | On, not listed | Off or listed | block, by C outbound |
//! | known | Off or listed | On, not listed | block, by S inbound |
//! | known | On, not listed | On, not listed | block, by both |
//! | unknown | - | Off | allow |
//! | unknown | - | On, choice `allow` | allow |
//! | unknown | - | On, choice `block` | block, by S inbound |
//!
//! A side whose own policy is report-only, and every side of a gateway in report-only mode,
//! blocks nothing: it turns `allow` into `would_block`. The other side's block still blocks.
//!
//! Source: Microsoft Power Platform, "Cross-tenant inbound and outbound restrictions"; Azure
//! Logic Apps, "Block connections to and from other tenants".

mod permit;
mod sign_in;

use super::policy::{
    Direction, Entry, Isolation, Mode, Policy, Record, Snapshot, UnixSeconds, Version,
    WithoutClientTenant,
};
use super::tenant::TenantId;
use super::token::reply::MAX_TENANTS;

pub use permit::Permit;
pub use sign_in::{Disagreement, Outcome, Presented, SignIn, Undetermined};

/// What the operator settled for a provider and for the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The gateway's mode.
    pub mode: Mode,
    /// What a tenant without a record counts as.
    pub absent: Isolation,
    /// Rule 6.
    pub undetermined: OnUndetermined,
    /// Rule 7.
    pub provider: Provider,
}

/// What kind of provider answers on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Microsoft Entra ID: every token it issues names a tenant, or is suspect.
    Entra,
    /// Anything else, declared so by the operator.
    Other(OnNotEntra),
}

/// Rule 7's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNotEntra {
    /// Refuse what is not Entra's.
    Block,
    /// Relay with one warning (the documented gap).
    Pass,
}

/// Rule 6's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUndetermined {
    /// Relay, warning by name each time.
    Allow,
    /// Refuse (the default).
    Block,
}

/// One policy's part in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// Whose policy.
    pub tenant: TenantId,
    /// Which way the connection crosses this tenant's border.
    pub direction: Direction,
    /// What the policy says.
    pub finding: Finding,
    /// Whether a block of this side takes effect.
    pub mode: Mode,
    /// Which text of the policy; none where there is no record.
    pub version: Option<Version>,
}

/// What one policy says of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No record, which counts as Off.
    Absent,
    /// On, and the tenant's choice lets connections without a client tenant in.
    AllowsWithoutClientTenant,
    /// On, and the tenant's choice keeps connections without a client tenant out.
    BlocksWithoutClientTenant,
    /// On, and no entry allows it.
    NotListed,
    /// Isolation is Off.
    Off,
    /// On, and this entry allows it.
    Rule(Entry),
    /// There is a record, and it cannot be read.
    Unreadable,
}

impl Finding {
    /// Whether this side blocks.
    pub const fn blocks(&self) -> bool {
        match self {
            Self::BlocksWithoutClientTenant | Self::NotListed => true,
            Self::Absent
            | Self::AllowsWithoutClientTenant
            | Self::Off
            | Self::Rule(_)
            | Self::Unreadable => false,
        }
    }

    /// The word used in records and by `explain`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Absent => "no_policy",
            Self::AllowsWithoutClientTenant => "allows_without_client_tenant",
            Self::BlocksWithoutClientTenant => "blocks_without_client_tenant",
            Self::NotListed => "not_listed",
            Self::Off => "isolation_off",
            Self::Rule(_) => "rule",
            Self::Unreadable => "policy_unreadable",
        }
    }
}

/// What becomes of the reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is released.
    Allow(Permit),
    /// It is withheld.
    Block,
    /// It is released: not Entra's, from a provider declared so.
    PassNonEntra(Permit),
    /// A policy cannot be had: withheld, and the caller may try again.
    Unavailable,
    /// It is released, and would be withheld if every side enforced.
    WouldBlock(Permit),
}

impl Verdict {
    /// The word for the decision in records and by `explain`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Block => "block",
            Self::PassNonEntra(_) => "pass_non_entra",
            Self::Unavailable => "error",
            Self::WouldBlock(_) => "would_block",
        }
    }
}

/// Why; one word for logs, metrics, records and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumCount)]
pub enum Reason {
    /// Both sides allow.
    BothAllow,
    /// Both sides block.
    BothBlock,
    /// S's policy blocks.
    InboundBlock,
    /// Rule 7, passed or blocked.
    NonEntra,
    /// Nothing to decide: no token.
    NoToken,
    /// C's policy blocks.
    OutboundBlock,
    /// A policy cannot be had.
    PolicyUnreadable,
    /// C = S.
    SameTenant,
    /// Rule 6, blocked or allowed.
    Undetermined(Undetermined),
    /// Rule 5, allowed.
    WithoutClientTenantAllowed,
    /// Rule 5, blocked.
    WithoutClientTenantBlocked,
}

impl Reason {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BothAllow => "both_allow",
            Self::BothBlock => "both_block",
            Self::InboundBlock => "inbound_block",
            Self::NonEntra => "non_entra",
            Self::NoToken => "no_token",
            Self::OutboundBlock => "outbound_block",
            Self::PolicyUnreadable => "policy_unreadable",
            Self::SameTenant => "same_tenant",
            Self::Undetermined(why) => why.as_str(),
            Self::WithoutClientTenantAllowed => "without_client_tenant_allowed",
            Self::WithoutClientTenantBlocked => "without_client_tenant_blocked",
        }
    }
}

/// A decision: what becomes of the reply, why, and what each policy said.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of the reply.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// C's policy on S, where it was evaluated.
    pub outbound: Option<Side>,
    /// S's policy on C, where it was evaluated.
    pub inbound: Option<Side>,
}

impl Decision {
    /// The sides that were evaluated.
    pub fn sides(&self) -> impl Iterator<Item = &Side> {
        self.outbound.iter().chain(&self.inbound)
    }

    /// The sides that block.
    pub fn blocking(&self) -> impl Iterator<Item = &Side> {
        self.sides().filter(|side| side.finding.blocks())
    }
}

/// Decides about one reply: rules 6 and 7, and the rule proper for everything that names a
/// tenant.
pub fn decide(
    creator: Option<TenantId>,
    sign_in: &SignIn,
    policies: &Snapshot,
    terms: Terms,
    now: UnixSeconds,
) -> Decision {
    let flat = |verdict, reason| Decision {
        verdict,
        reason,
        outbound: None,
        inbound: None,
    };
    match sign_in {
        SignIn::Entra(tenant) => evaluate(creator, *tenant, policies, terms, now),
        SignIn::NoToken => flat(Verdict::Allow(Permit::new()), Reason::NoToken),
        SignIn::NotEntra => match terms.provider {
            Provider::Other(OnNotEntra::Pass) => {
                flat(Verdict::PassNonEntra(Permit::new()), Reason::NonEntra)
            }
            Provider::Other(OnNotEntra::Block) | Provider::Entra => {
                flat(withhold(terms.mode), Reason::NonEntra)
            }
        },
        SignIn::Undetermined(why, tenants) => match terms.undetermined {
            OnUndetermined::Block => flat(withhold(terms.mode), Reason::Undetermined(*why)),
            // There may be more, which nobody could evaluate.
            OnUndetermined::Allow if tenants.len() >= MAX_TENANTS => {
                flat(withhold(terms.mode), Reason::Undetermined(*why))
            }
            // The severest finding counts, whichever token it is about.
            OnUndetermined::Allow => tenants
                .iter()
                .map(|tenant| evaluate(creator, *tenant, policies, terms, now))
                .filter(|decision| !matches!(decision.verdict, Verdict::Allow(_)))
                .min_by_key(|decision| match decision.verdict {
                    Verdict::Block => 0,
                    Verdict::Unavailable => 1,
                    Verdict::Allow(_) | Verdict::PassNonEntra(_) | Verdict::WouldBlock(_) => 2,
                })
                .unwrap_or_else(|| flat(Verdict::Allow(Permit::new()), Reason::Undetermined(*why))),
        },
    }
}

/// The rule proper (1 to 5 and 8).
pub fn evaluate(
    creator: Option<TenantId>,
    sign_in: TenantId,
    policies: &Snapshot,
    terms: Terms,
    now: UnixSeconds,
) -> Decision {
    if creator == Some(sign_in) {
        return Decision {
            verdict: Verdict::Allow(Permit::new()),
            reason: Reason::SameTenant,
            outbound: None,
            inbound: None,
        };
    }
    let outbound =
        creator.map(|c| side(c, Direction::Outbound, Some(sign_in), policies, terms, now));
    let inbound = side(sign_in, Direction::Inbound, creator, policies, terms, now);
    let sides = || outbound.iter().chain(std::iter::once(&inbound));

    let enforced = sides().any(|s| s.finding.blocks() && s.mode == Mode::Enforce);
    let unreadable = sides().any(|s| s.finding == Finding::Unreadable);
    let reported = sides().any(|s| s.finding.blocks());
    let verdict = if enforced {
        Verdict::Block
    } else if unreadable && terms.mode == Mode::Enforce {
        Verdict::Unavailable
    } else if reported || unreadable {
        Verdict::WouldBlock(Permit::new())
    } else {
        Verdict::Allow(Permit::new())
    };
    Decision {
        verdict,
        reason: reason(outbound.as_ref(), &inbound),
        outbound,
        inbound: Some(inbound),
    }
}

/// What one tenant's policy says of a connection with `other` (none: a legacy connection).
fn side(
    tenant: TenantId,
    direction: Direction,
    other: Option<TenantId>,
    policies: &Snapshot,
    terms: Terms,
    now: UnixSeconds,
) -> Side {
    let (finding, mode, version) = match policies.get(tenant) {
        Record::Unreadable => (Finding::Unreadable, Mode::Enforce, None),
        Record::Present(policy) => (
            finding(policy, direction, other, now),
            policy.mode,
            Some(policy.version),
        ),
        Record::Absent => match (terms.absent, other) {
            (Isolation::Off, _) => (Finding::Absent, Mode::Enforce, None),
            (Isolation::On, Some(_)) => (Finding::NotListed, Mode::Enforce, None),
            (Isolation::On, None) => (Finding::BlocksWithoutClientTenant, Mode::Enforce, None),
        },
    };
    let mode = match terms.mode {
        Mode::Enforce => mode,
        Mode::ReportOnly => Mode::ReportOnly,
    };
    Side {
        tenant,
        direction,
        finding,
        mode,
        version,
    }
}

fn finding(
    policy: &Policy,
    direction: Direction,
    other: Option<TenantId>,
    now: UnixSeconds,
) -> Finding {
    match (policy.isolation, other) {
        (Isolation::Off, _) => Finding::Off,
        (Isolation::On, Some(other)) => policy
            .rule_for(other, direction, now)
            .map_or(Finding::NotListed, |entry| Finding::Rule(*entry)),
        (Isolation::On, None) => match policy.without_client_tenant {
            WithoutClientTenant::Allow => Finding::AllowsWithoutClientTenant,
            WithoutClientTenant::Block => Finding::BlocksWithoutClientTenant,
        },
    }
}

fn reason(outbound: Option<&Side>, inbound: &Side) -> Reason {
    let unreadable = |side: &Side| side.finding == Finding::Unreadable;
    match (
        outbound.map(|side| side.finding.blocks()),
        inbound.finding.blocks(),
    ) {
        (Some(true), true) => Reason::BothBlock,
        (Some(true), false) => Reason::OutboundBlock,
        (Some(false), true) => Reason::InboundBlock,
        (None, true) => Reason::WithoutClientTenantBlocked,
        _ if outbound.is_some_and(unreadable) || unreadable(inbound) => Reason::PolicyUnreadable,
        (Some(false), false) => Reason::BothAllow,
        (None, false) => Reason::WithoutClientTenantAllowed,
    }
}

/// What happens to a reply that must not pass, in the gateway's mode.
const fn withhold(mode: Mode) -> Verdict {
    match mode {
        Mode::Enforce => Verdict::Block,
        Mode::ReportOnly => Verdict::WouldBlock(Permit::new()),
    }
}

#[cfg(test)]
mod tests;
