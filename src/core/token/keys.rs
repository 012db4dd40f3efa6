//! Signing keys as an Entra provider publishes them (JWKS), and which issuers each may sign for.
//!
//! 1. A key set is one JSON object, its members named once, with a list `keys` of at most
//!    [`MOST_KEYS`]. Anything else is no key set.
//! 2. A key is kept if it is an RSA key of 2048 to 4096 bits with exponent 65537, for RS256
//!    signatures (`use` is required, `alg` and `key_ops` must not say otherwise), has a name, and
//!    says whose tokens it signs. Any other is skipped and counted; it does not lose the rest.
//! 3. Two keys of one name are ambiguous: neither is kept, nor any of that name in a set merged
//!    with this one. The same key for several issuers is no contradiction.
//!
//! Invariant: keys of one name are one key, whatever issuers it signs for.
//!
//! Source: RFC 7517 (JWK), RFC 7518 section 6.3, Microsoft identity platform, "Access tokens"
//! (signing keys, `issuer`).

mod read;

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use jsonwebtoken::DecodingKey;
use thiserror::Error;

use super::super::tenant::TenantId;
use super::issuer::{Issuers, Match, PLACEHOLDER};

/// The most keys that one document may list; Entra lists about ten.
pub const MOST_KEYS: usize = 100;

/// The keys of one provider.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// By name, then by id.
    keys: Vec<Key>,
    ambiguous: BTreeSet<String>,
    skipped: usize,
    fingerprint: [u8; 32],
}

/// One key, for one issuer.
#[derive(Clone)]
pub struct Key {
    /// Its name in tokens' headers: 1 to 256 printable characters.
    pub kid: String,
    /// Whose tokens it signs: an issuer, or a template with `{tenantid}`.
    pub issuer: String,
    id: KeyId,
    modulus: Vec<u8>,
    key: DecodingKey,
}

/// Tells keys apart: a hash of the key, its name and its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 32]);

/// Why a document is no key set.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeySetError {
    /// Not one JSON object with a list `keys`.
    #[error("not a JSON Web Key Set")]
    Malformed,
    /// No key in it can be used.
    #[error("a key set without any usable key")]
    NoKeys,
    /// More than [`MOST_KEYS`].
    #[error("a key set of more than {MOST_KEYS} keys")]
    TooManyKeys,
}

impl KeySet {
    /// Reads a key set.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        Self::parse_in_cloud(json, None)
    }

    /// Reads the key set of a cloud, as the provider's metadata names it (`cloud_instance_name`).
    /// Keys of another cloud in it are left out: the worldwide set lists some of US Government, with
    /// the worldwide issuer beside them.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn parse_in_cloud(json: &[u8], cloud: Option<&str>) -> Result<Self, KeySetError> {
        let documents = read::keys(json).ok_or(KeySetError::Malformed)?;
        if documents.len() > MOST_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let listed = documents.len();
        let keys: Vec<Key> = documents
            .into_iter()
            .filter_map(|document| read::key(document, cloud))
            .collect();
        let skipped = listed - keys.len();
        let set = Self::settled(keys, BTreeSet::new(), skipped);
        if set.keys.is_empty() {
            return Err(KeySetError::NoKeys);
        }
        Ok(set)
    }

    /// One set of several that one provider publishes, each for other tenants. It may be without
    /// keys where the sets contradict each other.
    pub fn merge(sets: impl IntoIterator<Item = Self>) -> Self {
        let (mut keys, mut ambiguous, mut skipped) = (Vec::new(), BTreeSet::new(), 0);
        for set in sets {
            keys.extend(set.keys);
            ambiguous.extend(set.ambiguous);
            skipped += set.skipped;
        }
        Self::settled(keys, ambiguous, skipped)
    }

    fn settled(mut keys: Vec<Key>, mut ambiguous: BTreeSet<String>, mut skipped: usize) -> Self {
        keys.sort_unstable_by(|a, b| (&a.kid, a.id).cmp(&(&b.kid, b.id)));
        keys.dedup_by_key(|key| key.id);
        for namesakes in keys.chunk_by(|a, b| a.kid == b.kid) {
            if let [first, rest @ ..] = namesakes
                && rest.iter().any(|key| key.modulus != first.modulus)
            {
                ambiguous.insert(first.kid.clone());
            }
        }
        let candidates = keys.len();
        keys.retain(|key| !ambiguous.contains(&key.kid));
        skipped += candidates - keys.len();
        let fingerprint = digest(keys.iter().map(|key| key.id.0.as_slice()));
        Self {
            keys,
            ambiguous,
            skipped,
            fingerprint,
        }
    }

    /// Every key, by name.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The keys of this name: one key, for one or several issuers.
    pub fn named(&self, kid: &str) -> &[Key] {
        let from = self.keys.partition_point(|key| key.kid.as_str() < kid);
        let rest = self.keys.get(from..).unwrap_or_default();
        let many = rest.partition_point(|key| key.kid == kid);
        rest.get(..many).unwrap_or_default()
    }

    /// Whether this key, of this name and for this issuer, is among them.
    pub fn holds(&self, id: &KeyId) -> bool {
        self.keys.iter().any(|key| key.id == *id)
    }

    /// A hash of the content: equal for two sets of the same keys, in whatever order and with
    /// whatever else their documents say.
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// How many listed keys cannot be used, for logs.
    pub const fn skipped(&self) -> usize {
        self.skipped
    }
}

impl Default for KeySet {
    fn default() -> Self {
        Self::merge([])
    }
}

impl Key {
    /// A key of this modulus, without leading zeros, and of exponent 65537.
    fn new(kid: String, issuer: String, modulus: Vec<u8>) -> Self {
        let id = KeyId(digest([kid.as_bytes(), issuer.as_bytes(), &modulus]));
        let key = DecodingKey::from_rsa_raw_components(&modulus, &read::EXPONENT);
        Self {
            kid,
            issuer,
            id,
            modulus,
            key,
        }
    }

    /// Tells it from every other key.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// Whether it signs tokens of this issuer, which is this tenant's: its own issuer with the
    /// tenant filled in, or the version 1.0 issuer beside it. One key signs both versions, and only
    /// version 2.0 key sets name issuers.
    pub(super) fn signs_for(&self, issuer: &str, tenant: TenantId, issuers: &Issuers) -> bool {
        const VERSION_2: &str = "/v2.0";
        let own = self
            .issuer
            .replace(PLACEHOLDER, tenant.encode(&mut [0; 36]));
        own == issuer
            || (!issuer.ends_with(VERSION_2)
                && own.ends_with(VERSION_2)
                && issuers.find(Some(&own)) == Match::Tenant(tenant))
    }

    /// Whether this is its RS256 signature, in base64url, over the message.
    pub(super) fn signed(&self, message: &[u8], signature: &str) -> bool {
        let algorithm = jsonwebtoken::Algorithm::RS256;
        jsonwebtoken::crypto::verify(signature, message, &self.key, algorithm).unwrap_or(false)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// A hash of a list; each part counts with its length, so no two lists are written alike.
fn digest<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests;
