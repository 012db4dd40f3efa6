//! Compact JWT serialisation: the parts every kind of token is put together from.

use aws_lc_rs::{digest, hmac, rand};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

/// Base64url without padding.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The reverse of [`b64`].
pub fn unb64(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// The claims of a compact JWT, unverified.
pub fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&unb64(payload)?).ok()
}

/// An unsecured JWT (`alg: none`): an empty third part.
pub fn unsigned(header: &[u8], claims: &[u8]) -> String {
    format!("{}.{}.", b64(header), b64(claims))
}

/// A JWT with an HMAC-SHA-256 signature.
pub fn hs256(header: &[u8], claims: &[u8], secret: &[u8]) -> String {
    let input = format!("{}.{}", b64(header), b64(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, input.as_bytes());
    format!("{input}.{}", b64(tag.as_ref()))
}

/// Five parts in the shape of an encrypted token (JWE); what is inside is random.
pub fn jwe_shaped() -> String {
    let header = br#"{"alg":"RSA-OAEP","enc":"A128CBC-HS256","typ":"JWT","zip":"DEF"}"#;
    [
        b64(header),
        random(256),
        random(16),
        random(512),
        random(16),
    ]
    .join(".")
}

/// `bytes` random bytes in base64url.
pub fn random(bytes: usize) -> String {
    b64(random_bytes(bytes))
}

/// An access token in the form personal accounts get: `EwB...`, standard base64.
pub fn opaque_personal() -> String {
    format!("EwB{}", BASE64_STANDARD_NO_PAD.encode(random_bytes(600)))
}

/// An access token in the opaque form the v1 endpoint can give.
pub fn opaque_v1() -> String {
    format!("PAQABAAAA{}", random(400))
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// A GUID that depends on nothing but `name`.
pub fn stable_guid(name: &str) -> String {
    let mut bytes = [0u8; 16];
    for (to, from) in bytes.iter_mut().zip(sha256(name.as_bytes())) {
        *to = from;
    }
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// A GUID that is new every time.
pub fn random_guid() -> String {
    let mut bytes = [0u8; 16];
    for (to, from) in bytes.iter_mut().zip(random_bytes(16)) {
        *to = from;
    }
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; count];
    // The system generator does not fail once it is seeded; if it did, zeroes would still be a
    // valid token's bytes.
    let _ = rand::fill(&mut bytes);
    bytes
}
