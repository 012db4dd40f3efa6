//! Lengths and transfer encodings: one reading, or none.

use super::{form, head, request, request_of, sent};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, Policy, Setup, World};

/// What hides behind a badly framed request: it must never be seen as one.
fn hidden(world: &World) -> String {
    request(world).replace(COMMON, "/common/oauth2/token")
}

/// E15, E16, E18: refused, closed, and nothing behind it is ever read as a request.
#[tokio::test]
async fn ambiguous_framing_is_refused() {
    let world = World::start(Setup::new()).await;
    let form = form(&world);
    let (length, size) = (form.len(), format!("{:x}", form.len()));
    let chunked = format!("{size}\r\n{form}\r\n0\r\n\r\n");
    for more in [
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n".to_owned(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "transfer-encoding: gzip, chunked\r\n".to_owned(),
        "transfer-encoding: chunked, chunked\r\n".to_owned(),
        "transfer-encoding: \u{b}chunked\r\n".to_owned(),
        "transfer-encoding: chunked;x=1\r\n".to_owned(),
        "transfer-encoding: \"chunked\"\r\n".to_owned(),
        "transfer-encoding: identity\r\n".to_owned(),
        "transfer-encoding:\r\n chunked\r\n".to_owned(),
        "transfer-encoding : chunked\r\n".to_owned(),
        "\ttransfer-encoding: chunked\r\n".to_owned(),
    ] {
        let smuggled = format!("{}\r\n{chunked}{}", head(&world, &more), hidden(&world));
        refused(&world, &more, smuggled).await;
    }
    for lengths in [
        "+3",
        "3, 3",
        "0x3",
        "-1",
        "18446744073709551616",
        "3 3",
        "3a",
        "",
        "\u{b}3",
    ] {
        let more = format!("content-length: {lengths}\r\n");
        refused(
            &world,
            &more,
            format!("{}\r\n{form}{}", head(&world, &more), hidden(&world)),
        )
        .await;
    }
    for lengths in [(length, length + 1), (length + 1, length), (0, length)] {
        let more = format!(
            "content-length: {}\r\ncontent-length: {}\r\n",
            lengths.0, lengths.1
        );
        refused(
            &world,
            &more,
            format!("{}\r\n{form}{}", head(&world, &more), hidden(&world)),
        )
        .await;
    }
    // HTTP/1.0 knows no chunks.
    let old = head(&world, "transfer-encoding: chunked\r\n").replacen("HTTP/1.1", "HTTP/1.0", 1);
    refused(
        &world,
        "HTTP/1.0 with chunks",
        format!("{old}\r\n{chunked}{}", hidden(&world)),
    )
    .await;
    world.finish().await;
}

/// A length beside chunks: the parser drops the length (RFC 9112 section 6.3 allows to read the
/// chunks alone), so at most one request goes on, framed anew, and the connection is closed.
#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let world = World::start(Setup::new()).await;
    let form = form(&world);
    let chunked = format!("{:x}\r\n{form}\r\n0\r\n\r\n", form.len());
    for more in [
        format!(
            "content-length: {}\r\ntransfer-encoding: chunked\r\n",
            form.len()
        ),
        format!(
            "content-length: {}\r\ntransfer-encoding: chunked\r\n",
            chunked.len()
        ),
        format!(
            "transfer-encoding: chunked\r\ncontent-length: {}\r\n",
            form.len()
        ),
        "transfer-encoding: chunked\r\ncontent-length: 0\r\n".to_owned(),
    ] {
        let bytes = format!("{}\r\n{chunked}{}", head(&world, &more), hidden(&world));
        let (answer, mut raw) = sent(&world, bytes).await;
        let answer = answer.unwrap();
        assert_eq!(answer.header("connection"), Some("close"), "{more:?}");
        assert!(raw.rest().await.is_empty(), "{more:?}");
        let forwarded = world.idp.requests().all();
        assert!(
            forwarded
                .iter()
                .all(|request| request.path == COMMON && request.text() == form)
        );
        if answer.status == 200 {
            world.next_record().await;
            assert_eq!(
                forwarded[0].header("content-length"),
                Some(form.len().to_string().as_str())
            );
            world.check(1).await;
        } else {
            answer.is_refusal(400, "framing");
            world.check(0).await;
        }
    }
    world.finish().await;
}

/// At most an answer 4xx, then the end: the provider heard nothing.
async fn refused(world: &World, what: &str, bytes: String) {
    let mut raw = world.raw().await;
    raw.send(bytes).await;
    let before = world.records().len();
    let answer = raw.answer().await;
    if let Some(answer) = &answer {
        assert!(
            [400, 415, 501].contains(&answer.status),
            "{what:?}: {answer:?}"
        );
    }
    let rest = raw.rest().await;
    assert!(
        rest.is_empty(),
        "{what:?}: {}",
        String::from_utf8_lossy(&rest)
    );
    assert_eq!(world.idp.requests().count(), 0, "{what:?}");
    assert_eq!(world.records().len(), before, "{what:?}");
    world.check(0).await;
}

