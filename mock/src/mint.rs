//! Tokens and token replies to order, for tests: well-formed ones by default, and every way of
//! being wrong by name.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::body::{Preset, TokenBody};
use crate::claims::{self, Account, Facts};
use crate::jwt::{self, b64, sha256};
use crate::keys::{KeyName, KeyRing, SigningKey};
use crate::options::{Issuers, Version};
use crate::tenants::PERSONAL;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An access token.
    Access,
    /// An id_token.
    Id,
}

/// How a token is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seal {
    /// RS256, then the first character of the signature is changed.
    BadSignature,
    /// Five random parts in the shape of a JWE; the claims are lost.
    Encrypted,
    /// RS256 the way Graph does it: the header's `nonce` is signed as its SHA-256.
    GraphNonce,
    /// HS256 with this secret.
    Hmac(Vec<u8>),
    /// An opaque string (`EwB...`); the claims are lost.
    Opaque,
    /// RS256 with the key that is right for the tenant.
    Signed,
    /// RS256 with this key.
    SignedBy(KeyName),
    /// `alg: none`, an empty signature.
    Unsigned,
}

/// Makes tokens with a provider's keys and issuers. Clones share the keys.
#[derive(Clone)]
pub struct Mint {
    keys: Arc<KeyRing>,
    issuers: Issuers,
    lifetime: u64,
    rotated: Arc<AtomicBool>,
}

impl Mint {
    /// A mint without a server around it; it signs with the same keys as every mock of this
    /// process.
    pub fn new(issuers: Issuers) -> io::Result<Self> {
        Ok(Self {
            keys: KeyRing::shared()?,
            issuers,
            lifetime: 3599,
            rotated: Arc::default(),
        })
    }

    pub(crate) fn lifetime(mut self, seconds: u64) -> Self {
        self.lifetime = seconds;
        self
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
    fn sign_over(&self, key: KeyName, sent: &[u8], signed: &[u8], claims: &[u8]) -> String {
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

    pub(crate) fn ring(&self) -> &KeyRing {
        &self.keys
    }

    /// The issuer templates.
    pub fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// From now on enterprise tokens are signed with the next key, which was published all along.
    pub fn rotate(&self) {
        self.rotated.store(true, Ordering::SeqCst);
    }

    fn key_for(&self, tenant: &str) -> KeyName {
        if tenant == PERSONAL {
            KeyName::Personal
        } else if self.rotated.load(Ordering::SeqCst) {
            KeyName::EnterpriseNext
        } else {
            KeyName::Enterprise
        }
    }
}

/// A token under construction.
#[derive(Clone)]
pub struct Token {
    mint: Mint,
    purpose: Purpose,
    version: Version,
    tenant: String,
    account: Option<Account>,
    client: String,
    audience: Option<String>,
    scopes: String,
    roles: Vec<String>,
    nonce: Option<String>,
    seal: Seal,
    changes: Vec<(String, Option<Value>)>,
    header_changes: Vec<(String, Option<Value>)>,
}

impl Token {
    fn new(mint: Mint, tenant: String, purpose: Purpose) -> Self {
        let account = Account {
            username: "user@mock.example".into(),
            home: tenant.clone(),
        };
        Self {
            mint,
            purpose,
            version: Version::V2,
            tenant,
            account: Some(account),
            client: jwt::stable_guid("client"),
            audience: None,
            scopes: "User.Read".into(),
            roles: Vec::new(),
            nonce: None,
            seal: Seal::Signed,
            changes: Vec::new(),
            header_changes: Vec::new(),
        }
    }

    /// Sets the token's version, and with it the issuer and the names of some claims.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Sets who signed in. A home other than the token's tenant makes a guest.
    #[must_use]
    pub fn user(mut self, username: impl Into<String>, home: impl Into<String>) -> Self {
        self.account = Some(Account {
            username: username.into(),
            home: home.into(),
        });
        self
    }

    /// Makes it an application's own token: no user, `roles` instead of `scp`.
    #[must_use]
    pub fn application(mut self) -> Self {
        self.account = None;
        self
    }

    /// Sets the client (`azp` or `appid`; `aud` of an id_token).
    #[must_use]
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = client.into();
        self
    }

    /// Sets `aud`. Default: the client.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets `scp`.
    #[must_use]
    pub fn scopes(mut self, scopes: impl Into<String>) -> Self {
        self.scopes = scopes.into();
        self
    }

    /// Sets `roles`.
    #[must_use]
    pub fn roles<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the `nonce` of an id_token.
    #[must_use]
    pub fn nonce(mut self, nonce: Option<String>) -> Self {
        self.nonce = nonce;
        self
    }

    /// Sets how the token is sealed.
    #[must_use]
    pub fn seal(mut self, seal: Seal) -> Self {
        self.seal = seal;
        self
    }

    /// Adds or replaces a claim, after all others are set.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.changes.push((name.into(), Some(value.into())));
        self
    }

