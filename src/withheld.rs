//! A provider's or a service's reply, held back: readable for inspection, released only against a permit.
//!
//! Invariant: the body is private to this file. It leaves through [`Withheld::release`], which
//! takes the [`Permit`] that only the rule makes. Only what a provider publishes may be read as
//! text ([`Published`]), and only where no token is in it: no reply to an exchange becomes one.

use std::borrow::Cow;
use std::io::Read;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use http::{StatusCode, response};
use http_body_util::Full;

use crate::config::Cookies;
use crate::core::isolation::{Outcome, Permit};
use crate::core::token::issuer::Issuers;
use crate::core::token::reply::{self, Tokens, Unreadable};
use crate::headers;
use crate::refusal::Refusal;

/// What the gateway answers with: always whole, never streamed.
pub type Reply = http::Response<Full<Bytes>>;

/// A reply that was received whole.
pub struct Withheld {
    head: response::Parts,
    body: Bytes,
    /// The body without its content coding, where it has one; or why that cannot be had.
    decoded: Result<Option<Vec<u8>>, Refusal>,
}

impl Withheld {
    /// Takes a whole reply in, and decodes it if it came encoded although plain was asked for.
    /// A coding that is not read here, a broken one, or more than `cap` bytes once decoded make a
    /// reply that cannot be inspected.
    pub fn new(head: response::Parts, body: Bytes, cap: usize) -> Self {
        let decoded = readable(&head.headers).and_then(|coding| match coding {
            Coding::Gzip if !body.is_empty() => gunzip(&body, cap).map(Some),
            Coding::Gzip | Coding::Identity => Ok(None),
        });
        Self {
            head,
            body,
            decoded,
        }
    }

    /// The provider's status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Whether the provider reported success.
    pub fn outcome(&self) -> Outcome {
        if self.head.status.is_success() {
            Outcome::Success
        } else {
            Outcome::Failure
        }
    }

    /// The provider's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The body as the client will read it; or that it is encoded in a way that is not read here.
    fn text(&self) -> Result<&[u8], Refusal> {
        match &self.decoded {
            Ok(decoded) => Ok(decoded.as_deref().unwrap_or(&self.body)),
            Err(refusal) => Err(*refusal),
        }
    }

    /// Classifies every token in the body and in the headers.
    ///
    /// # Errors
    /// [`Refusal::UpstreamUnreadable`], or [`Refusal::UpstreamEncoding`] and its like.
    pub fn inspect(&self, issuers: &Issuers) -> Result<Tokens, Refusal> {
        let values = self.header_texts();
        let aside = values.iter().map(AsRef::as_ref);
        reply::inspect(self.text()?, aside, issuers).map_err(Refusal::UpstreamUnreadable)
    }

    /// The same for a server whose replies are not token replies: JSON and forms are read as ever;
    /// in a page and in the headers only tokens that are about sign-in count.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect); a page is no error.
    pub fn inspect_any(&self, issuers: &Issuers) -> Result<Tokens, Refusal> {
        let body = self.text()?;
        let counts = |text: &Cow<'_, str>| reply::inspect_text(text, issuers).are_about_sign_in();
        let mut aside = self.header_texts();
        aside.retain(&counts);
        let read = |body, aside: &[Cow<'_, str>]| {
            let aside = aside.iter().map(AsRef::as_ref);
            reply::inspect_any(body, aside, issuers)
        };
        let tokens = match read(body, &aside) {
            Err(Unreadable::NeitherJsonNorForm) => {
                aside.extend(reply::texts(body).filter(&counts));
                read(&[], &aside)
            }
            read => read,
        };
        tokens.map_err(Refusal::UpstreamUnreadable)
    }

    /// Whether a token is in a reply that was declared to carry none: in JSON or a form, anything
    /// that is a token; elsewhere (pages, redirects), what is Entra's or stands in a parameter that
    /// holds tokens: an application's own signed `state` is none.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect), but what is neither JSON nor a form is no error.
    pub fn shows_token(&self, issuers: &Issuers) -> Result<bool, Refusal> {
        let body = self.text()?;
        let shows = |text: &[u8]| {
            reply::texts(text).any(|text| reply::inspect_text(&text, issuers).are_about_sign_in())
        };
        let in_body = match reply::inspect(body, [], issuers) {
            Ok(tokens) => !tokens.is_empty(),
            Err(_) => shows(body),
        };
        let mut values = self.head.headers.values();
        Ok(in_body || values.any(|value| shows(value.as_bytes())))
    }

