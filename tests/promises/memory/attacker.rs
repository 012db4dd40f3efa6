//! An attacker on a thread of its own, so that what it spends is told apart from what the test does
//! beside it: the mock providers, the reader of the gateway's log, other clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::process::processor_time_here;
use crate::harness::Raw;

/// How it connects, and what it sends.
pub(super) struct Attacker {
    pub(super) to: SocketAddr,
    /// None: plain TCP, whatever is spoken there.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// Sent once, at the start of a connection.
    pub(super) hello: Vec<u8>,
    /// Sent again and again. Nothing: a connection ends with the first answer.
    pub(super) bytes: Vec<u8>,
}

/// What an attack took out of its attacker.
pub(super) struct Spent {
    pub(super) time: Duration,
    pub(super) bytes: usize,
}

impl Attacker {
    /// Goes on for so long.
    pub(super) async fn attack(self, lasting: Duration) -> Spent {
        let thread = tokio::task::spawn_blocking(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            let before = processor_time_here();
            let bytes = runtime.block_on(self.until(Instant::now() + lasting));
            let time = processor_time_here() - before;
            Spent { time, bytes }
        });
        thread.await.unwrap()
    }

    async fn until(&self, end: Instant) -> usize {
        let mut sent = 0;
        while Instant::now() < end {
            sent += self.one_connection(end).await;
        }
        sent
    }

    /// Until the gateway ends it, or the time is over; how many bytes were sent.
    async fn one_connection(&self, end: Instant) -> usize {
        let tcp = TcpStream::connect(self.to).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut raw = match &self.tls {
            None => Raw::new(tcp),
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                let connector = TlsConnector::from(Arc::clone(config));
                Raw::new(connector.connect(name, tcp).await.unwrap())
            }
        };
        raw.send(&self.hello).await;
        let mut sent = self.hello.len();
        if self.bytes.is_empty() {
            raw.some().await;
            return sent;
        }
        while Instant::now() < end {
            raw.send(&self.bytes).await;
            sent += self.bytes.len();
            loop {
                match timeout(Duration::from_millis(2), raw.some()).await {
                    Ok(true) => {}
                    Ok(false) => return sent,
                    Err(_) => break,
                }
            }
        }
        sent
    }
}
