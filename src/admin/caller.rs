//! Who asks, and what they may.
//!
//! 1. Who shows a bearer token is judged by that alone, whatever certificate they have: it is the
//!    operator's token, or it must verify as an Entra token for the configured audience.
//! 2. Who shows none is an operator if the handshake verified a certificate with an operator's name.
//! 3. An operator may read and write every tenant's policy, read every tenant's reports and have them
//!    made. An administrator may do so with those of their own tenant, as far as their roles in it
//!    allow.
//!
//! Invariant: a [`Caller`] was authenticated, and only [`Caller::may`] tells what they may do; what
//! cannot be told (roles that cannot be read, a token file that cannot) is not allowed.

use std::path::Path;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use uuid::Uuid;

use crate::config::{Administrators, PolicyAdmin};
use crate::core::tenant::TenantId;
use crate::core::token::verified::{Refused, Verified};
use crate::keys::{KeyStore, Keys, NotVerified};
use crate::presented::in_header;
use crate::secret;

/// How an operator's token is called in records.
const OPERATOR_TOKEN: &str = "operator_token_file";

/// Reading or writing a policy; reading reports or making one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Somebody who was authenticated.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Somebody of a tenant, by a verified token.
    Administrator(Verified),
    /// Who runs the gateway, by this name.
    Operator(String),
}

/// Why nobody is known to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// No way to administer policies is configured.
    Closed,
    /// More or less than one bearer token in the header.
    Malformed,
    /// No credentials.
    Missing,
    /// A token that is not believed.
    Refused(Refused),
    /// A bearer token, and none but the operator's would be believed.
    Stranger,
    /// No keys to verify a token with.
    Unavailable,
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// None of the roles that may.
    Role,
    /// Roles that cannot be read.
    Roles,
    /// Another tenant's policy.
    Tenant,
}

impl Unknown {
    /// The word for records.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Malformed => "credentials_malformed",
            Self::Missing => "credentials_missing",
            Self::Refused(refused) => refused.as_str(),
            Self::Stranger => "token_unknown",
            Self::Unavailable => "keys_unavailable",
        }
    }
}

impl Forbidden {
    /// The word for records.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role_missing",
            Self::Roles => "roles_unreadable",
            Self::Tenant => "other_tenant",
        }
    }
}

/// Tells callers apart.
pub(super) struct Gate {
    config: PolicyAdmin,
    keys: Option<Arc<Keys>>,
}

impl Gate {
    pub(super) fn new(config: &PolicyAdmin, keys: &KeyStore) -> Self {
        let administrators = config.administrators.as_ref();
        Self {
            config: config.clone(),
            keys: administrators
                .and_then(|they| keys.of(&they.provider.name))
                .map(Arc::clone),
        }
    }

    /// Whether anybody is let in at all.
    pub(super) fn is_open(&self) -> Result<(), Unknown> {
        if self.config.is_open() {
            Ok(())
        } else {
            Err(Unknown::Closed)
        }
    }

    /// Who asks. `names` are those of a certificate that the handshake verified.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        names: &[String],
    ) -> Result<Caller, Unknown> {
        self.is_open()?;
        match in_header(headers, &AUTHORIZATION) {
            Ok(Some(token)) => self.bearer(token).await,
            Ok(None) => self.certificate(names),
            Err(_) => Err(Unknown::Malformed),
        }
    }

    async fn bearer(&self, token: &str) -> Result<Caller, Unknown> {
        if let Some(file) = &self.config.operator_token_file
            && is_operators(file, token).await
        {
            return Ok(Caller::Operator(OPERATOR_TOKEN.to_owned()));
        }
        let (Some(they), Some(keys)) = (&self.config.administrators, &self.keys) else {
            return Err(Unknown::Stranger);
        };
        match keys.verify(token, &they.audience).await {
            Ok(verified) => Ok(Caller::Administrator(verified)),
            Err(NotVerified::Refused(refused)) => Err(Unknown::Refused(refused)),
            Err(NotVerified::Unavailable) => Err(Unknown::Unavailable),
        }
    }

    fn certificate(&self, names: &[String]) -> Result<Caller, Unknown> {
        let operators = &self.config.operators;
        let named = operators.iter().find(|operator| names.contains(operator));
        named
            .map(|name| Caller::Operator(name.clone()))
            .ok_or(Unknown::Missing)
    }

    /// Whether somebody may.
    pub(super) fn authorize(
        &self,
        caller: &Caller,
        tenant: TenantId,
        access: Access,
    ) -> Result<(), Forbidden> {
        match (caller, &self.config.administrators) {
            (Caller::Operator(_), _) => Ok(()),
            (Caller::Administrator(token), Some(they)) => {
                if token.tenant() != tenant {
                    return Err(Forbidden::Tenant);
                }
                let roles = token.roles().ok_or(Forbidden::Roles)?;
                if may(they, roles, access) {
                    Ok(())
                } else {
                    Err(Forbidden::Role)
                }
            }
            (Caller::Administrator(_), None) => Err(Forbidden::Role),
        }
    }
}

fn may(they: &Administrators, roles: &[Uuid], access: Access) -> bool {
    let has = |wanted: &[Uuid]| roles.iter().any(|role| wanted.contains(role));
    match access {
        Access::Read => has(&they.write_roles) || has(&they.read_roles),
        Access::Write => has(&they.write_roles),
    }
}

/// Whether a token is what the file holds at this moment: one that was taken away counts no more.
async fn is_operators(file: &Path, token: &str) -> bool {
    let (file, token) = (file.to_owned(), token.to_owned());
    let looked = tokio::task::spawn_blocking(move || match secret::read(&file) {
        Ok(secret) => secret.is(&token),
        Err(_) => {
            tracing::warn!("the operator token's file holds no token; nobody is let in by it");
            false
        }
    });
    looked.await.unwrap_or(false)
}
