//! What must be believed: every kind of token that Entra issues and signs.

use serde_json::json;
use tidegate_mock::{KeyName, Seal, Token, Version, jwt, now};

use super::{Role, text};
use crate::harness::{CONTOSO, FABRIKAM, PERSONAL, Setup, World};

/// A name, and how the token is made from a good one.
type Kind = (&'static str, fn(&World, Token) -> Token);

const KINDS: &[Kind] = &[
    ("as it is", |_, t| t),
    ("version 1", |_, t| t.version(Version::V1)),
    ("an application's own", |_, t| t.application()),
    ("signed with the other key", |_, t| {
        t.signed_by(KeyName::EnterpriseNext)
    }),
    ("Graph's nonce", |_, t| t.seal(Seal::GraphNonce)),
    ("Graph's nonce, version 1", |_, t| {
        t.version(Version::V1).seal(Seal::GraphNonce)
    }),
    ("a nonce, signed plainly", |_, t| {
        t.header("nonce", "abcdef")
    }),
    ("no tid", |_, t| t.without("tid")),
    ("no typ", |_, t| t.without_header("typ")),
    ("another typ", |_, t| t.header("typ", "at+jwt")),
    ("typ in small letters", |_, t| t.header("typ", "jwt")),
    ("a header member nobody knows", |_, t| {
        t.header("x-ms", json!({ "a": 1 }))
    }),
    ("just expired", |_, t| t.expires_in(-50)),
    ("valid soon", |_, t| t.valid_in(50)),
    ("no nbf, no iat", |_, t| t.without("nbf").without("iat")),
    ("odd whitespace", |_, t| {
        let spaced = text(&t).replace("\":", "\" :\n ");
        t.raw_claims(spaced)
    }),
    ("Unicode", |_, t| {
        t.claim("name", "\u{1f30a} Tide \"gate\" \u{2028} \u{e4}")
    }),
    ("a guest", |_, t| t.user("guest@fabrikam.com", FABRIKAM)),
];

#[tokio::test]
async fn every_kind_that_entra_signs() {
    let world = super::isolated().await;
    for role in Role::BOTH {
        for (name, make) in KINDS {
            println!("{name}, {}", role.outside());
            let token = make(&world, role.token(&world)).build();
            // Twice: the second time it may be remembered.
            for _ in 0..2 {
                let outcome = role.creation(&world, &token).send().await;
                outcome
                    .created("same_tenant")
                    .tenants(Some(CONTOSO), Some(CONTOSO));
                world.forwarded(1).await;
            }
        }
    }
    world.finish().await;
}

/// Personal accounts sign in with a key of their own, in either role.
#[tokio::test]
async fn personal_accounts() {
    let world = World::start(Setup::connections()).await;
    for (creator, sign_in) in [(PERSONAL, CONTOSO), (CONTOSO, PERSONAL)] {
        let outcome = world.creation(creator, sign_in).send().await;
        outcome
            .created("both_allow")
            .tenants(Some(creator), Some(sign_in));
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// A token that is remembered expires all the same.
#[tokio::test]
async fn remembered_tokens_expire() {
    let world = World::start(Setup::connections().set("verification.leeway", "0s")).await;
    let token = world.sign_in(CONTOSO).expires_in(4).build();
    let expiry = jwt::claims(&token).unwrap()["exp"].as_u64().unwrap();
    let creation = Role::SignIn.creation(&world, &token).send().await;
    if now() < expiry - 1 {
        creation.created("same_tenant");
    }
    world.service.requests().clear();
    crate::harness::until("it expires", async || (now() > expiry).then_some(())).await;
    let outcome = Role::SignIn.creation(&world, &token).send().await;
    outcome.token_refused("sign_in_token_refused", "token_expired");
    world.forwarded(0).await;
    world.finish().await;
}

/// A token that is remembered is for its own audience: what one place verified, another refuses.
#[tokio::test]
async fn remembered_tokens_keep_their_audience() {
    let world = super::isolated().await;
    let token = world.sign_in(CONTOSO).audience("api://other").build();
    // The body's place takes this audience, the header's does not.
    let outcome = Role::SignIn.creation(&world, &token).send().await;
    outcome.created("same_tenant");
    world.forwarded(1).await;
    let creation = world.creation(CONTOSO, CONTOSO).header_token(&token);
    let outcome = creation.send().await;
    outcome.token_refused("sign_in_token_refused", "token_audience");
    world.forwarded(0).await;
    let creation = world.creation(CONTOSO, CONTOSO).bearer(&token);
    let outcome = creation.send().await;
    outcome.token_refused("creator_token_refused", "token_audience");
    world.forwarded(0).await;
    world.finish().await;
}

/// None are remembered where the operator wants it so.
#[tokio::test]
async fn nothing_need_be_remembered() {
    let world = World::start(Setup::connections().set("verification.remembered_tokens", 0)).await;
    let token = world.sign_in(CONTOSO).build();
    for _ in 0..3 {
        let outcome = Role::SignIn.creation(&world, &token).send().await;
        outcome.created("same_tenant");
        world.forwarded(1).await;
    }
    let metrics = world.metrics().await;
    let remembered = r#"result="remembered"}"#;
    let mut counts = metrics.lines().filter(|line| line.contains(remembered));
    assert!(counts.all(|line| line.ends_with(" 0")), "{metrics}");
    world.finish().await;
}