/// Good framing in every form: plain, chunked, with extensions and trailers, in pieces.
#[tokio::test]
async fn good_framing_is_read() {
    let world = World::start(Setup::new()).await;
    let form = form(&world);
    let (first, second) = form.split_at(20);
    let chunked = |more: &str, body: String| {
        format!(
            "{}\r\n{body}",
            head(&world, &format!("transfer-encoding: chunked\r\n{more}"))
        )
    };
    for bytes in [
        request_of(&world, &form),
        chunked(
            "",
            format!(
                "14\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\n\r\n",
                second.len()
            ),
        ),
        chunked(
            "",
            format!(
                "014;x=\"y\"\r\n{first}\r\n{:x}\r\n{second}\r\n000\r\n\r\n",
                second.len()
            ),
        ),
        chunked(
            "trailer: x-t\r\n",
            format!("{:x}\r\n{form}\r\n0\r\nx-t: 1\r\n\r\n", form.len()),
        ),
        format!("\r\n{}", request_of(&world, &form)),
    ] {
        let mut raw = world.raw().await;
        for piece in bytes.as_bytes().chunks(97) {
            raw.send(piece).await;
        }
        assert_eq!(raw.answer().await.unwrap().status, 200, "{bytes}");
        assert_eq!(world.next_record().await["reason"], "same_tenant");
        let seen = world.idp.requests().last().unwrap();
        assert_eq!(
            (seen.text(), seen.header("transfer-encoding")),
            (form.clone(), None)
        );
        assert_eq!(
            seen.header("content-length"),
            Some(form.len().to_string().as_str())
        );
        world.check(1).await;
    }
    world.finish().await;
}

/// Bad chunks in a request.
#[tokio::test]
async fn bad_chunks_are_refused() {
    let world = World::start(Setup::new().set("limits.body_timeout", "2s")).await;
    let form = form(&world);
    for body in [
        format!("zz\r\n{form}\r\n0\r\n\r\n"),
        format!("-1\r\n{form}\r\n0\r\n\r\n"),
        format!("fffffffffffffffff\r\n{form}\r\n0\r\n\r\n"),
        format!("{:x}\r\n{form}XX\r\n0\r\n\r\n", form.len()),
        format!(
            "{:x};{}\r\n{form}\r\n0\r\n\r\n",
            form.len(),
            "x".repeat(100_000)
        ),
    ] {
        let bytes = format!(
            "{}\r\n{body}",
            head(&world, "transfer-encoding: chunked\r\n")
        );
        let (answer, mut raw) = sent(&world, bytes).await;
        let answer = answer.unwrap();
        answer.is_refusal(400, "body_incomplete");
        assert_eq!(world.next_record().await["reason"], "body_incomplete");
        raw.rest().await;
        world.check(0).await;
    }
    world.finish().await;
}

/// E13: requests behind each other on one connection are judged one by one; an upgrade is ignored.
#[tokio::test]
async fn pipelined_requests_are_judged_one_by_one() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    let foreign = world.exchange(None, FABRIKAM).form_text();
    let foreign = format!(
        "{}\r\n{foreign}",
        head(&world, &format!("content-length: {}\r\n", foreign.len()))
    );
    for upgrade in [
        "",
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
         http2-settings: AAMAAABkAAQAAP__\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\n",
    ] {
        let first = request(&world).replacen("\r\n", &format!("\r\n{upgrade}"), 1);
        let mut raw = world.raw().await;
        raw.send(format!("{first}{foreign}{first}")).await;
        for status in [200, 403, 200] {
            assert_eq!(raw.answer().await.unwrap().status, status);
            assert_eq!(world.next_record().await["status"], status);
        }
        for name in ["upgrade", "http2-settings", "connection"] {
            assert_eq!(
                world.idp.requests().last().unwrap().header(name),
                None,
                "{name}"
            );
        }
        world.check(3).await;
    }
    world.finish().await;
}

/// `expect: 100-continue` is answered here and not sent on.
#[tokio::test]
async fn expectations_are_answered_here() {
    let world = World::start(Setup::new()).await;
    let form = form(&world);
    let more = format!("expect: 100-continue\r\ncontent-length: {}\r\n", form.len());
    let mut raw = world.raw().await;
    raw.send(format!("{}\r\n", head(&world, &more))).await;
    assert_eq!(raw.answer().await.unwrap().status, 100);
    raw.send(&form).await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    world.next_record().await;
    assert_eq!(world.idp.requests().last().unwrap().header("expect"), None);
    world.check(1).await;
    world.finish().await;
}
