//! The bytes on the wire: each request is judged on its own, whole, and under the path that it
//! names.

use serde_json::json;

use super::isolated;
use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, World};

/// A creation as bytes: path, creator and sign-in tenant.
fn bytes(world: &World, path: &str, creator: &str, sign_in: &str) -> String {
    let token = world.sign_in(sign_in).build();
    let body = json!({ "properties": { "token": token, "of": creator } }).to_string();
    format!(
        "PUT {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        world.host(),
        world.creator(creator).build(),
        body.len()
    )
}

/// One after the other on one connection, without waiting: nobody is taken for somebody else.
#[tokio::test]
async fn requests_on_one_connection_are_judged_on_their_own() {
    let world = isolated().await;
    let pairs = [
        (CONTOSO, CONTOSO, 201),
        (CONTOSO, FABRIKAM, 403),
        (FABRIKAM, CONTOSO, 403),
        (NORTHWIND, FABRIKAM, 201),
        (FABRIKAM, FABRIKAM, 201),
    ];
    let all: Vec<String> = pairs
        .iter()
        .map(|(creator, sign_in, _)| bytes(&world, "/connections/one", creator, sign_in))
        .collect();
    let mut raw = world.raw().await;
    raw.send(all.concat()).await;
    for (creator, sign_in, status) in pairs {
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.status, status, "{creator} {sign_in}: {answer:?}");
        let record = world.next_record().await;
        assert_eq!(record["creator_tenant"], creator);
        assert_eq!(record["sign_in_tenant"], sign_in);
    }
    let seen = world.service.requests().all();
    let creators: Vec<&str> = seen
        .iter()
        .filter_map(|request| request.header("x-tidegate-creator-tenant"))
        .collect();
    assert_eq!(creators, [CONTOSO, NORTHWIND, FABRIKAM]);
    world.forwarded(3).await;
    world.finish().await;
}

/// The same at once, over HTTP/2.
#[tokio::test]
async fn streams_of_one_connection_are_judged_on_their_own() {
    let world = isolated().await;
    let send = |creator, sign_in| world.creation(creator, sign_in).http2().send_unrecorded();
    for _ in 0..10 {
        let (own, blocked, other, foreign) = tokio::join!(
            send(CONTOSO, CONTOSO),
            send(CONTOSO, FABRIKAM),
            send(FABRIKAM, NORTHWIND),
            send(FABRIKAM, CONTOSO),
        );
        let statuses = [own.status, blocked.status, other.status, foreign.status];
        assert_eq!(statuses, [201, 403, 201, 403]);
        for _ in 0..4 {
            world.next_record().await;
        }
    }
    for request in world.service.requests().all() {
        let told = request.header("x-tidegate-creator-tenant").unwrap();
        let token = request.header("authorization").unwrap();
        let claims = tidegate_mock::jwt::claims(token).unwrap();
        assert_eq!(claims["tid"], told);
    }
    world.forwarded(20).await;
    world.finish().await;
}

/// Half a body is no request: the service never hears of it.
#[tokio::test]
async fn half_a_request_is_none() {
    let world = isolated().await;
    let whole = bytes(&world, "/connections/one", CONTOSO, CONTOSO);
    for end in [whole.len() - 1, whole.len() - 40] {
        let mut raw = world.raw().await;
        raw.send(&whole[..end]).await;
        raw.end().await;
        let record = world.next_record().await;
        assert_eq!(record["decision"], "error", "{record}");
        assert_eq!(record["upstream_status"], json!(null));
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// Paths that could mean another one, or that no route names.
#[tokio::test]
async fn other_paths_lead_nowhere() {
    let world = isolated().await;
    for (path, status) in [
        ("/connections/../connections/one", 400),
        ("/connections/./one", 400),
        ("/connections//one", 400),
        ("/connections/one%2ftwo", 400),
        ("/connections/%6fne", 400),
        ("/connections/one;x=1", 400),
        ("/connections/one\\two", 400),
        ("/connections", 404),
        ("/connections/one/two", 404),
    ] {
        let mut raw = world.raw().await;
        raw.send(bytes(&world, path, CONTOSO, CONTOSO)).await;
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        world.forwarded(0).await;
    }
    // Case does not matter to a route, as little as to the services behind it.
    let mut raw = world.raw().await;
    raw.send(bytes(&world, "/CONNECTIONS/one", CONTOSO, FABRIKAM))
        .await;
    assert_eq!(raw.answer().await.unwrap().status, 403);
    world.next_record().await;
    world.forwarded(0).await;
    let answer = world.get("/keys").await;
    answer.is_refusal(404, "no_route");
    world.finish().await;
}
