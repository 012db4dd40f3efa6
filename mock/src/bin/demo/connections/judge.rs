//! Holds one outcome against the documentation: what the client received, what the service saw,
//! and what the record says.

use serde_json::Value;
use tidegate_mock::Request;

use super::send::{Received, Sent};
use super::{Case, Expected, Refusal};
use crate::play::{sides, sorted, text};

/// What the gateway tells the service, by the names in the demo's configuration.
pub(crate) const CREATOR_TENANT: &str = "x-tidegate-creator-tenant";
/// The sign-in tenant.
pub(crate) const SIGN_IN_TENANT: &str = "x-tidegate-sign-in-tenant";
/// The decision's id.
pub(crate) const DECISION_ID: &str = "x-tidegate-decision-id";

/// Everything about one request for a connection.
pub(crate) struct Outcome<'o> {
    pub(crate) sent: &'o Sent,
    pub(crate) received: &'o Received,
    /// The requests that reached the service.
    pub(crate) seen: &'o [Request],
    pub(crate) record: &'o Value,
}

/// The differences found so far.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn check(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }

    fn same(&mut self, what: &str, found: &str, expected: &str) {
        self.check(found == expected, || {
            format!("{what} is {found:?} instead of {expected:?}")
        });
    }
}

/// Everything about an outcome that is not as documented.
pub(crate) fn judge(case: &Case, outcome: &Outcome<'_>) -> Vec<String> {
    let mut problems = Problems::default();
    record(case, outcome.record, &mut problems);
    if case.expected.forwards() {
        forwarded(case, outcome, &mut problems);
    } else {
        problems.check(outcome.seen.is_empty(), || {
            format!("the service saw {} requests", outcome.seen.len())
        });
    }
    match case.expected {
        Expected::Allow | Expected::PassNonEntra => answered(case, outcome, &mut problems),
        Expected::Block(_) => blocked(case, outcome, &mut problems),
        Expected::Refuse(refusal) => refused(refusal, outcome.received, &mut problems),
    }
    problems.0
}

fn record(case: &Case, record: &Value, problems: &mut Problems) {
    problems.same(
        "the record's decision",
        text(record, "decision"),
        case.expected.decision(),
    );
    let expected = match case.expected {
        Expected::Block(sides) => sorted(sides),
        Expected::Allow | Expected::PassNonEntra | Expected::Refuse(_) => Vec::new(),
    };
    let found = sides(record);
    problems.check(found == expected, || format!("the record names {found:?}"));
    problems.same(
        "the record's creator",
        text(record, "creator_tenant"),
        case.creator_tenant().unwrap_or_default(),
    );
    if let Expected::Refuse(refusal) = case.expected {
        problems.same(
            "the record's reason",
            text(record, "reason"),
            refusal.reason,
        );
    }
}

/// The service saw this request once, as it was sent.
fn forwarded(case: &Case, outcome: &Outcome<'_>, problems: &mut Problems) {
    let sent = outcome.sent;
    let [seen] = outcome.seen else {
        let count = outcome.seen.len();
        problems.0.push(format!("the service saw {count} requests"));
        return;
    };
    problems.same("the method", seen.method.as_str(), sent.method.as_str());
    problems.same("the target", &seen.target(), &sent.target);
    problems.check(seen.body == sent.body, || {
        format!("the service saw other bytes: {:?}", seen.text())
    });
    for name in ["authorization", "content-type"] {
        let same = seen.headers.get(name) == sent.headers.get(name);
        problems.check(same, || format!("the service saw another {name}"));
    }
    let told = [
        (CREATOR_TENANT, case.creator_tenant()),
        (SIGN_IN_TENANT, case.sign_in_tenant()),
        (DECISION_ID, Some(text(outcome.record, "decision_id"))),
    ];
    for (name, expected) in told {
        let found = seen.header(name).unwrap_or_default();
        problems.same(name, found, expected.unwrap_or_default());
    }
}

/// The client has the service's own answer.
fn answered(case: &Case, outcome: &Outcome<'_>, problems: &mut Problems) {
    let received = outcome.received;
    if case.is_browser() {
        problems.same("the status", &received.status.to_string(), "200");
        let ours = received.is_page() && received.body.contains("You are connected.");
        problems.check(ours, || "the page is not the service's".to_owned());
        return;
    }
    problems.same("the status", &received.status.to_string(), "201");
    let body: Value = serde_json::from_str(&received.body).unwrap_or_default();
    let path = outcome.sent.target.split('?').next().unwrap_or_default();
    problems.same("the connection", text(&body, "id"), path);
}

/// The client has the documented words, in the route's format, and no token.
fn blocked(case: &Case, outcome: &Outcome<'_>, problems: &mut Problems) {
    let received = outcome.received;
    problems.same("the status", &received.status.to_string(), "403");
    let words = "blocked by tenant isolation";
    problems.check(received.body.contains(words), || {
        format!("the answer does not say {words:?}")
    });
    if case.is_browser() {
        problems.check(received.is_page(), || "the answer is no page".to_owned());
    } else {
        let body = error(received);
        problems.same("the code", text(&body, "code"), "BlockedByTenantIsolation");
    }
    withheld(received, problems);
}

fn refused(refusal: Refusal, received: &Received, problems: &mut Problems) {
    let status = refusal.status.to_string();
    problems.same("the status", &received.status.to_string(), &status);
    problems.same("the code", text(&error(received), "code"), refusal.code);
    let challenged = received.header("www-authenticate").starts_with("Bearer ");
    problems.check(challenged == (refusal.status == 401), || {
        "www-authenticate is not as it should be".to_owned()
    });
    withheld(received, problems);
}

fn withheld(received: &Received, problems: &mut Problems) {
    let stored = received.header("cache-control") != "no-store";
    problems.check(!stored, || "the answer may be stored".to_owned());
    problems.check(!received.body.contains("eyJ"), || {
        "the answer holds a token".to_owned()
    });
}

/// The `error` of an answer in Azure Resource Manager's form.
pub(crate) fn error(received: &Received) -> Value {
    let body: Value = serde_json::from_str(&received.body).unwrap_or_default();
    body.get("error").cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
