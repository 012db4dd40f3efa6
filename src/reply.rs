//! The answers that the gateway writes itself: blocks and refusals, in OAuth's shape.
//!
//! Invariant: JSON, `cache-control: no-store`, never stored, never a redirect; nothing of the
//! withheld reply and nothing secret of the request is in them.
//!
//! Source: RFC 6749 section 5.2; the members that Entra adds (Microsoft identity platform,
//! "OAuth 2.0 authorization code flow", error response); Azure Logic Apps, "Block connections to
//! and from other tenants" (the sentence).

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, PRAGMA, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::audit::Exchange;
use crate::core::isolation::{Decision, Finding, Reason, Side};
use crate::core::policy::{Direction, Mode};
use crate::core::tenant::TenantId;
use crate::refusal::Refusal;
use crate::withheld::Reply;

/// Where the rule is documented for those who meet it.
const ERROR_URI: &str =
    "https://learn.microsoft.com/power-platform/admin/cross-tenant-restrictions";

/// Entra's codes for the same two findings (Microsoft Entra authentication error codes):
/// `NotAllowedByOutboundPolicyTenant` and `NotAllowedByInboundPolicyTenant`.
const OUTBOUND_CODE: u32 = 500_212;
const INBOUND_CODE: u32 = 500_213;

/// An error body of RFC 6749 with Entra's members.
#[derive(Serialize)]
struct OAuthError<'a> {
    error: &'a str,
    error_description: &'a str,
    suberror: &'a str,
    error_codes: &'a [u32],
    timestamp: String,
    trace_id: Uuid,
    correlation_id: &'a str,
    error_uri: &'a str,
}

/// The answer to a block. `sign_in` is the tenant decided about, where one is known.
pub fn block(decision: &Decision, sign_in: Option<TenantId>, record: &Exchange) -> Reply {
    let creator = record.creator.and_then(|creator| creator.tenant());
    let blocking: Vec<&Side> = decision
        .blocking()
        .filter(|side| side.mode == Mode::Enforce)
        .collect();
    let codes: Vec<u32> = blocking
        .iter()
        .map(|side| match side.direction {
            Direction::Inbound => INBOUND_CODE,
            Direction::Outbound => OUTBOUND_CODE,
        })
        .collect();
    json(
        StatusCode::FORBIDDEN,
        &OAuthError {
            error: "access_denied",
            error_description: &sentence(decision.reason, &blocking, creator, sign_in),
            suberror: "blocked_by_tenant_isolation",
            error_codes: &codes,
            timestamp: timestamp(),
            trace_id: record.decision_id,
            correlation_id: &record.correlation(),
            error_uri: ERROR_URI,
        },
    )
}

/// The documented sentence, with who, whereto, whose policy and whom to ask.
fn sentence(
    reason: Reason,
    blocking: &[&Side],
    creator: Option<TenantId>,
    sign_in: Option<TenantId>,
) -> String {
    let Some(sign_in) = sign_in else {
        return format!(
            "The connection has failed authorization due to a tenant isolation configuration: \
             blocked by tenant isolation because the tenant of the account that signed in cannot \
             be determined ({}). Contact the administrator of the gateway.",
            reason.as_str()
        );
    };
    let from = creator.map_or_else(
        || "a connection without a client tenant id".to_owned(),
        |creator| format!("a connection of tenant {creator}"),
    );
    let mut text = format!(
        "The connection to the {sign_in} tenant has failed authorization due to a tenant \
         isolation configuration: {from} to tenant {sign_in} is blocked by tenant isolation,"
    );
    for (index, side) in blocking.iter().enumerate() {
        let word = if index == 0 { "" } else { " and" };
        let what = match side.finding {
            Finding::BlocksWithoutClientTenant => " (connections without a client tenant id)",
            Finding::Absent
            | Finding::AllowsWithoutClientTenant
            | Finding::NotListed
            | Finding::Off
            | Finding::Rule(_)
            | Finding::Unreadable => "",
        };
        text.push_str(&format!(
            "{word} {} by the policy of tenant {}{what}",
            side.direction.as_str(),
            side.tenant
        ));
    }
    let ask: Vec<String> = blocking
        .iter()
        .map(|side| format!("tenant {}", side.tenant))
        .collect();
    text.push_str(&format!(
        ". Contact the administrator of {} to be added to the allowlist.",
        ask.join(" and of ")
    ));
    text
}

/// The answer to a refusal of an exchange.
pub fn refuse(refusal: Refusal, record: &Exchange) -> Reply {
    refusal_json(refusal, record.decision_id, &record.correlation())
}

/// The answer to a refusal before any exchange began.
pub fn refuse_early(refusal: Refusal) -> Reply {
    let id = Uuid::now_v7();
    refusal_json(refusal, id, &id.to_string())
}

/// Adds the methods that a route does take to the answer to one that it does not.
pub fn allowing(allow: &str, mut reply: Reply) -> Reply {
    if let Ok(allow) = HeaderValue::from_str(allow) {
        reply.headers_mut().insert(ALLOW, allow);
    }
    reply
}

fn refusal_json(refusal: Refusal, trace_id: Uuid, correlation_id: &str) -> Reply {
    let status = refusal.status();
    let mut reply = json(
        status,
        &OAuthError {
            error: refusal.error(),
            error_description: refusal.description(),
            suberror: refusal.reason(),
            error_codes: &[],
            timestamp: timestamp(),
            trace_id,
            correlation_id,
            error_uri: ERROR_URI,
        },
    );
    if status == StatusCode::SERVICE_UNAVAILABLE {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if refusal.closes() {
        reply
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

fn json(status: StatusCode, body: &OAuthError<'_>) -> Reply {
    // A struct of strings and numbers always serialises.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    let headers: &mut HeaderMap = reply.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    reply
}

/// As Entra writes it: `2026-11-22 02:00:00Z`.
fn timestamp() -> String {
    Timestamp::try_from(SystemTime::now()).map_or_else(
        |_| String::new(),
        |now| now.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests;
