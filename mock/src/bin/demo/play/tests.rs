//! The judge sees every kind of difference: a table that cannot fail proves nothing.

use serde_json::{Value, json};
use tidegate_mock::Issuers;
use tidegate_mock::tenants::{CONTOSO, FABRIKAM};

use super::judge;
use crate::client::Answer;
use crate::rows::{Expected, Row, SignIn};

const BLOCK: Expected = Expected::Block(&[(CONTOSO, "outbound"), (FABRIKAM, "inbound")]);

fn row(expected: Expected) -> Row {
    Row {
        creator: Some(CONTOSO),
        sign_in: SignIn::User(FABRIKAM),
        expected,
    }
}

fn answer(status: u16, body: Value) -> Answer {
    Answer {
        correlation_id: "c-1".into(),
        status,
        body,
    }
}

fn refusal() -> Value {
    json!({
        "error": "access_denied",
        "error_description": "It was blocked by tenant isolation.",
        "suberror": "blocked_by_tenant_isolation",
        "correlation_id": "c-1",
    })
}

fn blocked() -> Value {
    json!({
        "decision": "block",
        "creator_tenant": CONTOSO,
        "blocked_by": [
            { "tenant": FABRIKAM, "direction": "inbound" },
            { "tenant": CONTOSO, "direction": "outbound" },
        ],
    })
}

fn tokens(tenant: &str) -> Value {
    let mint = tidegate_mock::Mint::new(Issuers::default()).unwrap();
    json!({ "access_token": mint.access_token(tenant).build() })
}

#[test]
fn accepts_what_is_as_documented() {
    let none: Vec<String> = Vec::new();
    assert_eq!(
        judge(&row(BLOCK), &answer(403, refusal()), &blocked()),
        none
    );
    let allowed = json!({ "decision": "allow", "creator_tenant": CONTOSO, "blocked_by": [] });
    assert_eq!(
        judge(
            &row(Expected::Allow),
            &answer(200, tokens(FABRIKAM)),
            &allowed
        ),
        none
    );
}

#[test]
fn sees_a_wrong_decision_and_a_missing_side() {
    assert!(!judge(&row(Expected::Allow), &answer(403, refusal()), &blocked()).is_empty());
    let mut one_side = blocked();
    one_side["blocked_by"].as_array_mut().unwrap().pop();
    assert_eq!(
        judge(&row(BLOCK), &answer(403, refusal()), &one_side).len(),
        1
    );
    let mut other_creator = blocked();
    other_creator["creator_tenant"] = json!(FABRIKAM);
    assert_eq!(
        judge(&row(BLOCK), &answer(403, refusal()), &other_creator).len(),
        1
    );
}

#[test]
fn sees_a_wrong_refusal() {
    for (member, value) in [
        ("error", json!("invalid_grant")),
        ("suberror", json!(null)),
        ("error_description", json!("No.")),
        ("correlation_id", json!("c-2")),
        ("hint", tokens(FABRIKAM)["access_token"].clone()),
    ] {
        let mut body = refusal();
        body[member] = value;
        assert_eq!(
            judge(&row(BLOCK), &answer(403, body), &blocked()).len(),
            1,
            "{member}"
        );
    }
    assert_eq!(
        judge(&row(BLOCK), &answer(400, refusal()), &blocked()).len(),
        1
    );
}

#[test]
fn sees_tokens_of_another_tenant_and_none_at_all() {
    let allowed = json!({ "decision": "allow", "creator_tenant": CONTOSO, "blocked_by": [] });
    for body in [tokens(CONTOSO), json!({})] {
        assert!(!judge(&row(Expected::Allow), &answer(200, body), &allowed).is_empty());
    }
}
