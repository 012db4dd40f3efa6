//! Bounds: what is above them is refused, what is under way is not disturbed.

use std::time::Duration;

use tidegate_mock::Preset;
use tokio::net::TcpStream;

use super::{answer, in_front_of};
use crate::harness::{
    After, BareProvider, COMMON, CONTOSO, FABRIKAM, Raw, Setup, World, frames, meanwhile, until,
};

/// More exchanges at once than the limit: 503, to be tried again; recorded; never forwarded.
#[tokio::test]
async fn exchanges_above_the_limit_are_refused() {
    let provider = BareProvider::start().await;
    let world = World::start(in_front_of(&provider).set("limits.in_flight", 1)).await;
    let body = world.idp.mint().body(&Preset::Signed, CONTOSO).to_vec();
    for http2 in [false, true] {
        let before = provider.requests();
        let mut first = Box::pin(world.exchange(CONTOSO, CONTOSO).try_send());
        meanwhile(
            &mut first,
            until("under way", async || {
                (provider.requests() == before + 1).then_some(())
            }),
        )
        .await;
        let second = world.exchange(FABRIKAM, FABRIKAM);
        let second = if http2 { second.http2() } else { second };
        let second = meanwhile(&mut first, second.send()).await;
        second.refused(503, "overload");
        // Other routes count as well; probes do not.
        let keys = meanwhile(&mut first, world.get("/common/discovery/keys")).await;
        keys.is_refusal(503, "overload");
        assert_eq!(world.admin("/livez").await.0, 200);
        assert_eq!(world.admin("/readyz").await.0, 200);
        assert!(
            world
                .metrics()
                .await
                .contains("tidegate_exchanges_in_flight 1")
        );
        provider.next(answer(&body), After::Keep);
        assert_eq!(first.await.unwrap().status, 200);
        assert_eq!(world.next_record().await["reason"], "same_tenant");
        assert_eq!(provider.requests(), before + 1);
        assert!(
            world
                .metrics()
                .await
                .contains("tidegate_exchanges_in_flight 0")
        );
    }
    world.finish().await;
}

/// While all places are taken nobody waits for a body: the answer comes before it. The rest of it is
/// read all the same, so that the answer arrives and the connection goes on.
#[tokio::test]
async fn a_full_gateway_refuses_before_it_waits_for_a_body() {
    let provider = BareProvider::start().await;
    let world = World::start(
        in_front_of(&provider)
            .set("limits.in_flight", 1)
            .set("limits.body_timeout", "1h"),
    )
    .await;
    let body = world.idp.mint().body(&Preset::Signed, CONTOSO).to_vec();
    let mut first = Box::pin(world.exchange(CONTOSO, CONTOSO).try_send());
    meanwhile(
        &mut first,
        until("under way", async || {
            (provider.requests() == 1).then_some(())
        }),
    )
    .await;
    let head = |more: &str| {
        format!(
            "POST {COMMON} HTTP/1.1\r\nhost: {}\r\nx-ms-client-tenant-id: {CONTOSO}\r\n\
             {more}content-type: application/x-www-form-urlencoded\r\ncontent-length: 60000\r\n\r\n",
            world.host()
        )
    };
    let mut raw = world.raw().await;
    for _ in 0..3 {
        raw.send(head("")).await;
        raw.send("x=").await;
        let refused = meanwhile(&mut first, raw.answer()).await;
        let refused = refused.expect("an answer");
        refused.is_refusal(503, "overload");
        assert!(refused.header("retry-after").is_some());
        let record = meanwhile(&mut first, world.next_record()).await;
        assert_eq!(record["reason"], "overload");
        // A creator that nobody looked for is not in the record.
        assert!(record["creator_tenant"].is_null(), "{record}");
        raw.send("y".repeat(59_998)).await;
    }
    // One that asks whether to send its body is told no, and not to go on.
    let mut asking = world.raw().await;
    asking.send(head("expect: 100-continue\r\n")).await;
    let refused = meanwhile(&mut first, asking.answer()).await;
    refused.expect("an answer").is_refusal(503, "overload");
    meanwhile(&mut first, world.next_record()).await;
    // More than a body may have is not read to its end.
    let mut endless = world.raw().await;
    let chunked = head("").replace("content-length: 60000", "transfer-encoding: chunked");
    endless.send(chunked).await;
    let refused = meanwhile(&mut first, endless.answer()).await;
    refused.expect("an answer").is_refusal(503, "overload");
    meanwhile(&mut first, world.next_record()).await;
    let chunk = format!("2000\r\n{}\r\n", "z".repeat(0x2000));
    endless.send(chunk.repeat(1024)).await;
    meanwhile(&mut first, endless.rest()).await;
    assert_eq!(provider.requests(), 1);
    provider.next(answer(&body), After::Keep);
    assert_eq!(first.await.unwrap().status, 200);
    world.next_record().await;
    // The connection of those that were refused serves on.
    let form = world.exchange(None, CONTOSO).form_text();
    let length = format!("content-length: {}", form.len());
    provider.next(answer(&body), After::Keep);
    raw.send(head("").replace("content-length: 60000", &length))
        .await;
    raw.send(form).await;
    assert_eq!(raw.answer().await.expect("an answer").status, 200);
    world.next_record().await;
    world.finish().await;
}

