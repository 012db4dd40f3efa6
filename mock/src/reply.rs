//! What the mock answers: any status, any headers, any bytes, and the ways in which an answer can
//! go wrong.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::Value;
use tokio::time::Sleep;

/// An answer, complete before it is sent.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header fields; `content-length` is added if it is not here.
    pub headers: HeaderMap,
    /// The body, or the fault that takes its place.
    pub body: ReplyBody,
    /// How long to wait before the first byte.
    pub delay: Option<Duration>,
}

/// The body of a [`Reply`].
#[derive(Clone, Debug)]
pub enum ReplyBody {
    /// Sends these bytes.
    Bytes(Bytes),
    /// Sends these bytes, then breaks the connection off (a stream reset in HTTP/2).
    Cut(Bytes),
    /// Sends the pieces with a pause before each, without a length unless the headers name one.
    Drip(Vec<Bytes>, Duration),
    /// Sends a TCP reset instead of an answer.
    Reset,
    /// Never answers.
    Silent,
    /// These bytes are all that goes over the wire, status line and framing included; then the
    /// connection is closed. For HTTP/1.1: on HTTP/2 it breaks the framing.
    Wire(Bytes),
}

impl Reply {
    /// An answer with a body and no content type.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: HeaderMap::new(),
            body: ReplyBody::Bytes(body.into()),
            delay: None,
        }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::json_bytes(status, body.to_string())
    }

    /// An answer that says it is JSON; the bytes are sent as they are.
    pub fn json_bytes(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, body).header("content-type", "application/json; charset=utf-8")
    }

    /// A page, as browsers get them.
    pub fn page(status: u16, content: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html>\n<html><head><title>Mock</title></head><body>{content}</body></html>\n"
        );
        Self::new(status, page).header("content-type", "text/html; charset=utf-8")
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, Bytes::new()).header("location", location)
    }

    /// Adds a header field beside those of the same name. A name or value HTTP does not know is
    /// left out: send such answers with [`wire`](Self::wire).
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (
            name.parse::<HeaderName>(),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            self.headers.append(name, value);
        }
        self
    }

    /// Takes all header fields of this name away.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Waits before the first byte.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Promises `promised` bytes, sends `body` and breaks the connection off.
    pub fn cut(status: u16, promised: usize, body: impl Into<Bytes>) -> Self {
        let mut reply =
            Self::json_bytes(status, Bytes::new()).header("content-length", &promised.to_string());
        reply.body = ReplyBody::Cut(body.into());
        reply
    }

    /// Sends the body in pieces of `size` bytes with a pause before each.
    pub fn drip(status: u16, body: &[u8], size: usize, pause: Duration) -> Self {
        let pieces = body
            .chunks(size.max(1))
            .map(Bytes::copy_from_slice)
            .collect();
        let mut reply = Self::json_bytes(status, Bytes::new());
        reply.body = ReplyBody::Drip(pieces, pause);
        reply
    }

    /// Sends exactly these bytes (status line, headers and body, HTTP/1.1) and closes the
    /// connection.
    pub fn wire(bytes: impl Into<Bytes>) -> Self {
        Self {
            body: ReplyBody::Wire(bytes.into()),
            ..Self::new(200, Bytes::new())
        }
    }

    /// Resets the TCP connection instead of answering.
    pub fn reset() -> Self {
        Self {
            body: ReplyBody::Reset,
            ..Self::new(200, Bytes::new())
        }
    }

    /// Never answers.
    pub fn silent() -> Self {
        Self {
            body: ReplyBody::Silent,
            ..Self::new(200, Bytes::new())
        }
    }

    /// The bytes of a plain body; nothing for the faults.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            ReplyBody::Bytes(bytes) | ReplyBody::Cut(bytes) | ReplyBody::Wire(bytes) => bytes,
            ReplyBody::Drip(..) | ReplyBody::Reset | ReplyBody::Silent => &[],
        }
    }

    /// The headers every token endpoint of Entra sends, cookies included.
    #[must_use]
    pub(crate) fn entra_headers(self) -> Self {
        self.header(header::CACHE_CONTROL.as_str(), "no-store, no-cache")
            .header("pragma", "no-cache")
            .header("expires", "-1")
            .header(
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            )
            .header("x-content-type-options", "nosniff")
            .header("p3p", "CP=\"DSP CUR OTPi IND OTRi ONL FIN\"")
            .header("x-ms-request-id", &crate::jwt::random_guid())
            .header("x-ms-ests-server", "2.1.19683.3 - MOCK ProdSlices")
            .header("x-ms-srs", "1.P")
            .header(
                "set-cookie",
                &format!(
                    "fpc={}; path=/; secure; HttpOnly; SameSite=None",
                    crate::jwt::random(18)
                ),
            )
            .header(
                "set-cookie",
                "x-ms-gateway-slice=estsfd; path=/; secure; httponly",
            )
            .header(
                "set-cookie",
                "stsservicecookie=estsfd; path=/; secure; httponly",
            )
    }
}

/// What becomes of a body after its last piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Break,
    Finish,
}

/// A body on its way out.
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    end: End,
}

impl Outgoing {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        let pieces = if bytes.is_empty() {
            VecDeque::new()
        } else {
            VecDeque::from([bytes])
        };
        Self {
            pieces,
            pause: Duration::ZERO,
            sleep: None,
            end: End::Finish,
        }
    }

    pub(crate) fn cut(bytes: Bytes) -> Self {
        // The pause lets hyper flush the bytes before the body fails, or they would never leave.
        Self {
            pause: Duration::from_millis(1),
            end: End::Break,
            ..Self::whole(bytes)
        }
    }

    pub(crate) fn drip(pieces: Vec<Bytes>, pause: Duration) -> Self {
        Self {
            pieces: pieces.into(),
            pause,
            sleep: None,
            end: End::Finish,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let over = self.pieces.is_empty() && self.end == End::Finish;
        if !self.pause.is_zero() && !over {
            let pause = self.pause;
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(match (self.pieces.pop_front(), self.end) {
            (Some(piece), End::Break | End::Finish) => Some(Ok(Frame::data(piece))),
            (None, End::Finish) => None,
            (None, End::Break) => Some(Err(io::Error::other(
                "the script breaks the answer off here",
            ))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.end == End::Finish
    }

    fn size_hint(&self) -> SizeHint {
        if self.end == End::Finish && self.pause.is_zero() {
            SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
        } else {
            SizeHint::default()
        }
    }
}
