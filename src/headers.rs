//! Header hygiene at the edge: what a request must look like to be read at all, and what travels.
//!
//! Invariant: a request that two servers could read differently (framing, host, path, doubled or
//! respelled trust headers) is refused before it is routed; hop-by-hop headers, trust headers and
//! whatever could lead a client round the gateway never travel.
//!
//! Source: RFC 9110 section 7 (routing), RFC 9112 sections 3.2 and 6 (host, framing), RFC 9113
//! section 8 (HTTP/2).

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION, ETAG, EXPECT,
    HOST, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, LINK, LOCATION, RANGE, REFRESH, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Authority;
use http::{Uri, Version, request};

use crate::config::Cookies;
use crate::refusal::Refusal;

/// The header that Microsoft's services name the creator tenant in (ARM RPC: "set to the tenant
/// ID of the client JWT making the request").
pub const CLIENT_TENANT_ID: HeaderName = HeaderName::from_static("x-ms-client-tenant-id");

/// Longest request target, in bytes.
const MAX_TARGET: usize = 8 * 1024;

/// Most headers of a request. hyper holds HTTP/1.1 to as many, and HTTP/2 to none.
const MAX_HEADERS: usize = 100;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const ALT_SVC: HeaderName = HeaderName::from_static("alt-svc");

/// Headers of a request that end here: hyper writes the length anew; the others would tell the
/// provider, in the client's words, who the client is or which path it meant. Names with an
/// underscore go as well: a server that folds them would read another header.
const ONLY_HERE: [HeaderName; 9] = [
    CONTENT_LENGTH,
    EXPECT,
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// Headers that concern one connection only.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
];

/// Checks what can be misread, whatever route the request takes, and tells the host it names.
///
/// # Errors
/// The refusal to answer with.
pub fn screen(head: &request::Parts) -> Result<Authority, Refusal> {
    if head.headers.len() > MAX_HEADERS {
        return Err(Refusal::HeaderCount);
    }
    framing(&head.headers, head.version)?;
    path(&head.uri)?;
    host(head)
}

