//! An exchange as its span tells of it.
//!
//! Invariant: what an audit record holds, but not the account that signed in. Every text in it that
//! comes from outside is bounded.

use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::{Exchange, Outcome, Seen};
use crate::core::creator::Creator;
use crate::traces::{Ended, status_code};

/// The span's name.
pub(super) fn name(exchange: &Exchange) -> String {
    format!("exchange {}", exchange.route.name)
}

/// How the exchange ended.
pub(super) fn ended(exchange: &Exchange, outcome: &Outcome) -> Ended {
    let text = |key: &'static str, value: String| KeyValue::new(key, value);
    let word = |key: &'static str, value: &'static str| KeyValue::new(key, value);
    let mut attributes = vec![
        text("http.route", exchange.route.path.to_string()),
        text("tidegate.decision_id", exchange.decision_id.to_string()),
        text("tidegate.route", exchange.route.name.to_string()),
        word("tidegate.route_kind", exchange.route.kind.as_str()),
        word("tidegate.mode", exchange.mode.as_str()),
        word("tidegate.decision", outcome.decision),
        word("tidegate.reason", outcome.reason),
        KeyValue::new("tidegate.early", exchange.early),
    ];
    let creator = exchange.creator;
    let mut add = |attribute: Option<KeyValue>| attributes.extend(attribute);
    add(exchange.status.map(status_code));
    add(exchange
        .connector
        .clone()
        .map(|name| text("tidegate.connector", name)));
    add(exchange
        .correlation_id
        .clone()
        .map(|id| text("tidegate.correlation_id", id)));
    add(exchange
        .grant_type
        .map(|grant| word("tidegate.grant_type", grant)));
    add(exchange
        .seen
        .as_ref()
        .map(|seen| word("tidegate.token_kind", Seen::kind(seen))));
    add(creator.map(|creator| word("tidegate.creator_source", creator.source())));
    add(creator
        .and_then(Creator::tenant)
        .map(|tenant| text("tidegate.creator_tenant", tenant.to_string())));
    add(exchange
        .sign_in_tenant
        .map(|tenant| text("tidegate.sign_in_tenant", tenant.to_string())));
    add(blocked_by(outcome));
    let error = error(exchange, outcome);
    add(error.map(|reason| word("error.type", reason)));
    Ended { attributes, error }
}

/// The directions that are blocked, or would be.
fn blocked_by(outcome: &Outcome) -> Option<KeyValue> {
    let sides = outcome.sides.iter().flatten();
    let blocking = sides.filter(|side| side.finding.blocks());
    let directions: Vec<StringValue> = blocking
        .map(|side| StringValue::from(side.direction.as_str()))
        .collect();
    let some = !directions.is_empty();
    some.then(|| {
        KeyValue::new(
            "tidegate.blocked_by",
            Value::Array(Array::String(directions)),
        )
    })
}

/// Why it failed, unless that is the client's to answer for. Withholding is no failure.
fn error(exchange: &Exchange, outcome: &Outcome) -> Option<&'static str> {
    let ours = exchange.status.is_none_or(|status| status >= 500);
    ours.then_some(outcome.reason)
}
