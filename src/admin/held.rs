//! The admin listener's connections: how many there are, and how long one lives.
//!
//! Invariant: a connection on which nothing is asked keeps nobody out, and none takes requests for
//! longer than [`LIFE`].

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::PATIENCE;

/// How long a connection takes requests, and how long it may take for the last one then.
pub(super) const LIFE: Duration = Duration::from_secs(60);

/// How often idle connections are looked for when all are busy.
const PAUSE: Duration = Duration::from_millis(50);

/// Admin connections at once; probes, scrapers and administrators need few.
const CONNECTIONS: usize = 64;

/// Largest header block.
const HEADERS: usize = 64 * 1024;

/// The connections that are held.
#[derive(Default)]
pub(super) struct Held {
    tasks: JoinSet<()>,
    oldest_first: VecDeque<(AbortHandle, Busy)>,
}

impl Held {
    /// Returns once another connection may be held. If there are as many as may be, the oldest one
    /// on which nothing is asked is closed.
    pub(super) async fn make_room(&mut self) {
        let Self {
            tasks,
            oldest_first,
        } = self;
        while tasks.try_join_next().is_some() {}
        oldest_first.retain(|(task, _)| !task.is_finished());
        while oldest_first.len() >= CONNECTIONS {
            let idle = oldest_first.iter().position(|(_, busy)| !busy.is_on());
            match idle.and_then(|at| oldest_first.remove(at)) {
                Some((task, _)) => task.abort(),
                None => drop(timeout(PAUSE, tasks.join_next()).await),
            }
            oldest_first.retain(|(task, _)| !task.is_finished());
        }
    }

    /// Holds one more, for as long as its work takes.
    pub(super) fn hold<W>(&mut self, work: impl FnOnce(Busy) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let busy = Busy::default();
        let task = self.tasks.spawn(work(busy.clone()));
        self.oldest_first.push_back((task, busy));
    }
}

/// Whether a request is being done on a connection.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<AtomicBool>);

impl Busy {
    /// It is, until what this gives is dropped.
    pub(super) fn begin(&self) -> impl Drop + use<> {
        struct End(Busy);
        impl Drop for End {
            fn drop(&mut self) {
                self.0.0.store(false, Ordering::Release);
            }
        }
        self.0.store(true, Ordering::Release);
        End(self.clone())
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Answers the requests of one connection, none that begins after its `life`.
pub(super) async fn converse<S, H>(stream: S, service: H, life: Duration) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = match timeout(life, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            timeout(LIFE, connection)
                .await
                .map_err(|_| io::ErrorKind::TimedOut)?
        }
    };
    ended.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use http::{Request, StatusCode};
    use hyper::service::service_fn;

    use super::super::{TEXT, answer};
    use super::*;

    /// Whoever goes on asking is answered for a while, and then told to connect again.
    #[tokio::test]
    async fn a_connection_takes_requests_for_so_long() {
        const LIFE: Duration = Duration::from_millis(200);
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let service =
            service_fn(|_: Request<Incoming>| async { Ok(answer(StatusCode::OK, TEXT, "live\n")) });
        let served = tokio::spawn(converse(server, service, LIFE));
        let asking = async {
            let mut answers = Vec::new();
            let mut piece = [0; 1024];
            loop {
                let request = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
                if client.write_all(request).await.is_err() {
                    return answers;
                }
                match client.read(&mut piece).await {
                    Ok(0) | Err(_) => return answers,
                    Ok(length) => answers.extend_from_slice(&piece[..length]),
                }
            }
        };
        let answers = timeout(PATIENCE, asking).await.expect("still open");
        assert!(answers.starts_with(b"HTTP/1.1 200 OK"));
        assert!(served.await.unwrap().is_ok());
    }
}
