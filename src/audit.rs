//! Audit records: one JSON line per exchange, whatever happens to it, and one for each attempt to
//! change a policy.
//!
//! Invariant: an [`Exchange`] is written exactly once, when it is dropped; so "exactly one record"
//! holds for answers, refusals, panics and clients that go away. It has no field that could hold a
//! token, code, secret or assertion, and every text in it is bounded.

mod appended;
mod change;
mod history;
mod line;
mod output;
mod seen;
mod span;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::HeaderMap;
use opentelemetry::KeyValue;
use opentelemetry::trace::TraceId;
use uuid::Uuid;

use crate::config::{Connector, Route, RouteKind};
use crate::core::creator::Creator;
use crate::core::isolation::{Decision, Reason, Side, Verdict};
use crate::core::policy::{Direction, Mode};
use crate::core::tenant::TenantId;
use crate::events;
use crate::fleet::Freshness;
use crate::keys::Waited;
use crate::metrics::{Ended, RouteMetrics};
use crate::recorder::Recorder;
use crate::traces::{Trace, context};
use line::{Line, identifier};

pub use change::{Event, PolicyRequest, Text, Who};
pub use history::record_histories;
pub use seen::Seen;
pub use writer::{Audit, Standing, Writer};

/// One exchange, from its first header to its answer. Dropping it writes its record.
pub struct Exchange {
    recorder: Recorder,
    /// The route it came on.
    pub route: Arc<Route>,
    counts: Arc<RouteMetrics>,
    started: Instant,
    mode: Mode,
    /// Identifies the exchange in records and answers (`trace_id`).
    pub decision_id: Uuid,
    /// The connector's label.
    pub connector: Option<String>,
    /// The client's `client-request-id`, if it sent a sound one.
    pub correlation_id: Option<String>,
    /// The trace that it belongs to: of the request's `traceparent`, or a new one.
    pub trace_id: Option<TraceId>,
    /// Its part of that trace, if traces go anywhere.
    pub trace: Option<Box<Trace>>,
    /// Since when and until when it waited for signing keys.
    pub waited: Option<Waited>,
    /// Who creates or runs the connection, once known.
    pub creator: Option<Creator>,
    /// The tenant decided about.
    pub sign_in_tenant: Option<TenantId>,
    /// How fresh the policies were that it was decided under, if others hold them.
    pub policy_source: Option<Freshness>,
    /// A grant type that we know, or `other`.
    pub grant_type: Option<&'static str>,
    /// The tokens decided about.
    pub seen: Option<Seen>,
    /// The decision, in a record's words.
    outcome: Option<Outcome>,
    /// Whether it was decided before the provider was asked.
    pub early: bool,
    /// Whether the server behind was asked, or was about to be.
    pub forwarded: bool,
    /// The provider's status.
    pub upstream_status: Option<u16>,
    /// The status answered with.
    pub status: Option<u16>,
    /// Time spent waiting for the provider, in microseconds.
    pub upstream_us: u64,
}

/// How an exchange ended.
struct Outcome {
    weight: u8,
    decision: &'static str,
    reason: &'static str,
    sides: [Option<Side>; 2],
}

impl Exchange {
    /// Opens a record.
    pub fn open(
        recorder: Recorder,
        route: Arc<Route>,
        counts: Arc<RouteMetrics>,
        mode: Mode,
    ) -> Self {
        Self {
            recorder,
            route,
            counts,
            started: Instant::now(),
            mode,
            decision_id: Uuid::now_v7(),
            connector: None,
            correlation_id: None,
            trace_id: None,
            trace: None,
            waited: None,
            creator: None,
            sign_in_tenant: None,
            policy_source: None,
            grant_type: None,
            seen: None,
            outcome: None,
            early: false,
            forwarded: false,
            upstream_status: None,
            status: None,
            upstream_us: 0,
        }
    }

    /// Notes what the request says of itself.
    pub fn identify(&mut self, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        self.connector = match &self.route.connector {
            Connector::Fixed(name) => Some(name.clone()),
            Connector::Header(name) => text(name.as_str()).map(|text| bounded(text).to_owned()),
            Connector::None => None,
        };
        self.correlation_id = correlation_id(headers);
        self.follow(headers);
    }

    /// Notes the trace that the request belongs to.
    pub fn follow(&mut self, headers: &HeaderMap) {
        let traces = self.recorder.traces.as_ref();
        self.trace = traces.map(|traces| traces.begin(headers));
        self.trace_id = match &self.trace {
            Some(trace) => Some(trace.id()),
            None => context::parent(headers).map(|parent| parent.trace),
        };
    }

    /// The moment an evaluation begins; none if nobody will be told of it.
    pub fn evaluating(&self) -> Option<Instant> {
        self.trace.as_ref().and_then(|trace| trace.clock())
    }

    /// Notes what an evaluation came to, for the trace.
    pub fn evaluated(&mut self, began: Option<Instant>, decision: &Decision) {
        if let (Some(trace), Some(began)) = (&mut self.trace, began) {
            let attributes = vec![
                KeyValue::new("tidegate.decision", decision.verdict.as_str()),
                KeyValue::new("tidegate.reason", decision.reason.as_str()),
            ];
            trace.step("evaluate", began, Instant::now(), attributes);
        }
    }

