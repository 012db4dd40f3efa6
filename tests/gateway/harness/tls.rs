//! TLS clients by hand: which certificate they are shown, which one they show, what they resume.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};
use tidegate_mock::tls::Leaf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Raw;

/// A client; it resumes sessions where it may.
#[derive(Clone)]
pub(crate) struct Caller(Arc<ClientConfig>);

impl Caller {
    /// One that trusts this authority and shows this certificate.
    pub(crate) fn new(ca: &str, identity: Option<&Leaf>) -> Self {
        Self::with(ca, identity, rustls::ALL_VERSIONS, &[b"http/1.1"])
    }

    /// The same with these versions and protocols.
    pub(crate) fn with(
        ca: &str,
        identity: Option<&Leaf>,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
    ) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            roots.add(authority.unwrap()).unwrap();
        }
        let client =
            ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
        let mut client = match identity {
            None => client.with_no_client_auth(),
            Some(leaf) => {
                let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
                client.with_client_auth_cert(vec![der(leaf)], key).unwrap()
            }
        };
        client.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self(Arc::new(client))
    }

    /// Connects and shakes hands. Over TLS 1.3 a certificate that is refused shows later.
    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(to).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::clone(&self.0))
            .connect(name, tcp)
            .await
    }

    /// Connects, for any bytes.
    pub(crate) async fn raw(&self, to: SocketAddr) -> Raw {
        Raw::new(self.connect(to).await.unwrap())
    }

    /// The certificate that the server shows.
    pub(crate) async fn shown(&self, to: SocketAddr) -> Option<CertificateDer<'static>> {
        let stream = self.connect(to).await.ok()?;
        let chain = stream.get_ref().1.peer_certificates()?;
        chain.first().map(|own| own.clone().into_owned())
    }

    /// Connects and asks for something: how the handshake went, and the answer's status.
    pub(crate) async fn ask(&self, to: SocketAddr) -> io::Result<(HandshakeKind, u16)> {
        let mut stream = self.connect(to).await?;
        let request = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        let status = answer
            .get(9..12)
            .and_then(|status| str::from_utf8(status).ok());
        let Some(status) = status.and_then(|status| status.parse().ok()) else {
            return Err(read.err().unwrap_or(io::ErrorKind::UnexpectedEof.into()));
        };
        Ok((stream.get_ref().1.handshake_kind().unwrap(), status))
    }
}

/// A certificate as it is shown.
pub(crate) fn der(leaf: &Leaf) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap()
}

/// Writes a certificate and its key over those that are there: one, then the other.
pub(crate) fn put(directory: &Path, name: &str, leaf: &Leaf) {
    let at = |ending: &str| directory.join(format!("{name}.{ending}"));
    std::fs::write(at("pem"), &leaf.certificate_pem).unwrap();
    std::fs::write(at("key"), &leaf.key_pem).unwrap();
}

/// The same in one instant each, as careful writers do it.
pub(crate) fn replace(directory: &Path, name: &str, leaf: &Leaf) {
    let new = directory.join("new");
    for (ending, text) in [("pem", &leaf.certificate_pem), ("key", &leaf.key_pem)] {
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, directory.join(format!("{name}.{ending}"))).unwrap();
    }
}

/// The value of a metric, by its name and labels as they are written.
pub(crate) fn metric(metrics: &str, name: &str) -> Option<f64> {
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}
