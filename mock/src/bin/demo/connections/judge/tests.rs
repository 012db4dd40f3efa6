//! The judge sees every kind of difference: a table that cannot fail proves nothing.

use http::{HeaderMap, Method, Version};
use serde_json::{Value, json};
use tidegate_mock::tenants::{CONTOSO, FABRIKAM};
use tidegate_mock::{Issuers, Mint, Request};

use super::{CREATOR_TENANT, DECISION_ID, Outcome, SIGN_IN_TENANT, judge};
use crate::connections::send::{Received, Sent};
use crate::connections::{Case, Creator, Expected, Refusal, SignIn};
use crate::rows::BOTH_SIDES;

/// What is changed, and how.
type Change<T> = (&'static str, fn(&mut T));

const REFUSAL: Refusal = Refusal {
    status: 401,
    code: "InvalidSignInToken",
    reason: "token_signature",
};

fn case(expected: Expected) -> Case {
    Case {
        creator: Creator::Bearer(CONTOSO),
        sign_in: SignIn::User(FABRIKAM),
        expected,
    }
}

fn browser(expected: Expected) -> Case {
    Case {
        creator: Creator::Browser(CONTOSO),
        ..case(expected)
    }
}

/// An outcome as documented, to be changed.
struct Scene {
    case: Case,
    sent: Sent,
    received: Received,
    seen: Vec<Request>,
    record: Value,
}

impl Scene {
    fn of(case: Case) -> Self {
        let mint = Mint::new(Issuers::default()).unwrap();
        let sent = Sent::of(&case, &mint).unwrap();
        let (status, body) = answer(&case, &sent);
        let mut headers = HeaderMap::new();
        headers.insert("cache-control", "no-store".parse().unwrap());
        if case.is_browser() {
            headers.insert("content-type", "text/html; charset=utf-8".parse().unwrap());
        }
        if status == 401 {
            headers.insert("www-authenticate", "Bearer realm=\"x\"".parse().unwrap());
        }
        let seen = case.expected.forwards().then(|| forwarded(&sent));
        let record = json!({
            "decision": case.expected.decision(),
            "decision_id": "d-1",
            "reason": REFUSAL.reason,
            "creator_tenant": CONTOSO,
            "blocked_by": match case.expected {
                Expected::Block(sides) => sides
                    .iter()
                    .map(|(tenant, direction)| json!({ "tenant": tenant, "direction": direction }))
                    .collect(),
                Expected::Allow | Expected::PassNonEntra | Expected::Refuse(_) => Vec::new(),
            },
        });
        Self {
            case,
            sent,
            received: Received {
                status,
                headers,
                body,
            },
            seen: seen.into_iter().collect(),
            record,
        }
    }

    fn problems(&self) -> Vec<String> {
        judge(
            &self.case,
            &Outcome {
                sent: &self.sent,
                received: &self.received,
                seen: &self.seen,
                record: &self.record,
            },
        )
    }

    /// How many problems a change makes.
    fn changed(case: Case, change: impl FnOnce(&mut Self)) -> usize {
        let mut scene = Self::of(case);
        change(&mut scene);
        scene.problems().len()
    }
}

fn answer(case: &Case, sent: &Sent) -> (u16, String) {
    let error = |code: &str, message: &str| {
        json!({ "error": { "code": code, "message": message } }).to_string()
    };
    match case.expected {
        Expected::Allow | Expected::PassNonEntra if case.is_browser() => {
            (200, "<p>You are connected.</p>".to_owned())
        }
        Expected::Allow | Expected::PassNonEntra => {
            let path = sent.target.split('?').next().unwrap();
            (201, json!({ "id": path }).to_string())
        }
        Expected::Block(_) if case.is_browser() => {
            (403, "<p>It is blocked by tenant isolation.</p>".to_owned())
        }
        Expected::Block(_) => (
            403,
            error(
                "BlockedByTenantIsolation",
                "It is blocked by tenant isolation.",
            ),
        ),
        Expected::Refuse(refusal) => (refusal.status, error(refusal.code, "No.")),
    }
}

fn forwarded(sent: &Sent) -> Request {
    let mut headers = sent.headers.clone();
    headers.insert(CREATOR_TENANT, CONTOSO.parse().unwrap());
    headers.insert(SIGN_IN_TENANT, FABRIKAM.parse().unwrap());
    headers.insert(DECISION_ID, "d-1".parse().unwrap());
    let (path, query) = match sent.target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (sent.target.clone(), None),
    };
    Request {
        method: sent.method.clone(),
        path,
        query,
        version: Version::HTTP_11,
        headers,
        body: sent.body.clone().into(),
    }
}

