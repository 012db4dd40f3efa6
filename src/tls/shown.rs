//! A certificate that a client showed, for as long as its connection lasts.
//!
//! Invariant: a handshake vouches for the moment of the handshake. When authorities change, and
//! when a certificate of the chain comes to its end, the chain is verified again; what is not good
//! any more never is again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::time::{sleep, timeout};
use webpki::EndEntityCert;

use super::kept::Kept;
use super::server::Listening;
use super::validity::Validity;
use crate::clock::now;
use crate::core::policy::UnixSeconds;

/// The clock is looked at this often at least: it may be set.
const GLANCE: Duration = Duration::from_secs(10);

/// A client's certificate and what was sent with it.
pub struct Shown {
    chain: Vec<CertificateDer<'static>>,
    server: Arc<Kept<Listening>>,
    /// Under which authorities it was verified.
    number: AtomicU64,
    /// Until when that counts.
    until: AtomicI64,
    lost: AtomicBool,
}

impl Shown {
    /// A chain that was verified a moment ago under the authorities of this number.
    pub(super) fn new(
        server: Arc<Kept<Listening>>,
        number: u64,
        chain: &[CertificateDer<'_>],
    ) -> Option<Self> {
        let chain: Vec<_> = chain.iter().map(|it| it.clone().into_owned()).collect();
        chain.first()?;
        let until = end(&chain, now());
        Some(Self {
            chain,
            server,
            number: AtomicU64::new(number),
            until: AtomicI64::new(until),
            lost: AtomicBool::new(false),
        })
    }

    /// The DNS and URI names of the certificate.
    pub fn names(&self) -> Vec<String> {
        let certificate = self.chain.first().map(EndEntityCert::try_from);
        let Some(Ok(certificate)) = certificate else {
            return Vec::new();
        };
        let dns = certificate.valid_dns_names().map(str::to_owned);
        dns.chain(certificate.valid_uri_names().map(str::to_owned))
            .collect()
    }

    /// Whether it is good now. Cheap, unless something has changed.
    pub fn is_good(&self) -> bool {
        if self.lost.load(Ordering::Acquire) {
            return false;
        }
        let (time, number) = (now(), self.server.number());
        let same = number == self.number.load(Ordering::Acquire);
        if same && time <= self.until.load(Ordering::Acquire) {
            return true;
        }
        let good = self.verify();
        if good {
            self.until.store(end(&self.chain, time), Ordering::Release);
            self.number.store(number, Ordering::Release);
        } else {
            self.lost.store(true, Ordering::Release);
        }
        good
    }

    /// Waits until it is not good any more.
    pub async fn lost(&self) {
        let mut changes = self.server.changes();
        while self.is_good() {
            let left = self.until.load(Ordering::Acquire).saturating_sub(now());
            let left = u64::try_from(left).unwrap_or_default().saturating_add(1);
            let left = Duration::from_secs(left).min(GLANCE);
            if let Ok(Err(_)) = timeout(left, changes.changed()).await {
                sleep(left).await;
            }
        }
    }

    fn verify(&self) -> bool {
        let server = self.server.current();
        let Some((own, others)) = self.chain.split_first() else {
            return false;
        };
        server.value.clients.as_ref().is_some_and(|clients| {
            clients
                .verify_client_cert(own, others, UnixTime::now())
                .is_ok()
        })
    }
}

/// Until when a verification counts. A chain that cannot be read is verified each time.
fn end(chain: &[CertificateDer<'_>], now: UnixSeconds) -> UnixSeconds {
    Validity::next_end(chain, now).unwrap_or(UnixSeconds::MIN)
}
