//! TLS towards a provider or a service: whom it trusts, and what certificate it shows.
//!
//! Invariant: the server's certificate is verified against the configured authorities or the
//! built-in roots; nothing is taken from the environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::files::Texts;
use super::kept::{Kept, Recipe};
use super::named::Named;
use super::validity::Validity;
use crate::config::Identity;

/// TLS towards one server, kept up with its files.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Kept<Calling>>);

impl Client {
    /// What is in force now, and its number: another one for each change.
    pub fn now(&self) -> (u64, Arc<ClientConfig>) {
        let in_force = self.0.current();
        (in_force.number, Arc::clone(&in_force.value))
    }

    /// The number of what is in force now. A connection that was opened under another one is not
    /// used again.
    pub fn number(&self) -> u64 {
        self.0.number()
    }
}

/// How it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Calling {
    /// Authorities that replace the built-in roots.
    pub(super) ca: Option<PathBuf>,
    /// What the server is shown.
    pub(super) identity: Option<Identity>,
    /// The name that the server has, whatever name is dialled.
    pub(super) named: Option<ServerName<'static>>,
}

impl Recipe for Calling {
    type Made = Arc<ClientConfig>;

    fn files(&self) -> Vec<&Path> {
        let identity = self.identity.iter();
        let identity = identity.flat_map(|Identity { certificate, key }| [certificate, key]);
        let files = self.ca.iter().chain(identity);
        files.map(AsRef::as_ref).collect()
    }

    fn make(&self, texts: &Texts) -> Result<(Arc<ClientConfig>, Option<Validity>), String> {
        let roots = match &self.ca {
            Some(file) => texts.authorities(file)?,
            None => RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        };
        let builder = ClientConfig::builder();
        let builder = match &self.named {
            None => builder.with_root_certificates(roots),
            Some(name) => {
                let verifier = WebPkiServerVerifier::builder(Arc::new(roots))
                    .build()
                    .map_err(|error| error.to_string())?;
                let name = name.clone();
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Named { name, verifier }))
            }
        };
        let (mut client, validity) = match &self.identity {
            None => (builder.with_no_client_auth(), None),
            Some(Identity { certificate, key }) => {
                let chain = texts.chain(certificate)?;
                let validity = Validity::of(&chain);
                let both =
                    |error| format!("{} and {}: {error}", certificate.display(), key.display());
                let client = builder.with_client_auth_cert(chain, texts.key(key)?);
                (client.map_err(both)?, validity)
            }
        };
        client.enable_sni = self.named.is_none();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((Arc::new(client), validity))
    }
}
