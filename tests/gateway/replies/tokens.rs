//! Tokens of every kind, in every place.

use serde_json::json;
use tidegate_mock::{KeyName, Preset, Reply, Seal, Token, TokenBody, Version, jwt};

use super::{OUT, given, given_body, isolated, signed};
use crate::harness::{CONTOSO, FABRIKAM, PERSONAL, Policy, Setup, World};

/// C1: nothing of a withheld reply is in the answer, its headers included.
#[tokio::test]
async fn a_foreign_token_withholds_the_whole_reply() {
    let world = isolated().await;
    let secret = world.secrets.canary();
    let reply = signed(&world.idp.mint(), FABRIKAM)
        .refresh_token(world.secrets.canary())
        .reply()
        .header("x-provider", &secret)
        .header("set-cookie", &format!("session={secret}"))
        .header("etag", "\"1\"");
    let outcome = given(&world, reply).await;
    outcome.blocked("outbound_block", OUT);
    for name in [
        "x-provider",
        "set-cookie",
        "etag",
        "x-ms-request-id",
        "strict-transport-security",
    ] {
        assert_eq!(outcome.answer.header(name), None, "{name}");
    }
    assert_eq!(outcome.record["upstream_status"], 200);
    world.check(1).await;
    world.finish().await;
}

/// C17: tokens that disagree.
#[tokio::test]
async fn tokens_that_disagree_are_blocked() {
    let world = isolated().await;
    let mint = world.idp.mint();
    for (access, id) in [(CONTOSO, FABRIKAM), (FABRIKAM, CONTOSO)] {
        let body = TokenBody::v2()
            .access_token(mint.access_token(access).build())
            .id_token(mint.id_token(id).build());
        let outcome = given_body(&world, &body).await;
        outcome
            .blocked("undetermined_disagreement", &[])
            .tenants(Some(CONTOSO), None);
        world.check(1).await;
    }
    world.finish().await;
}

/// A foreign token anywhere else in the reply: other members, nested, in lists, in names, in
/// headers.
#[tokio::test]
async fn a_token_is_found_wherever_it_stands() {
    let world = isolated().await;
    let mint = world.idp.mint();
    let foreign = mint.access_token(FABRIKAM).build();
    let own = || signed(&mint, CONTOSO);
    let escaped: String = foreign
        .bytes()
        .map(|byte| format!("\\u{byte:04x}"))
        .collect();
    let text = String::from_utf8(own().to_vec()).unwrap();
    for body in [
        own().member("token", foreign.as_str()),
        own().member("extension", json!({ "deep": [[{ "er": foreign }]] })),
        own().member(foreign.as_str(), 1),
        own().member("message", format!("your token is {foreign}.")),
        own().member(
            "url",
            format!("https://app.example/#access_token={foreign}&x=1"),
        ),
        own().refresh_token(foreign.as_str()),
        own().member("client_info", foreign.as_str()),
    ] {
        given_body(&world, &body)
            .await
            .blocked("undetermined_disagreement", &[]);
        world.check(1).await;
    }
    let body = format!("{{\"x\":\"{escaped}\",{}", &text[1..]);
    given(&world, Reply::json_bytes(200, body))
        .await
        .blocked("undetermined_disagreement", &[]);
    world.check(1).await;
    let mut unreadable = own().reply();
    let value = http::HeaderValue::from_bytes(&[b"\xff t=", foreign.as_bytes()].concat()).unwrap();
    unreadable.headers.insert("x-token", value);
    given(&world, unreadable)
        .await
        .blocked("undetermined_disagreement", &[]);
    world.check(1).await;
    for name in ["x-token", "set-cookie", "link"] {
        let reply = own().reply().header(name, &format!("t={foreign}"));
        given(&world, reply)
            .await
            .blocked("undetermined_disagreement", &[]);
        world.check(1).await;
    }
    world.finish().await;
}

/// C18: an opaque access token with a personal account's id_token, by the policy on that tenant.
#[tokio::test]
async fn a_personal_account_is_known_by_its_id_token() {
    let setup = Setup::new()
        .policy(Policy::on(CONTOSO))
        .policy(Policy::on(FABRIKAM).outbound(PERSONAL));
    let world = World::start(setup).await;
    let body = || world.idp.mint().body(&Preset::Personal, PERSONAL);
    given_body(&world, &body())
        .await
        .blocked("outbound_block", OUT)
        .tenants(Some(CONTOSO), Some(PERSONAL));
    world.check(1).await;
    world.next_body(&body());
    let outcome = world.exchange(FABRIKAM, PERSONAL).send().await;
    outcome
        .allowed("both_allow")
        .tenants(Some(FABRIKAM), Some(PERSONAL));
    world.check(1).await;
    world.finish().await;
}

