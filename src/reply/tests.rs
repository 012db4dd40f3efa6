//! Tests of answers: the sentence, every form against its golden file, what the page escapes, and
//! who gets which form.

mod forms;
mod page;
mod sentence;
mod style;

use super::*;
use crate::core::isolation::{Finding, Reason, Side, Undetermined, Verdict};
use crate::core::policy::{Direction, Mode, Version};

const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
const B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

fn side(tenant: &str, direction: Direction, finding: Finding) -> Side {
    Side {
        tenant: self::tenant(tenant),
        direction,
        finding,
        mode: Mode::Enforce,
        version: Some(Version(1)),
    }
}

fn blocked(reason: Reason, outbound: Option<Side>, inbound: Option<Side>) -> Decision {
    Decision {
        verdict: Verdict::Block,
        reason,
        outbound,
        inbound,
    }
}

/// The same ids and the same moment in every answer.
fn marks() -> Marks {
    Marks {
        decision_id: Uuid::from_u128(0x019a_a1f2_0000_7000_8000_0000_0000_00d1),
        correlation_id: "cccccccc-0000-4000-8000-00000000000c".to_owned(),
        timestamp: "2026-11-22 02:00:00Z".to_owned(),
    }
}

/// A whole reply as text: status, headers by name, body.
fn text_of(reply: Reply) -> String {
    let mut headers: Vec<String> = reply
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    let status = reply.status().as_u16();
    format!("{status}\n{}\n{}\n", headers.concat(), body_of(reply))
}

fn body_of(reply: Reply) -> String {
    let mut body = std::pin::pin!(http_body_util::BodyExt::collect(reply.into_body()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Ok(body)) = body.as_mut().poll(&mut context) else {
        panic!("a body that is whole is ready");
    };
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[test]
fn a_refusal_that_cannot_be_retried_says_nothing_of_retrying() {
    for (refusal, retry, close) in [
        (Refusal::Overload, true, false),
        (Refusal::PolicyUnavailable, true, false),
        (Refusal::BodyTooLarge, false, true),
        (Refusal::NoRoute, false, false),
    ] {
        let reply = refuse_early(refusal);
        assert_eq!(reply.status(), refusal.status());
        assert_eq!(
            reply.headers().contains_key(RETRY_AFTER),
            retry,
            "{refusal:?}"
        );
        assert_eq!(
            reply.headers().contains_key(CONNECTION),
            close,
            "{refusal:?}"
        );
        assert_eq!(reply.headers()[CACHE_CONTROL], "no-store");
    }
}

#[test]
fn the_timestamp_is_entras() {
    let shape: String = timestamp()
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00 00:00:00Z");
}
