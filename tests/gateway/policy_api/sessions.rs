//! A client certificate is looked at in every handshake, and nobody keeps a connection for good.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};
use tidegate_mock::tls::Leaf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::*;
use crate::harness::*;

/// A client that resumes sessions where it may.
fn client(ca: &str, leaf: &Leaf, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let chain = vec![CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
    let client = ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    Arc::new(client)
}

/// Connects, asks for something so that whatever is offered for another session has arrived, and
/// tells how the handshake went.
async fn handshake(address: SocketAddr, client: &Arc<ClientConfig>) -> HandshakeKind {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::clone(client));
    let mut stream = connector.connect(name, tcp).await.unwrap();
    let request = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 "));
    stream.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test]
async fn no_session_is_resumed_where_certificates_are_asked_for() {
    let office = Office::with(Setup::new().mutual_tls()).await;
    let open = World::start(Setup::new()).await;
    let leaf = office.world.client_ca.client(["ops.internal"]).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let theirs = client(office.world.ca.pem(), &leaf, version);
        for address in [office.world.gateway.admin, office.world.gateway.data] {
            for _ in 0..3 {
                let kind = handshake(address, &theirs).await;
                assert_eq!(kind, HandshakeKind::Full, "{version:?} {address}");
            }
        }
        // Elsewhere one may, so the client does ask for it.
        let theirs = client(open.ca.pem(), &leaf, version);
        handshake(open.gateway.data, &theirs).await;
        let kind = handshake(open.gateway.data, &theirs).await;
        assert_eq!(kind, HandshakeKind::Resumed, "{version:?}");
    }
    assert!(office.world.gateway.is_alive());
}

/// Strangers who fill every place give way to whoever comes.
#[tokio::test]
async fn strangers_who_do_nothing_give_way() {
    let office = Office::open().await;
    let mut idle = Vec::new();
    for _ in 0..70 {
        let stranger = TcpStream::connect(office.world.gateway.admin);
        idle.push(stranger.await.unwrap());
    }
    for _ in 0..3 {
        let asked = timeout(Duration::from_secs(5), office.world.admin("/livez"));
        assert_eq!(asked.await.expect("kept out").0, 200);
    }
    drop(idle);
    office.world.finish().await;
}