    /// Takes a claim away.
    #[must_use]
    pub fn without(mut self, name: impl Into<String>) -> Self {
        self.changes.push((name.into(), None));
        self
    }

    /// Adds or replaces a member of the header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header_changes.push((name.into(), Some(value.into())));
        self
    }

    /// Takes a member of the header away.
    #[must_use]
    pub fn without_header(mut self, name: impl Into<String>) -> Self {
        self.header_changes.push((name.into(), None));
        self
    }

    /// The claims as they will be in the token.
    pub fn claims(&self) -> Map<String, Value> {
        let mut claims = claims::of(&Facts {
            purpose: self.purpose,
            version: self.version,
            tenant: &self.tenant,
            issuer: self.mint.issuers.of(self.version, &self.tenant),
            account: self.account.as_ref(),
            client: &self.client,
            audience: self.audience.as_deref().unwrap_or(&self.client),
            scopes: &self.scopes,
            roles: &self.roles,
            nonce: self.nonce.as_deref(),
            now: now(),
            lifetime: self.mint.lifetime,
        });
        apply(&mut claims, &self.changes);
        claims
    }

    /// The token.
    pub fn build(&self) -> String {
        let claims = Value::Object(self.claims()).to_string().into_bytes();
        let key = match &self.seal {
            Seal::SignedBy(name) => *name,
            Seal::BadSignature
            | Seal::Encrypted
            | Seal::GraphNonce
            | Seal::Hmac(_)
            | Seal::Opaque
            | Seal::Signed
            | Seal::Unsigned => self.mint.key_for(&self.tenant),
        };
        match &self.seal {
            Seal::Encrypted => jwt::jwe_shaped(),
            Seal::Opaque => jwt::opaque_personal(),
            Seal::Unsigned => jwt::unsigned(&self.head("none", None), &claims),
            Seal::Hmac(secret) => jwt::hs256(&self.head("HS256", None), &claims, secret),
            Seal::Signed | Seal::SignedBy(_) => {
                self.mint.sign(key, &self.head("RS256", Some(key)), &claims)
            }
            Seal::BadSignature => {
                break_signature(&self.mint.sign(key, &self.head("RS256", Some(key)), &claims))
            }
            Seal::GraphNonce => {
                let nonce = jwt::random(32);
                let sent = with_nonce(&self.header_members("RS256", Some(key)), &nonce);
                let hashed = b64(sha256(nonce.as_bytes()));
                let signed = with_nonce(&self.header_members("RS256", Some(key)), &hashed);
                self.mint.sign_over(key, &sent, &signed, &claims)
            }
        }
    }

    fn head(&self, algorithm: &str, key: Option<KeyName>) -> Vec<u8> {
        Value::Object(self.header_members(algorithm, key))
            .to_string()
            .into_bytes()
    }

    fn header_members(&self, algorithm: &str, key: Option<KeyName>) -> Map<String, Value> {
        let mut header = Map::new();
        header.insert("typ".into(), json!("JWT"));
        header.insert("alg".into(), json!(algorithm));
        if let Some(name) = key {
            let kid = self.mint.key(name).kid();
            if self.version == Version::V1 {
                header.insert("x5t".into(), json!(kid));
            }
            header.insert("kid".into(), json!(kid));
        }
        apply(&mut header, &self.header_changes);
        header
    }
}

fn with_nonce(header: &Map<String, Value>, nonce: &str) -> Vec<u8> {
    let mut header = header.clone();
    header.insert("nonce".into(), json!(nonce));
    Value::Object(header).to_string().into_bytes()
}

fn apply(members: &mut Map<String, Value>, changes: &[(String, Option<Value>)]) {
    for (name, value) in changes {
        match value {
            Some(value) => members.insert(name.clone(), value.clone()),
            None => members.remove(name),
        };
    }
}

/// The token with the first character of its signature changed: the last one holds padding bits and
/// may not count.
fn break_signature(token: &str) -> String {
    match token.rsplit_once('.') {
        Some((input, signature)) => {
            let other = if signature.starts_with('A') { 'B' } else { 'A' };
            format!("{input}.{other}{}", signature.get(1..).unwrap_or_default())
        }
        None => token.to_owned(),
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
