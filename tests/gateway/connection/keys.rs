//! Signing keys that change while the gateway runs: rollover, emergency removal, names that nobody
//! knows, answers that are wrong. And what is shown of them.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tidegate_mock::jwt::b64;
use tidegate_mock::{Document, KeyIssuer, KeyName, Trouble, jwt};

use super::{contoso_on, isolated};
use crate::harness::{CONTOSO, Created, FABRIKAM, Setup, World, until};

/// Unknown keys are looked for every time.
fn no_cooldown() -> Setup {
    contoso_on()
        .set("verification.insecure_key_cooldown", true)
        .set("verification.key_cooldown", "0s")
}

/// A creation within Contoso with this sign-in token.
async fn with<'w>(world: &'w World, token: &str) -> Created<'w> {
    world
        .creation(CONTOSO, CONTOSO)
        .json_token(token)
        .send()
        .await
}

/// A key nobody was told of signs; the next token leads to it.
#[tokio::test]
async fn a_new_key_is_honoured_at_once() {
    let world = World::start(no_cooldown()).await;
    let old = world.sign_in(CONTOSO).build();
    with(&world, &old).await.created("same_tenant");
    world.forwarded(1).await;
    world.idp.keys().add(KeyName::Unpublished);
    world.idp.keys().sign_with(KeyName::Unpublished);
    for http2 in [false, true] {
        let creation = world.creation(CONTOSO, CONTOSO);
        let creation = if http2 { creation.http2() } else { creation };
        creation.send().await.created("same_tenant");
        world.forwarded(1).await;
    }
    // The old one is published still.
    with(&world, &old).await.created("same_tenant");
    world.forwarded(1).await;
    assert_eq!(world.idp.requests().key_fetches(), 1);
    world.finish().await;
}

/// Many tokens of a new key at once wait for one fetch, slow as it may be, and all pass.
#[tokio::test]
async fn many_wait_for_one_fetch() {
    let world = isolated().await;
    let keys = world.idp.keys();
    keys.trouble(Document::Keys, Trouble::Slow(Duration::from_millis(400)));
    keys.add(KeyName::Unpublished);
    keys.sign_with(KeyName::Unpublished);
    let send = || world.creation(CONTOSO, CONTOSO).http2().send_unrecorded();
    let (a, b, c, d, e) = tokio::join!(send(), send(), send(), send(), send());
    for answer in [a, b, c, d, e] {
        assert_eq!(answer.status, 201, "{answer:?}");
        world.next_record().await;
    }
    assert_eq!(world.idp.requests().key_fetches(), 1);
    keys.mend(Document::Keys);
    world.forwarded(5).await;
    world.finish().await;
}

/// A key that leaves the set takes the tokens with it that it verified, remembered or not.
#[tokio::test]
async fn a_removed_key_verifies_nothing() {
    let world = World::start(no_cooldown()).await;
    let old = world.sign_in(CONTOSO).build();
    let older = world.sign_in(CONTOSO).build();
    with(&world, &old).await.created("same_tenant");
    world.forwarded(1).await;
    let keys = world.idp.keys();
    keys.remove(KeyName::Enterprise);
    keys.sign_with(KeyName::EnterpriseNext);
    world.signal(Signal::HUP);
    until("the key is gone", async || {
        let outcome = with(&world, &old).await;
        world.service.requests().clear();
        (outcome.answer.status == 401).then_some(())
    })
    .await;
    for token in [&old, &older] {
        let outcome = with(&world, token).await;
        outcome.token_refused("sign_in_token_refused", "token_key_unknown");
        world.forwarded(0).await;
    }
    let outcome = world.creation(CONTOSO, CONTOSO).bearer(&old).send().await;
    outcome.token_refused("creator_token_refused", "token_key_unknown");
    world.forwarded(0).await;
    world.finish().await;
}

/// B4: names that nobody knows cost one fetch in all, and good tokens keep passing.
#[tokio::test]
async fn a_storm_of_unknown_names_costs_one_fetch() {
    const STORM: usize = 600;
    let world = isolated().await;
    let token = world.sign_in(CONTOSO).build();
    let rest = token.split_once('.').unwrap().1.to_owned();
    let named = |n: usize| {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": format!("unknown-{n}") });
        format!("{}.{rest}", b64(header.to_string()))
    };
    let (url, client) = (
        format!("{}/connections/one", world.url()),
        world.client(true),
    );
    let creator = world.creator(CONTOSO).build();
    let send = |token: String| {
        let body = json!({ "properties": { "token": token } });
        client.put(&url).bearer_auth(&creator).json(&body).send()
    };
    for chunk in (0..STORM).collect::<Vec<_>>().chunks(25) {
        let mut storm = tokio::task::JoinSet::new();
        for n in chunk {
            let bad = send(named(*n));
            storm.spawn(async move { (401, bad.await.unwrap().status()) });
            if n % 10 == 0 {
                let good = send(token.clone());
                storm.spawn(async move { (201, good.await.unwrap().status()) });
            }
        }
        while let Some(done) = storm.join_next().await {
            let (expected, status) = done.unwrap();
            assert_eq!(status, expected);
        }
    }
    let exchanges = STORM + STORM / 10;
    let mut refused = 0;
    for _ in 0..exchanges {
        let record = world.next_record().await;
        if record["decision"] == "error" {
            assert_eq!(record["reason"], "token_key_unknown", "{record}");
            refused += 1;
        }
    }
    assert_eq!(refused, STORM);
    assert_eq!(world.service.requests().count(), (STORM / 10) as u64);
    world.service.requests().clear();
    let fetches = world.idp.requests().key_fetches();
    assert!(fetches <= 1, "{fetches} fetches");
    assert!(world.idp.requests().discovery_fetches() <= 1);
    world.forwarded(0).await;
    world.finish().await;
}

