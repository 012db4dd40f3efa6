//! A record as it is written: product terms, in one order.
//!
//! Invariant: every text in it that comes from outside is bounded.

use std::fmt::Display;
use std::time::SystemTime;

use jiff::Timestamp;
use opentelemetry::trace::{SpanId, TraceId};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{Exchange, Outcome, Seen, bounded};
use crate::core::creator::Creator;
use crate::core::isolation::{Finding, Side};
use crate::core::policy::{Direction, Entry, Mode, Subject};
use crate::core::tenant::TenantId;
use crate::fleet::Freshness;

/// One record.
#[derive(Serialize)]
pub(super) struct Line<'e> {
    time: Timestamp,
    decision_id: Uuid,
    route: &'e str,
    connector: Option<&'e str>,
    mode: Mode,
    decision: &'static str,
    reason: &'static str,
    creator_tenant: Option<TenantId>,
    creator_source: Option<&'static str>,
    sign_in_tenant: Option<TenantId>,
    blocked_by: Vec<BlockedBy>,
    rules: Vec<Rule<'e>>,
    policy_versions: Vec<PolicyVersion>,
    policy_source: Option<PolicySource>,
    grant_type: Option<&'static str>,
    token_kind: Option<&'static str>,
    issuer: Option<&'e str>,
    verified: Option<&'static str>,
    app_id: Option<&'e str>,
    user_object_id: Option<&'e str>,
    correlation_id: Option<&'e str>,
    trace_id: Option<Hex<TraceId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<Hex<SpanId>>,
    early: bool,
    forwarded: bool,
    status: Option<u16>,
    upstream_status: Option<u16>,
    duration_us: u128,
}

impl<'e> Line<'e> {
    pub(super) fn of(
        exchange: &'e Exchange,
        outcome: &'e Outcome,
        time: SystemTime,
        duration_us: u128,
    ) -> Self {
        let sides = || outcome.sides.iter().flatten();
        let seen = exchange.seen.as_ref();
        let token = seen.and_then(Seen::token);
        Self {
            time: Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH),
            decision_id: exchange.decision_id,
            route: &exchange.route.name,
            connector: exchange.connector.as_deref(),
            mode: exchange.mode,
            decision: outcome.decision,
            reason: outcome.reason,
            creator_tenant: exchange.creator.and_then(Creator::tenant),
            creator_source: exchange.creator.map(Creator::source),
            sign_in_tenant: exchange.sign_in_tenant,
            blocked_by: sides()
                .filter(|side| side.finding.blocks())
                .map(BlockedBy::of)
                .collect(),
            rules: sides().filter_map(Rule::of).collect(),
            policy_versions: sides().filter_map(PolicyVersion::of).collect(),
            policy_source: exchange.policy_source.map(PolicySource::of),
            grant_type: exchange.grant_type,
            token_kind: seen.map(Seen::kind),
            issuer: token.map(|token| bounded(&token.issuer)),
            verified: token.and(seen).map(Seen::verified),
            app_id: token.and_then(|token| identifier(token.app_id.as_deref())),
            user_object_id: token.and_then(|token| identifier(token.user_object_id.as_deref())),
            correlation_id: exchange.correlation_id.as_deref(),
            trace_id: exchange.trace_id.map(Hex),
            span_id: exchange
                .trace
                .as_ref()
                .and_then(|trace| trace.span_id())
                .map(Hex),
            early: exchange.early,
            forwarded: exchange.forwarded,
            status: exchange.status,
            upstream_status: exchange.upstream_status,
            duration_us,
        }
    }
}

/// An id of a trace or of a span, in hex digits.
struct Hex<I>(I);

impl<I: Display> Serialize for Hex<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct BlockedBy {
    tenant: TenantId,
    direction: Direction,
    finding: &'static str,
    mode: Mode,
}

impl BlockedBy {
    fn of(side: &Side) -> Self {
        Self {
            tenant: side.tenant,
            direction: side.direction,
            finding: side.finding.as_str(),
            mode: side.mode,
        }
    }
}

/// The entry that allowed one side.
#[derive(Serialize)]
struct Rule<'e> {
    tenant: TenantId,
    direction: Direction,
    entry: EntrySubject<'e>,
}

impl<'e> Rule<'e> {
    fn of(side: &'e Side) -> Option<Self> {
        let Finding::Rule(entry) = &side.finding else {
            return None;
        };
        Some(Self {
            tenant: side.tenant,
            direction: side.direction,
            entry: EntrySubject(entry),
        })
    }
}

/// `*` or a tenant id.
struct EntrySubject<'e>(&'e Entry);

impl Serialize for EntrySubject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.subject {
            Subject::Any => serializer.serialize_str("*"),
            Subject::Tenant(tenant) => tenant.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct PolicyVersion {
    tenant: TenantId,
    version: String,
}

impl PolicyVersion {
    fn of(side: &Side) -> Option<Self> {
        side.version.map(|version| Self {
            tenant: side.tenant,
            version: version.to_string(),
        })
    }
}

/// What etcd had given by then.
#[derive(Serialize)]
struct PolicySource {
    /// Everything up to this revision was in force.
    revision: String,
    /// Since that had been confirmed.
    age_ms: u64,
}

impl PolicySource {
    fn of(fresh: Freshness) -> Self {
        Self {
            revision: fresh.revision.to_string(),
            age_ms: u64::try_from(fresh.age.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// An identifier out of a token's claims: a GUID, or nothing.
pub(super) fn identifier(text: Option<&str>) -> Option<&str> {
    text.filter(|text| text.len() == 36 && Uuid::try_parse(text).is_ok())
}
