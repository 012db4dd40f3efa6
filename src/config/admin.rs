//! The admin listener, and who may administer policies on it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use super::{ListenTls, Provider};

/// The admin listener.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Address to bind; port 0 lets the system choose.
    pub address: SocketAddr,
    /// TLS; none means plain HTTP. With `client_ca` a client may show a certificate, and need not.
    pub tls: Option<ListenTls>,
    /// Who may administer policies.
    pub policies: PolicyAdmin,
}

/// Who may administer policies. By default nobody.
#[derive(Clone, Debug, Default)]
pub struct PolicyAdmin {
    /// Administrators of tenants, each for their own.
    pub administrators: Option<Administrators>,
    /// DNS or URI names of client certificates whose bearers administer every tenant.
    pub operators: Vec<String>,
    /// A file whose content, shown as a bearer token, lets administer every tenant.
    pub operator_token_file: Option<PathBuf>,
    /// Where domains are resolved.
    pub provider: Option<Arc<Provider>>,
    /// Tokens and policies may travel unencrypted.
    pub insecure_plaintext: bool,
}

impl PolicyAdmin {
    /// Whether anybody at all may.
    pub fn is_open(&self) -> bool {
        self.administrators.is_some()
            || !self.operators.is_empty()
            || self.operator_token_file.is_some()
    }
}

/// Administrators of tenants, known by a verified Entra token.
#[derive(Clone, Debug)]
pub struct Administrators {
    /// Whose keys verify it.
    pub provider: Arc<Provider>,
    /// What its `aud` must be, one of them.
    pub audience: Vec<String>,
    /// Role template ids (`wids`) that may read and write.
    pub write_roles: Vec<Uuid>,
    /// Role template ids that may only read.
    pub read_roles: Vec<Uuid>,
}
