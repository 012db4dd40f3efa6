//! HTTP/2 that is cheap to send and meant to be dear to answer (I5, E21): the connection ends, or
//! what was sent is worth nothing; nobody else notices.

use rustix::process::Signal;

use super::form;
use crate::harness::frames::{
    self, CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE,
};
use crate::harness::{COMMON, CONTOSO, Raw, Setup, World};

/// `PROTOCOL_ERROR` and `ENHANCE_YOUR_CALM` (RFC 9113 section 7).
const WRONG: u32 = 1;
const CALM: u32 = 11;

/// Streams of one connection that the gateway serves at once.
const STREAMS: usize = 32;

fn fields(host: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", host),
        (":path", COMMON),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-ms-client-tenant-id", CONTOSO),
    ]
}

/// A connection that has said hello.
async fn greeted(world: &World) -> Raw {
    let mut raw = world.raw_with(&[b"h2"]).await;
    raw.send(frames::preface()).await;
    raw
}

/// The error that the connection ends with; none if it ends without GOAWAY.
async fn end(raw: &mut Raw) -> Option<u32> {
    while let Some(frame) = raw.frame().await {
        if frame.kind == GOAWAY {
            let code = frame.payload[4..8].try_into().unwrap();
            return Some(u32::from_be_bytes(code));
        }
    }
    None
}

/// A good exchange passes, the process is the same, and it ends well.
async fn nothing_came_of_it(mut world: World) {
    let good = world.exchange(CONTOSO, CONTOSO).http2().try_send().await;
    assert_eq!(good.unwrap().status, 200);
    world.nothing_leaked().await;
    world.signal(Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));
    assert_eq!(world.log.count("panicked"), 0);
}

/// I5: streams that are opened and reset at once, by the client or, as it provokes, by the gateway.
#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let world = World::start(Setup::new()).await;
    let (host, form) = (world.host(), form(&world));
    let cancel = |stream| frames::frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    let no_window = |stream| frames::frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes());
    let provoked: [&dyn Fn(u32) -> Vec<u8>; 2] = [&cancel, &no_window];
    for (index, reset) in provoked.iter().enumerate() {
        for whole in [true, false] {
            let mut raw = greeted(&world).await;
            for batch in 0..500_u32 {
                let mut bytes = Vec::new();
                for stream in (1..=20).map(|n| 2 * (20 * batch + n) - 1) {
                    let request = frames::request(stream, &fields(&host), Some(form.as_bytes()));
                    let head = request.len() - form.len() - 9;
                    let sent = if whole { request.len() } else { head };
                    bytes.extend_from_slice(&request[..sent]);
                    bytes.extend(reset(stream));
                }
                raw.send(bytes).await;
            }
            let code = end(&mut raw).await;
            assert!(
                code.is_none_or(|code| [WRONG, CALM].contains(&code)),
                "{index}: {code:?}"
            );
            let forwarded = world.idp.requests().token_posts();
            assert!(forwarded <= STREAMS, "{index}: {forwarded}");
            world.idp.requests().clear();
        }
    }
    nothing_came_of_it(world).await;
}

/// Frames that ask for little or nothing, many of them: others are served meanwhile.
#[tokio::test]
async fn floods_of_frames_do_not_keep_others_out() {
    const MANY: usize = 50_000;
    let world = World::start(Setup::new()).await;
    let host = world.host();
    let open = frames::request(1, &fields(&host), Some(b""));
    let open = &open[..open.len() - 9];
    let floods = [
        ("ping", frames::frame(PING, 0, 0, &[0; 8])),
        ("settings", frames::frame(SETTINGS, 0, 0, &[])),
        ("priority", frames::frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("window", frames::frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frames::frame(99, 0, 0, b"")),
        (
            "empty data",
            [open, &frames::frame(DATA, 0, 1, b"").repeat(MANY)].concat(),
        ),
    ];
    for (what, frame) in floods {
        // Who reads nothing of the answers is no better off than who does.
        let mut raw = greeted(&world).await;
        let bytes = if what == "empty data" {
            frame
        } else {
            frame.repeat(MANY)
        };
        let flood = tokio::spawn(async move {
            let sent = tokio::time::timeout(std::time::Duration::from_secs(5), raw.send(bytes));
            let _ = sent.await;
            raw
        });
        for _ in 0..10 {
            let good = world.exchange(CONTOSO, CONTOSO).send().await;
            assert_eq!(good.answer.status, 200, "{what}");
        }
        drop(flood.await.unwrap());
    }
    nothing_came_of_it(world).await;
}

/// E21: a head without end, and one that names a large header of the compression's table again and
/// again: small on the wire, large once written out.
#[tokio::test]
async fn endless_and_exploding_heads_are_refused() {
    let world = World::start(Setup::new()).await;
    let host = world.host();
    let whole = frames::request(1, &fields(&host), None);
    let block = &whole[9..];

    let mut raw = greeted(&world).await;
    raw.send(frames::frame(HEADERS, 0, 1, block)).await;
    for _ in 0..200 {
        let more = [0, 1, b'x', 127, 129, 6].into_iter();
        let field: Vec<u8> = more.chain([b'y'; 1024]).collect();
        raw.send(frames::frame(CONTINUATION, 0, 1, &field)).await;
    }
    assert!(ended(&mut raw, 1).await, "an endless head");

    let mut raw = greeted(&world).await;
    raw.send(frames::frame(HEADERS, 0, 1, block)).await;
    raw.send(frames::frame(CONTINUATION, 0, 1, b"").repeat(20_000))
        .await;
    assert!(ended(&mut raw, 1).await, "empty pieces without end");

    // One header of 4,000 bytes, indexed, and then its index (62, the first of the dynamic table).
    let mut bomb = block.to_vec();
    bomb.extend([0x40, 1, b'x', 127, 161, 30]);
    bomb.extend([b'y'; 4000]);
    bomb.extend([0xbe; 12_000]);
    assert_eq!(
        usize::from(bomb[block.len() + 4]) + 127 + (30 << 7) - 128,
        4000
    );
    let mut raw = greeted(&world).await;
    raw.send(frames::frame(HEADERS, END_HEADERS | 1, 1, &bomb))
        .await;
    assert!(ended(&mut raw, 1).await, "a head that explodes");
    assert_eq!(world.idp.requests().count(), 0);
    nothing_came_of_it(world).await;
}

/// Whether a stream, or the whole connection, came to nothing: an error, the end, or a status that
/// is not 200 (entry 8 of the static table).
async fn ended(raw: &mut Raw, stream: u32) -> bool {
    match raw.outcome_of(stream).await {
        None => true,
        Some(frame) if frame.kind == HEADERS => frame.payload[0] != 0x88,
        Some(frame) => [GOAWAY, RST_STREAM].contains(&frame.kind),
    }
}
