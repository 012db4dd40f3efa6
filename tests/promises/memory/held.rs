//! Memory at the limits: more clients than there are places, each holding as much as it can.

use tidegate_mock::Preset;
use tokio::task::JoinSet;

use super::process::memory;
use crate::frame::{Figure, Scale};
use crate::harness::frames::{self, END_HEADERS, HEADERS, SETTINGS};
use crate::harness::{COMMON, CONTOSO, Raw, Setup, World, until};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of these runs.
const IN_FLIGHT: usize = 48;
const REQUEST_BODY: usize = 128 * KIB;
const REPLY_BODY: usize = MIB;
const HEADER_BYTES: usize = 32 * KIB;
const STREAMS: usize = 32;

/// What a connection costs beside its requests and replies: TLS, buffers, flow control.
const CONNECTION: usize = 384 * KIB;

/// The formula: what may be held above the resident memory of an idle gateway.
fn bound(connections: usize) -> usize {
    let requests = IN_FLIGHT * 2 * (REQUEST_BODY + HEADER_BYTES);
    let replies = IN_FLIGHT * 2 * REPLY_BODY;
    requests + replies + connections * CONNECTION
}

pub(super) async fn prove(scale: Scale) -> Vec<Figure> {
    let connections = scale.pick(20, 100);
    let mut figures = vec![requests(connections).await, replies(connections).await];
    figures.extend(silent(10 * connections).await);
    figures
}

fn limits(connections: usize) -> Setup {
    Setup::new()
        .set("log.level", "info")
        .set("audit.output", "audit.jsonl")
        .set(
            "limits.connections",
            i64::try_from(connections + 20).unwrap(),
        )
        .set("limits.in_flight", i64::try_from(IN_FLIGHT).unwrap())
        .set("limits.body_timeout", "60s")
        .set("limits.header_timeout", "60s")
}

/// Every stream of every connection holds a large head and all but the end of a large body.
async fn requests(connections: usize) -> Figure {
    let world = World::start(limits(connections)).await;
    let host = world.host();
    let before = warm(&world).await;
    let large = "y".repeat(7 * KIB);
    let mut fields = fields(&host);
    fields.extend(["x-1", "x-2", "x-3", "x-4"].map(|name| (name, large.as_str())));
    let mut open = JoinSet::new();
    for _ in 0..connections {
        let mut raw = world.raw_with(&[b"h2"]).await;
        let heads: Vec<Vec<u8>> = (0..STREAMS).map(|n| head(1 + 2 * n, &fields)).collect();
        open.spawn(async move {
            raw.send([frames::preface(), heads.concat()].concat()).await;
            // What the windows allow: a stream's at first, and the connection's.
            let piece = frames::frame(frames::DATA, 0, 0, &[b'z'; 8 * KIB]);
            for _ in 0..8 {
                for stream in 0..u32::try_from(STREAMS).unwrap() {
                    let mut piece = piece.clone();
                    piece[5..9].copy_from_slice(&(1 + 2 * stream).to_be_bytes());
                    raw.send(piece).await;
                }
                while tokio::time::timeout(std::time::Duration::from_millis(20), raw.some()).await
                    == Ok(true)
                {}
            }
            raw
        });
    }
    let open = open.join_all().await;
    let peak = memory(world.gateway.pid()).1;
    drop(open);
    let what = format!("{connections} connections, each with {STREAMS} large heads and bodies");
    figure(what, before, peak, connections, &world).await
}

/// As many replies at the cap as may be under way, whose clients do not take them, and more that
/// would like to.
async fn replies(connections: usize) -> Figure {
    let world = World::start(limits(connections)).await;
    let (host, form) = (world.host(), world.exchange(None, CONTOSO).form_text());
    let before = warm(&world).await;
    let body = world.idp.mint().body(&Preset::Signed, CONTOSO);
    let room = REPLY_BODY - body.to_vec().len() - 100;
    world
        .idp
        .script(COMMON, body.member("padding", "p".repeat(room)).reply());
    let no_window = frames::frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]);
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut raw = world.raw_with(&[b"h2"]).await;
        let mut bytes = [&frames::preface()[..24], &no_window].concat();
        for stream in 0..u32::try_from(STREAMS).unwrap() {
            bytes.extend(frames::request(
                1 + 2 * stream,
                &fields(&host),
                Some(form.as_bytes()),
            ));
        }
        raw.send(bytes).await;
        open.push(raw);
    }
    for raw in &mut open {
        answered(raw).await;
    }
    let peak = memory(world.gateway.pid()).1;
    drop(open);
    world.idp.clear_scripts();
    let what =
        format!("{connections} connections, {STREAMS} replies of 1 MiB each asked for, none taken");
    figure(what, before, peak, connections, &world).await
}

/// Waits until every stream has a status.
async fn answered(raw: &mut Raw) {
    let mut heads = 0;
    while heads < STREAMS {
        heads += usize::from(raw.frame().await.unwrap().kind == HEADERS);
    }
}

/// Connections that do nothing. A socket costs its owner a kibibyte at least.
async fn silent(connections: usize) -> [Figure; 2] {
    let world = World::start(limits(connections)).await;
    let before = warm(&world).await;
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(world.raw().await);
    }
    let peak = memory(world.gateway.pid()).1;
    drop(open);
    let each = peak.saturating_sub(before) / connections / KIB;
    let what = format!("{connections} idle TLS connections");
    let times = Figure::new(
        "memory of one, times the KiB of its client's socket",
        format!("{each} times"),
        "100 times",
        each <= 100,
    );
    [figure(what, before, peak, connections, &world).await, times]
}

/// Resident memory once everything that is made once is there.
async fn warm(world: &World) -> usize {
    for http2 in [false, true] {
        let good = world.exchange(CONTOSO, CONTOSO);
        let good = if http2 { good.http2() } else { good };
        assert_eq!(good.try_send().await.unwrap().status, 200);
    }
    memory(world.gateway.pid()).0
}

async fn figure(
    what: String,
    before: usize,
    peak: usize,
    connections: usize,
    world: &World,
) -> Figure {
    let (grown, bound) = (peak.saturating_sub(before), bound(connections));
    until("the next good exchange", async || {
        let good = world.exchange(CONTOSO, CONTOSO).try_send().await;
        good.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
    Figure::new(
        what,
        format!("{} MiB above {} MiB", grown / MIB, before / MIB),
        format!("{} MiB", bound / MIB),
        grown <= bound && world.gateway.is_alive(),
    )
}

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

/// A head in as many frames as it needs; its body is to follow.
fn head(stream: usize, fields: &[(&str, &str)]) -> Vec<u8> {
    let stream = u32::try_from(stream).unwrap();
    let block = frames::block(fields);
    let mut pieces = block.chunks(16 * KIB).peekable();
    let first = pieces.next().unwrap();
    let flags = |last: bool| if last { END_HEADERS } else { 0 };
    let mut bytes = frames::frame(HEADERS, flags(pieces.peek().is_none()), stream, first);
    while let Some(piece) = pieces.next() {
        let last = flags(pieces.peek().is_none());
        bytes.extend(frames::frame(frames::CONTINUATION, last, stream, piece));
    }
    bytes
}
