//! A provider that does one wrong thing at one moment, and counts what reaches it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How much of a request is awaited first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Nothing: the connection is there.
    Accepted,
    /// A byte of it.
    Begun,
    /// All of it.
    Whole,
}

/// What happens at the end of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Close,
    /// The next request is awaited.
    Keep,
    /// Nothing, for ever.
    Hang,
    Reset,
}

/// What is done with the next connection or request.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) when: When,
    pub(super) bytes: Bytes,
    /// Sent again and again after that, with a pause before each.
    pub(super) endless: Option<(Bytes, Duration)>,
    pub(super) end: End,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    /// Requests of which a byte has come.
    begun: AtomicUsize,
    act: Mutex<Option<Act>>,
}

/// The provider. It answers well unless it is told to do something else once.
pub(super) struct Provider {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Provider {
    pub(super) async fn start(good: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let theirs = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                theirs.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, good) = (Arc::clone(&theirs), good.clone());
                tokio::spawn(async move { serve(stream, &seen, &good).await });
            }
        });
        Self { address, seen }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does this once.
    pub(super) fn next(&self, act: &Act) {
        *self.seen.act.lock().unwrap() = Some(act.clone());
    }

    /// Connections accepted, and requests begun, so far.
    pub(super) fn seen(&self) -> (usize, usize) {
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        (count(&self.seen.connections), count(&self.seen.begun))
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, good: &Act) {
    loop {
        let at_once = {
            let mut act = seen.act.lock().unwrap();
            act.take_if(|act| act.when == When::Accepted)
        };
        if let Some(act) = at_once {
            perform(&mut stream, &act).await;
            return;
        }
        let mut received = Vec::new();
        if !matches!(stream.read_buf(&mut received).await, Ok(count) if count > 0) {
            return;
        }
        seen.begun.fetch_add(1, Ordering::SeqCst);
        let act = seen.act.lock().unwrap().take();
        let act = act.as_ref().unwrap_or(good);
        while act.when == When::Whole && !is_whole(&received) {
            if !matches!(stream.read_buf(&mut received).await, Ok(count) if count > 0) {
                return;
            }
        }
        if !perform(&mut stream, act).await {
            return;
        }
    }
}

/// Whether the connection goes on.
async fn perform(stream: &mut TcpStream, act: &Act) -> bool {
    let _ = stream.write_all(&act.bytes).await;
    if let Some((bytes, pause)) = &act.endless {
        loop {
            tokio::time::sleep(*pause).await;
            if stream.write_all(bytes).await.is_err() {
                return false;
            }
        }
    }
    match act.end {
        End::Close => false,
        End::Keep => true,
        End::Hang => std::future::pending().await,
        End::Reset => {
            stream.set_zero_linger().unwrap();
            false
        }
    }
}

/// Whether a request with a `content-length` is here as a whole.
fn is_whole(received: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
    let rest = head.split("content-length: ").nth(1);
    let length = rest.and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
    received.len() >= end + 4 + length.unwrap_or(0)
}
