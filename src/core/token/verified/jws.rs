//! A JWS in compact serialisation: its header, and whether a key signed it.
//!
//! Microsoft Graph's tokens carry a `nonce` in the header and are signed as if its hash stood
//! there: base64url(SHA-256(nonce)), put in the place of the nonce, the header otherwise as it is.
//! So the nonce has to stand where nobody can doubt it: once, at the top level, in plain ASCII.
//!
//! Source: RFC 7515 sections 4.1 and 5.2, RFC 8725 section 3.

use std::ops::Range;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use serde_json::value::RawValue;

use super::super::json::{members, text};
use super::super::jwt::{BASE64URL, decoded, is_key_name};
use super::super::keys::Key;
use super::Refused;

/// The longest token, in bytes. Entra's are of 1 to 4 KiB, with many groups up to 16.
pub const LONGEST: usize = 32 * 1024;

/// A token of three segments. The payload may be anything.
pub(super) struct Jws<'t> {
    pub(super) kid: String,
    /// The second segment, still encoded.
    pub(super) payload: &'t str,
    nonce: Option<Nonce>,
    signature: &'t str,
    /// The first two segments, which are what is signed.
    message: &'t str,
}

/// A header, decoded, and where in it the nonce stands, without its quotes.
struct Nonce {
    header: String,
    place: Range<usize>,
}

impl<'t> Jws<'t> {
    pub(super) fn read(token: &'t str) -> Result<Self, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let (header, message, payload, signature) = segments(token)?;
        let mut buffer = Vec::new();
        let json = decoded(header, &mut buffer).ok_or(Refused::Malformed)?;
        let (kid, nonce) = read_header(json)?;
        let nonce = nonce.map(|place| Nonce {
            header: json.to_owned(),
            place,
        });
        buffer.clear();
        let spelled = BASE64URL.decode_vec(signature, &mut buffer);
        spelled.map_err(|_| Refused::Malformed)?;
        if buffer.is_empty() {
            return Err(Refused::Signature);
        }
        Ok(Self {
            kid,
            payload,
            nonce,
            signature,
            message,
        })
    }

    /// Whether the key signed it: as it stands, or with its nonce hashed.
    pub(super) fn is_signed_by(&self, key: &Key) -> bool {
        key.signed(self.message.as_bytes(), self.signature)
            || self.nonce.as_ref().is_some_and(|nonce| {
                let message = format!("{}.{}", nonce.hashed(), self.payload);
                key.signed(message.as_bytes(), self.signature)
            })
    }
}

impl Nonce {
    /// The header segment with the hash in the nonce's place.
    fn hashed(&self) -> String {
        let part = |range| self.header.get(range).unwrap_or_default();
        let Range { start, end } = self.place;
        let hash = BASE64URL.encode(digest(&SHA256, part(start..end).as_bytes()));
        let (before, after) = (part(0..start), part(end..self.header.len()));
        BASE64URL.encode([before, &hash, after].concat())
    }
}

/// The header segment, the message, the payload segment and the signature.
fn segments(token: &str) -> Result<(&str, &str, &str, &str), Refused> {
    const JWE_DOTS: usize = 4;
    let (message, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(Refused::Malformed)?;
    if !payload.contains('.') {
        return Ok((header, message, payload, signature));
    }
    if token.matches('.').count() == JWE_DOTS {
        return Err(Refused::Encrypted);
    }
    Err(Refused::Malformed)
}

/// The key's name, and where the nonce stands.
///
/// Refused are members that change how the rest is to be read (`crit`, `b64`, `zip`, `cty`, `enc`)
/// and ones that bring or fetch a key (`jwk`, `x5c`, `jku`, `x5u`): keys come from configuration.
fn read_header(json: &str) -> Result<(String, Option<Range<usize>>), Refused> {
    const MEMBERS: [&str; 13] = [
        "alg", "kid", "nonce", "typ", "b64", "crit", "cty", "enc", "jku", "jwk", "x5c", "x5u",
        "zip",
    ];
    let [alg, kid, nonce, typ, refused @ ..] = members(json, &MEMBERS).ok_or(Refused::Malformed)?;
    if refused.iter().any(Option::is_some) {
        return Err(Refused::Header);
    }
    if alg.and_then(text).as_deref() != Some("RS256") {
        return Err(Refused::Algorithm);
    }
    if !typ.is_none_or(is_type) {
        return Err(Refused::Type);
    }
    let kid = kid.and_then(text).filter(|kid| is_key_name(kid));
    let kid = kid.ok_or(Refused::KeyName)?.into_owned();
    let nonce = nonce.map(|nonce| place(nonce, json).ok_or(Refused::Malformed));
    Ok((kid, nonce.transpose()?))
}

fn is_type(typ: &RawValue) -> bool {
    text(typ).is_some_and(|typ| {
        ["at+jwt", "JWT"]
            .iter()
            .any(|known| typ.eq_ignore_ascii_case(known))
    })
}

/// Where in the text a member's value stands, if it is a string of plain ASCII.
fn place(value: &RawValue, text: &str) -> Option<Range<usize>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'\\';
    let start = inner.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    inner
        .bytes()
        .all(is_plain)
        .then_some(start..start + inner.len())
}
