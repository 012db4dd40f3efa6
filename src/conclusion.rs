//! What an exchange comes to: a permit to go on with, or the answer in its place.
//!
//! Invariant: a decision is in the record before anything follows from it, and a permit through a
//! known gap is warned of once. Where records are required there is no permit while none can be
//! kept.

use http::HeaderMap;

use crate::audit::{Exchange, Seen};
use crate::clock::now;
use crate::core::creator::Creator;
use crate::core::isolation::{
    self, Decision, Outcome, Permit, Reason, SignIn, Terms, Undetermined, Verdict,
};
use crate::core::policy::Mode;
use crate::core::tenant::TenantId;
use crate::core::token::reply::Tokens;
use crate::gateway::{Gateway, Lane};
use crate::refusal::Refusal;
use crate::reply::{self, Style};
use crate::withheld::Reply;

/// Why an exchange ends with an answer of ours.
pub enum Ended {
    /// The rule blocks it.
    Blocked(Box<Decision>),
    /// A policy cannot be had; the decision says whose.
    PolicyUnavailable,
    /// There is no decision.
    Refused(Refusal),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Whom a reply signs in, by its tokens. One that cannot be read ends the exchange, unless nothing
/// is withheld that arrived whole (report-only).
///
/// # Errors
/// The refusal that the inspection ended with.
pub fn signed_in(
    tokens: Result<Tokens, Refusal>,
    outcome: Outcome,
    terms: Terms,
) -> Result<(SignIn, Option<Seen>), Refusal> {
    match tokens {
        Ok(tokens) => {
            let sign_in = SignIn::of(&tokens, outcome, terms.provider);
            Ok((sign_in, Some(Seen::Replied(tokens))))
        }
        Err(_) if terms.mode == Mode::ReportOnly => {
            let unreadable = SignIn::Undetermined(Undetermined::Unreadable, Vec::new());
            Ok((unreadable, None))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Evaluates under both policies, from one snapshot of them all, and tells what follows.
///
/// # Errors
/// The end of the exchange, where the decision gives no permit.
pub fn evaluate(
    gateway: &Gateway,
    lane: &Lane,
    creator: Creator,
    (sign_in, seen): (SignIn, Option<Seen>),
    record: &mut Exchange,
) -> Result<Permit, Ended> {
    let began = record.evaluating();
    // First: the policies that follow are of this revision, or newer.
    record.policy_source = gateway.policies.freshness();
    let policies = gateway.policies.snapshot();
    let decision = isolation::decide(creator.tenant(), &sign_in, &policies, lane.terms, now());
    record.evaluated(began, &decision);
    permit(decision, sign_in.tenant(), seen, lane, record)
}

/// Notes a decision about a tenant and what was seen, and tells what follows from it.
///
/// # Errors
/// The end of the exchange, where the decision gives no permit.
pub fn permit(
    decision: Decision,
    tenant: Option<TenantId>,
    seen: Option<Seen>,
    lane: &Lane,
    record: &mut Exchange,
) -> Result<Permit, Ended> {
    let stands = record.decided(&decision, tenant, seen);
    match decision.verdict {
        Verdict::Block => Err(Ended::Blocked(Box::new(decision))),
        Verdict::Unavailable => Err(Ended::PolicyUnavailable),
        Verdict::Allow(_) | Verdict::PassNonEntra(_) | Verdict::WouldBlock(_)
            if !record.will_be_kept() =>
        {
            Err(Ended::Refused(Refusal::AuditUnavailable))
        }
        Verdict::Allow(permit) | Verdict::PassNonEntra(permit) | Verdict::WouldBlock(permit) => {
            if stands {
                warn_of(decision.reason, lane, record);
            }
            Ok(permit)
        }
    }
}

/// The answer to an exchange, which the record then tells.
pub fn answer(ended: Result<Reply, Ended>, style: &Style, record: &mut Exchange) -> Reply {
    let answer = match ended {
        Ok(reply) => reply,
        Err(Ended::Blocked(decision)) => {
            // With `undetermined = "allow"` a tenant named by one of several tokens may block.
            let tenant = decision.inbound.map(|side| side.tenant);
            reply::block(&decision, tenant, record, style)
        }
        Err(Ended::PolicyUnavailable) => reply::refuse(Refusal::PolicyUnavailable, record, style),
        Err(Ended::Refused(refusal)) => {
            note(refusal, record);
            reply::refuse(refusal, record, style)
        }
    };
    record.status = Some(answer.status().as_u16());
    answer
}

/// Refuses what reached a route of exchanges and is none (a wrong method), with a record.
pub fn refused(
    gateway: &Gateway,
    lane: &Lane,
    headers: &HeaderMap,
    style: &Style,
    refusal: Refusal,
) -> Reply {
    let mut record = gateway.open_record(lane);
    record.follow(headers);
    answer(Err(refusal.into()), style, &mut record)
}

/// Notes a refusal. Why a token was refused is for the inside only: it goes to the log as well.
fn note(refusal: Refusal, record: &mut Exchange) {
    record.refused(refusal.reason());
    if let Refusal::CreatorToken(_) | Refusal::SignInToken(_) = refusal {
        tracing::info!(
            route = &*record.route.name, decision.id = %record.decision_id,
            token = refusal.code(), reason = refusal.reason(),
            "a token in a request is refused"
        );
    }
}

/// One warning for each exchange that passes through a known gap.
fn warn_of(reason: Reason, lane: &Lane, record: &Exchange) {
    let route = &*lane.route.name;
    let provider = &*lane.route.provider.name;
    let (id, connector) = (record.decision_id, record.connector.as_deref());
    match reason {
        Reason::NonEntra => tracing::warn!(
            route, provider, connector, decision.id = %id,
            "passed a token that is not Entra's: tenant isolation cannot see who signed in"
        ),
        Reason::Undetermined(why) => tracing::warn!(
            route, provider, connector, decision.id = %id, reason = why.as_str(),
            "passed a token although its tenant is undetermined (undetermined = \"allow\" or mode \
             report-only)"
        ),
        Reason::WithoutClientTenantAllowed => tracing::warn!(
            route, provider, connector, decision.id = %id,
            "passed a connection without a client tenant id"
        ),
        Reason::BothAllow
        | Reason::BothBlock
        | Reason::InboundBlock
        | Reason::NoToken
        | Reason::OutboundBlock
        | Reason::PolicyUnreadable
        | Reason::SameTenant
        | Reason::WithoutClientTenantBlocked => {}
    }
}

#[cfg(test)]
mod tests;
