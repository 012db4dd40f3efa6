//! Audit records: one JSON line per exchange, whatever happens to it.
//!
//! Invariant: an [`Exchange`] is written exactly once, when it is dropped; so "exactly one record"
//! holds for answers, refusals, panics and clients that go away. It has no field that could hold a
//! token, code, secret or assertion, and every text in it is bounded.

mod writer;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::config::Route;
use crate::core::creator::Creator;
use crate::core::isolation::{Decision, Finding, Side};
use crate::core::policy::{Direction, Entry, Mode, Subject};
use crate::core::tenant::TenantId;
use crate::core::token::reply::Tokens;
use crate::metrics::Metrics;

pub use writer::{Audit, Writer};

/// One exchange, from its first header to its answer. Dropping it writes its record.
pub struct Exchange {
    audit: Audit,
    metrics: Arc<Metrics>,
    route: Arc<Route>,
    started: Instant,
    mode: Mode,
    /// Identifies the exchange in records and answers (`trace_id`).
    pub decision_id: Uuid,
    /// The connector's label.
    pub connector: Option<String>,
    /// The client's `client-request-id`, if it sent a sound one.
    pub correlation_id: Option<String>,
    /// The trace id of a W3C `traceparent`.
    pub trace_id: Option<String>,
    /// Who creates or runs the connection, once known.
    pub creator: Option<Creator>,
    /// The tenant decided about.
    pub sign_in_tenant: Option<TenantId>,
    /// A grant type that we know, or `other`.
    pub grant_type: Option<&'static str>,
    /// What the reply's tokens said.
    pub tokens: Option<Tokens>,
    /// The decision, in a record's words.
    outcome: Option<Outcome>,
    /// Whether it was decided before the provider was asked.
    pub early: bool,
    /// The provider's status.
    pub upstream_status: Option<u16>,
    /// The status answered with.
    pub status: Option<u16>,
    /// Time spent waiting for the provider, in microseconds.
    pub upstream_us: u64,
}

/// How an exchange ended.
struct Outcome {
    decision: &'static str,
    reason: &'static str,
    sides: [Option<Side>; 2],
}

impl Exchange {
    /// Opens a record.
    pub fn open(audit: Audit, metrics: Arc<Metrics>, route: Arc<Route>, mode: Mode) -> Self {
        Self {
            audit,
            metrics,
            route,
            started: Instant::now(),
            mode,
            decision_id: Uuid::now_v7(),
            connector: None,
            correlation_id: None,
            trace_id: None,
            creator: None,
            sign_in_tenant: None,
            grant_type: None,
            tokens: None,
            outcome: None,
            early: false,
            upstream_status: None,
            status: None,
            upstream_us: 0,
        }
    }

    /// Notes a decision of the rule.
    pub fn decided(&mut self, decision: &Decision) {
        self.outcome = Some(Outcome {
            decision: decision.verdict.as_str(),
            reason: decision.reason.as_str(),
            sides: [decision.outbound, decision.inbound],
        });
    }

    /// Notes that the exchange ends without a decision.
    pub fn refused(&mut self, reason: &'static str) {
        self.outcome = Some(Outcome {
            decision: "error",
            reason,
            sides: [None, None],
        });
    }

    /// The client's correlation id, or the decision id.
    pub fn correlation(&self) -> String {
        self.correlation_id
            .clone()
            .unwrap_or_else(|| self.decision_id.to_string())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or(Outcome {
            decision: "error",
            reason: "client_gone",
            sides: [None, None],
        });
        let duration = self.started.elapsed();
        self.metrics.exchange(
            &self.route.name,
            outcome.decision,
            outcome.reason,
            duration,
            self.upstream_us,
        );
        self.audit
            .write(&Line::of(self, &outcome, duration.as_micros()));
    }
}

/// A record, as it is written: product terms, in this order.
#[derive(Serialize)]
struct Line<'e> {
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
    grant_type: Option<&'static str>,
    token_kind: Option<&'static str>,
    issuer: Option<&'e str>,
    verified: Option<&'static str>,
    app_id: Option<&'e str>,
    user_object_id: Option<&'e str>,
    correlation_id: Option<&'e str>,
    trace_id: Option<&'e str>,
    early: bool,
    status: Option<u16>,
    upstream_status: Option<u16>,
    duration_us: u128,
}

impl<'e> Line<'e> {
    fn of(exchange: &'e Exchange, outcome: &'e Outcome, duration_us: u128) -> Self {
        let sides = || outcome.sides.iter().flatten();
        let token = exchange
            .tokens
            .as_ref()
            .and_then(|tokens| tokens.entra.as_ref());
        Self {
            time: Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH),
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
            grant_type: exchange.grant_type,
            token_kind: exchange.tokens.as_ref().map(Tokens::kind),
            issuer: token.map(|token| bounded(&token.issuer)),
            verified: token.map(|_| "tls"),
            app_id: token.and_then(|token| identifier(token.app_id.as_deref())),
            user_object_id: token.and_then(|token| identifier(token.user_object_id.as_deref())),
            correlation_id: exchange.correlation_id.as_deref(),
            trace_id: exchange.trace_id.as_deref(),
            early: exchange.early,
            status: exchange.status,
            upstream_status: exchange.upstream_status,
            duration_us,
        }
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

/// Most characters of a text that comes from outside.
const LONGEST: usize = 128;

/// A text from outside, cut to a bounded length.
pub fn bounded(text: &str) -> &str {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// An identifier out of a token's claims: a GUID, or nothing.
fn identifier(text: Option<&str>) -> Option<&str> {
    text.filter(|text| text.len() == 36 && Uuid::try_parse(text).is_ok())
}
