//! One client's connection, from the handshake to its end.
//!
//! Invariant: it ends, when nothing is under way on it, as soon as the process shall end or the
//! client's certificate is not good any more; whichever comes first is not undone.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Response};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use super::activity::Activity;
use super::first::{self, First, Heard};
use super::{Phase, timed_out};
use crate::config::Limits;
use crate::gateway::{Peer, Worker};
use crate::proxy::{self, Sending};
use crate::tls::{Handshake, Shown};

/// Requests that one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 32;

/// What an HTTP/2 client may send ahead of being read: on a stream, on a connection.
const WINDOWS: (u32, u32) = (64 * 1024, 256 * 1024);

/// A connection that was accepted.
pub(super) struct Connection {
    pub(super) worker: Arc<Worker>,
    pub(super) handshake: Option<Handshake>,
    pub(super) address: SocketAddr,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Connection {
    /// Serves it to its end.
    pub(super) async fn serve(self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let limits = &self.worker.gateway.limits;
        // A peer that does not read is closed like one that does not write.
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream
            .as_mut()
            .set_write_timeout_pinned(Some(limits.header_timeout));
        let Some(handshake) = &self.handshake else {
            return self.http1(stream, None).await;
        };
        let accepted = handshake.acceptor().accept(stream);
        let stream = tokio::select! {
            accepted = timeout(limits.handshake_timeout, accepted) => accepted.ok(),
            () = first::too_late(self.phase.clone()) => None,
        };
        let stream = stream.ok_or_else(timed_out)??;
        let session = stream.get_ref().1;
        let shown = handshake.shown(session).map(Arc::new);
        if session.alpn_protocol() == Some(b"h2") {
            self.http2(stream, shown).await
        } else {
            self.http1(stream, shown).await
        }
    }

    fn peer(&self, shown: Option<&Arc<Shown>>) -> Arc<Peer> {
        let trust = &self.worker.gateway.trust;
        Arc::new(Peer::new(self.address, shown.cloned(), trust))
    }

    async fn http1<S>(self, stream: S, shown: Option<Arc<Shown>>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits: &Limits = &self.worker.gateway.limits;
        let (worker, peer) = (Arc::clone(&self.worker), self.peer(shown.as_ref()));
        let heard = Heard::default();
        let leaving = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&leaving);
        let activity = Arc::new(Activity::new());
        let theirs = Arc::clone(&activity);
        let service = service_fn(move |request| {
            let (worker, peer) = (Arc::clone(&worker), Arc::clone(&peer));
            let (leaving, busy) = (Arc::clone(&leaving), theirs.begin());
            async move {
                let mut answer = proxy::serve(worker, peer, request, busy).await?;
                if leaving.load(Ordering::Relaxed) {
                    close(&mut answer);
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(limits.header_bytes.max(8 * 1024))
            .serve_connection(TokioIo::new(heard.on(stream)), service);
        // hyper times out headers and rests; an answer that its client hardly takes is ours to end.
        let left = || activity.left(None, limits.body_timeout);
        let mut connection = pin!(connection);
        let mut ends = Ends::new(self.phase, shown);
        let mut first = First::new(heard);
        loop {
            match ends.next(connection.as_mut(), first.at_most(left())).await {
                // An idle connection stays: its client may be sending a request just now.
                Event::Leave => told.store(true, Ordering::Relaxed),
                // hyper closes a connection at once on which no request has begun.
                Event::End if first.is_missing() => {
                    told.store(true, Ordering::Relaxed);
                    first.wait();
                }
                Event::End => connection.as_mut().graceful_shutdown(),
                Event::Ended(ended) => return ended.map_err(io::Error::other),
                Event::Glance if left().is_zero() => return Err(timed_out()),
                Event::Glance => {
                    if first.is_over() {
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }

    async fn http2<S>(self, stream: S, shown: Option<Arc<Shown>>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits: &Limits = &self.worker.gateway.limits;
        let (worker, peer) = (Arc::clone(&self.worker), self.peer(shown.as_ref()));
        let heard = Heard::default();
        let activity = Arc::new(Activity::new());
        let theirs = Arc::clone(&activity);
        let service = service_fn(move |request| {
            let (worker, peer) = (Arc::clone(&worker), Arc::clone(&peer));
            proxy::serve(worker, peer, request, theirs.begin())
        });
        let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(header_bytes)
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .keep_alive_interval(limits.header_timeout)
            .keep_alive_timeout(limits.header_timeout)
            .serve_connection(TokioIo::new(heard.on(stream)), service);
        // hyper times out neither a silent HTTP/2 peer, nor half a preface, nor a stream whose
        // client opens no window for the reply: that one has as long as for a body of its own.
        let left = || activity.left(Some(limits.header_timeout), limits.body_timeout);
        let mut connection = pin!(connection);
        let mut ends = Ends::new(self.phase, shown);
        let mut first = First::new(heard);
        loop {
            match ends.next(connection.as_mut(), first.at_most(left())).await {
                // GOAWAY loses nothing: what was sent before it is known is answered.
                Event::Leave => connection.as_mut().graceful_shutdown(),
                Event::End => {
                    connection.as_mut().graceful_shutdown();
                    first.wait();
                }
                Event::Ended(ended) => return ended.map_err(io::Error::other),
                Event::Glance if left().is_zero() => return Err(timed_out()),
                Event::Glance => {
                    if first.is_over() && first.is_missing() {
                        return Err(timed_out());
                    }
                }
            }
        }
    }
}

/// What happens to a connection.
enum Event {
    /// Its client shall leave.
    Leave,
    /// Nothing new shall begin on it.
    End,
    /// It has ended.
    Ended(hyper::Result<()>),
    /// Something may be overdue.
    Glance,
}

/// What ends a connection from outside.
struct Ends {
    phase: watch::Receiver<Phase>,
    seen: Phase,
    lost: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Ends {
    fn new(phase: watch::Receiver<Phase>, shown: Option<Arc<Shown>>) -> Self {
        Self {
            phase,
            seen: Phase::Serving,
            lost: shown.map(|shown| Box::pin(async move { shown.lost().await }) as _),
        }
    }

    /// Drives the connection until something happens.
    async fn next<C>(&mut self, connection: Pin<&mut C>, left: Duration) -> Event
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let seen = self.seen;
        tokio::select! {
            // A request that is here already is told as well.
            biased;
            next = later(&mut self.phase, seen), if seen < Phase::Ending => {
                self.seen = next;
                match next {
                    Phase::Serving | Phase::Leaving => Event::Leave,
                    Phase::Ending => Event::End,
                }
            }
            () = lost(&mut self.lost) => {
                self.lost = None;
                Event::End
            }
            ended = connection => Event::Ended(ended),
            () = sleep(left) => Event::Glance,
        }
    }
}

/// Waits for a phase after this one.
async fn later(phase: &mut watch::Receiver<Phase>, seen: Phase) -> Phase {
    let later = phase.wait_for(|phase| *phase > seen).await;
    // Nobody is left to tell of phases: the process is ending.
    later.map_or(Phase::Ending, |phase| *phase)
}

/// Waits until the client's certificate is not good any more; without one, for ever.
async fn lost(lost: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match lost {
        Some(lost) => lost.await,
        None => pending().await,
    }
}

/// Ends the connection with this answer.
fn close<H>(answer: &mut Response<Sending<H>>) {
    const CLOSE: HeaderValue = HeaderValue::from_static("close");
    answer.headers_mut().insert(CONNECTION, CLOSE);
}
