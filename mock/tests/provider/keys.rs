//! What is published about the keys changes at once, and every kind of trouble is what it is called.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_mock::tenants::{CONTOSO, PERSONAL};
use tidegate_mock::{Document, KeyIssuer, KeyName, Reply, Trouble};

use crate::harness::{Fixture, entra};

const KEYS: &str = "/common/discovery/v2.0/keys";
const DISCOVERY: &str = "/common/v2.0/.well-known/openid-configuration";

async fn kids(mock: &Fixture, path: &str) -> Vec<String> {
    let set = mock.get_json(path).await;
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn keys_are_published_as_entra_does() {
    let mock = entra().await;
    for path in [
        KEYS,
        "/organizations/discovery/v2.0/keys",
        "/consumers/discovery/v2.0/keys",
        "/contoso.com/discovery/v2.0/keys",
        "/common/discovery/keys",
    ] {
        let set = mock.get_json(path).await;
        for key in set["keys"].as_array().unwrap() {
            assert_eq!((&key["kty"], &key["use"]), (&json!("RSA"), &json!("sig")));
            assert_eq!((&key["x5t"], &key["e"]), (&key["kid"], &json!("AQAB")));
            assert!(key["x5c"][0].is_string() && key["n"].is_string(), "{path}");
        }
    }
    let consumers = mock.get_json("/consumers/discovery/v2.0/keys").await;
    let literal = format!("https://login.microsoftonline.com/{PERSONAL}/v2.0");
    assert_eq!(consumers["keys"][0]["issuer"], literal);
    assert_eq!(consumers["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_rollover_publishes_a_key_and_signs_with_it() {
    let mock = entra().await;
    let (mint, keys) = (mock.idp.mint(), mock.idp.keys());
    keys.sign_with(KeyName::Unpublished);
    let early = mint.access_token(CONTOSO).build();
    assert_eq!(mock.verify(KEYS, &early).await.unwrap_err(), "unknown kid");
    keys.add(KeyName::Unpublished);
    assert!(mock.verify(KEYS, &early).await.is_ok());
    let personal = mint.access_token(PERSONAL).build();
    let header = jsonwebtoken::decode_header(&personal).unwrap();
    let own = mint.key(KeyName::Personal).kid();
    assert_eq!(header.kid.as_deref(), Some(own));
    keys.reset();
    assert!(mock.verify(KEYS, &early).await.is_err());
}

#[tokio::test]
async fn an_emergency_takes_a_key_away_at_once() {
    let mock = entra().await;
    let token = mock.idp.mint().access_token(CONTOSO).build();
    assert!(mock.verify(KEYS, &token).await.is_ok());
    mock.idp.keys().remove(KeyName::Enterprise);
    for path in [KEYS, "/common/discovery/keys"] {
        assert_eq!(mock.verify(path, &token).await.unwrap_err(), "unknown kid");
    }
}

#[tokio::test]
async fn an_added_key_has_the_issuer_it_is_given_and_stands_once() {
    let mock = entra().await;
    let keys = mock.idp.keys();
    let kid = mock.idp.mint().key(KeyName::Enterprise).kid().to_owned();
    for (issuer, expected) in [
        (
            KeyIssuer::Literal("https://x.example/".into()),
            json!("https://x.example/"),
        ),
        (KeyIssuer::Missing, Value::Null),
        (
            KeyIssuer::Enterprise,
            json!("https://login.microsoftonline.com/{tenantid}/v2.0"),
        ),
    ] {
        keys.add_for(KeyName::Enterprise, issuer);
        let set = mock.get_json(KEYS).await;
        let mut found = set["keys"].as_array().unwrap().iter();
        let mut found = found.by_ref().filter(|key| key["kid"] == kid);
        assert_eq!(found.next().unwrap()["issuer"], expected);
        assert!(found.next().is_none());
    }
}

#[tokio::test]
async fn anything_can_stand_beside_the_good_keys() {
    let mock = entra().await;
    let keys = mock.idp.keys();
    let mut odd = keys.jwk(KeyName::Unpublished);
    odd["use"] = json!("enc");
    keys.add_odd(odd.clone());
    keys.add_odd(json!(7));
    let set = mock.get_json(KEYS).await;
    let last: Vec<&Value> = set["keys"].as_array().unwrap().iter().skip(3).collect();
    assert_eq!(last, [&odd, &json!(7)]);
}

#[tokio::test]
async fn metadata_can_name_other_places() {
    let mock = entra().await;
    let keys = mock.idp.keys();
    keys.jwks_uri("https://elsewhere.example/keys");
    keys.issuer("https://elsewhere.example/{tenantid}/v2.0");
    let document = mock.get_json(DISCOVERY).await;
    assert_eq!(document["jwks_uri"], "https://elsewhere.example/keys");
    assert_eq!(
        document["issuer"],
        "https://elsewhere.example/{tenantid}/v2.0"
    );
    keys.reset();
    let document = mock.get_json(DISCOVERY).await;
    assert!(
        document["jwks_uri"]
            .as_str()
            .unwrap()
            .starts_with(mock.idp.url())
    );
}

#[tokio::test]
async fn every_trouble_is_what_it_is_called() {
    let mock = entra().await;
    let keys = mock.idp.keys();
    let right = mock.get(KEYS).await.text().await.unwrap();
    let answer = async |trouble: Trouble| {
        keys.trouble(Document::Keys, trouble);
        let response = mock.get("/contoso.com/discovery/v2.0/keys").await;
        assert_eq!(response.status(), mock.get(KEYS).await.status());
        let response = mock.get(KEYS).await;
        (response.status().as_u16(), response.text().await)
    };
    assert_eq!(answer(Trouble::Down).await.0, 500);
    let (status, empty) = answer(Trouble::Empty).await;
    assert_eq!((status, empty.unwrap().as_str()), (200, r#"{"keys":[]}"#));
    assert!(
        answer(Trouble::Html)
            .await
            .1
            .unwrap()
            .starts_with("<!DOCTYPE html>")
    );
    let huge = answer(Trouble::Huge(10_000_000)).await.1.unwrap();
    assert_eq!((huge.len(), huge.trim_end()), (10_000_000, right.as_str()));
    let elsewhere = Trouble::Redirect("https://elsewhere.example/".into());
    assert_eq!(answer(elsewhere).await.0, 302);
    assert_eq!(answer(Trouble::Reply(Reply::new(418, "x"))).await.0, 418);
    let (status, cut) = answer(Trouble::Truncated).await;
    assert!(status == 200 && cut.is_err());
    let start = Instant::now();
    let pause = Duration::from_millis(30);
    assert_eq!(answer(Trouble::Slow(pause)).await.1.unwrap(), right);
    assert!(start.elapsed() >= pause);
    keys.mend(Document::Keys);
    assert_eq!(mock.get(KEYS).await.text().await.unwrap(), right);
}

#[tokio::test]
async fn a_reset_and_silence_give_no_answer() {
    let mock = entra().await;
    let url = format!("{}{KEYS}", mock.idp.url());
    for trouble in [Trouble::Reset, Trouble::Silent] {
        mock.idp.keys().trouble(Document::Keys, trouble);
        let request = mock.client.get(&url).timeout(Duration::from_millis(200));
        assert!(request.send().await.is_err());
    }
}

#[tokio::test]
async fn troubles_of_one_document_leave_the_other_alone() {
    let mock = entra().await;
    mock.idp.keys().trouble(Document::Discovery, Trouble::Down);
    assert_eq!(mock.get(DISCOVERY).await.status(), 500);
    assert_eq!(kids(&mock, KEYS).await.len(), 3);
    mock.idp.keys().trouble(Document::Discovery, Trouble::Empty);
    assert_eq!(mock.get_json(DISCOVERY).await, json!({}));
}

#[tokio::test]
async fn fetches_are_counted() {
    let mock = entra().await;
    for path in [DISCOVERY, KEYS, "/contoso.com/discovery/v2.0/keys"] {
        mock.get(path).await;
    }
    let log = mock.idp.requests();
    assert_eq!((log.discovery_fetches(), log.key_fetches()), (1, 2));
    log.clear();
    assert_eq!((log.discovery_fetches(), log.key_fetches()), (0, 0));
}

#[tokio::test]
async fn the_next_reply_is_for_the_next_request_but_not_for_key_fetches() {
    let mock = entra().await;
    mock.idp.next_reply(Reply::new(418, "first"));
    mock.idp.next_reply(Reply::new(419, "second"));
    assert_eq!(mock.get(KEYS).await.status(), 200);
    assert_eq!(mock.get(DISCOVERY).await.status(), 200);
    assert_eq!(mock.get("/any/path").await.status(), 418);
    assert_eq!(mock.get("/another").await.status(), 419);
    assert_eq!(mock.get("/another").await.status(), 404);
}