#[test]
fn accepts_what_is_as_documented() {
    for expected in [
        Expected::Allow,
        Expected::Block(BOTH_SIDES),
        Expected::PassNonEntra,
        Expected::Refuse(REFUSAL),
    ] {
        assert_eq!(Scene::of(case(expected)).problems(), Vec::<String>::new());
    }
    for expected in [Expected::Allow, Expected::Block(BOTH_SIDES)] {
        assert_eq!(
            Scene::of(browser(expected)).problems(),
            Vec::<String>::new()
        );
    }
}

#[test]
fn sees_a_request_that_got_through() {
    for expected in [Expected::Block(BOTH_SIDES), Expected::Refuse(REFUSAL)] {
        let through = |scene: &mut Scene| scene.seen.push(forwarded(&scene.sent));
        assert_eq!(Scene::changed(case(expected), through), 1);
    }
}

#[test]
fn sees_a_request_that_is_not_the_one_sent() {
    let changes: [Change<Request>; 8] = [
        ("one byte", |seen| seen.body = seen.body.slice(1..)),
        ("method", |seen| seen.method = Method::POST),
        ("path", |seen| seen.path.push('/')),
        ("query", |seen| seen.query = None),
        ("bearer", |seen| drop(seen.headers.remove("authorization"))),
        ("creator told", |seen| {
            drop(seen.headers.remove(CREATOR_TENANT))
        }),
        ("sign-in told", |seen| {
            seen.headers
                .insert(SIGN_IN_TENANT, CONTOSO.parse().unwrap());
        }),
        ("id told", |seen| drop(seen.headers.remove(DECISION_ID))),
    ];
    for (name, change) in changes {
        let count = Scene::changed(case(Expected::Allow), |scene| change(&mut scene.seen[0]));
        assert_eq!(count, 1, "{name}");
    }
    let lost = |scene: &mut Scene| scene.seen.clear();
    assert_eq!(Scene::changed(case(Expected::Allow), lost), 1);
    let twice = |scene: &mut Scene| scene.seen.push(forwarded(&scene.sent));
    assert_eq!(Scene::changed(case(Expected::Allow), twice), 1);
}

#[test]
fn sees_a_wrong_answer() {
    let changes: [Change<Received>; 5] = [
        ("status", |received| received.status = 400),
        ("words", |received| {
            received.body = received.body.replace("blocked by tenant isolation", "no");
        }),
        ("code", |received| {
            received.body = received.body.replace("BlockedBy", "By")
        }),
        ("token", |received| {
            received.body.insert_str(1, "\"t\":\"eyJ\",")
        }),
        ("stored", |received| {
            drop(received.headers.remove("cache-control"))
        }),
    ];
    for (name, change) in changes {
        let blocked = case(Expected::Block(BOTH_SIDES));
        let count = Scene::changed(blocked, |scene| change(&mut scene.received));
        assert_eq!(count, 1, "{name}");
    }
    let other = |scene: &mut Scene| scene.received.body = "{}".to_owned();
    assert_eq!(Scene::changed(case(Expected::Allow), other), 1);
    assert_eq!(Scene::changed(browser(Expected::Allow), other), 1);
    let bare = |scene: &mut Scene| drop(scene.received.headers.remove("content-type"));
    assert_eq!(
        Scene::changed(browser(Expected::Block(BOTH_SIDES)), bare),
        1
    );
    let quiet = |scene: &mut Scene| drop(scene.received.headers.remove("www-authenticate"));
    assert_eq!(Scene::changed(case(Expected::Refuse(REFUSAL)), quiet), 1);
}

#[test]
fn sees_a_wrong_record() {
    for (member, value) in [
        ("decision", json!("allow")),
        ("creator_tenant", json!(FABRIKAM)),
        ("blocked_by", json!([])),
    ] {
        let blocked = case(Expected::Block(BOTH_SIDES));
        let count = Scene::changed(blocked, |scene| scene.record[member] = value);
        assert_eq!(count, 1, "{member}");
    }
    let vague = |scene: &mut Scene| scene.record["reason"] = json!("sign_in_token_refused");
    assert_eq!(Scene::changed(case(Expected::Refuse(REFUSAL)), vague), 1);
}
