//! Replies that break off, never end, lead elsewhere or are too large.

use std::time::Duration;

use tidegate_mock::{MockIdp, Options, Reply};

use super::{contoso_on, given, isolated, signed};
use crate::harness::{COMMON, CONTOSO, World};

/// A whole HTTP/1.1 reply, as bytes.
fn wire(head: &str, body: &[u8]) -> Reply {
    Reply::wire(
        [
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n").as_bytes(),
            body,
        ]
        .concat(),
    )
}

/// C31: a redirect is neither followed nor relayed; who it leads to hears nothing.
#[tokio::test]
async fn redirects_are_refused() {
    let world = isolated().await;
    let canary = MockIdp::start(Options::entra().plain()).await.unwrap();
    let secure = MockIdp::start(Options::entra().ca(world.ca.clone()))
        .await
        .unwrap();
    let token = world.idp.mint().access_token(CONTOSO).build();
    let targets = [
        format!("{}{COMMON}", canary.url()),
        format!("{}{COMMON}", secure.url()),
        format!("{}/#access_token={token}", canary.url()),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        format!("//localhost:{}{COMMON}", canary.address().port()),
        COMMON.to_owned(),
    ];
    for status in [300, 301, 302, 303, 304, 305, 307, 308] {
        for target in &targets {
            given(&world, Reply::redirect(status, target))
                .await
                .refused(502, "upstream_redirect");
            world.check(1).await;
        }
    }
    for listener in [canary, secure] {
        assert_eq!(
            (
                listener.requests().connections(),
                listener.requests().count()
            ),
            (0, 0)
        );
    }
    world.finish().await;
}

/// C34: it breaks off in the middle; not a byte of it is forwarded.
#[tokio::test]
async fn a_reply_that_breaks_off_is_refused() {
    let world = isolated().await;
    let body = signed(&world.idp.mint(), CONTOSO).to_vec();
    for reply in [
        Reply::cut(200, 1000, body[..500].to_vec()),
        // All that was promised but one byte: the JSON is whole, the reply is not.
        Reply::cut(200, body.len() + 1, body.clone()),
        wire("content-length: 1000\r\n", &body[..500]),
        Reply::reset(),
        Reply::wire(""),
        Reply::wire("HTTP/1.1 200 OK\r\ncontent-le"),
        Reply::wire("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"),
    ] {
        world.remember_tokens(&body);
        given(&world, reply)
            .await
            .refused(502, "upstream_incomplete");
        world.check(1).await;
    }
    world.finish().await;
}

