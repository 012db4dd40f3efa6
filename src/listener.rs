//! The data plane's listener: accepts, shakes hands, serves HTTP/1.1 or HTTP/2, drains.
//!
//! Invariant: every wait for a client has a deadline (handshake, headers, idle keep-alive, a
//! silent HTTP/2 peer), and the protocol is settled by ALPN, never guessed from bytes.

mod activity;
mod connection;
mod first;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::accept::Acceptor;
use crate::gateway::Worker;
use crate::tls::Server;

use connection::Connection;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It has not.
    Serving,
    /// Connections are taken still, and clients are told to leave: each HTTP/1.1 connection with
    /// its next answer, each HTTP/2 connection at once.
    Leaving,
    /// No connection is taken; those that are open end when nothing is under way on them.
    Ending,
}

/// Serves one worker's listening socket until told to end, then drains.
pub async fn serve(
    listener: TcpListener,
    worker: Arc<Worker>,
    tls: Option<Server>,
    phase: watch::Receiver<Phase>,
) {
    // Each connection holds a sender: when the last is gone, so are they.
    let (held, mut gone) = mpsc::channel(1);
    let door = Door {
        worker: Arc::clone(&worker),
        tls,
        phase: phase.clone(),
        held,
    };
    let mut acceptor = Acceptor::new(listener, "data");
    let mut ending = phase;
    loop {
        tokio::select! {
            (stream, address) = acceptor.accept() => door.admit(stream, address),
            _ = ending.wait_for(|phase| *phase == Phase::Ending) => break,
        }
    }
    // Whom the system has let in already is served as well: it may have sent a request.
    for (stream, address) in acceptor.rest() {
        door.admit(stream, address);
    }
    drop(door);
    let drained = timeout(worker.gateway.limits.drain_timeout, gone.recv()).await;
    if drained.is_err() {
        tracing::warn!("exchanges under way did not finish in time");
    }
}

/// What every connection gets.
struct Door {
    worker: Arc<Worker>,
    tls: Option<Server>,
    phase: watch::Receiver<Phase>,
    held: mpsc::Sender<Infallible>,
}

impl Door {
    /// Serves a connection in a task of its own, unless there are too many.
    fn admit(&self, stream: TcpStream, address: SocketAddr) {
        let Some(open) = Open::count(&self.worker) else {
            let metrics = &self.worker.gateway.recorder.metrics;
            metrics.connections_refused.inc();
            return;
        };
        let connection = Connection {
            worker: Arc::clone(&self.worker),
            handshake: self.tls.as_ref().map(Server::now),
            address,
            phase: self.phase.clone(),
        };
        let held = self.held.clone();
        tokio::spawn(async move {
            let _held = (open, held);
            if let Err(error) = connection.serve(stream).await {
                tracing::debug!(peer = %address, %error, "connection ended");
            }
        });
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

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}
