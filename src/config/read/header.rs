//! Names of headers: which of them may mean something to this gateway.

use http::HeaderName;
use http::header::AUTHORIZATION;
use toml::Value;

use super::value::{Read, parsed};

/// Headers that carry credentials, steer the connection or frame the message. None of them can
/// name a creator or a connector.
const RESERVED_HEADERS: [&str; 20] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

pub(super) fn plain(value: &Value) -> Read<HeaderName> {
    let expected = "a header's name like \"x-ms-client-tenant-id\", and none that carries \
                    credentials or belongs to HTTP itself";
    parsed(value, expected, |text| {
        let name: HeaderName = text.parse().ok()?;
        (!RESERVED_HEADERS.contains(&name.as_str())).then_some(name)
    })
}

/// A header that carries a token.
pub(super) fn token(value: &Value) -> Read<HeaderName> {
    let expected = "a token's header like \"authorization\" or \"x-sign-in-token\", and none that \
                    clients or HTTP itself use for something else";
    parsed(value, expected, |text| {
        let name: HeaderName = text.parse().ok()?;
        (name == AUTHORIZATION || is_own(&name)).then_some(name)
    })
}

/// A header that only the gateway writes.
pub(super) fn told(value: &Value) -> Read<HeaderName> {
    let expected = "a header of its own like \"x-tidegate-creator-tenant\", and none that clients \
                    or HTTP itself use for something else";
    parsed(value, expected, |text| {
        let name: HeaderName = text.parse().ok()?;
        is_own(&name).then_some(name)
    })
}

/// Whether a header means nothing yet. One with an underscore never travels: a server that folds it
/// would read another.
fn is_own(name: &HeaderName) -> bool {
    let name = name.as_str();
    !RESERVED_HEADERS.contains(&name) && !is_everyday(name) && !name.contains('_')
}

/// Headers that clients send for reasons of their own, and the gateway relays.
fn is_everyday(name: &str) -> bool {
    const FAMILIES: [&str; 6] = [
        "accept",
        "access-control-",
        "content-",
        "if-",
        "sec-",
        "x-forwarded-",
    ];
    const NAMES: [&str; 17] = [
        "cache-control",
        "client-request-id",
        "date",
        "forwarded",
        "origin",
        "pragma",
        "range",
        "referer",
        "traceparent",
        "tracestate",
        "user-agent",
        "via",
        "x-http-method-override",
        "x-ms-client-request-id",
        "x-ms-correlation-request-id",
        "x-original-url",
        "x-rewrite-url",
    ];
    FAMILIES.iter().any(|family| name.starts_with(family)) || NAMES.contains(&name)
}