/// Keys that cannot be used are left out; the others of the same set are used.
#[tokio::test]
async fn odd_keys_do_not_lose_the_rest() {
    let setup = no_cooldown().before(|idp| {
        let keys = idp.keys();
        let good = keys.jwk(KeyName::Unpublished);
        let with = |member: &str, value: Value| {
            let mut key = good.clone();
            key[member] = value;
            key
        };
        for odd in [
            json!(null),
            json!("key"),
            json!({}),
            json!({ "kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA" }),
            with("use", json!("enc")),
            with("kid", json!(7)),
            with("e", json!("AQ")),
            with("n", json!(b64([0xff_u8; 128]))),
            with("n", json!("!")),
            with("issuer", json!(null)),
            with("issuer", json!("")),
        ] {
            keys.add_odd(odd);
        }
        keys.add_for(KeyName::Unpublished, KeyIssuer::Missing);
    });
    let world = World::start(setup).await;
    with(&world, &world.sign_in(CONTOSO).build())
        .await
        .created("same_tenant");
    world.forwarded(1).await;
    let token = world.sign_in(CONTOSO).signed_by(KeyName::Unpublished);
    let outcome = with(&world, &token.build()).await;
    outcome.token_refused("sign_in_token_refused", "token_key_unknown");
    world.forwarded(0).await;
    world.finish().await;
}

/// A key published for one tenant signs for no other.
#[tokio::test]
async fn a_tenants_own_key_signs_for_it_alone() {
    let setup = contoso_on().before(|idp| {
        let issuer = format!("https://login.microsoftonline.com/{CONTOSO}/v2.0");
        idp.keys()
            .add_for(KeyName::Unpublished, KeyIssuer::Literal(issuer));
    });
    let world = World::start(setup).await;
    let token = |tenant| world.sign_in(tenant).signed_by(KeyName::Unpublished);
    let v1 = token(CONTOSO).version(tidegate_mock::Version::V1).build();
    for good in [token(CONTOSO).build(), v1] {
        with(&world, &good).await.created("same_tenant");
        world.forwarded(1).await;
    }
    let outcome = with(&world, &token(FABRIKAM).build()).await;
    outcome.token_refused("sign_in_token_refused", "token_key_issuer");
    world.forwarded(0).await;
    world.finish().await;
}

/// Two keys of one name: nobody can tell which one is meant.
#[tokio::test]
async fn a_name_used_twice_names_nothing() {
    let setup = contoso_on().before(|idp| {
        let keys = idp.keys();
        let mut twin = keys.jwk(KeyName::Unpublished);
        twin["kid"] = keys.jwk(KeyName::Enterprise)["kid"].clone();
        keys.add_odd(twin);
        keys.sign_with(KeyName::EnterpriseNext);
    });
    let world = World::start(setup).await;
    let token = world.sign_in(CONTOSO).signed_by(KeyName::Enterprise);
    let outcome = with(&world, &token.build()).await;
    outcome.token_refused("sign_in_token_refused", "token_key_unknown");
    world.forwarded(0).await;
    world.finish().await;
}

/// What operators see of the keys: the admin port and the metrics.
#[tokio::test]
async fn keys_are_shown() {
    let world = isolated().await;
    let token = world.sign_in(CONTOSO).build();
    for _ in 0..2 {
        with(&world, &token).await.created("same_tenant");
        world.forwarded(1).await;
    }
    let outcome = with(&world, "x.y.z").await;
    assert_eq!(outcome.answer.status, 401);
    world.forwarded(0).await;

    let (status, text) = world.admin("/keys").await;
    assert_eq!(status, 200);
    let shown: Value = serde_json::from_str(&text).expect(&text);
    let text = shown.to_string();
    for member in [
        "provider",
        "source",
        "version",
        "age_seconds",
        "fetched_at",
        "last_error",
    ] {
        assert!(text.contains(&format!("\"{member}\":")), "{member}: {text}");
    }
    let mint = world.idp.mint();
    for key in [
        KeyName::Enterprise,
        KeyName::EnterpriseNext,
        KeyName::Personal,
    ] {
        assert!(text.contains(mint.key(key).kid()), "{text}");
    }
    assert!(!text.contains(mint.key(KeyName::Unpublished).kid()));
    assert!(text.contains("/{tenantid}/v2.0"), "{text}");

    let metrics = world.metrics().await;
    for line in [
        r#"tidegate_keys{provider="entra"} 3"#,
        r#"tidegate_keys_age_seconds{provider="entra"}"#,
        r#"tidegate_key_fetches_total{provider="entra""#,
        r#"tidegate_tokens_verified_total{provider="entra",result="remembered"}"#,
        r#"tidegate_tokens_verified_total{provider="entra",result="verified"}"#,
        r#"tidegate_tokens_verified_total{provider="entra",result="refused"}"#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let claims = jwt::claims(&token).unwrap();
    let canary = claims["canary"].as_str().unwrap();
    assert!(!text.contains(canary));
    world.finish().await;
}
