//! TLS of a listener: its certificate, its key, and the authorities of its clients' certificates.
//!
//! Invariant: 1.2 and 1.3 with the suites that rustls takes for safe, no renegotiation, no early
//! data. Where clients show certificates no session is resumed, so that each is verified anew.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConnection, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use super::files::Texts;
use super::kept::{InForce, Kept, Recipe};
use super::shown::Shown;
use super::validity::Validity;
use crate::config::ListenTls;

/// What is asked of clients where authorities for their certificates are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A certificate may be shown, and must be good then.
    Optional,
    /// One must be shown.
    Required,
}

/// A listener's TLS, kept up with its files.
#[derive(Clone)]
pub struct Server(pub(super) Arc<Kept<Listening>>);

impl Server {
    /// What is in force now, for one handshake.
    pub fn now(&self) -> Handshake {
        Handshake {
            server: self.clone(),
            in_force: self.0.current(),
        }
    }
}

/// The TLS of one handshake.
pub struct Handshake {
    server: Server,
    in_force: Arc<InForce<Inside>>,
}

impl Handshake {
    /// Shakes hands.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.in_force.value.config))
    }

    /// The certificate that the client showed, which was verified in this handshake.
    pub fn shown(&self, session: &ServerConnection) -> Option<Shown> {
        let chain = session.peer_certificates()?;
        Shown::new(Arc::clone(&self.server.0), self.in_force.number, chain)
    }
}

/// What a listener needs.
pub(super) struct Inside {
    config: Arc<ServerConfig>,
    /// Verifies clients' certificates, where there are authorities for them.
    pub(super) clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// How a listener's TLS is made.
pub(super) struct Listening {
    pub(super) files: ListenTls,
    pub(super) ask: Ask,
    pub(super) protocols: &'static [&'static [u8]],
}

impl Listening {
    fn clients(&self, texts: &Texts) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
        let Some(file) = &self.files.client_ca else {
            return Ok(None);
        };
        let verifier = WebPkiClientVerifier::builder(Arc::new(texts.authorities(file)?));
        let verifier = match self.ask {
            Ask::Optional => verifier.allow_unauthenticated(),
            Ask::Required => verifier,
        };
        let verifier = verifier
            .build()
            .map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Some(verifier))
    }
}

impl Recipe for Listening {
    type Made = Inside;

    fn files(&self) -> Vec<&Path> {
        let ListenTls {
            certificate,
            key,
            client_ca,
        } = &self.files;
        let files = [Some(certificate), Some(key), client_ca.as_ref()];
        files.into_iter().flatten().map(AsRef::as_ref).collect()
    }

    fn make(&self, texts: &Texts) -> Result<(Inside, Option<Validity>), String> {
        let ListenTls {
            certificate, key, ..
        } = &self.files;
        let chain = texts.chain(certificate)?;
        let validity = Validity::of(&chain);
        let private = texts.key(key)?;
        let clients = self.clients(texts)?;
        let builder = ServerConfig::builder();
        let builder = match &clients {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
        };
        let mut config = builder
            .with_single_cert(chain, private)
            .map_err(|error| format!("{} and {}: {error}", certificate.display(), key.display()))?;
        if clients.is_some() {
            // A resumed session would carry on a certificate that has expired since, or whose
            // authority was taken away.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        let config = Arc::new(config);
        Ok((Inside { config, clients }, validity))
    }
}
