//! A browser comes back from signing in with a form (response_mode=form_post): the id_token in it
//! decides whether the consent server sees the code.

use serde_json::{Value, json};

use super::stage::{CLIENT, Stage, setup, user, values};
use crate::harness::connections::TOLD;
use crate::harness::*;

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// What the platform sends the browser away with.
fn parameters(stage: &Stage, tenant: &str) -> Value {
    json!({
        "client_id": CLIENT,
        "response_type": "code id_token",
        "response_mode": "form_post",
        "redirect_uri": format!("{}/redirect", stage.world.url()),
        "scope": "openid profile",
        "state": "a state of <its> own & more",
        "nonce": "n-0S6_WzA2Mj",
        "login_hint": user(tenant),
    })
}

fn browser(accept: &str) -> Value {
    json!({
        "accept": accept,
        "cookie": "state=\"a state of <its> own & more\"",
        "origin": "https://login.microsoftonline.com",
    })
}

/// The service's answer is the browser's, and the service has the form byte for byte.
#[tokio::test]
async fn a_consent_within_the_tenant_reaches_the_service() {
    let Some(mut stage) = Stage::start(setup().policy(Policy::on(CONTOSO))).await else {
        return;
    };
    let parameters = parameters(&stage, CONTOSO);
    for accept in [HTML, "*/*"] {
        let answer = stage.consent(&parameters, &browser(accept)).await;
        let record = stage.world.next_record().await;
        assert_eq!(answer["action"], parameters["redirect_uri"]);
        assert_eq!(answer["status"], 302, "{answer}");
        assert_eq!(
            answer["headers"]["location"],
            "https://platform.example/done"
        );
        assert_eq!(record["decision"], "allow", "{record}");
        assert_eq!(record["sign_in_tenant"], CONTOSO);
        assert_eq!(record["verified"], "signature");

        let created = stage.created().await;
        let last = created.last().unwrap();
        assert_eq!(last["body"], answer["sent"]);
        assert_eq!(values(last, TOLD[0]), [CONTOSO]);
        assert_eq!(values(last, TOLD[1]), [CONTOSO]);
        assert_eq!(
            values(last, TOLD[2]),
            [record["decision_id"].as_str().unwrap()]
        );
    }
    assert_eq!(stage.created().await.len(), 2);

    // What the consent server itself refuses is its own answer.
    let mut forged = browser(HTML);
    forged["cookie"] = "state=another".into();
    let answer = stage.consent(&parameters, &forged).await;
    let record = stage.world.next_record().await;
    assert_eq!(answer["status"], 400, "{answer}");
    assert_eq!(answer["text"], r#"{"error": "state"}"#);
    assert_eq!(record["upstream_status"], 400, "{record}");
    assert_eq!(stage.created().await.len(), 2);
    stage.finish().await;
}

/// A page for a browser, JSON for anybody else; the service never sees the code.
#[tokio::test]
async fn a_consent_of_another_tenant_is_blocked() {
    let Some(mut stage) = Stage::start(setup().policy(Policy::on(CONTOSO))).await else {
        return;
    };
    for tenant in [FABRIKAM, NORTHWIND, PERSONAL] {
        let parameters = parameters(&stage, tenant);
        for (accept, media_type) in [(HTML, "text/html"), ("*/*", "application/json")] {
            let answer = stage.consent(&parameters, &browser(accept)).await;
            let record = stage.world.next_record().await;
            assert_eq!(answer["status"], 403, "{answer}");
            let sent_as = answer["headers"]["content-type"].as_str().unwrap();
            assert_eq!(sent_as.split(';').next(), Some(media_type), "{answer}");
            let text = answer["text"].as_str().unwrap();
            assert!(text.contains("blocked by tenant isolation"), "{text}");
            assert!(text.contains(tenant), "{text}");
            stage
                .world
                .secrets
                .assert_none_in("the answer", text.as_bytes());
            assert_eq!(record["decision"], "block", "{record}");
            assert_eq!(record["sign_in_tenant"], tenant);
            assert_eq!(record["upstream_status"], Value::Null);
        }
    }
    assert_eq!(stage.created().await, Vec::<Value>::new());
    stage.finish().await;
}

/// A browser that signed in to another application, or whose form was changed on the way.
#[tokio::test]
async fn a_consent_that_is_not_for_this_application_is_refused() {
    let Some(mut stage) = Stage::start(setup().policy(Policy::on(CONTOSO))).await else {
        return;
    };
    let mut parameters = parameters(&stage, CONTOSO);
    parameters["client_id"] = "dddddddd-dddd-4ddd-8ddd-dddddddddddd".into();
    let answer = stage.consent(&parameters, &browser(HTML)).await;
    let record = stage.world.next_record().await;
    assert_eq!(answer["status"], 401, "{answer}");
    assert_eq!(record["reason"], "token_audience", "{record}");

    let url = format!("{}/redirect", stage.world.url());
    for key in ["unpublished", "personal"] {
        let order =
            json!({ "tenant": CONTOSO, "audience": CLIENT, "key": key, "named": "enterprise" });
        let token = stage.make(&order).await;
        let mut headers = browser(HTML);
        headers["content-type"] = "application/x-www-form-urlencoded".into();
        let form = format!("code=0.code&id_token={token}&state=x");
        let answer = stage.send("POST", &url, &headers, form.as_bytes()).await;
        let record = stage.world.next_record().await;
        assert_eq!(answer["status"], 401, "{answer}");
        assert_eq!(record["reason"], "token_signature", "{record}");
        let challenge = &answer["headers"]["www-authenticate"];
        assert_eq!(
            challenge,
            r#"Bearer realm="tidegate", error="invalid_token""#
        );
    }
    assert_eq!(stage.created().await, Vec::<Value>::new());
    stage.finish().await;
}