    fn header_texts(&self) -> Vec<Cow<'_, str>> {
        let values = self.head.headers.values();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect()
    }

    /// Releases the reply, byte for byte.
    pub fn release(self, permit: Permit, cookies: Cookies) -> Reply {
        let Permit { .. } = permit;
        let body = self.body.clone();
        self.relay(cookies, body)
    }

    fn relay(mut self, cookies: Cookies, body: Bytes) -> Reply {
        headers::towards_client(&mut self.head.headers, cookies);
        // hyper writes the true length; the provider's may have stood beside a transfer coding.
        self.head.headers.remove(CONTENT_LENGTH);
        let mut reply = http::Response::new(Full::new(body));
        *reply.status_mut() = self.head.status;
        *reply.headers_mut() = self.head.headers;
        reply
    }
}

/// A document that a provider publishes for everybody, asked for as such. Its text may be read:
/// it is rewritten before it is released.
pub struct Published(Withheld);

impl Published {
    /// Takes one in, as [`Withheld::new`] does.
    pub fn new(head: response::Parts, body: Bytes, cap: usize) -> Self {
        Self(Withheld::new(head, body, cap))
    }

    /// The provider's status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The body as the client will read it, where no token is in the reply.
    ///
    /// # Errors
    /// [`Refusal::UpstreamToken`], or that of [`Withheld::inspect`].
    pub fn text(&self, issuers: &Issuers) -> Result<&[u8], Refusal> {
        if self.0.inspect(issuers)?.is_empty() {
            self.0.text()
        } else {
            Err(Refusal::UpstreamToken)
        }
    }

    /// Releases a rewritten body in place of the provider's, uncoded.
    pub fn release_rewritten(self, permit: Permit, cookies: Cookies, body: Vec<u8>) -> Reply {
        let (Permit { .. }, Self(mut withheld)) = (permit, self);
        headers::without_claims_about_the_body(&mut withheld.head.headers);
        withheld.relay(cookies, body.into())
    }
}

/// Marks a reply that may hold a token as one that nobody stores (RFC 6749 section 5.1).
pub fn no_store(headers: &mut HeaderMap) {
    let stored = |value: &HeaderValue| {
        !value
            .to_str()
            .is_ok_and(|text| text.to_ascii_lowercase().contains("no-store"))
    };
    if headers.get_all(CACHE_CONTROL).iter().all(stored) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

enum Coding {
    Gzip,
    Identity,
}

/// Names of encodings in which ASCII is ASCII: where a token stands is the same in all of them.
const ASCII_COMPATIBLE: [&str; 5] = ["utf-8", "utf8", "us-ascii", "iso-8859-1", "windows-1252"];

/// The content coding, if the headers name nothing under which the body is another text than the
/// one inspected.
fn readable(headers: &HeaderMap) -> Result<Coding, Refusal> {
    let plain = |value: &HeaderValue| {
        let charset = |part: &str| {
            let part = part.to_ascii_lowercase();
            // Whatever else has the word in it, some parser takes for one: `charset*=` (RFC 2231).
            let (name, value) = part.split_once('=').unwrap_or((&part, ""));
            let value = match name.trim() {
                "charset" => value.trim().trim_matches('"').to_owned(),
                _ => "another spelling".to_owned(),
            };
            part.contains("charset").then_some(value)
        };
        value.to_str().is_ok_and(|text| {
            text.split([';', ','])
                .filter_map(charset)
                .all(|name| ASCII_COMPATIBLE.contains(&name.as_str()))
        })
    };
    if headers.get_all(CONTENT_TYPE).iter().all(plain) {
        coding(headers)
    } else {
        Err(Refusal::UpstreamEncoding)
    }
}

fn coding(headers: &HeaderMap) -> Result<Coding, Refusal> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let coding = match values.next().map(|value| value.as_bytes().trim_ascii()) {
        None => Coding::Identity,
        Some(name) if name.is_empty() || name.eq_ignore_ascii_case(b"identity") => Coding::Identity,
        Some(name)
            if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") =>
        {
            Coding::Gzip
        }
        Some(_) => return Err(Refusal::UpstreamEncoding),
    };
    match values.next() {
        None => Ok(coding),
        Some(_) => Err(Refusal::UpstreamEncoding),
    }
}

/// Decodes one gzip member that must be all there is.
fn gunzip(body: &[u8], cap: usize) -> Result<Vec<u8>, Refusal> {
    let mut decoder = GzDecoder::new(body);
    // One byte more tells what is too much. It never grows, which would take twice its size while
    // it is copied; what of it is not written to takes no memory.
    let most = cap.saturating_add(1);
    let mut decoded = Vec::with_capacity(most);
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    decoder
        .by_ref()
        .take(limit)
        .read_to_end(&mut decoded)
        .map_err(|_| Refusal::UpstreamEncoding)?;
    if decoded.len() > cap {
        return Err(Refusal::UpstreamTooLarge);
    }
    if decoder.into_inner().is_empty() {
        Ok(decoded)
    } else {
        Err(Refusal::UpstreamEncoding)
    }
}

#[cfg(test)]
mod tests;
