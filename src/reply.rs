//! The answers that the gateway writes itself: blocks and refusals, in the form that the route
//! asks for.
//!
//! Invariant: `cache-control: no-store`, never a redirect; nothing of the withheld reply and
//! nothing secret of the request is in them; a page goes only to a browser that asked for one.

mod arm;
mod json;
mod message;
mod page;
mod sentence;
mod style;

use std::time::SystemTime;

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, HeaderName, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use uuid::Uuid;

use crate::audit::Exchange;
use crate::core::creator::Creator;
use crate::core::isolation::Decision;
use crate::core::tenant::TenantId;
use crate::refusal::Refusal;
use crate::withheld::Reply;
use message::Message;

pub use style::Style;

/// Where the rule is documented for those who meet it.
const ERROR_URI: &str =
    "https://learn.microsoft.com/power-platform/admin/cross-tenant-restrictions";

/// Two headers of Microsoft's services: what a user quotes to support, and the answer's own id.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");

/// The answer to a block. `sign_in` is the tenant decided about, where one is known.
pub fn block(
    decision: &Decision,
    sign_in: Option<TenantId>,
    record: &Exchange,
    style: &Style,
) -> Reply {
    let creator = record.creator.and_then(Creator::tenant);
    let message = Message::of_block(decision, creator, sign_in);
    write(&message, &Marks::of(record), style)
}

/// The answer to a refusal of an exchange.
pub fn refuse(refusal: Refusal, record: &Exchange, style: &Style) -> Reply {
    write(&Message::of_refusal(refusal), &Marks::of(record), style)
}

/// The answer to a refusal on a route before any exchange began.
pub fn refuse_on(refusal: Refusal, style: &Style) -> Reply {
    write(&Message::of_refusal(refusal), &Marks::anew(), style)
}

/// The answer to a refusal before any route was found.
pub fn refuse_early(refusal: Refusal) -> Reply {
    refuse_on(refusal, &Style::OAuth)
}

/// Adds the methods that a route does take to the answer to one that it does not.
pub fn allowing(allow: &str, mut reply: Reply) -> Reply {
    if let Ok(allow) = HeaderValue::from_str(allow) {
        reply.headers_mut().insert(ALLOW, allow);
    }
    reply
}

/// What tells one answer from another, for whoever asks about it later.
struct Marks {
    /// As in the audit record.
    decision_id: Uuid,
    /// The client's own id, or the decision's.
    correlation_id: String,
    /// Now, as Entra writes it: `2026-11-22 02:00:00Z`.
    timestamp: String,
}

impl Marks {
    fn of(record: &Exchange) -> Self {
        Self {
            decision_id: record.decision_id,
            correlation_id: record.correlation(),
            timestamp: timestamp(),
        }
    }

    fn anew() -> Self {
        let id = Uuid::now_v7();
        Self {
            decision_id: id,
            correlation_id: id.to_string(),
            timestamp: timestamp(),
        }
    }
}

fn timestamp() -> String {
    Timestamp::try_from(SystemTime::now()).map_or_else(
        |_| String::new(),
        |now| now.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}

fn write(message: &Message<'_>, marks: &Marks, style: &Style) -> Reply {
    let mut reply = match style {
        Style::ApiHub(host) => json::api_hub(message, marks, host),
        Style::Arm => json::arm(message, marks),
        Style::OAuth => json::oauth(message, marks),
        Style::Page => page::page(message, marks),
    };
    *reply.status_mut() = message.status;
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    if let Some(refusal) = message.refusal {
        advise(headers, refusal);
    }
    reply
}

/// What a refusal asks of the client beyond its text.
fn advise(headers: &mut HeaderMap, refusal: Refusal) {
    if refusal.status() == http::StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if refusal.closes() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(challenge) = refusal.challenge() {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
}

#[cfg(test)]
mod tests;
