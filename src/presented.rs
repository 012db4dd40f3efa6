//! The tokens that a request presents: read out of every place that a route names.
//!
//! Invariant: a place that is present is read or refused, never passed over; what is read is what
//! the service reads, since it comes from the bytes that are forwarded, and whatever a server could
//! take for another token of that place is refused.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, request};

use crate::config::{Place, SignInSource};
use crate::core::form::{self, FieldError};
use crate::core::token::presented::{Credentials, Misread, text_at};
use crate::refusal::Refusal;

/// One token of a request, and whom it must be for.
pub struct Shown<'r> {
    /// The token.
    pub text: Cow<'r, str>,
    /// What `aud` must be, one of them.
    pub audience: &'r [String],
}

/// How a request's body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A form.
    Form,
    /// A JSON object.
    Json,
    /// Not at all.
    Unread,
}

impl Reading {
    /// Tells from the headers how the body is to be read for these places, `empty` or not.
    ///
    /// # Errors
    /// [`Refusal::MediaType`].
    pub fn of(sources: &[SignInSource], headers: &HeaderMap, empty: bool) -> Result<Self, Refusal> {
        let json = sources.iter().any(|s| matches!(s.place, Place::Json(_)));
        let form = sources.iter().any(|s| matches!(s.place, Place::Form(_)));
        if !(json || form) || (empty && !headers.contains_key(CONTENT_TYPE)) {
            return Ok(Self::Unread);
        }
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(Refusal::MediaType);
        }
        match media_type(headers) {
            Some(Self::Form) if form => Ok(Self::Form),
            Some(Self::Json) if json => Ok(Self::Json),
            Some(_) | None => Err(Refusal::MediaType),
        }
    }
}

/// What the content type says, if it stands once and names no text encoding but UTF-8.
pub fn media_type(headers: &HeaderMap) -> Option<Reading> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let text = values.next()?.to_str().ok()?.to_ascii_lowercase();
    if values.next().is_some() || text.contains(',') {
        return None;
    }
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?;
    if !parts.all(keeps_utf8) {
        return None;
    }
    match name.strip_prefix("application/")? {
        "x-www-form-urlencoded" => Some(Reading::Form),
        "json" => Some(Reading::Json),
        other if other.ends_with("+json") => Some(Reading::Json),
        _ => None,
    }
}

/// Whether a parameter of a media type leaves no parser another text encoding than UTF-8. Some take
/// `charset*=utf-8''utf-7` (RFC 2231) for a charset.
fn keeps_utf8(parameter: &str) -> bool {
    let token = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$&'+-.^_`|~".contains(&b);
        !text.is_empty() && text.bytes().all(plain)
    };
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value
        .strip_prefix('"')
        .and_then(|v| v.strip_suffix('"'))
        .unwrap_or(value);
    match name {
        "charset" => matches!(value, "utf-8" | "utf8"),
        name => token(name) && token(value) && !parameter.contains("charset"),
    }
}

/// Every sign-in token of a request.
///
/// # Errors
/// The refusal to answer with.
pub fn tokens<'r>(
    sources: &'r [SignInSource],
    head: &'r request::Parts,
    reading: Reading,
    body: &'r [u8],
) -> Result<Vec<Shown<'r>>, Refusal> {
    let mut shown = Vec::with_capacity(sources.len());
    for SignInSource { place, audience } in sources {
        let text = match (place, reading) {
            (Place::Header(name), _) => match in_header(&head.headers, name) {
                // It would travel, unread.
                Ok(None) if head.headers.contains_key(name) => {
                    return Err(Refusal::SignInMalformed);
                }
                Ok(token) => token.map(Cow::Borrowed),
                Err(Doubtful) => return Err(Refusal::SignInMalformed),
            },
            (Place::Form(name), _) if in_query(head, name) => return Err(Refusal::SignInMalformed),
            (Place::Form(name), Reading::Form) => {
                form::field(body, name).map_err(|error| match error {
                    FieldError::Field => Refusal::SignInMalformed,
                    FieldError::Form => Refusal::Form,
                })?
            }
            (Place::Json(pointer), Reading::Json) => {
                text_at(body, pointer).map_err(|error| match error {
                    Misread::Body => Refusal::JsonBody,
                    Misread::Place => Refusal::SignInMalformed,
                })?
            }
            (Place::Form(_) | Place::Json(_), _) => None,
        };
        shown.extend(text.map(|text| Shown { text, audience }));
    }
    if shown.iter().any(|token| token.text.is_empty()) {
        return Err(Refusal::SignInMalformed);
    }
    Ok(shown)
}

/// Whether a request names a parameter in its query. Some servers take it from there before they
/// look into the form.
pub fn in_query(head: &request::Parts, name: &str) -> bool {
    let query = head.uri.query();
    query.is_some_and(|query| form::query_names(query, name))
}

/// A header that should hold one token, and does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubtful;

/// The token in a header; none where the header is not there, or is `authorization` of another
/// scheme than `Bearer`.
///
/// # Errors
/// The header stands twice, or holds no token or two.
pub fn in_header<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, Doubtful> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| Doubtful)?;
    if values.next().is_some() {
        return Err(Doubtful);
    }
    let credentials = if *name == AUTHORIZATION {
        Credentials::read(value)
    } else {
        Credentials::read_bare(value)
    };
    match credentials {
        Credentials::Bearer(token) => Ok(Some(token)),
        Credentials::Doubtful => Err(Doubtful),
        Credentials::Other => Ok(None),
    }
}

#[cfg(test)]
mod tests;
