//! Taking connections from a listening socket, whatever the system says.
//!
//! Invariant: a system that refuses (no file descriptors) is neither asked without a pause nor
//! complained about without one.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// Pause after the system refuses.
const PAUSE: Duration = Duration::from_millis(50);

/// How often the log is told of it.
const COMPLAINT: Duration = Duration::from_secs(10);

/// A listening socket.
pub struct Acceptor {
    listener: TcpListener,
    /// `data` or `admin`.
    name: &'static str,
    complained: Option<Instant>,
}

impl Acceptor {
    /// Takes connections from a socket; `name` is for the log.
    pub fn new(listener: TcpListener, name: &'static str) -> Self {
        Self {
            listener,
            name,
            complained: None,
        }
    }

    /// The next connection, however long it takes.
    pub async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    let due = |at: Instant| at.elapsed() >= COMPLAINT;
                    if self.complained.is_none_or(due) {
                        self.complained = Some(Instant::now());
                        tracing::warn!(listener = self.name, %error, "cannot accept connections");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// The connections that the system has taken already; no other is taken any more.
    pub fn rest(self) -> Vec<(TcpStream, SocketAddr)> {
        let mut rest = Vec::new();
        if let Ok(listener) = self.listener.into_std() {
            while let Ok((stream, address)) = listener.accept() {
                let stream = stream
                    .set_nonblocking(true)
                    .and_then(|()| TcpStream::from_std(stream));
                rest.extend(stream.ok().map(|stream| (stream, address)));
            }
        }
        rest
    }
}
