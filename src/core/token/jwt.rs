//! The parts of a JWT: its form (signed, encrypted, opaque), its algorithm and the claims we read.
//!
//! Invariant: a claim is read only where one member names it, compared without case; base64url is
//! read strictly (no padding, no other alphabet, no stray bits). What cannot be read so, and some
//! client could read all the same, is an error or [`Form::Misspelled`], never opaque: most
//! clients take the second segment for the claims and look at nothing else.
//!
//! Source: RFC 7515 (JWS), RFC 7516 (JWE), RFC 7519 (JWT).

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;
use serde::de::{self, IgnoredAny, MapAccess};

use super::json::{IfText, Text, folded, object};

/// What a string is, seen as a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// JWE compact serialisation.
    Encrypted,
    /// Some parser reads claims from it, and not by the letter of RFC 7515: padding, the other
    /// alphabet, white space, a header that is none, too few or too many segments, JSON
    /// serialisation. It cannot count as opaque.
    Misspelled,
    /// None of these.
    Opaque,
    /// JWS compact serialisation.
    Signed {
        /// The header's `alg`.
        algorithm: Algorithm,
        /// The second segment, still encoded.
        payload: &'a str,
    },
}

/// The header's `alg`, as far as it matters to classification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `none`: version 1.0 id_tokens from the token endpoint, by design.
    None,
    /// Anything but the others.
    Other,
    /// `RS256`: all that Entra signs with.
    Rs256,
}

impl Algorithm {
    /// Whether Entra issues tokens with it.
    pub const fn used_by_entra(self) -> bool {
        match self {
            Self::None | Self::Rs256 => true,
            Self::Other => false,
        }
    }
}

/// Why claims could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not base64url, not UTF-8, not one JSON object, the issuer twice or not a text; and yet
    /// some parser may read claims from it.
    #[error("the token's claims cannot be read without doubt")]
    Malformed,
    /// Nothing that a client could read: only the resource it is for can.
    #[error("the token's payload is sealed")]
    Sealed,
}

/// Strict base64url. It costs a third of what the scalar engine costs.
pub(super) static BASE64URL: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

/// Whether a text can be a key's name: 1 to 256 printable characters.
pub(super) fn is_key_name(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Decodes a segment that is text into an empty buffer.
pub(super) fn decoded<'b>(segment: &str, buffer: &'b mut Vec<u8>) -> Option<&'b str> {
    BASE64URL.decode_vec(segment, buffer).ok()?;
    std::str::from_utf8(buffer).ok()
}

/// Tells what a whole string is.
pub fn form(token: &str) -> Form<'_> {
    match memchr::memchr(b'.', token.as_bytes()) {
        Some(dot) => form_of(
            token,
            dot,
            Header::read(token.get(..dot).unwrap_or_default()),
        ),
        None if token.trim_ascii_start().starts_with('{') => Form::Misspelled,
        None => Form::Opaque,
    }
}

/// Tells what a string is whose first segment, up to a dot, has been read.
fn form_of(token: &str, dot: usize, header: Option<Header>) -> Form<'_> {
    let rest = token.get(dot + 1..).unwrap_or_default();
    let mut dots = memchr::memchr_iter(b'.', rest.as_bytes());
    let second = dots.next();
    let payload = second.and_then(|dot| rest.get(..dot)).unwrap_or(rest);
    let segments = 2 + usize::from(second.is_some()) + dots.count();
    match (header, segments) {
        (Some(header), 3) => Form::Signed {
            algorithm: header.algorithm,
            payload,
        },
        _ if is_legible(payload) || token.trim_ascii_start().starts_with('{') => Form::Misspelled,
        (Some(header), 5) if header.encrypted => Form::Encrypted,
        _ => Form::Opaque,
    }
}

