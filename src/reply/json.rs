//! The three JSON forms.
//!
//! Source: RFC 6749 section 5.2 with the members that Entra adds (Microsoft identity platform,
//! "OAuth 2.0 authorization code flow", error response); the error envelopes of Azure Resource
//! Manager and of the Power Apps API hub.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response};
use http_body_util::Full;
use serde::Serialize;
use uuid::Uuid;

use super::message::Message;
use super::{CORRELATION_ID, ERROR_URI, Marks, REQUEST_ID};
use crate::withheld::Reply;

/// The error's code as Azure's services repeat it outside of the body (Azure REST API guidelines).
const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");

/// An error body of RFC 6749 with Entra's members.
#[derive(Serialize)]
struct OAuth<'a> {
    error: &'a str,
    error_description: &'a str,
    suberror: &'a str,
    error_codes: &'a [u32],
    timestamp: &'a str,
    trace_id: Uuid,
    correlation_id: &'a str,
    error_uri: &'a str,
}

pub(super) fn oauth(message: &Message<'_>, marks: &Marks) -> Reply {
    json(&OAuth {
        error: message.error,
        error_description: &message.text,
        suberror: message.code,
        error_codes: &message.entra_codes,
        timestamp: &marks.timestamp,
        trace_id: marks.decision_id,
        correlation_id: &marks.correlation_id,
        error_uri: ERROR_URI,
    })
}

#[derive(Serialize)]
struct Arm<'a> {
    error: ArmError<'a>,
}

#[derive(Serialize)]
struct ArmError<'a> {
    code: &'a str,
    message: &'a str,
}

pub(super) fn arm(message: &Message<'_>, marks: &Marks) -> Reply {
    let body = Arm {
        error: ArmError {
            code: message.arm_code,
            message: &message.text,
        },
    };
    marked(json(&body), message, marks)
}

#[derive(Serialize)]
struct ApiHub<'a> {
    status: u16,
    source: &'a str,
    message: String,
}

pub(super) fn api_hub(message: &Message<'_>, marks: &Marks, host: &str) -> Reply {
    let body = ApiHub {
        status: message.status.as_u16(),
        source: host,
        message: format!("Error from token exchange: {}", message.text),
    };
    marked(json(&body), message, marks)
}

/// Adds in headers what these forms have no member for.
fn marked(mut reply: Reply, message: &Message<'_>, marks: &Marks) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(ERROR_CODE, HeaderValue::from_static(message.arm_code));
    if let Ok(id) = HeaderValue::from_str(&marks.correlation_id) {
        headers.insert(CORRELATION_ID, id);
    }
    if let Ok(id) = HeaderValue::from_str(&marks.decision_id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    reply
}

fn json(body: &impl Serialize) -> Reply {
    // Strings and numbers always serialise.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    reply.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    reply
}
