//! The data plane's listener: accepts, shakes hands, serves HTTP/1.1 or HTTP/2, drains.
//!
//! Invariant: every wait for a client has a deadline (handshake, headers, idle keep-alive, a
//! silent HTTP/2 peer), and the protocol is settled by ALPN, never guessed from bytes.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use crate::config::Limits;
use crate::gateway::{Peer, Worker};
use crate::proxy::{self, Held};
use crate::tls;

/// Requests that one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 32;

/// Pause after the system refuses a connection (no file descriptors): neither spin nor die.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves one worker's listening socket until told to stop, then drains.
pub async fn serve(
    listener: TcpListener,
    worker: Arc<Worker>,
    acceptor: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) {
    let drain = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(open) = Open::count(&worker) else {
            worker.gateway.recorder.metrics.connections_refused.inc();
            continue;
        };
        let connection = Connection {
            worker: Arc::clone(&worker),
            acceptor: acceptor.clone(),
            address,
            watcher: drain.watcher(),
        };
        tokio::spawn(async move {
            let _open = open;
            if let Err(error) = connection.serve(stream).await {
                tracing::debug!(peer = %address, %error, "connection ended");
            }
        });
    }
    drop(listener);
    if timeout(worker.gateway.limits.drain_timeout, drain.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("exchanges under way did not finish in time");
    }
}

/// One open connection, counted.
struct Open(Arc<Worker>);

impl Open {
    fn count(worker: &Arc<Worker>) -> Option<Self> {
        let open = Self(Arc::clone(worker));
        let before = worker.gateway.recorder.metrics.connections.inc();
        let limit = i64::try_from(worker.gateway.limits.connections).unwrap_or(i64::MAX);
        (before < limit).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.gateway.recorder.metrics.connections.dec();
    }
}

struct Connection {
    worker: Arc<Worker>,
    acceptor: Option<TlsAcceptor>,
    address: SocketAddr,
    watcher: Watcher,
}

impl Connection {
    async fn serve(self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // A peer that does not read is closed like one that does not write.
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream
            .as_mut()
            .set_write_timeout_pinned(Some(self.worker.gateway.limits.header_timeout));
        let trust = &self.worker.gateway.trust;
        let Some(acceptor) = &self.acceptor else {
            let peer = Peer::new(self.address, &[], trust);
            return self.http1(stream, peer).await;
        };
        let handshake = self.worker.gateway.limits.handshake_timeout;
        let stream = timeout(handshake, acceptor.accept(stream))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        let session = stream.get_ref().1;
        let names = session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map_or_else(Vec::new, tls::names);
        let peer = Peer::new(self.address, &names, trust);
        if session.alpn_protocol() == Some(b"h2") {
            self.http2(stream, peer).await
        } else {
            self.http1(stream, peer).await
        }
    }

    async fn http1<S>(self, stream: S, peer: Peer) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits: &Limits = &self.worker.gateway.limits;
        let (worker, peer) = (Arc::clone(&self.worker), Arc::new(peer));
        let service = service_fn(move |request| {
            proxy::serve(Arc::clone(&worker), Arc::clone(&peer), request, ())
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(limits.header_bytes.max(8 * 1024))
            .serve_connection(TokioIo::new(stream), service);
        self.watcher
            .watch(connection)
            .await
            .map_err(io::Error::other)
    }

    async fn http2<S>(self, stream: S, peer: Peer) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits: &Limits = &self.worker.gateway.limits;
        let (worker, peer) = (Arc::clone(&self.worker), Arc::new(peer));
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
            .keep_alive_interval(limits.header_timeout)
            .keep_alive_timeout(limits.header_timeout)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(self.watcher.watch(connection));
        // hyper times out neither a silent HTTP/2 peer, nor half a preface, nor a stream whose
        // client opens no window for the reply: that one has as long as for a body of its own.
        let (idle, taking) = (limits.header_timeout, limits.body_timeout);
        loop {
            tokio::select! {
                ended = &mut connection => return ended.map_err(io::Error::other),
                () = sleep(idle.min(taking) / 2) => {
                    if activity.idle_for() >= idle || activity.waiting_for() >= taking {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
            }
        }
    }
}

/// What is under way on an HTTP/2 connection, from a request's head to the last of its reply.
struct Activity(Mutex<Requests>);

/// The open requests, and since when none is open.
struct Requests {
    next: u64,
    open: usize,
    /// Those whose answers wait to be taken, and since when.
    answered: HashMap<u64, Instant>,
    quiet: Instant,
}

impl Activity {
    fn new() -> Self {
        Self(Mutex::new(Requests {
            next: 0,
            open: 0,
            answered: HashMap::new(),
            quiet: Instant::now(),
        }))
    }

    fn open(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>) -> Busy {
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        open.open += 1;
        Busy {
            activity: Arc::clone(self),
            number,
        }
    }

    fn idle_for(&self) -> Duration {
        let open = self.open();
        if open.open == 0 {
            open.quiet.elapsed()
        } else {
            Duration::ZERO
        }
    }

    /// How long an answer has been waiting that its client does not take.
    fn waiting_for(&self) -> Duration {
        let open = self.open();
        let oldest = open.answered.values().min();
        oldest.map_or(Duration::ZERO, Instant::elapsed)
    }
}

/// One request under way.
struct Busy {
    activity: Arc<Activity>,
    number: u64,
}

impl Held for Busy {
    fn answered(&self) {
        let mut open = self.activity.open();
        open.answered.insert(self.number, Instant::now());
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut open = self.activity.open();
        open.open -= 1;
        open.answered.remove(&self.number);
        open.quiet = Instant::now();
    }
}