/// Whether some parser could read claims, or another token, from a segment: what is not base64 is
/// skipped, loose bits, padding, both alphabets, byte order marks, UTF-16 and broken UTF-8 are
/// taken.
fn is_legible(segment: &str) -> bool {
    const INSIGNIFICANT: &[u8] = b"\0 \t\r\n\xef\xbb\xbf\xfe\xff";
    let mut bytes = loosely_decoded(segment).skip_while(|byte| INSIGNIFICANT.contains(byte));
    match bytes.next() {
        Some(b'{') => {
            let rest: Vec<u8> = bytes.filter(|byte| !b"\0 \t\r\n".contains(byte)).collect();
            let is_text = || std::str::from_utf8(&rest).is_ok();
            // A member's name follows, or random bytes that happen to start with a brace.
            (rest.starts_with(b"\"") && memchr::memmem::find(&rest, b"\":").is_some())
                || (memchr::memchr2(b':', b'=', &rest).is_some() && is_text())
        }
        Some(b'e') => {
            let text: Vec<u8> = std::iter::once(b'e').chain(bytes).collect();
            let mut holds_a_token = false;
            find_within(&String::from_utf8_lossy(&text), |_, _| holds_a_token = true);
            holds_a_token
        }
        _ => false,
    }
}

/// Decodes base64 as the laxest of parsers do.
fn loosely_decoded(segment: &str) -> impl Iterator<Item = u8> {
    let mut sextets = segment.bytes().filter_map(|byte| {
        Some(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        })
    });
    let (mut held, mut bits) = (0_u32, 0_u32);
    std::iter::from_fn(move || {
        while bits < 8 {
            held = (held << 6) | u32::from(sextets.next()?);
            bits += 6;
        }
        bits -= 8;
        Some((held >> bits).to_le_bytes()[0])
    })
}

/// Finds every JWT inside a longer text: wherever characters that read as a JOSE header end in a
/// dot. `found` gets each with the segments that belong to it, and its form.
///
/// Each segment is read as a header a few times at most and belongs to five tokens at most, so
/// the cost is in proportion to the text.
pub fn find_within<'a>(text: &'a str, mut found: impl FnMut(&'a str, Form<'a>)) {
    let mut from = 0;
    for dot in memchr::memchr_iter(b'.', text.as_bytes()) {
        let stretch = text.get(from..dot).unwrap_or_default();
        let outside = stretch.bytes().rposition(|byte| !is_base64url(byte));
        let start = outside.map_or(0, |at| at + 1);
        if let Some((at, header)) = Header::at_the_end_of(stretch.get(start..).unwrap_or_default())
        {
            let rest = text.get(from + start + at..).unwrap_or_default();
            let token = match leading_segments(rest, 5) {
                five if header.encrypted && five.matches('.').count() == 4 => five,
                _ => leading_segments(rest, 3),
            };
            found(
                token,
                form_of(token, stretch.len() - start - at, Some(header)),
            );
        }
        from = dot + 1;
    }
}

/// The first so many segments of what a text starts with.
fn leading_segments(text: &str, mut segments: usize) -> &str {
    let ends = |byte| {
        segments -= usize::from(byte == b'.');
        segments == 0 || !(byte == b'.' || is_base64url(byte))
    };
    let end = text.bytes().position(ends).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Whether a text is made of nothing but what a token is made of.
pub(super) fn is_plain(text: &str) -> bool {
    // By the piece: a processor looks at many bytes at once where none of them ends the loop.
    let plain = |plain, byte: &u8| plain & (*byte == b'.' || is_base64url(*byte));
    let mut pieces = text.as_bytes().chunks(PIECE);
    pieces.all(|piece| piece.iter().fold(true, plain))
}

/// Bytes of a token that are looked at together.
const PIECE: usize = 256;

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

struct Header {
    algorithm: Algorithm,
    encrypted: bool,
}

impl Header {
    /// Reads a JOSE header, or tells that a segment is none: an object with an `alg`.
    fn read(segment: &str) -> Option<Self> {
        // The base64url of `{` or of JSON white space starts with one of these.
        if segment.len() < Self::SHORTEST || !segment.starts_with(['e', 'I', 'C', 'D']) {
            return None;
        }
        object(decoded(segment, &mut Vec::new())?, HeaderVisitor)?
    }

    /// The base64url of `{"alg":0}`.
    const SHORTEST: usize = 12;

    /// Reads a header that a segment is or ends in (`token_eyJ…`, `%3DeyJ…`), and tells where it
    /// starts. `eyJ` is what `{"` and a letter are in base64url; it is rare within a header, so
    /// the first few from the end are all.
    fn at_the_end_of(segment: &str) -> Option<(usize, Self)> {
        if segment.len() < Self::SHORTEST {
            return None;
        }
        let starts = memchr::memrchr_iter(b'J', segment.as_bytes())
            .filter_map(|at| at.checked_sub(2))
            .filter(|at| {
                segment
                    .get(*at..)
                    .is_some_and(|rest| rest.starts_with("ey"))
            })
            .take(4);
        let read = |at: usize| Some((at, Self::read(segment.get(at..)?)?));
        read(0).or_else(|| starts.filter(|at| *at > 0).find_map(read))
    }
}

struct HeaderVisitor;

impl<'de> de::Visitor<'de> for HeaderVisitor {
    type Value = Option<Header>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut algorithm, mut encrypted) = (None, false);
        while let Some(Text(name)) = map.next_key()? {
            if name.eq_ignore_ascii_case("alg") {
                // Two `alg` members, or one of another type: not an algorithm Entra uses.
                let IfText(value) = map.next_value()?;
                algorithm = Some(match (algorithm, value.as_deref()) {
                    (None, Some("RS256")) => Algorithm::Rs256,
                    (None, Some("none")) => Algorithm::None,
                    _ => Algorithm::Other,
                });
            } else {
                encrypted |= name == "enc";
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(algorithm.map(|algorithm| Header {
            algorithm,
            encrypted,
        }))
    }
}

/// The claims that classification and records read. Text, as written.
#[derive(Debug, Default)]
pub struct Claims<'a> {
    /// Issuer.
    pub iss: Option<Cow<'a, str>>,
    /// Tenant id.
    pub tid: Tid<'a>,
    /// Object id.
    pub oid: Option<Cow<'a, str>>,
    /// Client application, version 2.0.
    pub azp: Option<Cow<'a, str>>,
    /// Client application, version 1.0.
    pub appid: Option<Cow<'a, str>>,
}

