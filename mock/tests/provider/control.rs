//! The control endpoints for tests in other processes.

use serde_json::{Value, json};
use tidegate_mock::tenants::FABRIKAM;

use crate::harness::{Fixture, entra};

async fn order(mock: &Fixture, body: Value) -> (u16, Value) {
    let url = format!("{}/_mock/token", mock.idp.url());
    let response = mock.client.post(url).json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn signs_tokens_of_any_tenant() {
    let mock = entra().await;
    let tenant = "0a0a0a0a-0000-4000-8000-00000000000a";
    let ordered =
        json!({ "tenant": tenant, "version": "1.0", "claims": { "wids": ["x"], "oid": null } });
    let (status, body) = order(&mock, ordered).await;
    assert_eq!(status, 200);
    let token = body["token"].as_str().unwrap();
    let claims = mock.verify("/common/discovery/keys", token).await.unwrap();
    assert_eq!(
        (claims["tid"].as_str(), claims["ver"].as_str()),
        (Some(tenant), Some("1.0"))
    );
    assert_eq!(claims["wids"], json!(["x"]));
    assert!(claims.get("oid").is_none());
    assert_eq!(body["claims"], claims);
}

#[tokio::test]
async fn makes_wrong_tokens_and_guests() {
    let mock = entra().await;
    let (_, body) = order(
        &mock,
        json!({ "tenant": "fabrikam.com", "seal": "unpublished-key" }),
    )
    .await;
    assert_eq!(body["claims"]["tid"], FABRIKAM);
    let token = body["token"].as_str().unwrap();
    assert!(
        mock.verify("/common/discovery/v2.0/keys", token)
            .await
            .is_err()
    );
    let guest = json!({ "tenant": "fabrikam.com", "kind": "id", "user": "al@contoso.com" });
    assert!(order(&mock, guest).await.1["claims"]["idp"].is_string());
    for wrong in [
        json!({}),
        json!({ "tenant": "fabrikam.com", "seal": "?" }),
        json!({ "tenant": "unknown.example" }),
    ] {
        assert_eq!(order(&mock, wrong).await.0, 400);
    }
}

#[tokio::test]
async fn shows_and_clears_the_log_without_appearing_in_it() {
    let mock = entra().await;
    mock.post("/common/oauth2/v2.0/token", &[("grant_type", "password")])
        .await;
    let log = mock.get_json("/_mock/requests").await;
    assert_eq!((&log["count"], &log["token_posts"]), (&json!(1), &json!(1)));
    assert_eq!(log["requests"][0]["target"], "/common/oauth2/v2.0/token");
    let url = format!("{}/_mock/requests", mock.idp.url());
    assert_eq!(mock.client.delete(url).send().await.unwrap().status(), 204);
    assert_eq!(mock.idp.requests().count(), 0);
}
