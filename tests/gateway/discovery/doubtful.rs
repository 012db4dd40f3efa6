//! Metadata from a provider that means harm, or is broken: each URL is rewritten, or the document
//! withheld.

use serde_json::{Value, json};
use tidegate_mock::Reply;

use super::{V2, host, naming};
use crate::harness::{Answer, CONTOSO, FABRIKAM, Setup, World};

/// A tenant's v2 metadata with changes, from a provider that means harm.
async fn given(world: &World, change: impl FnOnce(&mut Value)) -> Answer {
    let url = world.idp.url();
    let mut document = json!({
        "issuer": format!("https://login.microsoftonline.com/{CONTOSO}/v2.0"),
        "authorization_endpoint": format!("{url}/{CONTOSO}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{url}/{CONTOSO}/oauth2/v2.0/token"),
    });
    change(&mut document);
    given_reply(world, Reply::json(200, &document)).await
}

async fn given_reply(world: &World, reply: Reply) -> Answer {
    let path = format!("/{CONTOSO}{V2}");
    world.idp.script_once(path.clone(), reply);
    world.get(&path).await
}

/// D2: whatever a document says, each URL is rewritten, or the document withheld.
#[tokio::test]
async fn odd_endpoints_are_rewritten() {
    let world = World::start(Setup::new()).await;
    let url = world.idp.url().to_owned();
    let provider = host(&url).to_owned();
    let token = format!("{url}/{CONTOSO}/oauth2/v2.0/token");
    let ours = format!("{}/{CONTOSO}/oauth2/v2.0/token", world.url());
    let upper = token.replace("https://localhost", "HTTPS://LOCALHOST");
    for (member, value, at, expected) in [
        (
            "token_endpoint",
            json!(upper),
            "/token_endpoint",
            ours.clone(),
        ),
        (
            "Token_Endpoint",
            json!(token),
            "/Token_Endpoint",
            ours.clone(),
        ),
        (
            "deep",
            json!({ "er": [[{ "token_endpoint": token }]] }),
            "/deep/er/0/0/token_endpoint",
            ours.clone(),
        ),
        (
            "token_endpoint",
            json!([token, upper]),
            "/token_endpoint/1",
            ours.clone(),
        ),
        (
            "mtls_endpoint_aliases",
            json!({ "token_endpoint": token }),
            "/mtls_endpoint_aliases/token_endpoint",
            ours.clone(),
        ),
        (
            "token_endpoint",
            json!(format!(
                "https://user:pw@{provider}/{CONTOSO}/oauth2/v2.0/token"
            )),
            "/token_endpoint",
            ours.clone(),
        ),
        (
            "token_endpoint",
            json!(format!("{token}?p=B2C_1_x")),
            "/token_endpoint",
            format!("{ours}?p=B2C_1_x"),
        ),
        (
            "token_endpoint",
            json!("https://elsewhere.example/t"),
            "/token_endpoint",
            format!("{}/t", world.url()),
        ),
        (
            "revocation_endpoint",
            json!(format!("{url}/revoke")),
            "/revocation_endpoint",
            format!("{}/revoke", world.url()),
        ),
        (
            "anything",
            json!(format!("{url}/x")),
            "/anything",
            format!("{}/x", world.url()),
        ),
        // A harmless name does not cover a token path.
        ("jwks_uri", json!(token), "/jwks_uri", ours.clone()),
        (
            "userinfo_endpoint",
            json!(token),
            "/userinfo_endpoint",
            ours.clone(),
        ),
        (
            "issuer_alias",
            json!({ "tenantless": token }),
            "/issuer_alias/tenantless",
            ours.clone(),
        ),
    ] {
        let answer = given(&world, |document| {
            document.as_object_mut().unwrap().remove("token_endpoint");
            document[member] = value.clone();
        })
        .await;
        assert_eq!(answer.status, 200, "{member}: {value}: {answer:?}");
        let document = answer.json();
        assert_eq!(
            document.pointer(at).unwrap(),
            &expected,
            "{member}: {value}"
        );
        assert_eq!(
            naming(&document, &provider),
            ["authorization_endpoint"],
            "{member}: {value}"
        );
        world.check(1).await;
    }
    world.finish().await;
}

