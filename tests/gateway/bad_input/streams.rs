//! HTTP/2 streams that end without ending, are never taken, or carry too much.

use super::form;
use tidegate_mock::Preset;

use crate::harness::frames::{self, DATA, Frame, HEADERS, PING, RST_STREAM, SETTINGS};
use crate::harness::{COMMON, CONTOSO, Setup, World, until};

fn fields<'a>(host: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", host),
        (":path", path),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-ms-client-tenant-id", CONTOSO),
    ]
}

/// A request whose stream is reset without an error after a part of its body.
fn broken_off(host: &str, path: &str, part: &[u8]) -> Vec<u8> {
    let whole = frames::request(1, &fields(host, path), Some(part));
    let head = whole.len() - part.len() - 9;
    [
        &whole[..head],
        &frames::frame(DATA, 0, 1, part),
        &frames::frame(RST_STREAM, 0, 1, &0_u32.to_be_bytes()),
    ]
    .concat()
}

/// RFC 9113 section 8.1 lets a stream be reset with NO_ERROR. What came until then is no request,
/// on a connection to the provider that is warm as well.
#[tokio::test]
async fn a_body_that_is_reset_without_an_error_is_not_whole() {
    let world = World::start(Setup::new()).await;
    let (host, form) = (world.host(), form(&world));
    let device_code = "/common/oauth2/v2.0/devicecode";
    for path in [COMMON, device_code].repeat(8) {
        let warm = world.exchange(CONTOSO, CONTOSO).send().await;
        warm.allowed("same_tenant");
        world.check(1).await;
        let mut raw = world.raw_with(&[b"h2"]).await;
        raw.send([frames::preface(), broken_off(&host, path, form.as_bytes())].concat())
            .await;
        // The same connection answers what comes after it.
        let next = frames::request(3, &fields(&host, COMMON), Some(form.as_bytes()));
        raw.send(next).await;
        let answer = raw.outcome_of(3).await.unwrap();
        assert_eq!((answer.kind, answer.payload[0]), (HEADERS, 0x88), "{path}");
        if path == COMMON {
            assert_eq!(world.next_record().await["reason"], "body_incomplete");
        }
        assert_eq!(world.next_record().await["decision"], "allow");
        world.check(1).await;
    }
}

/// I10: a client that opens no window for its answer, or too small a one, and is otherwise alive, is
/// let go of after a body's time, and its place is free again, and not before.
#[tokio::test]
async fn an_answer_that_is_not_taken_is_not_kept() {
    for window in [0, 1, 1000] {
        is_let_go_of(window).await;
    }
}

async fn is_let_go_of(window: u32) {
    let setup = Setup::new()
        .set("limits.in_flight", 1)
        .set("limits.header_timeout", "60s")
        .set("limits.body_timeout", "1s");
    let world = World::start(setup).await;
    let (host, form) = (world.host(), form(&world));
    let mut raw = world.raw_with(&[b"h2"]).await;
    let window = [&[0, 4], &window.to_be_bytes()[..]].concat();
    let request = frames::request(1, &fields(&host, COMMON), Some(form.as_bytes()));
    raw.send(
        [
            &frames::preface()[..24],
            &frames::frame(SETTINGS, 0, 0, &window),
            &request,
        ]
        .concat(),
    )
    .await;
    let mut answered = false;
    while let Some(Frame {
        kind,
        flags,
        payload,
        ..
    }) = raw.frame().await
    {
        answered |= kind == HEADERS;
        if kind == HEADERS {
            world.next_record().await;
            let second = world.exchange(CONTOSO, CONTOSO).send().await;
            second.refused(503, "overload");
        }
        if kind == PING && flags == 0 {
            raw.send(frames::frame(PING, 1, 0, &payload)).await;
        }
    }
    assert!(answered, "the connection ended before there was an answer");
    until("the place is free", async || {
        let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
        (outcome.answer.status == 200).then_some(())
    })
    .await;
}

/// The same over HTTP/1.1: an answer larger than what the system keeps for a client that does not
/// read, or reads a little now and then.
#[tokio::test]
async fn an_answer_that_is_hardly_read_is_not_kept() {
    const LARGE: usize = 24 * 1024 * 1024;
    let setup = || {
        Setup::new()
            .set("limits.in_flight", 1)
            .set("limits.reply_body", "32MiB")
            .set("limits.header_timeout", "60s")
            .set("limits.body_timeout", "2s")
    };
    for setup in [setup(), setup().plain()] {
        let world = World::start(setup).await;
        let body = world.idp.mint().body(&Preset::Signed, CONTOSO);
        let body = body.member("padding", " ".repeat(LARGE));
        world.idp.script_once(COMMON, body.reply());
        let mut raw = world.raw().await;
        raw.send(super::request(&world)).await;
        assert_eq!(raw.take(12).await.unwrap(), b"HTTP/1.1 200");
        world.next_record().await;
        let second = world.exchange(CONTOSO, CONTOSO).send().await;
        second.refused(503, "overload");
        // A little at a time: progress, and no end of it.
        until("let go of", async || {
            raw.some().await;
            let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
            (outcome.answer.status == 200).then_some(())
        })
        .await;
        assert!(raw.rest().await.len() < LARGE / 2);
    }
}

/// E21: as many headers as over HTTP/1.1, and no more.
#[tokio::test]
async fn too_many_headers_are_refused() {
    let world = World::start(Setup::new()).await;
    let url = format!("{}{COMMON}", world.url());
    for (headers, status) in [(101, 431), (80, 200)] {
        let mut request = world.client(true).post(&url).body(form(&world));
        request = request.header("content-type", "application/x-www-form-urlencoded");
        request = request.header("x-ms-client-tenant-id", CONTOSO);
        for n in 2..headers {
            request = request.header(format!("x-{n}"), "1");
        }
        assert_eq!(request.send().await.unwrap().status(), status, "{headers}");
    }
    world.next_record().await;
    world.check(1).await;
    world.finish().await;
}
