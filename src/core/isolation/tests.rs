//! Tests of the rule: tables in the order of the module's rules, the whole truth table against an
//! oracle of its own, what becomes of replies and of what requests present, and properties.

mod modes;
mod oracle;
mod presented;
mod properties;
mod replies;
mod rule;

use std::sync::Arc;

use super::super::policy::Subject;
use super::super::token::reply::Tokens;
use super::super::token::{NotEntra, Untrusted};
use super::*;

/// Contoso of the documentation's examples.
const CONTOSO: &str = "c0c0c0c0-1111-4111-8111-c0c0c0c0c0c0";
/// Fabrikam of the documentation's examples.
const FABRIKAM: &str = "fabfabfa-2222-4222-8222-fabfabfabfab";
/// Nobody in particular.
const THIRD: &str = "33333333-3333-4333-8333-333333333333";
/// Where personal accounts sign in from.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

const NOW: UnixSeconds = 1_795_000_000;

/// The defaults: enforcing, absence is Off, undetermined is blocked, the provider is Entra.
const TERMS: Terms = Terms {
    mode: Mode::Enforce,
    absent: Isolation::Off,
    undetermined: OnUndetermined::Block,
    provider: Provider::Entra,
};

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn subject(id: &str) -> Subject {
    match id {
        "*" => Subject::Any,
        id => Subject::Tenant(tenant(id)),
    }
}

fn entry(id: &str, inbound: bool, outbound: bool) -> Entry {
    Entry {
        subject: subject(id),
        inbound,
        outbound,
        expires_on: None,
    }
}

fn inbound(id: &str) -> Entry {
    entry(id, true, false)
}

fn outbound(id: &str) -> Entry {
    entry(id, false, true)
}

fn both(id: &str) -> Entry {
    entry(id, true, true)
}

/// A policy that is On, enforces and keeps connections without a client tenant out.
fn on<const N: usize>(entries: [Entry; N]) -> Policy {
    policy(
        Isolation::On,
        WithoutClientTenant::Block,
        Mode::Enforce,
        entries.to_vec(),
    )
}

fn off<const N: usize>(entries: [Entry; N]) -> Policy {
    policy(
        Isolation::Off,
        WithoutClientTenant::Block,
        Mode::Enforce,
        entries.to_vec(),
    )
}

fn policy(
    isolation: Isolation,
    without: WithoutClientTenant,
    mode: Mode,
    entries: Vec<Entry>,
) -> Policy {
    Policy::new(isolation, without, mode, Version(7), entries)
}

fn report_only(mut policy: Policy) -> Policy {
    policy.mode = Mode::ReportOnly;
    policy
}

fn letting_legacy_in(mut policy: Policy) -> Policy {
    policy.without_client_tenant = WithoutClientTenant::Allow;
    policy
}

fn snapshot<const N: usize>(policies: [(&str, Policy); N]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (id, policy) in policies {
        snapshot.insert(tenant(id), Arc::new(policy));
    }
    snapshot
}

/// A verdict as the word that records use for it.
fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow(_) => "allow",
        Verdict::Block => "block",
        Verdict::PassNonEntra(_) => "pass_non_entra",
        Verdict::Unavailable => "unavailable",
        Verdict::WouldBlock(_) => "would_block",
    }
}

/// Whether the client gets the reply.
fn released(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Allow(_) | Verdict::PassNonEntra(_) | Verdict::WouldBlock(_) => true,
        Verdict::Block | Verdict::Unavailable => false,
    }
}

/// The sides that block, as tenant and direction.
fn blocked_by(decision: &Decision) -> Vec<(String, &'static str)> {
    decision
        .blocking()
        .map(|side| (side.tenant.to_string(), side.direction.as_str()))
        .collect()
}
