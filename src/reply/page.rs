//! The page for a person in a browser who was on the way to a connection.
//!
//! Invariant: every text in it is escaped by the template; it runs no script, fetches nothing,
//! and its one style is named in the content security policy by its hash.
//!
//! Source: Content Security Policy Level 3, section 2.3.1 (hashes); WCAG 2.2, AA.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use uuid::Uuid;

use super::message::Message;
use super::{ERROR_URI, Marks};
use crate::core::isolation::Side;
use crate::withheld::Reply;

pub(super) const STYLE: &str = include_str!("../../templates/page.css");

const BLOCKED: &str = "Blocked by tenant isolation";

/// Nothing but the style, by its hash; no frame may hold the page.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    HeaderValue::try_from(format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    ))
    .unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    style: &'static str,
    heading: &'static str,
    finding: &'a str,
    /// The sides that block: their administrators are asked. None: the gateway's is.
    blocking: &'a [&'a Side],
    advice: &'static str,
    error_uri: &'static str,
    code: &'a str,
    correlation_id: &'a str,
    decision_id: Uuid,
    timestamp: &'a str,
}

pub(super) fn page(message: &Message<'_>, marks: &Marks) -> Reply {
    let (heading, advice) = match message.refusal {
        Some(refusal) => refused(refusal.status()),
        None if message.blocking.is_empty() => (BLOCKED, "Give them the details below."),
        None => (
            BLOCKED,
            "Ask to be added to the allowlist, and give them the details below.",
        ),
    };
    html(&Page {
        style: STYLE,
        heading,
        finding: &message.finding,
        blocking: &message.blocking,
        advice,
        error_uri: ERROR_URI,
        code: message.code,
        correlation_id: &marks.correlation_id,
        decision_id: marks.decision_id,
        timestamp: &marks.timestamp,
    })
}

/// What happened, and what the person can do.
fn refused(status: StatusCode) -> (&'static str, &'static str) {
    if status == StatusCode::UNAUTHORIZED {
        (
            "Sign-in not accepted",
            "Go back to the application and sign in again. If it happens again, give the \
             administrator the details below.",
        )
    } else if status.is_server_error() {
        (
            "The connection cannot be checked",
            "Go back to the application and try again in a moment. If it happens again, give the \
             administrator the details below.",
        )
    } else {
        (
            "Request not accepted",
            "Go back to the application and start again. If it happens again, give the \
             administrator the details below.",
        )
    }
}

fn html(page: &Page<'_>) -> Reply {
    // Writing to a string does not fail.
    let body = page.render().unwrap_or_default();
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    let headers = reply.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    reply
}
