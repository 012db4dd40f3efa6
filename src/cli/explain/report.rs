//! A decision in words: for people, and as JSON in the words of audit records and policies.

use std::fmt;

use serde::Serialize;

use crate::cli::tenants::Tenants;
use crate::core::isolation::{Decision, Finding, Side};
use crate::core::policy::{Direction, Entry, Mode, Subject, UnixSeconds};
use crate::core::tenant::{PERSONAL_ACCOUNTS, TenantId};
use crate::policies::document::{AllowedTenant, Document};
use crate::problem::visible;

/// A decision in words.
#[derive(Serialize)]
pub(super) struct Report<'d> {
    decision: &'static str,
    reason: &'static str,
    creator: Option<Tenant>,
    sign_in: Tenant,
    sides: Vec<SideReport<'d>>,
}

#[derive(Serialize)]
struct Tenant {
    tenant: TenantId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// What one policy says.
#[derive(Serialize)]
struct SideReport<'d> {
    #[serde(flatten)]
    tenant: Tenant,
    direction: Direction,
    blocks: bool,
    mode: Mode,
    finding: &'static str,
    explanation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_version: Option<String>,
    /// The entry that allows, as the policy has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'d AllowedTenant>,
}

impl<'d> Report<'d> {
    pub(super) fn of(
        decision: &Decision,
        creator: Option<TenantId>,
        sign_in: TenantId,
        tenants: &Tenants,
        documents: &'d [(TenantId, Document)],
        now: UnixSeconds,
    ) -> Self {
        let side = |side: &Side| {
            let entries = documents
                .iter()
                .find(|(tenant, _)| *tenant == side.tenant)
                .map_or(&[][..], |(_, document)| {
                    &document.properties.allowed_tenants
                });
            let other = match side.direction {
                Direction::Inbound => creator,
                Direction::Outbound => Some(sign_in),
            };
            SideReport::of(side, other, entries, tenants, now)
        };
        Self {
            decision: decision.verdict.as_str(),
            reason: decision.reason.as_str(),
            creator: creator.map(|creator| Tenant::of(creator, tenants)),
            sign_in: Tenant::of(sign_in, tenants),
            sides: decision.sides().map(side).collect(),
        }
    }
}

impl<'d> SideReport<'d> {
    fn of(
        side: &Side,
        other: Option<TenantId>,
        entries: &'d [AllowedTenant],
        tenants: &Tenants,
        now: UnixSeconds,
    ) -> Self {
        let rule = match &side.finding {
            Finding::Rule(entry) => entries.iter().find(|written| is(written, entry)),
            Finding::Absent
            | Finding::AllowsWithoutClientTenant
            | Finding::BlocksWithoutClientTenant
            | Finding::NotListed
            | Finding::Off
            | Finding::Unreadable => None,
        };
        Self {
            tenant: Tenant::of(side.tenant, tenants),
            direction: side.direction,
            blocks: side.finding.blocks(),
            mode: side.mode,
            finding: side.finding.as_str(),
            explanation: explanation(side, other, entries, now),
            policy_version: side.version.map(|version| version.to_string()),
            rule,
        }
    }
}

/// Whether an entry of the document is the one that the decision used.
fn is(written: &AllowedTenant, entry: &Entry) -> bool {
    written.tenant_id == entry.subject
        && written.direction.inbound == entry.inbound
        && written.direction.outbound == entry.outbound
        && written.expires_on.map(jiff::Timestamp::as_second) == entry.expires_on
}

