//! A key set's document, read without doubt.

use base64::Engine;
use serde_json::value::RawValue;

use super::super::json::{self, members, text};
use super::super::jwt::{BASE64URL, is_key_name};
use super::Key;

/// 65537, the only public exponent in use.
pub(super) const EXPONENT: [u8; 3] = [1, 0, 1];

/// A key's length in bits. Below, it can be broken; above, each token costs too much.
const BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The longest issuer.
const LONGEST_ISSUER: usize = 512;

/// The keys that a document lists, each as it is written.
pub(super) fn keys(json: &[u8]) -> Option<Vec<&RawValue>> {
    let [keys] = members(std::str::from_utf8(json).ok()?, &["keys"])?;
    serde_json::from_str(keys?.get()).ok()
}

/// One key, if it can be used in this cloud.
pub(super) fn key(document: &RawValue, cloud: Option<&str>) -> Option<Key> {
    const MEMBERS: [&str; 9] = [
        "alg",
        "cloud_instance_name",
        "e",
        "issuer",
        "key_ops",
        "kid",
        "kty",
        "n",
        "use",
    ];
    let [alg, named, e, issuer, key_ops, kid, kty, n, usage] = members(document.get(), &MEMBERS)?;
    let says = |value, word: &str| text(value).is_some_and(|text| text == word);
    let usable = says(kty?, "RSA")
        && says(usage?, "sig")
        && alg.is_none_or(|alg| says(alg, "RS256"))
        && key_ops.is_none_or(allows_verification)
        && named.is_none_or(|named| cloud.is_none_or(|cloud| says(named, cloud)))
        && BASE64URL.decode(text(e?)?.as_ref()).ok()? == EXPONENT;
    let kid = text(kid?).filter(|kid| is_key_name(kid))?;
    let issuer = text(issuer?).filter(|issuer| (1..=LONGEST_ISSUER).contains(&issuer.len()))?;
    let modulus = modulus(&text(n?)?)?;
    usable.then(|| Key::new(kid.into_owned(), issuer.into_owned(), modulus))
}

fn allows_verification(key_ops: &RawValue) -> bool {
    let operations: Option<Vec<json::Text<'_>>> = serde_json::from_str(key_ops.get()).ok();
    operations.is_some_and(|list| list.iter().any(|json::Text(text)| text == "verify"))
}

/// The modulus, which has no leading zeros (RFC 7518 section 2), is odd and of a length in use.
fn modulus(encoded: &str) -> Option<Vec<u8>> {
    let bytes = BASE64URL.decode(encoded).ok()?;
    let first = bytes.first()?;
    let bits = (bytes.len() * 8).checked_sub(usize::try_from(first.leading_zeros()).ok()?)?;
    let is_odd = bytes.last()? & 1 == 1;
    (*first != 0 && is_odd && BITS.contains(&bits)).then_some(bytes)
}
