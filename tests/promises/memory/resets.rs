//! Rapid reset (case I5): streams that are opened and reset at once, connection after connection,
//! while good traffic goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::frame::{Figure, Scale};
use crate::harness::frames::{self, GOAWAY, PING, RST_STREAM};
use crate::harness::{CONTOSO, Raw, Setup, World, until};
use crate::load::{Load, Taken, milliseconds};

/// Streams in one piece that is sent.
const PIECE: usize = 100;

/// Pieces that one connection is borne at most before that counts as a fault.
const PIECES: usize = 20;

/// Streams of one connection that the gateway serves at once.
const STREAMS: usize = 32;

/// `ENHANCE_YOUR_CALM` (RFC 9113 section 7).
const CALM: u32 = 11;

/// Clients of good traffic.
const CLIENTS: usize = 4;

/// A token endpoint that good traffic does not ask.
const ELSEWHERE: &str = "/organizations/oauth2/v2.0/token";

/// What came of all of it.
#[derive(Default)]
struct Attack {
    streams: usize,
    connections: usize,
    /// Connections that the gateway ended, in these words or without one that arrived.
    calmed: usize,
    speechless: usize,
    /// Requests of one connection that reached the provider, at most.
    forwarded: usize,
}

/// How a connection answers a piece.
#[derive(PartialEq, Eq)]
enum Answer {
    Calm,
    Ended,
    GoOn,
}

pub(super) async fn prove(scale: Scale) -> Vec<Figure> {
    let setup = Setup::new()
        .set("log.level", "info")
        .set("audit.output", "audit.jsonl");
    let world = World::start(setup).await;
    let load = Load::start(&world, CLIENTS);
    tokio::time::sleep(Duration::from_secs(scale.pick(1, 5))).await;
    let before = load.stop().await;

    let load = Load::start(&world, CLIENTS);
    let attack = attack(&world, scale.pick(2_000, 100_000)).await;
    let beside = load.stop().await;
    until("nothing under way", async || {
        let metrics = world.metrics().await;
        metrics
            .contains("tidegate_exchanges_in_flight 0")
            .then_some(())
    })
    .await;
    let alive = world.gateway.is_alive() && world.log.count("panicked") == 0;
    let [lost, slower] = good(scale, &before, &beside);
    vec![attack.ended(alive), attack.reached(), lost, slower]
}

/// Opens and resets so many streams, on as many connections as that needs.
async fn attack(world: &World, many: usize) -> Attack {
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    world.idp.hook(move |request| {
        let ours = usize::from(request.path == ELSEWHERE);
        count.fetch_add(ours, Ordering::Relaxed);
        None
    });
    let form = world.exchange(None, CONTOSO).form_text();
    let pieces: Vec<Vec<u8>> = (0..PIECES)
        .map(|index| piece(&world.host(), &form, index * PIECE))
        .collect();
    let mut attack = Attack::default();
    while attack.streams < many {
        let before = arrived.load(Ordering::Relaxed);
        attack.one_connection(world, &pieces).await;
        let forwarded = arrived.load(Ordering::Relaxed) - before;
        attack.forwarded = attack.forwarded.max(forwarded);
    }
    attack
}

/// Streams that are opened and reset, and a ping that tells when they have been read.
fn piece(host: &str, form: &str, first: usize) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", host),
        (":path", ELSEWHERE),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-ms-client-tenant-id", CONTOSO),
    ];
    let mut bytes = Vec::new();
    for index in first..first + PIECE {
        let stream = u32::try_from(2 * index + 1).unwrap();
        bytes.extend(frames::request(stream, &fields, Some(form.as_bytes())));
        bytes.extend(frames::frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    bytes.extend(frames::frame(PING, 0, 0, &[7; 8]));
    bytes
}

async fn answer(raw: &mut Raw) -> Answer {
    while let Some(frame) = raw.frame().await {
        match frame.kind {
            GOAWAY if frame.payload[4..8] == CALM.to_be_bytes() => return Answer::Calm,
            GOAWAY => return Answer::Ended,
            PING if frame.payload == [7; 8] => return Answer::GoOn,
            _ => {}
        }
    }
    Answer::Ended
}

impl Attack {
    async fn one_connection(&mut self, world: &World, pieces: &[Vec<u8>]) {
        let mut raw = world.raw_with(&[b"h2"]).await;
        raw.send(frames::preface()).await;
        self.connections += 1;
        for piece in pieces {
            raw.send(piece).await;
            self.streams += PIECE;
            match answer(&mut raw).await {
                Answer::Calm => self.calmed += 1,
                // What the client had still under way can take the gateway's last words with it.
                Answer::Ended => self.speechless += 1,
                Answer::GoOn => continue,
            }
            return;
        }
    }

    fn ended(&self, alive: bool) -> Figure {
        let Self {
            streams,
            connections,
            calmed,
            speechless,
            ..
        } = self;
        Figure::new(
            format!("{streams} streams opened and reset, on {connections} connections: ended"),
            format!("{calmed} told to be calm, {speechless} without a word"),
            "all, by the same process",
            alive && calmed + speechless == *connections && *calmed > 0,
        )
    }

    fn reached(&self) -> Figure {
        Figure::new(
            "of one of them, requests that reached the provider",
            self.forwarded,
            format!("at most {STREAMS}"),
            self.forwarded <= STREAMS,
        )
    }
}

fn good(scale: Scale, before: &Taken, beside: &Taken) -> [Figure; 2] {
    let (usual, slower) = (before.percentile(99), beside.percentile(99));
    [
        Figure::new(
            "good exchanges answered meanwhile",
            beside.answered(),
            "all",
            before.lost.is_empty() && beside.lost.is_empty(),
        ),
        Figure::speed(
            scale,
            "their p99, without and beside",
            format!("{}, {}", milliseconds(usual), milliseconds(slower)),
            "at most three times",
            slower <= 3 * usual,
        ),
    ]
}
