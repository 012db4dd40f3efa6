//! What it costs the gateway to answer an attacker, beside what it costs the attacker to ask: the
//! processor time of the gateway's process and of the attacker's thread, over the same time.

use std::time::Duration;

use super::attacker::Attacker;
use super::process::processor_time;
use crate::frame::{Figure, Scale};
use crate::harness::frames::{self, END_HEADERS, HEADERS, PING, RST_STREAM, SETTINGS};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, Setup, World};

/// The rule.
const MOST: f64 = 100.0;

/// How an attacker connects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Http2,
    Plain,
    /// TCP to a listener that expects TLS.
    Tcp,
}

/// What it sends, again and again.
struct Attack {
    name: &'static str,
    over: Over,
    /// Sent once, at the start of a connection.
    hello: Vec<u8>,
    bytes: Vec<u8>,
}

pub(super) async fn prove(scale: Scale) -> Vec<Figure> {
    let quiet = |setup: Setup| {
        setup
            .set("log.level", "info")
            .set("audit.output", "audit.jsonl")
    };
    let plain = World::start(quiet(Setup::connections().plain())).await;
    let secure = World::start(quiet(Setup::new())).await;
    let mut figures = Vec::new();
    for attack in requests(&plain).into_iter().chain(connections(&secure)) {
        let world = if attack.over == Over::Plain {
            &plain
        } else {
            &secure
        };
        figures.push(attack.measured(scale, world).await);
    }
    figures
}

/// Requests over plain HTTP, so that the attacker pays for nothing but sending them.
fn requests(world: &World) -> Vec<Attack> {
    let host = world.host();
    let attack = |name, line: &str, more: &str, body: &str| {
        let length = body.len();
        let bytes = format!(
            "{line} HTTP/1.1\r\nhost: {host}\r\n{more}content-length: {length}\r\n\r\n{body}"
        );
        Attack {
            name,
            over: Over::Plain,
            hello: Vec::new(),
            bytes: bytes.repeat(8).into(),
        }
    };
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let creator = format!("{form}x-ms-client-tenant-id: {CONTOSO}\r\n");
    let token = format!("POST {COMMON}");
    let many: String = (0..90).map(|n| format!("x-{n}: y\r\n")).collect();
    let escaped = format!("grant_type={}", "%61".repeat(40_000));
    let pairs: String = (0..60).map(|n| format!("p{n}=%41%42&")).collect();
    let signed = world.creator(CONTOSO).build();
    let forged = format!("{}AAAA", &signed[..signed.len() - 4]);
    let bearer = |token: &str| format!("{form}authorization: Bearer {token}\r\n");
    let padded = world
        .creator(FABRIKAM)
        .claim("padding", "p".repeat(8000))
        .build();
    let create = "POST /connections/one";
    vec![
        attack("requests for nothing", "GET /", "", ""),
        attack("ninety headers", "GET /", &many, ""),
        attack(
            "a path of 8 KiB",
            &format!("GET /{}", "a/".repeat(4000)),
            "",
            "",
        ),
        attack("forms of 120 KiB, all escaped", &token, &creator, &escaped),
        attack(
            "forms of sixty parameters, no grant",
            &token,
            &creator,
            &pairs,
        ),
        attack(
            "tokens with a forged signature",
            create,
            &bearer(&forged),
            "id_token=x",
        ),
        attack(
            "tokens of 10 KiB, forged",
            create,
            &bearer(&format!("{}AAAA", &padded[..padded.len() - 4])),
            "id_token=x",
        ),
        attack(
            "tokens that are none",
            create,
            &bearer(&"a.".repeat(4000)),
            "id_token=x",
        ),
    ]
}

/// What costs before there is a request, and frames.
fn connections(world: &World) -> Vec<Attack> {
    let host = world.host();
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(world.client_config(&[b"h2"]), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", host.as_str()),
        (":path", COMMON),
    ];
    let block = frames::block(&fields);
    let bomb = [&block[..], &[0x8f; 10_000]].concat();
    let opened = |flags, block: &[u8]| frames::frame(HEADERS, flags, 1, block);
    let cancel = frames::frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    let http2 = |name, bytes| Attack {
        name,
        over: Over::Http2,
        hello: frames::preface(),
        bytes,
    };
    vec![
        Attack {
            name: "handshakes begun, over and over",
            over: Over::Tcp,
            hello,
            bytes: Vec::new(),
        },
        http2("pings", frames::frame(PING, 0, 0, &[0; 8]).repeat(500)),
        http2("settings", frames::frame(SETTINGS, 0, 0, &[]).repeat(500)),
        http2(
            "heads that explode, on new connections",
            opened(END_HEADERS | 1, &bomb),
        ),
        http2(
            "a stream opened and reset, on new connections",
            [opened(END_HEADERS, &block), cancel].concat(),
        ),
    ]
}

impl Attack {
    async fn measured(self, scale: Scale, world: &World) -> Figure {
        let lasting = scale.pick(Duration::from_millis(250), Duration::from_secs(2));
        let http2 = (self.over == Over::Http2).then(|| world.client_config(&[b"h2"]));
        let attacker = Attacker {
            to: world.gateway.data,
            tls: http2,
            hello: self.hello,
            bytes: self.bytes,
        };
        let pid = world.gateway.pid();
        let before = processor_time(pid);
        let spent = attacker.attack(lasting).await;
        let theirs = (processor_time(pid) - before).as_secs_f64();
        let ratio = theirs / spent.time.as_secs_f64().max(0.001);
        let each = theirs * 1e9 / spent.bytes as f64;
        Figure::speed(
            scale,
            format!("cost of {}", self.name),
            format!("{ratio:.1} times, {each:.0} ns a byte"),
            format!("{MOST} times"),
            ratio <= MOST,
        )
    }
}
