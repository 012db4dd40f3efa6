//! Certificates made on the spot. Nothing here is a secret: every key lives as long as the process.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate authority that exists only in this process.
pub struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key, PKCS#8.
    pub key_pem: String,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ca")
    }
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leaf")
    }
}

impl Ca {
    /// A new authority with a P-256 key.
    pub fn new() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Tidegate mock CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
        Ok(Self {
            pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority's certificate, for clients to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for these DNS names and addresses.
    pub fn server<S: Into<String>>(&self, names: impl IntoIterator<Item = S>) -> io::Result<Leaf> {
        self.leaf(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client certificate for mutual TLS with these names as its SANs.
    pub fn client<S: Into<String>>(&self, names: impl IntoIterator<Item = S>) -> io::Result<Leaf> {
        self.leaf(names, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn leaf<S: Into<String>>(
        &self,
        names: impl IntoIterator<Item = S>,
        usage: ExtendedKeyUsagePurpose,
    ) -> io::Result<Leaf> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "Tidegate mock");
        params.extended_key_usages = vec![usage];
        self.issue(params)
    }

    /// A certificate with exactly these parameters: expired ones, wrong key usages, URI names.
    pub fn issue(&self, mut params: CertificateParams) -> io::Result<Leaf> {
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(io::Error::other)?;
        Ok(Leaf {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

/// The names every server certificate of the mock is good for.
pub const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Installs aws-lc-rs as the process's crypto provider, which `reqwest` needs; harmless when one is
/// installed.
pub fn install_crypto_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The TLS settings of a server that speaks HTTP/2 and HTTP/1.1.
pub(crate) fn server_config(leaf: &Leaf) -> io::Result<Arc<ServerConfig>> {
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(leaf.certificate_pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
