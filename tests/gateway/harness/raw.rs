//! A connection on which any bytes can be sent: for requests that no client library would make.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::{Answer, DEADLINE};

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// One HTTP/1.1 connection, byte by byte.
pub(crate) struct Raw {
    stream: Pin<Box<dyn Stream>>,
    received: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::pin(stream),
            received: Vec::new(),
        }
    }

    /// Sends bytes. The other end may have closed already; that shows in the answer.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// Ends the sending direction.
    pub(crate) async fn end(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next answer; none if the connection ends before one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((answer, length)) = parse(&self.received) {
                self.received.drain(..length);
                return Some(answer);
            }
            if !self.receive().await {
                return None;
            }
        }
    }

    /// So many bytes; none if the connection ends before.
    pub(crate) async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.received.len() < count {
            if !self.receive().await {
                return None;
            }
        }
        Some(self.received.drain(..count).collect())
    }

    /// What comes next, as much as comes at once, is not looked at; whether anything came.
    pub(crate) async fn some(&mut self) -> bool {
        let came = self.receive().await;
        self.received.clear();
        came
    }

    /// Waits until the other end closes, and tells what came before that.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.receive().await {}
        std::mem::take(&mut self.received)
    }

    async fn receive(&mut self) -> bool {
        let read = timeout(DEADLINE, self.stream.read_buf(&mut self.received)).await;
        match read.expect("neither an answer nor an end") {
            Ok(count) => count > 0,
            Err(error) => {
                let ends = [
                    io::ErrorKind::ConnectionReset,
                    io::ErrorKind::UnexpectedEof,
                    io::ErrorKind::BrokenPipe,
                ];
                assert!(ends.contains(&error.kind()), "{error}");
                false
            }
        }
    }
}

/// A whole answer at the start of some bytes, and its length. Understands `content-length` only:
/// the gateway's answers are whole before they are sent.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status_line = lines.next()?;
    let mut words = status_line.split(' ');
    assert_eq!(words.next(), Some("HTTP/1.1"), "{status_line}");
    let status = words.next()?.parse().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            value.trim().parse::<HeaderValue>().unwrap(),
        );
    }
    let length = headers
        .get("content-length")
        .map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    let body = bytes.get(end + 4..end + 4 + length)?;
    let answer = Answer {
        status,
        version: Version::HTTP_11,
        headers,
        body: Bytes::copy_from_slice(body),
    };
    Some((answer, end + 4 + length))
}
