//! Clients that are slow, each in its own way, and how long each is borne.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tidegate_mock::Preset;
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::frames::{self, HEADERS, PING, SETTINGS};
use crate::harness::{COMMON, CONTOSO, Lines, Raw, World};

/// Between two bytes of a slow client.
const BEAT: Duration = Duration::from_millis(700);

/// A reply that no system's buffers hold for a client with a small one.
const LARGE: usize = 6 * 1024 * 1024;

/// In which way a client is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Body,
    HalfPreface,
    Headers,
    ReaderHttp1,
    ReaderHttp2,
    Silent,
    SilentAfterHandshake,
}

/// How many of each the promise names.
pub(super) const PEERS: [(Kind, usize); 7] = [
    (Kind::Headers, 1000),
    (Kind::Body, 500),
    (Kind::Silent, 250),
    (Kind::SilentAfterHandshake, 250),
    (Kind::HalfPreface, 500),
    (Kind::ReaderHttp2, 170),
    (Kind::ReaderHttp1, 30),
];

/// A slow client, connected.
pub(super) struct Peer {
    kind: Kind,
    raw: Raw,
    since: Instant,
    log: Lines,
    /// Where it connects from, if that is what tells of its end.
    address: Option<SocketAddr>,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Body => "slow bodies",
            Self::HalfPreface => "half HTTP/2 prefaces",
            Self::Headers => "slow headers",
            Self::ReaderHttp1 => "slow readers over HTTP/1.1",
            Self::ReaderHttp2 => "slow readers over HTTP/2",
            Self::Silent => "silent before the handshake",
            Self::SilentAfterHandshake => "silent after the handshake",
        }
    }

    /// Connects and says what such a client says first.
    pub(super) async fn connect(self, world: &World) -> Peer {
        let mut address = None;
        let mut raw = match self {
            Self::Silent => Raw::new(TcpStream::connect(world.gateway.data).await.unwrap()),
            Self::Body | Self::Headers | Self::SilentAfterHandshake => world.raw().await,
            Self::HalfPreface | Self::ReaderHttp2 => world.raw_with(&[b"h2"]).await,
            Self::ReaderHttp1 => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_recv_buffer_size(4096).unwrap();
                let tcp = socket.connect(world.gateway.data).await.unwrap();
                address = tcp.local_addr().ok();
                world.raw_over(tcp, &[b"http/1.1"]).await
            }
        };
        match self {
            Self::Silent | Self::SilentAfterHandshake => {}
            Self::Headers => raw.send("POST / HTTP/1.1\r\nhost: a\r\nx-slow: ").await,
            Self::HalfPreface => raw.send("PRI * HTTP/2.0\r\n\r\nSM").await,
            Self::Body => {
                let whole = request(world);
                raw.send(&whole[..whole.len() - 100]).await;
            }
            Self::ReaderHttp1 => {
                let body = world.idp.mint().body(&Preset::Signed, CONTOSO);
                let body = body.member("padding", " ".repeat(LARGE));
                world.idp.script_once(MANY, body.reply());
                raw.send(request(world).replace(COMMON, MANY)).await;
                assert_eq!(raw.take(12).await.unwrap(), b"HTTP/1.1 200");
            }
            Self::ReaderHttp2 => {
                raw.send(without_window(world)).await;
                while raw.frame().await.unwrap().kind != HEADERS {}
            }
        }
        Peer {
            kind: self,
            raw,
            since: Instant::now(),
            log: world.log.clone(),
            address,
        }
    }
}

/// A token endpoint that nobody else asks: its next reply is the one that was set for it.
const MANY: &str = "/organizations/oauth2/v2.0/token";

/// A whole good request.
fn request(world: &World) -> String {
    let form = world.exchange(None, CONTOSO).form_text();
    format!(
        "POST {COMMON} HTTP/1.1\r\nhost: {}\r\nx-ms-client-tenant-id: {CONTOSO}\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        world.host(),
        form.len()
    )
}

/// The same over HTTP/2, from a client that lets one byte of the answer come.
fn without_window(world: &World) -> Vec<u8> {
    let (host, form) = (world.host(), world.exchange(None, CONTOSO).form_text());
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", host.as_str()),
        (":path", COMMON),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-ms-client-tenant-id", CONTOSO),
    ];
    [
        &frames::preface()[..24],
        &frames::frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]),
        &frames::request(1, &fields, Some(form.as_bytes())),
    ]
    .concat()
}

impl Peer {
    /// Goes on being slow until the gateway closes the connection, and tells when that was.
    pub(super) async fn borne(mut self) -> (Kind, Duration) {
        let Some(address) = self.address else {
            while !self.beat().await {}
            return (self.kind, self.since.elapsed());
        };
        // What the system holds for it still comes long after the gateway has let go of it.
        let begin = Timestamp::now();
        while self.since.elapsed() < 2 * super::DEADLINE && !self.beat().await {}
        let ours = |line: &str| {
            line.contains("connection ended") && line.contains(&format!("peer={address} "))
        };
        let line = self.log.first("its end in the log", ours).await.unwrap();
        let time = line.split(' ').next().unwrap().parse::<Timestamp>();
        let borne = time.expect(&line).duration_since(begin);
        (self.kind, borne.try_into().unwrap_or_default())
    }

    /// One more byte or none; whether the connection has ended.
    async fn beat(&mut self) -> bool {
        let Self { kind, raw, .. } = self;
        match kind {
            Kind::Silent | Kind::SilentAfterHandshake | Kind::HalfPreface => {
                raw.rest().await;
                true
            }
            Kind::Body | Kind::Headers => {
                let ended = tokio::time::timeout(BEAT, raw.rest()).await.is_ok();
                raw.send("y").await;
                ended
            }
            Kind::ReaderHttp1 => {
                let ended = !raw.some().await;
                tokio::time::sleep(BEAT).await;
                ended
            }
            Kind::ReaderHttp2 => match raw.frame().await {
                None => true,
                Some(frame) if frame.kind == PING && frame.flags == 0 => {
                    raw.send(frames::frame(PING, 1, 0, &frame.payload)).await;
                    false
                }
                Some(_) => false,
            },
        }
    }
}
