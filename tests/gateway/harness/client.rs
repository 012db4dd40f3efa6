//! HTTP clients that trust the gateway's certificate and find it under its names.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidegate_mock::tls::Leaf;

use super::{Gateway, MICROSOFT};

/// A client of one protocol, with a certificate of its own or without.
pub(super) fn client(
    gateway: &Gateway,
    ca: &str,
    identity: Option<&Leaf>,
    http2: bool,
) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots);
    let mut tls = match identity {
        None => tls.with_no_client_auth(),
        Some(leaf) => {
            let chain =
                vec![CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap()];
            tls.with_client_auth_cert(
                chain,
                PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap(),
            )
            .unwrap()
        }
    };
    tls.alpn_protocols = vec![if http2 {
        b"h2".to_vec()
    } else {
        b"http/1.1".to_vec()
    }];
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .resolve("localhost", gateway.data)
        .resolve(MICROSOFT, gateway.data);
    let builder = if http2 {
        builder.http2_prior_knowledge()
    } else {
        builder.http1_only()
    };
    builder.build().unwrap()
}
