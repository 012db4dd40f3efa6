//! The byte stream under a connection, with a hand on it: a script can take the stream over from
//! hyper and put its own bytes on the wire, which is the only way to send framing that hyper would
//! refuse to produce.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A TCP stream, with or without TLS.
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a script does to the stream.
pub(crate) enum Takeover {
    /// Sends the bytes, then closes.
    Send(Bytes),
    /// Closes with a TCP reset.
    Reset,
}

/// The handle by which a request handler takes its own connection over.
#[derive(Clone, Default)]
pub(crate) struct Control(Arc<Mutex<Option<Takeover>>>);

impl Control {
    pub(crate) fn take_over(&self, takeover: Takeover) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(takeover);
    }
}

/// A stream that obeys hyper until a script takes it over.
pub(crate) struct Wire {
    inner: Transport,
    control: Control,
}

impl Wire {
    pub(crate) fn new(inner: Transport, control: Control) -> Self {
        Self { inner, control }
    }

    /// Whether hyper may write. Otherwise puts the script's bytes on the wire and ends the
    /// connection.
    fn poll_script(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slot = self
            .control
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match slot.as_mut() {
            None => return Poll::Ready(Ok(())),
            Some(Takeover::Reset) => self.inner.tcp().set_zero_linger()?,
            Some(Takeover::Send(bytes)) => {
                while bytes.has_remaining() {
                    let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
                    bytes.advance(written);
                }
                ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
                ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
            }
        }
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the script ends the connection here",
        )))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_script(cx))?;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_script(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Transport {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Whether the two ends agreed on HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