/// C35: chunks that are none, or never end.
#[tokio::test]
async fn bad_chunks_are_refused() {
    let world = isolated().await;
    let body = signed(&world.idp.mint(), CONTOSO).to_vec();
    world.remember_tokens(&body);
    let chunked = |text: Vec<u8>| wire("transfer-encoding: chunked\r\n", &text);
    let size = format!("{:x}\r\n", body.len()).into_bytes();
    let whole = [&size[..], &body, b"\r\n0\r\n\r\n"].concat();
    for text in [
        [&size[..], &body, b"\r\n"].concat(),
        [&size[..], &body, b"\r\n0\r\n"].concat(),
        [b"zz\r\n", &body[..]].concat(),
        [b"-1\r\n", &body[..]].concat(),
        [b"fffffffffffffffff\r\n", &body[..]].concat(),
        [&size[..], &body, b"XX0\r\n\r\n"].concat(),
        [&size[..size.len() - 2], b";", &b"x".repeat(1024 * 1024)[..]].concat(),
        b"".to_vec(),
    ] {
        given(&world, chunked(text))
            .await
            .refused(502, "upstream_incomplete");
        world.check(1).await;
    }
    // Length and chunks: two readings, so none.
    let both = format!(
        "transfer-encoding: chunked\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    let both = wire(&both, &whole);
    let outcome = given(&world, both).await;
    assert!([200, 502].contains(&outcome.answer.status));
    if outcome.answer.status == 200 {
        assert_eq!(outcome.answer.body, body);
    }
    world.check(1).await;
    let outcome = given(
        &world,
        wire(
            "transfer-encoding: chunked\r\nconnection: close\r\n",
            &whole,
        ),
    )
    .await;
    outcome.allowed("same_tenant");
    assert_eq!(outcome.answer.body, body);
    world.check(1).await;
    world.finish().await;
}

/// What is not HTTP, or not an answer.
#[tokio::test]
async fn what_is_no_http_is_refused() {
    let world = isolated().await;
    let body = signed(&world.idp.mint(), CONTOSO).to_vec();
    world.remember_tokens(&body);
    for bytes in [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(),
        body.clone(),
        [
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            &body[..],
        ]
        .concat(),
        [b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", &body[..]].concat(),
        [b"HTTP/1.1 200 OK\r\nx y: z\r\n\r\n", &body[..]].concat(),
        [b"HTTP/1.1 99 OK\r\n\r\n", &body[..]].concat(),
        [
            &b"HTTP/1.1 200 OK\r\nx: "[..],
            &b"y".repeat(1024 * 1024),
            b"\r\n\r\n",
        ]
        .concat(),
    ] {
        given(&world, Reply::wire(bytes))
            .await
            .refused(502, "upstream_incomplete");
        world.check(1).await;
    }
    // A protocol switch is no answer to a token request.
    let upgrade = Reply::wire(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    );
    let outcome = given(&world, upgrade).await;
    assert_eq!(outcome.answer.status, 502, "{outcome:?}");
    world.check(1).await;
    world.finish().await;
}

/// C37: one byte more than the cap, however the length is told; the connection ends there.
#[tokio::test]
async fn replies_over_the_cap_are_refused() {
    const CAP: usize = 64 * 1024;
    let world = World::start(
        contoso_on()
            .set("limits.reply_body", "64KiB")
            .set("listen.workers", 1),
    )
    .await;
    let mint = world.idp.mint();
    let sized = |length: usize| {
        let bare = signed(&mint, CONTOSO).member("p", "").to_vec().len();
        let body = signed(&mint, CONTOSO)
            .member("p", "p".repeat(length - bare))
            .to_vec();
        assert_eq!(body.len(), length);
        body
    };
    let chunked = |body: &[u8]| {
        let size = format!("{:x}\r\n", body.len());
        wire(
            "transfer-encoding: chunked\r\nconnection: close\r\n",
            &[size.as_bytes(), body, b"\r\n0\r\n\r\n"].concat(),
        )
    };
    for length in [CAP - 1, CAP] {
        let body = sized(length);
        for reply in [
            Reply::json_bytes(200, body.clone()),
            chunked(&body),
            wire("connection: close\r\n", &body),
        ] {
            let outcome = given(&world, reply).await;
            outcome.allowed("same_tenant");
            assert_eq!(outcome.answer.body, body);
            world.check(1).await;
        }
    }
    let body = sized(CAP + 1);
    world.remember_tokens(&body);
    for reply in [
        Reply::json_bytes(200, body.clone()),
        chunked(&body),
        wire("connection: close\r\n", &body),
    ] {
        given(&world, reply)
            .await
            .refused(502, "upstream_too_large");
        world.check(1).await;
    }
    // An endless one is cut off long before its end.
    let endless = vec![bytes::Bytes::from(vec![b' '; 8 * 1024]); 100_000];
    let mut reply = Reply::json_bytes(200, "");
    reply.body = tidegate_mock::ReplyBody::Drip(endless, Duration::from_millis(1));
    given(&world, reply)
        .await
        .refused(502, "upstream_too_large");
    world.check(1).await;
    world.finish().await;
}

/// C38: the deadline is for the whole exchange, however busily the provider drips.
#[tokio::test]
async fn a_slow_reply_ends_at_the_total_deadline() {
    let setup = contoso_on()
        .set("limits.upstream_timeout", "400ms")
        .set("limits.connect_timeout", "300ms");
    let world = World::start(setup).await;
    let body = signed(&world.idp.mint(), CONTOSO).to_vec();
    for reply in [
        Reply::drip(200, &body, 1, Duration::from_millis(50)),
        Reply::silent(),
        Reply::json_bytes(200, body.clone()).after(Duration::from_secs(3600)),
    ] {
        world.remember_tokens(&body);
        given(&world, reply).await.refused(504, "upstream_deadline");
        world.check(1).await;
    }
    world.finish().await;
}