/// D2: what cannot be rewritten without doubt.
#[tokio::test]
async fn doubtful_metadata_is_withheld() {
    let world = World::start(Setup::new()).await;
    let url = world.idp.url().to_owned();
    let token = format!("{url}/{CONTOSO}/oauth2/v2.0/token");
    let issuer = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    for (member, value) in [
        ("token_endpoint", json!("/common/oauth2/v2.0/token")),
        ("token_endpoint", json!("common/oauth2/v2.0/token")),
        ("token_endpoint", json!("token")),
        ("token_endpoint", json!("")),
        ("token_endpoint", json!(token.replace("https:", ""))),
        ("token_endpoint", json!(token.replace("//", "\\\\"))),
        ("token_endpoint", json!(token.replace("//", "/"))),
        ("token_endpoint", json!(format!(" {token}"))),
        ("token_endpoint", json!(token.replace("https", "ht\ttps"))),
        ("token_endpoint", json!(format!("https://{}/t", "[::1"))),
        (
            "x",
            json!({ "device_authorization_endpoint": "//evil.test/d" }),
        ),
        ("issuer", json!(issuer(FABRIKAM))),
        ("issuer", json!(issuer("{tenantid}"))),
        ("issuer", json!(issuer(&CONTOSO.replace('-', "")))),
        ("issuer", json!("https://evil.test/")),
        ("issuer", json!([issuer(CONTOSO)])),
        ("issuer", Value::Null),
    ] {
        let answer = given(&world, |document| document[member] = value.clone()).await;
        assert_eq!(answer.status, 502, "{member}: {value}: {answer:?}");
        answer.is_refusal(502, "upstream_metadata");
        world.check(1).await;
    }
    world.finish().await;
}

/// Documents that cannot be read, or are none.
#[tokio::test]
async fn what_is_no_metadata_is_withheld() {
    let world = World::start(Setup::new()).await;
    let token = format!("{}/{CONTOSO}/oauth2/v2.0/token", world.idp.url());
    let issuer = format!("\"issuer\":\"https://login.microsoftonline.com/{CONTOSO}/v2.0\"");
    let foreign = world.idp.mint().access_token(FABRIKAM).build();
    world.remember_tokens(foreign.as_bytes());
    let long = format!("{{{issuer},\"x\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    for (reply, reason) in [
        (Reply::json_bytes(200, long), "upstream_too_large"),
        (
            Reply::json_bytes(
                200,
                format!("{{{issuer},\"token_endpoint\":\"{token}\",\"token_endpoint\":\"x\"}}"),
            ),
            "upstream_unreadable",
        ),
        (
            Reply::json_bytes(200, format!("[{{{issuer}}}]")),
            "upstream_unreadable",
        ),
        (
            Reply::json_bytes(200, format!("{{{issuer}}} ")).header("content-encoding", "br"),
            "upstream_encoding",
        ),
        (Reply::new(200, "<html></html>"), "upstream_unreadable"),
        (Reply::new(200, ""), "upstream_metadata"),
        (Reply::new(200, "a=b"), "upstream_metadata"),
        (
            Reply::json_bytes(200, format!("{{{issuer},\"access_token\":\"{foreign}\"}}")),
            "upstream_token",
        ),
        (
            Reply::json_bytes(200, format!("{{{issuer}}}")).header("x-token", &foreign),
            "upstream_token",
        ),
        (
            Reply::redirect(302, "https://elsewhere.example/"),
            "upstream_redirect",
        ),
        (Reply::cut(200, 100, "{"), "upstream_incomplete"),
    ] {
        let answer = given_reply(&world, reply).await;
        assert_eq!(answer.json()["suberror"], reason);
        answer.is_refusal(502, reason);
        world
            .secrets
            .assert_none_in("the answer", &answer.everything());
        world.check(1).await;
    }
    assert!(
        world
            .metrics()
            .await
            .contains("tidegate_requests_refused_total{reason=\"upstream_token\"} 2")
    );
    world.finish().await;
}