/// The claim `tid`.
#[derive(Debug, Default)]
pub enum Tid<'a> {
    /// There is none.
    #[default]
    Absent,
    /// Not a text, named twice, or named in another case.
    Doubtful,
    /// A text.
    Text(Cow<'a, str>),
}

impl<'a> Claims<'a> {
    /// Decodes a payload segment into `buffer` and reads its claims.
    ///
    /// # Errors
    /// [`JwtError::Malformed`] when any parser could read the issuer differently.
    pub fn read(payload: &str, buffer: &'a mut Vec<u8>) -> Result<Self, JwtError> {
        Self::read_strictly(payload, buffer).ok_or_else(|| {
            if is_legible(payload) {
                JwtError::Malformed
            } else {
                JwtError::Sealed
            }
        })
    }

    fn read_strictly(payload: &str, buffer: &'a mut Vec<u8>) -> Option<Self> {
        object(decoded(payload, buffer)?, ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> de::Visitor<'de> for ClaimsVisitor {
    type Value = Claims<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of claims")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut claims = Claims::default();
        while let Some(Text(name)) = map.next_key()? {
            match name.as_ref() {
                "appid" => IfText(claims.appid) = map.next_value()?,
                "azp" => IfText(claims.azp) = map.next_value()?,
                "oid" => IfText(claims.oid) = map.next_value()?,
                "iss" => {
                    let Text(issuer) = map.next_value()?;
                    if claims.iss.replace(issuer).is_some() {
                        return Err(de::Error::custom("two issuers"));
                    }
                }
                "tid" => {
                    claims.tid = match (claims.tid, map.next_value()?) {
                        (Tid::Absent, IfText(Some(text))) => Tid::Text(text),
                        (Tid::Absent | Tid::Doubtful | Tid::Text(_), IfText(_)) => Tid::Doubtful,
                    };
                }
                _ => {
                    match Twin::of(name) {
                        Some(Twin::Iss) => return Err(de::Error::custom("two issuers")),
                        Some(Twin::Tid) => claims.tid = Tid::Doubtful,
                        None => {}
                    }
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(claims)
    }
}

/// A member that a client which folds case takes for a claim we read.
enum Twin {
    Iss,
    Tid,
}

impl Twin {
    fn of(name: Cow<'_, str>) -> Option<Self> {
        if name.len() == 3 || !name.is_ascii() {
            let name = folded(name);
            if name.eq_ignore_ascii_case("iss") {
                return Some(Self::Iss);
            }
            return name.eq_ignore_ascii_case("tid").then_some(Self::Tid);
        }
        None
    }
}
