//! One HTTP/1.1 connection to a provider, driven by the exchange that uses it.
//!
//! Invariant: the connection makes progress only while an exchange waits for it, in that
//! exchange's own task. So it ends with the exchange that is dropped, and a reply costs no hand-over
//! between tasks (`bench/README.md` has the figures).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use super::head::{Bounded, Left};

/// Largest header block of a reply.
pub(super) const REPLY_HEADERS: usize = 64 * 1024;

/// Plain TCP or TLS.
pub(super) type Stream = Box<dyn Duplex>;

/// Both directions of a byte stream.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection and the handle that sends on it.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: http1::Connection<TokioIo<Bounded>, Full<Bytes>>,
    ended: bool,
    left: Left,
    /// Its file descriptor's.
    _place: OwnedSemaphorePermit,
    /// The number of the certificates it was opened under.
    pub(super) under: u64,
    /// When it was opened.
    pub(super) opened: Instant,
    /// How many requests it has carried.
    pub(super) uses: u32,
}

impl Connection {
    /// Boxed: it is handed from exchange to exchange, and hyper's half of it is large.
    pub(super) async fn open(
        stream: Stream,
        under: u64,
        place: OwnedSemaphorePermit,
    ) -> hyper::Result<Box<Self>> {
        let left = Left::new();
        let stream = Bounded {
            stream,
            left: left.clone(),
        };
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(REPLY_HEADERS)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Box::new(Self {
            sender,
            driver,
            ended: false,
            left,
            _place: place,
            under,
            opened: Instant::now(),
            uses: 0,
        }))
    }

    /// Whether an idle connection takes a request now: its last request was sent whole, and the
    /// provider has neither closed it nor sent anything unasked. It never waits.
    pub(super) fn is_open(&mut self) -> bool {
        let Self {
            sender,
            driver,
            ended,
            ..
        } = self;
        let mut context = Context::from_waker(Waker::noop());
        let ready = matches!(
            pin!(drive(driver, ended, sender.ready())).poll(&mut context),
            Poll::Ready(Some(Ok(())))
        );
        // The handle may still take a request when the connection has just been found closed.
        ready && !*ended
    }

    /// Sends a request and waits for the head of its reply.
    ///
    /// # Errors
    /// The request itself, if not a byte of it was written; nothing otherwise.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Option<Request<Full<Bytes>>>> {
        self.uses += 1;
        let Self {
            sender,
            driver,
            ended,
            left,
            ..
        } = self;
        left.asked();
        let sent = drive(driver, ended, sender.try_send_request(request)).await;
        left.answered();
        match sent {
            Some(Ok(response)) => Ok(response),
            Some(Err(mut error)) => Err(error.take_message()),
            None => Err(None),
        }
    }

    /// Drives the connection until `work` is done. None: the connection ended before.
    pub(super) async fn drive<W: Future>(&mut self, work: W) -> Option<W::Output> {
        drive(&mut self.driver, &mut self.ended, work).await
    }
}

async fn drive<W: Future>(
    driver: &mut http1::Connection<TokioIo<Bounded>, Full<Bytes>>,
    ended: &mut bool,
    work: W,
) -> Option<W::Output> {
    let mut work = pin!(work);
    poll_fn(|context| {
        if !*ended {
            *ended = std::pin::Pin::new(&mut *driver).poll(context).is_ready();
        }
        match work.as_mut().poll(context) {
            Poll::Ready(output) => return Poll::Ready(Some(output)),
            Poll::Pending if *ended => return Poll::Ready(None),
            Poll::Pending => {}
        }
        // What `work` asked for just now (a request, more of a body) is the driver's to do.
        *ended = std::pin::Pin::new(&mut *driver).poll(context).is_ready();
        match work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if *ended => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
