//! Certificates of a cluster and its clients.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tidegate::config::Identity;

/// Certificates: the cluster's own, a client's, and a client's that nobody trusts.
pub struct Tls {
    directory: TempDir,
}

impl Tls {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for ca in ["ca", "other"] {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
            fs::write(directory.path().join(format!("{ca}.pem")), issuer.pem()).unwrap();
            for name in ["server", "client"] {
                let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
                let params = CertificateParams::new(names).unwrap();
                let key = KeyPair::generate().unwrap();
                let certificate = params.signed_by(&key, &issuer).unwrap();
                let path = |end: &str| directory.path().join(format!("{ca}-{name}.{end}"));
                fs::write(path("pem"), certificate.pem()).unwrap();
                fs::write(path("key"), key.serialize_pem()).unwrap();
            }
        }
        Self { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a client shows, of the cluster's authority (`ca`) or another (`other`).
    pub fn client(&self, ca: &str) -> Identity {
        Identity {
            certificate: self.path(&format!("{ca}-client.pem")),
            key: self.path(&format!("{ca}-client.key")),
        }
    }
}
