//! TLS: the one stack (rustls) and the one crypto provider (aws-lc-rs), for clients and providers.
//!
//! Invariant: what is trusted is named in the configuration or built in (Mozilla's roots); nothing
//! is taken from the environment. Where clients show certificates, each connection's is verified
//! anew: no session is resumed.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use webpki::EndEntityCert;

use crate::config::ListenTls;

mod named;

use named::Named;

/// Makes aws-lc-rs the provider of the whole process. Called once, before anything of TLS.
pub fn install_provider() {
    // An error means that it is installed already, by an earlier gateway in this process.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// What is asked of clients where an authority for their certificates is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certificates {
    /// One may be shown, and must be good then.
    Asked,
    /// One must be shown.
    Required,
}

/// TLS towards clients: 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, client certificates if an
/// authority for them is configured.
///
/// # Errors
/// A sentence that names the file.
pub fn acceptor(config: &ListenTls) -> Result<TlsAcceptor, String> {
    server(config, Certificates::Required, &[b"h2", b"http/1.1"])
}

/// TLS of the admin listener: HTTP/1.1 alone. Probes and those who bring a token have no
/// certificate, so none is required.
///
/// # Errors
/// A sentence that names the file.
pub fn admin_acceptor(config: &ListenTls) -> Result<TlsAcceptor, String> {
    server(config, Certificates::Asked, &[b"http/1.1"])
}

fn server(
    config: &ListenTls,
    certificates: Certificates,
    protocols: &[&[u8]],
) -> Result<TlsAcceptor, String> {
    let chain = self::certificates(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| format!("{}: {error}", config.key.display()))?;
    let builder = rustls::ServerConfig::builder();
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots(file)?));
            let verifier = match certificates {
                Certificates::Asked => verifier.allow_unauthenticated(),
                Certificates::Required => verifier,
            };
            let verifier = verifier
                .build()
                .map_err(|error| format!("{}: {error}", file.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|error| {
        format!(
            "{} and {}: {error}",
            config.certificate.display(),
            config.key.display()
        )
    })?;
    if config.client_ca.is_some() {
        // A resumed session would carry on a certificate that has expired since, or whose
        // authority was taken away.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    }
    server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// TLS towards a provider, of a connection that is opened here; see [`client`].
///
/// # Errors
/// A sentence that names the file.
pub fn connector(ca: Option<&Path>) -> Result<TlsConnector, String> {
    Ok(TlsConnector::from(Arc::new(client(ca)?)))
}

/// TLS towards a provider: HTTP/1.1; `ca` replaces the built-in roots.
///
/// # Errors
/// A sentence that names the file.
pub fn client(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder().with_root_certificates(trusted(ca)?);
    Ok(http1(builder.with_no_client_auth()))
}

/// The same, towards a provider that has this name whatever name is dialled.
///
/// # Errors
/// A sentence that names the file.
pub fn client_of(ca: Option<&Path>, name: ServerName<'static>) -> Result<ClientConfig, String> {
    let verifier = WebPkiServerVerifier::builder(Arc::new(trusted(ca)?))
        .build()
        .map_err(|error| error.to_string())?;
    let mut client = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Named { name, verifier }))
        .with_no_client_auth();
    client.enable_sni = false;
    Ok(http1(client))
}

/// The same as [`client`], showing a certificate.
///
/// # Errors
/// A sentence that names the file.
pub fn client_as(
    ca: Option<&Path>,
    certificate: &Path,
    key: &Path,
) -> Result<ClientConfig, String> {
    let chain = certificates(certificate)?;
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
    let builder = ClientConfig::builder().with_root_certificates(trusted(ca)?);
    let client = builder.with_client_auth_cert(chain, private);
    client
        .map(http1)
        .map_err(|error| format!("{} and {}: {error}", certificate.display(), key.display()))
}

fn http1(mut client: ClientConfig) -> ClientConfig {
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    client
}

/// The DNS and URI names of a client certificate, which the handshake has verified.
pub fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    EndEntityCert::try_from(certificate).map_or_else(
        |_| Vec::new(),
        |certificate| {
            let dns = certificate.valid_dns_names().map(str::to_owned);
            dns.chain(certificate.valid_uri_names().map(str::to_owned))
                .collect()
        },
    )
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let chain = CertificateDer::pem_file_iter(file)
        .map_err(|error| describe(&error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| describe(&error))?;
    if chain.is_empty() {
        return Err(describe(&"no certificate in it"));
    }
    Ok(chain)
}

fn trusted(ca: Option<&Path>) -> Result<RootCertStore, String> {
    match ca {
        Some(file) => roots(file),
        None => Ok(RootCertStore::from_iter(
            webpki_roots::TLS_SERVER_ROOTS.iter().cloned(),
        )),
    }
}

fn roots(file: &Path) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store
            .add(certificate)
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(store)
}