/// Requests that are sent slowly take no place, and hold no more memory together than the whole
/// ones that may be under way: what would be more is refused, and small ones pass meanwhile.
#[tokio::test]
async fn requests_hold_no_more_than_they_may() {
    let world = World::start(
        Setup::new()
            .set("limits.in_flight", 1)
            .set("limits.request_body", "64KiB")
            .set("limits.header_bytes", "8KiB"),
    )
    .await;
    let part = format!(
        "POST {COMMON} HTTP/1.1\r\nhost: {}\r\nx-ms-client-tenant-id: {CONTOSO}\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: 60000\r\n\r\nx={}",
        world.host(),
        "y".repeat(40_000)
    );
    let mut first = world.raw().await;
    first.send(&part).await;
    for _ in 0..3 {
        // Until the first one's bytes are here, another takes their place.
        let refused = until("refused", async || {
            let mut raw = world.raw().await;
            raw.send(&part).await;
            tokio::time::timeout(Duration::from_millis(300), raw.answer())
                .await
                .ok()
        })
        .await;
        refused.unwrap().is_refusal(503, "overload");
        let good = world.exchange(CONTOSO, CONTOSO).try_send().await;
        assert_eq!(good.unwrap().status, 200);
    }
    drop(first);
    let mut whole = world.raw().await;
    until("given back", async || {
        whole = world.raw().await;
        whole.send(&part).await;
        let answer = tokio::time::timeout(Duration::from_millis(300), whole.answer());
        answer.await.is_err().then_some(())
    })
    .await;
    whole.send("z".repeat(60_000 - 40_002)).await;
    // It names no grant.
    whole
        .answer()
        .await
        .unwrap()
        .is_refusal(400, "grant_missing");
    world.nothing_leaked().await;
}

/// More connections than the limit: closed at once; those that are open are served, and a place
/// that is given back is taken again.
#[tokio::test]
async fn connections_above_the_limit_are_closed() {
    let world = World::start(
        Setup::new()
            .plain()
            .set("limits.connections", 2)
            .set("listen.workers", 1),
    )
    .await;
    let ask = async |raw: &mut Raw| {
        raw.send("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").await;
        raw.answer().await
    };
    let (mut first, mut second) = (world.raw().await, world.raw().await);
    assert_eq!(ask(&mut first).await.unwrap().status, 404);
    assert_eq!(ask(&mut second).await.unwrap().status, 404);
    for _ in 0..3 {
        assert!(ask(&mut world.raw().await).await.is_none());
    }
    assert!(
        world
            .metrics()
            .await
            .contains("tidegate_connections_refused_total 3")
    );
    assert_eq!(ask(&mut first).await.unwrap().status, 404);
    drop(second);
    until("a place", async || ask(&mut world.raw().await).await).await;
    drop(first);
    until("all given back", async || {
        world
            .metrics()
            .await
            .contains("tidegate_connections 0")
            .then_some(())
    })
    .await;
    world.finish().await;
}

/// Whoever says nothing, or not enough, is let go: headers, an idle connection, HTTP/2.
#[tokio::test]
async fn silent_connections_are_closed() {
    let world = World::start(Setup::new().set("limits.header_timeout", "300ms")).await;
    let mut silent = world.raw().await;
    let mut slow = world.raw().await;
    slow.send("POST /x HTTP/1.1\r\nhost: a\r\nx-").await;
    let mut idle = world.raw().await;
    idle.send("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(idle.answer().await.unwrap().status, 404);
    let mut http2 = world.raw_with(&[b"h2"]).await;
    let mut http2_half = world.raw_with(&[b"h2"]).await;
    http2_half.send("PRI * HT").await;
    let mut http2_greeted = world.raw_with(&[b"h2"]).await;
    http2_greeted.send(frames::preface()).await;
    for raw in [
        &mut silent,
        &mut slow,
        &mut idle,
        &mut http2,
        &mut http2_half,
        &mut http2_greeted,
    ] {
        raw.rest().await;
    }
    until("all closed", async || {
        world
            .metrics()
            .await
            .contains("tidegate_connections 0")
            .then_some(())
    })
    .await;
    world.check(0).await;
    world.finish().await;
}

/// H11: whatever is no TLS handshake ends without an answer.
#[tokio::test]
async fn what_is_no_handshake_is_closed() {
    let world = World::start(Setup::new().set("limits.handshake_timeout", "1s")).await;
    let mut connections = Vec::new();
    for bytes in [
        &b""[..],
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0xff; 4096],
        &[0; 4096],
    ] {
        let mut raw = Raw::new(TcpStream::connect(world.gateway.data).await.unwrap());
        raw.send(bytes).await;
        connections.push(raw);
    }
    for raw in &mut connections {
        let rest = raw.rest().await;
        assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    }
    world.check(0).await;
    world.finish().await;
}

/// Without a common protocol there is no connection; without any named it is HTTP/1.1.
#[tokio::test]
async fn the_protocol_is_agreed_on() {
    let world = World::start(Setup::new()).await;
    let mut unnamed = world.raw_with(&[]).await;
    unnamed
        .send("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    assert_eq!(unnamed.answer().await.unwrap().status, 404);
    // HTTP/1.1 was agreed on: a preface of HTTP/2 is no request.
    let mut other = world.raw().await;
    other.send(frames::preface()).await;
    assert!(!other.rest().await.starts_with(&[0, 0]));
    world.check(0).await;
    world.finish().await;
}
