//! Clients that are slow, each in its own way, and how long each is borne.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tidegate_mock::Preset;
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

use super::watch::Watch;
use crate::harness::frames::{self, HEADERS, PING, SETTINGS};
use crate::harness::{COMMON, CONTOSO, Lines, Raw, World};

/// Between two bytes of a slow client.
const BEAT: Duration = Duration::from_millis(700);

/// A busy machine may make a client miss its deadline before it has begun to be slow.
const ATTEMPTS: usize = 5;

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
    end: End,
}

/// What tells of a connection's end.
enum End {
    /// A line in the gateway's log about this address: what the systems hold for such a client
    /// comes before the end does, long after the gateway has let go of it.
    Logged(Lines, SocketAddr),
    /// The system, which has been told of it.
    Seen(oneshot::Receiver<Instant>),
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

    /// Connects and says what such a client says first; again if it was too late with that.
    pub(super) async fn connect(self, world: &World, watch: &Watch) -> Peer {
        for _ in 0..ATTEMPTS {
            if let Some(peer) = self.try_connect(world, watch).await {
                return peer;
            }
        }
        panic!("{}: too late each time to be borne", self.name());
    }

    async fn try_connect(self, world: &World, watch: &Watch) -> Option<Peer> {
        let mut since = Instant::now();
        let tcp = self.socket().connect(world.gateway.data).await.unwrap();
        let end = if self == Self::ReaderHttp1 {
            End::Logged(world.log.clone(), tcp.local_addr().unwrap())
        } else {
            End::Seen(watch.end_of(&tcp))
        };
        let mut raw = match self {
            Self::Silent => Raw::new(tcp),
            Self::HalfPreface | Self::ReaderHttp2 => world.raw_over(tcp, &[b"h2"]).await,
            Self::Body | Self::Headers | Self::ReaderHttp1 | Self::SilentAfterHandshake => {
                world.raw_over(tcp, &[b"http/1.1"]).await
            }
        };
        if self != Self::Silent {
            since = Instant::now();
        }
        if self.begin(world, &mut raw).await.is_none() {
            // Nothing but the client's own lateness may end it before it was answered.
            assert!(
                since.elapsed() >= super::DEADLINE,
                "{} cut off",
                self.name()
            );
            return None;
        }
        // An answer is borne from when it is there.
        if matches!(self, Self::ReaderHttp1 | Self::ReaderHttp2) {
            since = Instant::now();
        }
        Some(Peer {
            kind: self,
            raw,
            since,
            end,
        })
    }

    fn socket(self) -> TcpSocket {
        let socket = TcpSocket::new_v4().unwrap();
        if self == Self::ReaderHttp1 {
            socket.set_recv_buffer_size(4096).unwrap();
        }
        socket
    }

    /// None: the connection has ended already.
    async fn begin(self, world: &World, raw: &mut Raw) -> Option<()> {
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
                assert_eq!(raw.take(12).await?, b"HTTP/1.1 200");
            }
            Self::ReaderHttp2 => {
                raw.send(without_window(world)).await;
                while raw.frame().await?.kind != HEADERS {}
            }
        }
        Some(())
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
        let begin = Timestamp::now();
        while !self.is_told_in_the_log() && !self.beat().await {}
        let borne = match self.end {
            End::Seen(end) => end.await.unwrap().duration_since(self.since),
            End::Logged(log, address) => {
                let ended = logged(&log, address).await;
                ended.duration_since(begin).try_into().unwrap_or_default()
            }
        };
        (self.kind, borne)
    }

    /// Whether its end, which it will not see, must be there by now.
    fn is_told_in_the_log(&self) -> bool {
        matches!(self.end, End::Logged(..)) && self.since.elapsed() > 2 * super::DEADLINE
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

/// When the gateway says that the connection from this address ended.
async fn logged(log: &Lines, address: SocketAddr) -> Timestamp {
    let peer = format!("peer={address} ");
    let ours = |line: &str| line.contains("connection ended") && line.contains(&peer);
    let line = log.first("its end in the log", ours).await.unwrap();
    let time = line.split(' ').next().unwrap().parse();
    time.expect(&line)
}