fn explanation(
    side: &Side,
    other: Option<TenantId>,
    entries: &[AllowedTenant],
    now: UnixSeconds,
) -> String {
    let direction = side.direction.as_str();
    let other_id = other.map_or_else(|| "it".to_owned(), |other| other.to_string());
    let choice = |word| format!("isolation is On, and connectionsWithoutClientTenant is {word}");
    match &side.finding {
        Finding::Absent => "there is no policy, which counts as Off".to_owned(),
        Finding::AllowsWithoutClientTenant => choice("allow"),
        Finding::BlocksWithoutClientTenant | Finding::NotListed if side.version.is_none() => {
            "there is no policy, which counts as On here".to_owned()
        }
        Finding::BlocksWithoutClientTenant => choice("block"),
        Finding::NotListed => match expired(side, other, entries, now) {
            None => format!("isolation is On, and no entry allows {other_id} {direction}"),
            Some(end) => format!(
                "isolation is On, and the entry that allowed {other_id} {direction} expired on {end}"
            ),
        },
        Finding::Off => "isolation is Off".to_owned(),
        Finding::Rule(entry) => match entry.subject {
            Subject::Any => {
                format!("isolation is On, and the entry * allows every tenant {direction}")
            }
            Subject::Tenant(tenant) => {
                format!("isolation is On, and the entry {tenant} allows it {direction}")
            }
        },
        Finding::Unreadable => "there is a policy, and it cannot be read".to_owned(),
    }
}

/// When the last entry ended that allowed this; none if there was none.
fn expired(
    side: &Side,
    other: Option<TenantId>,
    entries: &[AllowedTenant],
    now: UnixSeconds,
) -> Option<jiff::Timestamp> {
    let names = |entry: &&AllowedTenant| match entry.tenant_id {
        Subject::Any => true,
        Subject::Tenant(tenant) => Some(tenant) == other,
    };
    let allowed = |entry: &&AllowedTenant| match side.direction {
        Direction::Inbound => entry.direction.inbound,
        Direction::Outbound => entry.direction.outbound,
    };
    let ended = entries
        .iter()
        .filter(names)
        .filter(allowed)
        .filter_map(|entry| entry.expires_on);
    ended.filter(|end| end.as_second() <= now).max()
}

impl Tenant {
    fn of(tenant: TenantId, tenants: &Tenants) -> Self {
        let personal = (tenant == PERSONAL_ACCOUNTS).then_some("personal Microsoft accounts");
        let name = tenants.name(tenant).or(personal).map(str::to_owned);
        Self { tenant, name }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tenant)?;
        // A policy's text may hold anything, escape sequences of a terminal included.
        let name = self.name.as_deref().map(visible);
        name.iter().try_for_each(|name| write!(f, " ({name})"))
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            decision, reason, ..
        } = self;
        let aside = match *decision {
            "would_block" => "; relayed, because every side that blocks is report-only",
            _ => "",
        };
        writeln!(f, "{decision} ({reason}{aside})\n")?;
        match &self.creator {
            Some(creator) => writeln!(f, "creator tenant: {creator}")?,
            None => writeln!(f, "creator tenant: unknown (no client tenant id)")?,
        }
        writeln!(f, "sign-in tenant: {}", self.sign_in)?;
        if self.sides.is_empty() {
            writeln!(f, "\nthe same tenant: no policy is evaluated")?;
        }
        self.sides.iter().try_for_each(|side| write!(f, "\n{side}"))
    }
}

impl fmt::Display for SideReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match (self.blocks, self.mode) {
            (true, Mode::Enforce) => "blocks",
            (true, Mode::ReportOnly) => "would block (report-only)",
            (false, _) => "allows",
        };
        writeln!(
            f,
            "{}, policy of {}: {effect}",
            self.direction.as_str(),
            self.tenant
        )?;
        writeln!(f, "  {}", self.explanation)?;
        let Some(rule) = self.rule else { return Ok(()) };
        let expires_on = rule.expires_on.map(|end| end.to_string());
        let details = [
            ("tenantName", rule.tenant_name.as_ref()),
            ("tenantDomain", rule.tenant_domain.as_ref()),
            ("note", rule.note.as_ref()),
            ("expiresOn", expires_on.as_ref()),
        ];
        for (member, text) in details {
            text.iter()
                .try_for_each(|text| writeln!(f, "  {member}: {text:?}"))?;
        }
        Ok(())
    }
}
