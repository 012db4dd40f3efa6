//! Trace context as requests carry it.
//!
//! 1. `traceparent` stands once, in version 0 or in a later one as far as that says the same: trace
//!    id and parent id are not all zeros, every digit is lower case. Anything else is none.
//! 2. Of the flags only "sampled" is read.
//! 3. `tracestate` counts only beside a sound `traceparent`, whole: at most 32 members, each with a
//!    key and a value that the recommendation allows.
//!
//! Source: W3C Trace Context, level 1.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanId, TraceId, TraceState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Most members of a `tracestate`.
const MEMBERS: usize = 32;

/// The span that a request names as its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) sampled: bool,
}

/// The parent that a request names, if it names one soundly.
pub(crate) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    parse(only.as_bytes().trim_ascii())
}

fn parse(text: &[u8]) -> Option<Parent> {
    let mut fields = text.splitn(5, |byte| *byte == b'-');
    let [version] = hex(fields.next()?)?;
    let trace = TraceId::from_bytes(hex(fields.next()?)?);
    let span = SpanId::from_bytes(hex(fields.next()?)?);
    let [flags] = hex(fields.next()?)?;
    // Version 0 ends here. What a later one says beyond that is not known here.
    let known = match version {
        0 => fields.next().is_none(),
        0xff => false,
        _ => true,
    };
    let sound = known && trace != TraceId::INVALID && span != SpanId::INVALID;
    sound.then_some(Parent {
        trace,
        span,
        sampled: flags & 1 == 1,
    })
}

/// Exactly so many bytes in lower-case hex.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_chunks::<2>();
    let mut bytes = [0; N];
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Whether a request's `tracestate` may travel on.
pub(super) fn has_sound_state(headers: &HeaderMap) -> bool {
    let mut members = Vec::new();
    for value in headers.get_all(TRACESTATE) {
        let Ok(text) = value.to_str() else {
            return false;
        };
        members.extend(
            text.split(',')
                .map(|member| member.trim_matches([' ', '\t'])),
        );
    }
    members.retain(|member| !member.is_empty());
    let printable = |member: &&str| member.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    // The library takes a member without a key, and one with several signs in a row.
    let pair = |member: &&str| !member.starts_with('=') && member.matches('=').count() == 1;
    members.len() <= MEMBERS
        && members.iter().all(printable)
        && members.iter().all(pair)
        && TraceState::from_str(&members.join(",")).is_ok()
}

/// Names a span as the parent of what a request leads to; `state` tells whether the `tracestate`
/// that is there travels.
pub(super) fn name_parent(headers: &mut HeaderMap, parent: Parent, state: bool) {
    let Parent {
        trace,
        span,
        sampled,
    } = parent;
    let text = format!("00-{trace}-{span}-{:02x}", u8::from(sampled));
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(TRACEPARENT, value);
    }
    if !state {
        headers.remove(TRACESTATE);
    }
}

#[cfg(test)]
mod tests;