/// C19, C23, C25 and their like: nobody can say who signed in.
#[tokio::test]
async fn what_names_no_tenant_is_blocked() {
    let world = isolated().await;
    let mint = world.idp.mint();
    let opaque = || mint.body(&Preset::Opaque, CONTOSO);
    let own = || mint.access_token(CONTOSO).build();
    let id = || mint.id_token(CONTOSO);
    let with = |token: Token| opaque().id_token(token.build());
    let ours = format!("https://login.microsoftonline.com/{CONTOSO}/v2.0");
    let elsewhere = format!("https://idp.example/{CONTOSO}/v2.0");
    let tid_twice = mint.sign(
        KeyName::Enterprise,
        br#"{"alg":"RS256","typ":"JWT"}"#,
        format!(r#"{{"iss":"{ours}","tid":"{CONTOSO}","tid":"{FABRIKAM}"}}"#).as_bytes(),
    );
    let saml = "PHNhbWw6QXNzZXJ0aW9uPjwvc2FtbDpBc3NlcnRpb24+".to_owned();
    for (body, reason) in [
        (opaque(), "undetermined_opaque"),
        (opaque().client_info("u", CONTOSO), "undetermined_opaque"),
        (
            mint.body(&Preset::JweShaped, CONTOSO),
            "undetermined_encrypted",
        ),
        (
            TokenBody::v2().refresh_token(world.secrets.canary()),
            "undetermined_opaque",
        ),
        (TokenBody::v2().access_token(saml), "undetermined_saml"),
        (TokenBody::v2(), "undetermined_no_token"),
        (
            TokenBody::v2().client_info("u", CONTOSO),
            "undetermined_no_token",
        ),
        (
            TokenBody::v2().member("access_token", 42),
            "undetermined_malformed",
        ),
        (
            TokenBody::v2().member("access_token", json!([own()])),
            "undetermined_malformed",
        ),
        (
            mint.body(&Preset::Hs256, CONTOSO),
            "undetermined_foreign_issuer",
        ),
        (
            with(id().seal(Seal::Hmac(b"k".to_vec()))),
            "undetermined_algorithm",
        ),
        (
            with(id().claim("tid", FABRIKAM)),
            "undetermined_tenant_mismatch",
        ),
        (
            with(id().claim("tid", json!([CONTOSO]))),
            "undetermined_malformed",
        ),
        (with(id().claim("TID", FABRIKAM)), "undetermined_malformed"),
        (
            with(id().claim("iss", format!("{ours}/"))),
            "undetermined_issuer",
        ),
        (
            with(id().claim("iss", ours.replace(".com", ".com.evil.test"))),
            "undetermined_issuer",
        ),
        (
            with(id().claim("iss", ours.replace("https", "http"))),
            "undetermined_issuer",
        ),
        (
            with(id().claim("iss", elsewhere)),
            "undetermined_foreign_issuer",
        ),
        (opaque().id_token(tid_twice), "undetermined_malformed"),
    ] {
        let outcome = given_body(&world, &body).await;
        outcome.blocked(reason, &[]).tenants(Some(CONTOSO), None);
        let told = outcome.answer.json()["error_description"]
            .as_str()
            .unwrap()
            .contains(reason);
        assert!(told, "{:?}", outcome.answer);
        world.check(1).await;
    }
    for empty in ["", " \r\n"] {
        given(&world, Reply::json_bytes(200, empty))
            .await
            .blocked("undetermined_no_token", &[]);
        world.check(1).await;
    }
    world.finish().await;
}

/// C23: beside a readable id_token an encrypted or opaque access token counts as that one's.
#[tokio::test]
async fn an_id_token_speaks_for_what_cannot_be_read() {
    let world = isolated().await;
    let mint = world.idp.mint();
    for unreadable in [jwt::jwe_shaped(), jwt::opaque_personal(), jwt::opaque_v1()] {
        let with = |tenant: &str| {
            TokenBody::v2()
                .access_token(unreadable.clone())
                .id_token(mint.id_token(tenant).build())
        };
        given_body(&world, &with(CONTOSO))
            .await
            .allowed("same_tenant");
        world.check(1).await;
        given_body(&world, &with(FABRIKAM))
            .await
            .blocked("outbound_block", OUT);
        world.check(1).await;
    }
    world.finish().await;
}

/// Tokens that Entra does issue, in all their forms.
#[tokio::test]
async fn every_form_of_entras_tokens_is_read() {
    let world = isolated().await;
    let mint = world.idp.mint();
    let only = |token: String| TokenBody::v2().access_token(token);
    let forms = |tenant: &str| {
        vec![
            mint.body(&Preset::SignedV1, tenant),
            mint.body(&Preset::Legacy, tenant),
            mint.body(&Preset::AlgNone, tenant),
            only(
                mint.access_token(tenant)
                    .seal(Seal::GraphNonce)
                    .version(Version::V1)
                    .build(),
            ),
            only(mint.access_token(tenant).application().build()),
            only(mint.access_token(tenant).seal(Seal::BadSignature).build()),
            only(mint.access_token(tenant).without("tid").build()),
            // Far beyond what most are.
            only(
                mint.access_token(tenant)
                    .claim("groups", vec!["x".repeat(64); 2000])
                    .build(),
            ),
        ]
    };
    for body in forms(CONTOSO) {
        let outcome = given_body(&world, &body).await;
        outcome.allowed("same_tenant");
        assert_eq!(outcome.answer.body, body.to_vec());
        world.check(1).await;
    }
    for body in forms(FABRIKAM) {
        given_body(&world, &body)
            .await
            .blocked("outbound_block", OUT);
        world.check(1).await;
    }
    world.finish().await;
}

/// C29: an error that carries a token is decided about like any other reply.
#[tokio::test]
async fn an_error_may_carry_a_token() {
    let world = isolated().await;
    let mint = world.idp.mint();
    for status in [400, 401, 403, 500, 503] {
        let reply = |tenant: &str| {
            let body = signed(&mint, tenant).member("error", "invalid_grant");
            Reply::json(status, &body.to_json())
        };
        given(&world, reply(FABRIKAM))
            .await
            .blocked("outbound_block", OUT);
        world.check(1).await;
        let outcome = given(&world, reply(CONTOSO)).await;
        outcome.allowed("same_tenant");
        assert_eq!(outcome.answer.status, status);
        world.check(1).await;
    }
    world.finish().await;
}
