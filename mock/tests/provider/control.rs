//! The control endpoints for tests in other processes.

use serde_json::{Value, json};
use tidegate_mock::jwt;
use tidegate_mock::tenants::{CONTOSO, FABRIKAM};

use crate::harness::{Fixture, entra};

async fn order(mock: &Fixture, body: Value) -> (u16, Value) {
    post(mock, "token", body).await
}

async fn post(mock: &Fixture, endpoint: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/_mock/{endpoint}", mock.idp.url());
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

#[tokio::test]
async fn takes_audience_lifetime_key_and_raw_members() {
    let mock = entra().await;
    let wanted = json!({
        "tenant": "contoso.com", "aud": "api://platform", "lifetime": -61, "key": "personal",
        "header": { "kid": "other" },
    });
    let (_, body) = order(&mock, wanted).await;
    assert_eq!(body["claims"]["aud"], "api://platform");
    assert!(body["claims"]["exp"].as_u64().unwrap() <= tidegate_mock::now() - 61);
    let token = body["token"].as_str().unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid;
    assert_eq!(kid.as_deref(), Some("other"));

    let twice = r#"{"tid":"a","tid":"b"}"#;
    let header = r#"{"alg":"RS256"}"#;
    let raw = json!({ "tenant": CONTOSO, "raw_claims": twice, "raw_header": header });
    let (_, body) = order(&mock, raw).await;
    let token = body["token"].as_str().unwrap();
    let sent = format!("{}.{}.", jwt::b64(header), jwt::b64(twice));
    assert!(token.starts_with(&sent), "{token}");

    let both = json!({ "tenant": CONTOSO, "key": "personal", "seal": "none" });
    assert_eq!(order(&mock, both).await.0, 400);
}

#[tokio::test]
async fn gives_bare_tokens_to_shells() {
    let mock = entra().await;
    let path = "/_mock/token?tenant=contoso.com&aud=api%3A%2F%2Fplatform&kind=id&lifetime=30";
    let token = mock.get(path).await.text().await.unwrap();
    let keys = "/common/discovery/v2.0/keys";
    assert_eq!(
        mock.verify(keys, &token).await.unwrap()["aud"],
        "api://platform"
    );
    let path = format!("/_mock/token?tenant={FABRIKAM}&kind=azure-devops");
    let token = mock.get(&path).await.text().await.unwrap();
    let claims = jwt::claims(&token).unwrap();
    assert_eq!(claims["iss"], tidegate_mock::AZURE_DEVOPS_ISSUER);
    assert_eq!(claims["tid"], FABRIKAM);
    for wrong in [
        "",
        "?tenant=contoso.com&lifetime=x",
        "?tenant=contoso.com&claims=x",
    ] {
        assert_eq!(
            mock.get(&format!("/_mock/token{wrong}")).await.status(),
            400
        );
    }
}

#[tokio::test]
async fn changes_the_published_keys_all_or_nothing() {
    let mock = entra().await;
    let words = |keys: &Value| -> Vec<String> {
        let list = keys["published"].as_array().unwrap().iter();
        list.map(|key| key["key"].as_str().unwrap().to_owned())
            .collect()
    };
    let start = mock.get_json("/_mock/keys").await;
    assert_eq!(words(&start), ["enterprise", "enterprise-next", "personal"]);
    assert_eq!(start["signing"], "enterprise");
    let change = json!({
        "add": "unpublished", "issuer": "", "remove": "enterprise-next", "sign_with": "unpublished",
        "trouble": "down", "document": "discovery", "jwks_uri": "https://elsewhere.example/",
    });
    let (_, changed) = post(&mock, "keys", change).await;
    assert_eq!(words(&changed), ["enterprise", "personal", "unpublished"]);
    assert_eq!(changed["published"][2]["issuer"], Value::Null);
    assert_eq!(changed["signing"], "unpublished");
    let path = "/common/v2.0/.well-known/openid-configuration";
    assert_eq!(mock.get(path).await.status(), 500);
    let (_, mended) = post(&mock, "keys", json!({ "mend": "discovery" })).await;
    assert_eq!(mended["fetches"], json!({ "discovery": 1, "keys": 0 }));
    let document = mock.get_json(path).await;
    assert_eq!(document["jwks_uri"], "https://elsewhere.example/");
    for wrong in [
        json!({ "remove": "enterprise", "sign_with": "?" }),
        json!({ "remove": "enterprise", "trouble": "?" }),
        json!({ "remove": "enterprise", "trouble": "huge" }),
        json!({ "remove": "enterprise", "mend": "?" }),
        json!({ "renew": "enterprise" }),
    ] {
        assert_eq!(post(&mock, "keys", wrong).await.0, 400);
    }
    assert_eq!(words(&mock.get_json("/_mock/keys").await), words(&changed));
    let url = format!("{}/_mock/keys", mock.idp.url());
    assert_eq!(mock.client.delete(url).send().await.unwrap().status(), 204);
    assert_eq!(words(&mock.get_json("/_mock/keys").await), words(&start));
}
