//! Audit records: one JSON line per exchange, whatever happens to it, and one for each attempt to
//! change a policy.
//!
//! Invariant: an [`Exchange`] is written exactly once, when it is dropped; so "exactly one record"
//! holds for answers, refusals, panics and clients that go away. It has no field that could hold a
//! token, code, secret or assertion, and every text in it is bounded.

mod change;
mod line;
mod seen;
mod writer;

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use uuid::Uuid;

use crate::config::{Connector, Route};
use crate::core::creator::Creator;
use crate::core::isolation::{Decision, Reason, Side, Verdict};
use crate::core::policy::Mode;
use crate::core::tenant::TenantId;
use crate::recorder::Recorder;
use line::Line;

pub use change::{Event, PolicyRequest, Text, Who};
pub use seen::Seen;
pub use writer::{Audit, Writer};

/// One exchange, from its first header to its answer. Dropping it writes its record.
pub struct Exchange {
    recorder: Recorder,
    /// The route it came on.
    pub route: Arc<Route>,
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
    pub fn open(recorder: Recorder, route: Arc<Route>, mode: Mode) -> Self {
        Self {
            recorder,
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
        self.trace_id = text("traceparent")
            .and_then(|parent| parent.split('-').nth(1))
            .filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
            .map(str::to_owned);
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
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or(Outcome {
            weight: u8::MAX,
            decision: "error",
            reason: "client_gone",
            sides: [None, None],
        });
        let duration = self.started.elapsed();
        self.recorder.metrics.exchange(
            &self.route.name,
            outcome.decision,
            outcome.reason,
            duration,
            self.upstream_us,
        );
        self.recorder
            .audit
            .write(&Line::of(self, &outcome, duration.as_micros()));
    }
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
