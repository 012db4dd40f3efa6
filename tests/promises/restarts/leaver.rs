//! A client over HTTP/2 whose exchange is under way when its instance is told to end: it is told to
//! go away, without an error, and gets its answer all the same.

use std::time::Duration;

use tidegate_mock::Preset;
use tokio::net::TcpStream;

use crate::frame::Figure;
use crate::harness::frames::{self, DATA, END_STREAM, GOAWAY, HEADERS, PING};
use crate::harness::{CONTOSO, Gateway, Raw, World, until};

/// A token endpoint that nobody else asks.
const ELSEWHERE: &str = "/organizations/oauth2/v2.0/token";

/// `:status: 200` in a header block (RFC 7541, index 8).
const OK: u8 = 0x88;

/// Its connection, with a request sent.
pub(super) struct Leaver(Raw);

/// What it was told.
pub(super) struct Told {
    /// To go away, with `NO_ERROR`; the last time naming the stream that was taken.
    to_go: bool,
    answer: bool,
}

/// What came of all of them.
#[derive(Default)]
pub(super) struct Left {
    tried: usize,
    told: usize,
    answered: usize,
}

impl Leaver {
    /// Asks this instance, and returns when its provider has been asked, which takes so long.
    pub(super) async fn start(world: &World, instance: &Gateway, takes: Duration) -> Self {
        let body = world.idp.mint().body(&Preset::Signed, CONTOSO);
        world.idp.script(ELSEWHERE, body.reply().after(takes));
        let (host, form) = (world.host(), world.exchange(None, CONTOSO).form_text());
        let fields = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", host.as_str()),
            (":path", ELSEWHERE),
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-ms-client-tenant-id", CONTOSO),
        ];
        let tcp = TcpStream::connect(instance.data).await.unwrap();
        let mut raw = world.raw_over(tcp, &[b"h2"]).await;
        let request = frames::request(1, &fields, Some(form.as_bytes()));
        raw.send([frames::preface(), request].concat()).await;
        let asked = |request: &tidegate_mock::Request| request.path == ELSEWHERE;
        until("it is at the provider", async || {
            world.idp.requests().all().iter().any(asked).then_some(())
        })
        .await;
        world.idp.requests().clear();
        Self(raw)
    }

    /// Reads to the connection's end.
    pub(super) async fn until_the_end(self) -> Told {
        let Self(mut raw) = self;
        let (mut last, mut status, mut body) = (None, None, Vec::new());
        let mut whole = false;
        while let Some(frame) = raw.frame().await {
            match frame.kind {
                GOAWAY => last = Some(frame.payload),
                HEADERS => status = frame.payload.first().copied(),
                DATA => {
                    whole |= frame.flags & END_STREAM != 0;
                    body.extend(frame.payload);
                }
                // Who does not answer is waited for as long as an exchange would be.
                PING if frame.flags == 0 => {
                    raw.send(frames::frame(PING, 1, 0, &frame.payload)).await;
                }
                _ => {}
            }
        }
        let token = memchr::memmem::find(&body, b"\"access_token\"").is_some();
        Told {
            // The last stream, then the error code: none.
            to_go: last.is_some_and(|words| words[..8] == [0, 0, 0, 1, 0, 0, 0, 0]),
            answer: whole && token && status == Some(OK),
        }
    }
}

impl Left {
    pub(super) fn note(&mut self, told: &Told) {
        self.tried += 1;
        self.told += usize::from(told.to_go);
        self.answered += usize::from(told.answer);
    }

    pub(super) fn answered(&self) -> usize {
        self.answered
    }

    pub(super) fn figure(&self) -> Figure {
        let Self {
            tried,
            told,
            answered,
        } = *self;
        Figure::new(
            format!(
                "of {tried} exchanges over HTTP/2 under way at SIGTERM: GOAWAY(NO_ERROR), answered"
            ),
            format!("{told}, {answered}"),
            "all",
            tried > 0 && told == tried && answered == tried,
        )
    }
}
