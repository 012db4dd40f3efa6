//! Services that fail, and what cannot be inspected: nothing of it passes, nothing is sent twice,
//! and there is one record.

use std::time::Duration;

use serde_json::json;
use tidegate_mock::Reply;

use super::replies::{given, tokens};
use super::{OUT, contoso_on, isolated};
use crate::harness::{CONTOSO, FABRIKAM, World, until};

/// Coded in a way that is not read here, or broken off: nothing of it passes, and nothing is sent
/// twice.
#[tokio::test]
async fn what_cannot_be_inspected_is_withheld() {
    let world = isolated().await;
    let body = json!({ "access_token": tokens(&world, FABRIKAM) }).to_string();
    let promised = body.len() * 2;
    for reply in [
        Reply::json_bytes(200, body.clone()).header("content-encoding", "br"),
        Reply::json_bytes(200, body.clone()).header("content-encoding", "gzip"),
        Reply::cut(200, promised, body.clone()),
        Reply::reset(),
        Reply::wire("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"),
        Reply::json_bytes(200, "p".repeat(2 * 1024 * 1024)),
    ] {
        let outcome = given(&world, reply).await;
        assert_eq!(outcome.answer.status, 502, "{:?}", outcome.answer);
        outcome.answer.is_our_own();
        outcome.nothing_leaked();
        assert_eq!(outcome.record["decision"], "error", "{}", outcome.record);
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// A service that does not answer in time: 504, once.
#[tokio::test]
async fn a_service_that_does_not_answer() {
    let world = World::start(
        contoso_on()
            .set("limits.upstream_timeout", "1s")
            .set("limits.connect_timeout", "1s"),
    )
    .await;
    let outcome = given(&world, Reply::silent()).await;
    assert_eq!(outcome.answer.status, 504, "{:?}", outcome.answer);
    (*outcome).refused(504, "upstream_deadline");
    world.forwarded(1).await;
    world.finish().await;
}

/// A service that is not there: 502. And what may not be forwarded is blocked all the same.
#[tokio::test]
async fn a_service_that_is_not_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let world = World::start(contoso_on().set("services.connections.authority", gone)).await;
    let outcome = world.creation(CONTOSO, CONTOSO).send().await;
    outcome.refused(502, "upstream_connect");
    let outcome = world.creation(CONTOSO, FABRIKAM).send().await;
    outcome.blocked("outbound_block", OUT);
    world.finish().await;
}

/// A client that goes away while the service works: the service's answer is still recorded, once.
#[tokio::test]
async fn a_client_that_goes_away_is_recorded() {
    let world = isolated().await;
    for tenant in [CONTOSO, FABRIKAM] {
        let body = json!({ "access_token": tokens(&world, tenant) });
        world.remember_tokens(body.to_string().as_bytes());
        let reply = Reply::json(200, &body).after(Duration::from_millis(300));
        world.service.next_reply(reply);
        let (creator, token) = (
            world.creator(CONTOSO).build(),
            world.sign_in(CONTOSO).build(),
        );
        let document = json!({ "properties": { "token": token } }).to_string();
        let mut raw = world.raw().await;
        raw.send(format!(
            "PUT /connections/one HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {creator}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{document}",
            world.host(),
            document.len()
        ))
        .await;
        until("the request is at the service", async || {
            (world.service.requests().count() == 1).then_some(())
        })
        .await;
        drop(raw);
        let record = world.next_record().await;
        assert_eq!(record["creator_tenant"], CONTOSO, "{record}");
        world.forwarded(1).await;
    }
    world.finish().await;
}
