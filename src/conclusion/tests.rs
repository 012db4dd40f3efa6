//! What follows from a decision: a permit or an answer, what the record says of it, who is warned.

mod stage;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::config::AuditMode;
use crate::core::creator::{CreatorError, Source};
use crate::core::isolation::{OnNotEntra, OnUndetermined, Provider};
use crate::core::policy::{Isolation, Policy, Snapshot, Version, WithoutClientTenant};
use crate::core::tenant::TenantIdError;
use crate::core::token::reply::Unreadable;
use crate::core::token::verified::Refused;
use stage::{FULL, Stage, body_of, logged};

const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
const B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";

fn terms(mode: Mode) -> Terms {
    Terms {
        mode,
        absent: Isolation::Off,
        undetermined: OnUndetermined::Allow,
        provider: Provider::Other(OnNotEntra::Pass),
    }
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// Tenant `id` is On, with an empty allowlist.
fn isolated(id: &str, mode: Mode, without_client_tenant: WithoutClientTenant) -> Snapshot {
    let version = Version(1);
    let policy = Policy::new(Isolation::On, without_client_tenant, mode, version, vec![]);
    let mut snapshot = Snapshot::default();
    snapshot.insert(tenant(id), Arc::new(policy));
    snapshot
}

/// What is decided about creator `A`.
fn decided(sign_in: &SignIn, policies: &Snapshot) -> Decision {
    isolation::decide(Some(tenant(A)), sign_in, policies, terms(Mode::Enforce), 0)
}

fn foreign() -> SignIn {
    SignIn::Entra(tenant(B))
}

fn opaque() -> SignIn {
    SignIn::Undetermined(Undetermined::Opaque, Vec::new())
}

#[test]
fn a_reply_that_cannot_be_read_ends_an_exchange_unless_nothing_is_withheld() {
    let refusal = Refusal::UpstreamUnreadable(Unreadable::Json);
    let read = |mode| signed_in(Err(refusal), Outcome::Success, terms(mode));
    assert!(matches!(read(Mode::Enforce), Err(it) if it == refusal));
    let (sign_in, seen) = read(Mode::ReportOnly).unwrap();
    let unreadable = SignIn::Undetermined(Undetermined::Unreadable, vec![]);
    assert_eq!(sign_in, unreadable);
    assert!(seen.is_none());

    let nothing = signed_in(
        Ok(Tokens::default()),
        Outcome::Failure,
        terms(Mode::Enforce),
    );
    let (sign_in, seen) = nothing.unwrap();
    assert_eq!(sign_in, SignIn::NoToken);
    assert!(matches!(seen, Some(Seen::Replied(_))));
}

/// Under the policies of the gateway, whatever else it holds.
#[test]
fn a_permit_follows_from_a_decision_that_lets_through_and_it_is_recorded() {
    let block = WithoutClientTenant::Block;
    for (policies, expected, code) in [
        (Snapshot::default(), "allow", "both_allow"),
        (
            isolated(A, Mode::ReportOnly, block),
            "would_block",
            "outbound_block",
        ),
        (isolated(A, Mode::Enforce, block), "block", "outbound_block"),
        (isolated(B, Mode::Enforce, block), "block", "inbound_block"),
    ] {
        let stage = Stage::set(AuditMode::Required, policies);
        let mut record = stage.open();
        let creator = Creator::Known(tenant(A), Source::Fixed);
        let seen = Some(Seen::Replied(Tokens::default()));
        let signed_in = (foreign(), seen);
        let permit = evaluate(&stage.gateway, &stage.lane, creator, signed_in, &mut record);
        match permit {
            Ok(Permit { .. }) => assert_ne!(expected, "block"),
            Err(Ended::Blocked(decision)) => {
                assert_eq!((decision.verdict.as_str(), expected), ("block", "block"));
            }
            Err(Ended::PolicyUnavailable | Ended::Refused(_)) => panic!("{code}"),
        }
        drop(record);
        let written = stage.record();
        assert_eq!(
            (&written["decision"], &written["reason"]),
            (&expected.into(), &code.into())
        );
        assert_eq!(written["sign_in_tenant"], B);
        assert_eq!(written["token_kind"], "none");
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "who skips a test says so")]
fn where_records_are_required_there_is_no_permit_while_none_can_be_kept() {
    if !Path::new(FULL).exists() {
        println!("skipped: this system has no {FULL}");
        return;
    }
    for (mode, allowed) in [(AuditMode::BestEffort, true), (AuditMode::Required, false)] {
        let stage = Stage::full(mode);
        for sign_in in [foreign(), SignIn::NotEntra, opaque()] {
            let mut record = stage.open();
            let decision = decided(&sign_in, &Snapshot::default());
            let permit = permit(decision, None, None, &stage.lane, &mut record);
            let refused = matches!(permit, Err(Ended::Refused(Refusal::AuditUnavailable)));
            assert_eq!(
                (permit.is_ok(), refused),
                (allowed, !allowed),
                "{sign_in:?}"
            );
        }
    }
}

#[test]
fn a_passage_through_a_known_gap_is_warned_of_once() {
    let none = Snapshot::default();
    let lax = isolated(B, Mode::Enforce, WithoutClientTenant::Allow);
    let legacy = isolation::decide(None, &foreign(), &lax, terms(Mode::Enforce), 0);
    for (decision, warning) in [
        (decided(&SignIn::NotEntra, &none), Some("not Entra's")),
        (decided(&opaque(), &none), Some("tenant is undetermined")),
        (legacy, Some("without a client tenant id")),
        (decided(&foreign(), &none), None),
        (decided(&SignIn::NoToken, &none), None),
    ] {
        let stage = Stage::set(AuditMode::BestEffort, Snapshot::default());
        let mut record = stage.open();
        let pass = |decision, record: &mut Exchange| {
            let (permit, lines) = logged(|| permit(decision, None, None, &stage.lane, record));
            assert!(permit.is_ok());
            lines
        };
        let lines = pass(decision, &mut record);
        match (warning, &*lines) {
            (None, []) => {}
            (Some(warning), [line]) => assert!(line.starts_with("WARN") && line.contains(warning)),
            _ => panic!("{warning:?}: {lines:?}"),
        }
        // A second decision of the same exchange that weighs no more was told of with the first.
        let lines = pass(decided(&SignIn::NoToken, &none), &mut record);
        assert_eq!(lines, [""; 0]);
    }
}

#[test]
fn a_gap_that_was_told_of_is_not_told_of_again() {
    let stage = Stage::set(AuditMode::BestEffort, Snapshot::default());
    let mut record = stage.open();
    let mut warned = || {
        let decision = decided(&SignIn::NotEntra, &Snapshot::default());
        let (permit, lines) = logged(|| permit(decision, None, None, &stage.lane, &mut record));
        assert!(permit.is_ok());
        lines.len()
    };
    assert_eq!((warned(), warned()), (1, 0));
}

/// The answer's status and text, the record, and what was logged, by how an exchange ended.
fn answered(ended: Result<Reply, Ended>) -> (u16, String, Value, Vec<String>) {
    let stage = Stage::set(AuditMode::BestEffort, Snapshot::default());
    let mut record = stage.open();
    let (reply, lines) = logged(|| answer(ended, &Style::OAuth, &mut record));
    drop(record);
    let status = reply.status().as_u16();
    let written = stage.record();
    assert_eq!(written["status"], status);
    (status, body_of(reply), written, lines)
}

#[test]
fn a_reply_is_relayed_and_a_block_is_answered() {
    let mut reply = http::Response::new("theirs".into());
    *reply.status_mut() = http::StatusCode::IM_A_TEAPOT;
    let (status, text, _, lines) = answered(Ok(reply));
    assert_eq!((status, &*text, lines.len()), (418, "theirs", 0));

    let policies = isolated(B, Mode::Enforce, WithoutClientTenant::Block);
    let decision = Box::new(decided(&foreign(), &policies));
    let (status, text, _, lines) = answered(Err(Ended::Blocked(decision)));
    assert_eq!((status, lines.len()), (403, 0));
    assert!(text.contains("blocked_by_tenant_isolation"), "{text}");
    assert!(text.contains(B), "{text}");

    let (status, _, _, lines) = answered(Err(Ended::PolicyUnavailable));
    assert_eq!((status, lines.len()), (503, 0));
}

/// Why a token was refused stands in the record and in the log, and in no answer.
#[test]
fn a_refusal_is_answered_and_recorded() {
    let malformed = CreatorError::Malformed {
        source_: Source::Header,
        error: TenantIdError::Nil,
    };
    for (refusal, status, logs) in [
        (Refusal::Creator(malformed), 400, 0),
        (Refusal::UpstreamToken, 502, 0),
        (Refusal::CreatorToken(Refused::Algorithm), 401, 1),
        (Refusal::SignInToken(Refused::Algorithm), 401, 1),
    ] {
        let (answered, text, written, lines) = answered(Err(refusal.into()));
        assert_eq!(answered, status, "{refusal:?}");
        assert_eq!(written["decision"], "error", "{refusal:?}");
        assert_eq!(written["reason"], refusal.reason(), "{refusal:?}");
        assert_eq!(lines.len(), logs, "{lines:?}");
        if let [line] = &*lines {
            assert!(
                line.starts_with("INFO") && line.contains(refusal.code()),
                "{line}"
            );
            assert!(line.contains(Refused::Algorithm.as_str()), "{line}");
            assert!(!text.contains(Refused::Algorithm.as_str()), "{text}");
        }
    }
}

#[test]
fn what_is_no_exchange_is_refused_with_a_record_all_the_same() {
    let stage = Stage::set(AuditMode::BestEffort, Snapshot::default());
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", parent.parse().unwrap());
    let method = Refusal::Method;
    let reply = refused(&stage.gateway, &stage.lane, &headers, &Style::OAuth, method);
    assert_eq!(reply.status(), method.status());
    assert!(!body_of(reply).is_empty());
    let written = stage.record();
    assert_eq!(written["decision"], "error");
    assert_eq!(written["reason"], method.reason());
    assert_eq!(written["status"], method.status().as_u16());
    assert_eq!(written["trace_id"], trace);
}
