//! Signs tokens with a provider's keys and issuers.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::body::{Preset, TokenBody};
use crate::jwt::b64;
use crate::keys::{KeyName, KeyRing, SigningKey};
use crate::options::Issuers;
use crate::published::Published;
use crate::tenants::PERSONAL;
use crate::token::{Purpose, Token};

/// Makes tokens with a provider's keys and issuers. Clones share the keys.
#[derive(Clone)]
pub struct Mint {
    keys: Arc<KeyRing>,
    issuers: Issuers,
    lifetime: u64,
    published: Published,
}

impl Mint {
    /// A mint without a server around it; it signs with the same keys as every mock of this
    /// process.
    pub fn new(issuers: Issuers) -> io::Result<Self> {
        let keys = KeyRing::shared()?;
        Ok(Self {
            published: Published::new(Arc::clone(&keys), issuers.clone()),
            keys,
            issuers,
            lifetime: 3599,
        })
    }

    pub(crate) fn lifetime(mut self, seconds: u64) -> Self {
        self.lifetime = seconds;
        self
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.lifetime
    }

    /// An access token of a tenant: v2, of a user, with the right signature, unless changed.
    pub fn access_token(&self, tenant: impl Into<String>) -> Token {
        Token::new(self.clone(), tenant.into(), Purpose::Access)
    }

    /// An id_token of a tenant.
    pub fn id_token(&self, tenant: impl Into<String>) -> Token {
        Token::new(self.clone(), tenant.into(), Purpose::Id)
    }

    /// The body of a token reply for a tenant.
    pub fn body(&self, preset: &Preset, tenant: impl Into<String>) -> TokenBody {
        preset.body(self, &tenant.into())
    }

    /// A JWT over exactly these bytes (duplicate members, odd spellings), RS256 whatever the header
    /// says.
    pub fn sign(&self, key: KeyName, header: &[u8], claims: &[u8]) -> String {
        self.sign_over(key, header, header, claims)
    }

    /// Signs over one header and sends another.
    pub(crate) fn sign_over(
        &self,
        key: KeyName,
        sent: &[u8],
        signed: &[u8],
        claims: &[u8],
    ) -> String {
        let claims = b64(claims);
        let signature = self
            .key(key)
            .sign(format!("{}.{claims}", b64(signed)).as_bytes());
        format!("{}.{claims}.{}", b64(sent), b64(signature))
    }

    /// One of the keys.
    pub fn key(&self, name: KeyName) -> &SigningKey {
        self.keys.key(name)
    }

    /// What is published about the keys, and which of them signs.
    pub fn keys(&self) -> &Published {
        &self.published
    }

    /// The issuer templates.
    pub fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// From now on enterprise tokens are signed with the next key, which was published all along.
    pub fn rotate(&self) {
        self.published.sign_with(KeyName::EnterpriseNext);
    }

    /// The key that is right for a tenant.
    pub(crate) fn key_for(&self, tenant: &str) -> KeyName {
        if tenant == PERSONAL {
            KeyName::Personal
        } else {
            self.published.signing()
        }
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