    /// Notes a decision of the rule about a tenant and what was seen. Of two (a request's and its
    /// reply's) the weightier stands, the first if they are alike; tells whether this one does.
    pub fn decided(
        &mut self,
        decision: &Decision,
        tenant: Option<TenantId>,
        seen: Option<Seen>,
    ) -> bool {
        let weight = weight(decision);
        let stands = self.outcome.as_ref().map(|outcome| outcome.weight);
        if stands.is_some_and(|stands| stands >= weight) {
            return false;
        }
        self.sign_in_tenant = tenant;
        self.seen = seen;
        self.outcome = Some(Outcome {
            weight,
            decision: decision.verdict.as_str(),
            reason: decision.reason.as_str(),
            sides: [decision.outbound, decision.inbound],
        });
        true
    }

    /// Notes that the exchange ends without a decision, or without the one that counts.
    pub fn refused(&mut self, reason: &'static str) {
        self.outcome = Some(Outcome {
            weight: u8::MAX,
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

    /// Whether its record will be kept, as far as that must be known before something is released.
    pub fn will_be_kept(&self) -> bool {
        self.recorder.will_keep()
    }

    /// What reports and warnings need of it.
    fn event(&self, outcome: &Outcome, time: SystemTime) -> events::Event {
        let token = self.seen.as_ref().and_then(Seen::token);
        // Of tokens that disagree the first need not be the one decided about.
        let account = token.filter(|token| Some(token.tenant) == self.sign_in_tenant);
        let id = |text: Option<&str>| text.and_then(|text| Uuid::try_parse(text).ok());
        let blocks = |direction| {
            let mut sides = outcome.sides.iter().flatten();
            sides.any(|side| side.direction == direction && side.finding.blocks())
        };
        events::Event {
            time,
            id: self.decision_id,
            route: Arc::clone(&self.route.name),
            connector: self.connector.clone(),
            decision: outcome.decision,
            reason: outcome.reason,
            creator: self.creator.and_then(Creator::tenant),
            sign_in: self.sign_in_tenant,
            app_id: id(identifier(token.and_then(|token| token.app_id.as_deref()))),
            user_object_id: id(identifier(
                account.and_then(|token| token.user_object_id.as_deref()),
            )),
            blocks: events::Blocks {
                outbound: blocks(Direction::Outbound),
                inbound: blocks(Direction::Inbound),
            },
            released: self.released(outcome),
        }
    }

    /// Whether something left us: an answer, or a request to a service, whatever came of that.
    fn released(&self, outcome: &Outcome) -> bool {
        let creates = matches!(self.route.kind, RouteKind::Connection(_));
        released(outcome.decision) || self.forwarded && creates
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or(Outcome {
            weight: u8::MAX,
            decision: "error",
            reason: "client_gone",
            sides: [None, None],
        });
        let (time, duration) = (SystemTime::now(), self.started.elapsed());
        self.counts.ended(Ended {
            decision: outcome.decision,
            reason: outcome.reason,
            token_kind: self.seen.as_ref().map(Seen::kind),
            total: duration,
            upstream: (self.upstream_us > 0).then(|| Duration::from_micros(self.upstream_us)),
        });
        let line = Line::of(self, &outcome, time, duration.as_micros());
        if self.released(&outcome) {
            self.recorder.audit.write_released(&line);
        } else {
            self.recorder.audit.write(&line);
        }
        if let Some(mut trace) = self.trace.take() {
            if let Some(Waited { from, until }) = self.waited {
                trace.step("keys", from, until, Vec::new());
            }
            trace.end(|| span::name(self), || span::ended(self, &outcome));
        }
        if self.recorder.wants(outcome.decision) {
            self.recorder.tell(self.event(&outcome, time));
        }
    }
}

/// Whether an answer is released under a decision, by its word.
fn released(decision: &str) -> bool {
    matches!(decision, "allow" | "pass_non_entra" | "would_block")
}

/// How much a decision weighs: nothing to decide, allowed (across tenants more than within one),
/// passed through a known gap, withheld.
fn weight(decision: &Decision) -> u8 {
    match (&decision.verdict, decision.reason) {
        (Verdict::Allow(_), Reason::NoToken) => 0,
        (Verdict::Allow(_), Reason::SameTenant) => 1,
        (Verdict::Allow(_), Reason::WithoutClientTenantAllowed) => 3,
        (Verdict::Allow(_), Reason::Undetermined(_)) => 5,
        (Verdict::Allow(_), _) => 2,
        (Verdict::PassNonEntra(_), _) => 4,
        (Verdict::WouldBlock(_), _) => 6,
        (Verdict::Block | Verdict::Unavailable, _) => 7,
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

/// The client's `client-request-id`, if it sent a sound one.
pub fn correlation_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("client-request-id")?.to_str().ok()?;
    let sound = id
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    ((1..=64).contains(&id.len()) && sound).then(|| id.to_owned())
}

#[cfg(test)]
mod tests;