fn framing(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    let digits = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths.next().is_some() || length.is_some_and(|value| !digits(value)) {
        return Err(Refusal::Framing);
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(encoding) = encodings.next() else {
        return Ok(());
    };
    let chunked = encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !chunked || encodings.next().is_some() || length.is_some() || version != Version::HTTP_11 {
        return Err(Refusal::Framing);
    }
    Ok(())
}

/// A path is plain: no escapes, no dot or empty segments, nothing a second server might fold.
fn path(uri: &Uri) -> Result<(), Refusal> {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > MAX_TARGET {
        return Err(Refusal::TargetTooLong);
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@".contains(&b);
    let path = uri.path();
    if !path.starts_with('/') || !path.bytes().all(plain) {
        return Err(Refusal::Path);
    }
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if segment == "." || segment == ".." || (segment.is_empty() && !last) {
            return Err(Refusal::Path);
        }
    }
    Ok(())
}

/// Trust headers (`trust`: every name that may carry a creator tenant) stand once, and under their
/// own name: `x_ms_client_tenant_id` is the same header to a server that folds underscores.
///
/// # Errors
/// [`Refusal::TrustHeader`].
pub fn screen_trust(headers: &HeaderMap, trust: &[HeaderName]) -> Result<(), Refusal> {
    for name in headers.keys() {
        let name = name.as_str();
        if name.contains('_') {
            let folded = name.replace('_', "-");
            if trust.iter().any(|known| known.as_str() == folded) {
                return Err(Refusal::TrustHeader);
            }
        }
    }
    let doubled = |name: &HeaderName| headers.get_all(name).iter().nth(1).is_some();
    if trust.iter().any(doubled) {
        return Err(Refusal::TrustHeader);
    }
    Ok(())
}

/// The one host a request is for.
fn host(head: &request::Parts) -> Result<Authority, Refusal> {
    let mut values = head.headers.get_all(HOST).iter();
    let header = match (values.next(), values.next()) {
        (_, Some(_)) => return Err(Refusal::Host),
        (Some(value), None) => Some(authority(value.as_bytes())?),
        (None, None) => None,
    };
    let target = head
        .uri
        .authority()
        .map(|named| authority(named.as_str().as_bytes()))
        .transpose()?;
    match (target, header) {
        (Some(target), Some(header)) if target != header => Err(Refusal::Host),
        (Some(target), _) => Ok(target),
        (None, Some(header)) => Ok(header),
        (None, None) => Err(Refusal::Host),
    }
}

fn authority(bytes: &[u8]) -> Result<Authority, Refusal> {
    let authority = Authority::try_from(bytes).map_err(|_| Refusal::Host)?;
    let host = authority.host();
    let port = authority
        .as_str()
        .get(host.len()..)
        .and_then(|rest| rest.strip_prefix(':'));
    let plain_port = port.is_none_or(|port| port.parse::<u16>().is_ok() && !port.starts_with('+'));
    if authority.as_str().contains(['@', '%'])
        || host.trim_matches(['[', ']']).is_empty()
        || host.ends_with('.')
        || !plain_port
    {
        return Err(Refusal::Host);
    }
    Ok(authority)
}

/// Prepares a request's headers for the provider or the service: everything end-to-end stays, in
/// particular client authentication (`authorization`, `dpop`); trust headers go.
pub fn towards_upstream(
    headers: &mut HeaderMap,
    host: &HeaderValue,
    trust: &[HeaderName],
    cookies: Cookies,
) {
    end_to_end(headers, trust);
    for name in trust {
        headers.remove(name);
    }
    for name in &ONLY_HERE {
        headers.remove(name);
    }
    let respelled: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().contains('_'))
        .cloned()
        .collect();
    for name in respelled {
        headers.remove(name);
    }
    if cookies == Cookies::Strip {
        headers.remove(http::header::COOKIE);
    }
    // The reply is read here: ask for it uncoded.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(HOST, host.clone());
}

/// Removes what a provider's headers say of a body that is rewritten, and other ways to it that
/// they name: an address in a header would lead round the gateway as well as one in the body.
pub fn without_claims_about_the_body(headers: &mut HeaderMap) {
    for name in [
        CONTENT_ENCODING,
        CONTENT_LOCATION,
        ETAG,
        HeaderName::from_static("content-digest"),
        HeaderName::from_static("content-md5"),
        HeaderName::from_static("digest"),
        HeaderName::from_static("repr-digest"),
        LAST_MODIFIED,
        LINK,
        LOCATION,
        REFRESH,
    ] {
        headers.remove(name);
    }
}

/// Removes conditions from a request whose reply is rewritten: "not modified" would be untrue.
pub fn without_conditions(headers: &mut HeaderMap) {
    for name in [
        IF_MATCH,
        IF_MODIFIED_SINCE,
        IF_NONE_MATCH,
        IF_UNMODIFIED_SINCE,
        RANGE,
    ] {
        headers.remove(name);
    }
}

/// Prepares a reply's headers for the client.
pub fn towards_client(headers: &mut HeaderMap, cookies: Cookies) {
    end_to_end(headers, &[]);
    // It names another way to the provider, round the gateway (RFC 7838).
    headers.remove(ALT_SVC);
    if cookies == Cookies::Strip {
        headers.remove(SET_COOKIE);
    }
}

/// Leaves only what is meant for the other end: not what concerns one connection, nor what
/// `connection` lists. Trust headers stay all the same, or a client could have them overlooked by
/// listing them.
pub fn end_to_end(headers: &mut HeaderMap, trust: &[HeaderName]) {
    if headers.contains_key(CONNECTION) {
        let listed: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| *name != CONTENT_LENGTH && *name != HOST && !trust.contains(name))
            .collect();
        for name in listed {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
