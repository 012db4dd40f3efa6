//! `application/x-www-form-urlencoded`, read strictly.
//!
//! Invariant: every name and value decodes to UTF-8 without loss, or the form is refused; a lossy
//! decoder (the usual kind) would let two parsers read two things.
//!
//! Source: RFC 6749 appendix B, WHATWG URL section 5.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Decodes one name or value, or tells that it is malformed: a `%` without two hex digits, or
/// bytes that are not UTF-8.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let digits = rest.get(at + 1..at + 3)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        rest = rest.get(at + 3..)?;
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

/// What a token request's form says that the gateway reads. Everything else travels unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest<'a> {
    /// `grant_type`.
    pub grant_type: Option<Cow<'a, str>>,
    /// Whether there is a `code`: some providers (GitHub) take it without a `grant_type`.
    pub code: bool,
}

/// The form could be read in two ways, or not at all. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Parameters that one request may repeat (RFC 8707 section 2, RFC 8693 section 2.1).
const REPEATABLE: [&str; 2] = ["audience", "resource"];

/// Parameters whose other spellings (`TENANT`, `Grant_Type`) some parser folds into them.
const KNOWN: [&str; 20] = [
    "actor_token",
    "assertion",
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "grant_type",
    "password",
    "redirect_uri",
    "refresh_token",
    "requested_token_use",
    "resource",
    "scope",
    "subject_token",
    "tenant",
    "username",
];

/// Most parameters of one form.
const MOST: usize = 64;

/// Reads a token request's form (RFC 6749 section 3.2: no parameter twice).
///
/// # Errors
/// [`Malformed`]: not UTF-8, a broken escape, a parameter twice or in another spelling.
pub fn token_request(body: &[u8]) -> Result<TokenRequest<'_>, Malformed> {
    let mut request = TokenRequest::default();
    let mut names: Vec<Cow<'_, str>> = Vec::with_capacity(16);
    for pair in pairs(body)? {
        let (name, value) = pair?;
        let respelled = |name: &str| {
            name.bytes().any(|b| b.is_ascii_uppercase())
                && KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        if respelled(&name) {
            return Err(Malformed);
        }
        let repeated = names.iter().any(|seen| seen.eq_ignore_ascii_case(&name));
        if (repeated && !REPEATABLE.contains(&name.as_ref())) || names.len() == MOST {
            return Err(Malformed);
        }
        match name.as_ref() {
            "code" => request.code = !value.is_empty(),
            "grant_type" if !value.is_empty() => request.grant_type = Some(value),
            _ => {}
        }
        names.push(name);
    }
    Ok(request)
}

/// Why a field of a form cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// The field stands twice, or in another spelling.
    Field,
    /// The form could be read in two ways, or not at all.
    Form,
}

/// Reads one field of a form; none where the form does not name it.
///
/// # Errors
/// [`FieldError`]. A `;`, at which some parsers split, makes a form that reads in two ways.
pub fn field<'b>(body: &'b [u8], name: &str) -> Result<Option<Cow<'b, str>>, FieldError> {
    let malformed = |Malformed| FieldError::Form;
    if memchr::memchr(b';', body).is_some() {
        return Err(FieldError::Form);
    }
    let (mut found, mut doubtful) = (None, false);
    for (count, pair) in pairs(body).map_err(malformed)?.enumerate() {
        let (named, value) = pair.map_err(malformed)?;
        if count == MOST {
            return Err(FieldError::Form);
        }
        if resembles(&named, name) {
            doubtful |= named != name || found.replace(value).is_some();
        }
    }
    if doubtful {
        return Err(FieldError::Field);
    }
    Ok(found)
}

/// Whether some parser finds a parameter of this name in a query: a server may take it in place of
/// what stands in the body or in a header.
pub fn query_names(query: &str, name: &str) -> bool {
    query.split(['&', ';', '?']).any(|pair| {
        let named = pair.split('=').next().unwrap_or_default();
        let named = named.replace('+', " ");
        resembles(&percent_decode_str(&named).decode_utf8_lossy(), name)
    })
}

/// Whether some parser takes one name for the other: it folds case, or `.` and spaces to `_`, or
/// takes `name[0]` for an element of `name`.
fn resembles(named: &str, name: &str) -> bool {
    let plain = |name: &str| {
        let name = name.trim().split(['[', '\0']).next().unwrap_or_default();
        name.replace(['.', ' '], "_").to_lowercase()
    };
    plain(named) == plain(name)
}

/// A name and a value.
type Pair<'b> = (Cow<'b, str>, Cow<'b, str>);

/// The pairs of a form, decoded. Names are plain: letters, digits and `_-.`.
fn pairs(body: &[u8]) -> Result<impl Iterator<Item = Result<Pair<'_>, Malformed>>, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed)?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    Ok(pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or(Malformed)?;
        let value = decode(value).ok_or(Malformed)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(Malformed);
        }
        Ok((name, value))
    }))
}

#[cfg(test)]
mod tests;
