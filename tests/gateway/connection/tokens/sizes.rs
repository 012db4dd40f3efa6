//! B24: large tokens are accepted up to a bound, and refused above it wherever they stand.

use super::{Role, text_and};
use crate::connection::isolated;
use crate::harness::{CONTOSO, World};

/// A good token with a claim that makes it about so many bytes long.
fn padded(world: &World, role: Role, bytes: usize) -> String {
    let token = role.token(world);
    let pad = (bytes - token.build().len()) / 4 * 3;
    let more = format!(r#""pad":"{}""#, "p".repeat(pad));
    token.clone().raw_claims(text_and(&token, &more)).build()
}

#[tokio::test]
async fn sixteen_kibibytes_are_accepted() {
    let world = isolated().await;
    for role in Role::BOTH {
        let token = padded(&world, role, 16 * 1024 - 64);
        assert!((16_000..16_384).contains(&token.len()), "{}", token.len());
        let outcome = role.creation(&world, &token).send().await;
        outcome.created("same_tenant");
        world.forwarded(1).await;
    }
    let token = padded(&world, Role::SignIn, 16 * 1024 - 64);
    let creation = world.creation(CONTOSO, CONTOSO).header_token(&token);
    creation.send().await.created("same_tenant");
    world.forwarded(1).await;
    world.finish().await;
}

/// In a header: too large for the header block, before an exchange begins.
#[tokio::test]
async fn larger_headers_are_refused() {
    let world = isolated().await;
    for size in [64 * 1024, 1024 * 1024] {
        let token = padded(&world, Role::Creator, size);
        let mut raw = world.raw().await;
        raw.send(format!(
            "PUT /connections/one HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}",
            world.host()
        ))
        .await;
        // Where the gateway closes with unread bytes under way, its answer can be lost.
        if let Some(answer) = raw.answer().await {
            assert!([401, 413, 431].contains(&answer.status), "{answer:?}");
        }
        let before = world.records().len();
        world.service.requests().clear();
        assert!(before <= 1, "{:?}", world.records());
        assert_eq!(world.service.requests().count(), 0);
    }
    world.forwarded(0).await;
    world.finish().await;
}

/// In a body: refused as a token, or as a body too large.
#[tokio::test]
async fn larger_tokens_in_bodies_are_refused() {
    let world = isolated().await;
    for size in [33 * 1024, 60 * 1024] {
        let token = padded(&world, Role::SignIn, size);
        let outcome = Role::SignIn.creation(&world, &token).send().await;
        outcome.token_refused("sign_in_token_refused", "token_too_long");
        world.forwarded(0).await;
    }
    let token = padded(&world, Role::SignIn, 150 * 1024);
    let outcome = Role::SignIn.creation(&world, &token).send_raw().await;
    outcome.refused(413, "body_too_large");
    world.forwarded(0).await;
    world.finish().await;
}
