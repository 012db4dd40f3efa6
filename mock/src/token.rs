//! Tokens to order, for tests: well-formed ones by default, and every way of being wrong by name.

use serde_json::{Map, Value, json};

use crate::claims::{self, Account, Facts};
use crate::jwt::{self, b64, sha256};
use crate::keys::KeyName;
use crate::mint::{Mint, now};
use crate::options::Version;

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
    raw_claims: Option<Vec<u8>>,
    raw_header: Option<Vec<u8>>,
}

impl Token {
    pub(crate) fn new(mint: Mint, tenant: String, purpose: Purpose) -> Self {
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
            raw_claims: None,
            raw_header: None,
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

    /// Signs with this key.
    #[must_use]
    pub fn signed_by(self, key: KeyName) -> Self {
        self.seal(Seal::SignedBy(key))
    }

    /// Sets `exp`, in seconds from now; negative: it has expired.
    #[must_use]
    pub fn expires_in(self, seconds: i64) -> Self {
        self.claim("exp", now().saturating_add_signed(seconds))
    }

    /// Sets `nbf` and `iat`, in seconds from now; positive: it is not valid yet.
    #[must_use]
    pub fn valid_in(self, seconds: i64) -> Self {
        let from = now().saturating_add_signed(seconds);
        self.claim("nbf", from).claim("iat", from)
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

    /// Sets the `kid` that the header names; the key that signs stays the same.
    #[must_use]
    pub fn kid(self, kid: impl Into<Value>) -> Self {
        self.header("kid", kid)
    }

    /// Puts these bytes in the place of the claims (duplicate members, odd spellings), sealed as
    /// they are.
    #[must_use]
    pub fn raw_claims(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_claims = Some(bytes.into());
        self
    }

    /// Puts these bytes in the place of the header, sealed as they are.
    #[must_use]
    pub fn raw_header(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_header = Some(bytes.into());
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
            issuer: self.mint.issuers().of(self.version, &self.tenant),
            account: self.account.as_ref(),
            client: &self.client,
            audience: self.audience.as_deref().unwrap_or(&self.client),
            scopes: &self.scopes,
            roles: &self.roles,
            nonce: self.nonce.as_deref(),
            now: now(),
            lifetime: self.mint.seconds(),
        });
        apply(&mut claims, &self.changes);
        claims
    }

    /// The token.
    pub fn build(&self) -> String {
        let claims = self
            .raw_claims
            .clone()
            .unwrap_or_else(|| bytes(self.claims()));
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
                let (sent, signed) = self.heads_with_nonce(key);
                self.mint.sign_over(key, &sent, &signed, &claims)
            }
        }
    }

    fn head(&self, algorithm: &str, key: Option<KeyName>) -> Vec<u8> {
        self.raw_header
            .clone()
            .unwrap_or_else(|| bytes(self.header_members(algorithm, key)))
    }

    /// The header to send, and the one to sign over: the same bytes with the nonce's digest in its
    /// place. A nonce that a test has set is kept.
    fn heads_with_nonce(&self, key: KeyName) -> (Vec<u8>, Vec<u8>) {
        let mut header = self.header_members("RS256", Some(key));
        header
            .entry("nonce")
            .or_insert_with(|| json!(jwt::random(32)));
        let sent = self.raw_header.clone().unwrap_or_else(|| bytes(header));
        let nonce = serde_json::from_slice::<Value>(&sent)
            .ok()
            .and_then(|header| header.get("nonce")?.as_str().map(str::to_owned))
            .unwrap_or_default();
        let hashed = b64(sha256(nonce.as_bytes()));
        let signed = String::from_utf8_lossy(&sent)
            .replace(&format!("\"{nonce}\""), &format!("\"{hashed}\""));
        (sent, signed.into_bytes())
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

fn bytes(members: Map<String, Value>) -> Vec<u8> {
    Value::Object(members).to_string().into_bytes()
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
