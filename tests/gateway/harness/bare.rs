//! A provider without manners: plain TCP, any bytes, any ending.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What happens to the connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It is closed.
    Close,
    /// The next request is awaited.
    Keep,
    /// It is reset.
    Reset,
}

#[derive(Default)]
struct State {
    answers: Mutex<VecDeque<(Vec<u8>, After)>>,
    queued: Notify,
    requests: AtomicUsize,
    open: AtomicUsize,
}

impl State {
    async fn next(&self) -> (Vec<u8>, After) {
        loop {
            let next = self.answers.lock().unwrap().pop_front();
            match next {
                Some(next) => return next,
                None => self.queued.notified().await,
            }
        }
    }
}

/// The provider. Gone when dropped.
pub(crate) struct BareProvider {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl BareProvider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let theirs = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&theirs);
                tokio::spawn(async move {
                    state.open.fetch_add(1, Ordering::SeqCst);
                    serve(stream, &state).await;
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next request with these bytes; further calls queue up. A request without an
    /// answer waits for one.
    pub(crate) fn next(&self, bytes: Vec<u8>, after: After) {
        self.state.answers.lock().unwrap().push_back((bytes, after));
        self.state.queued.notify_one();
    }

    /// Whole requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Connections open.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

impl Drop for BareProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: &State) {
    let mut received = Vec::new();
    loop {
        while !is_whole(&received) {
            if !matches!(stream.read_buf(&mut received).await, Ok(count) if count > 0) {
                return;
            }
        }
        received.clear();
        state.requests.fetch_add(1, Ordering::SeqCst);
        let (bytes, after) = state.next().await;
        let _ = stream.write_all(&bytes).await;
        match after {
            After::Close => return,
            After::Keep => {}
            After::Reset => {
                // What was sent before stays readable at the other end of the loopback.
                stream.set_zero_linger().unwrap();
                return;
            }
        }
    }
}

/// Whether a request with a `content-length` (the gateway's always have one) is here as a whole.
fn is_whole(received: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
    let length = head
        .split("content-length:")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next());
    received.len() >= end + 4 + length.map_or(0, |length| length.trim().parse().unwrap())
}
