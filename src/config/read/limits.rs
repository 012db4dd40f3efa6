//! `[limits]`: every bound has a safe default, a floor and a ceiling.

use std::time::Duration;

use bytesize::ByteSize;

use super::section::Section;
use super::value::{self, Wrong, count, size};
use crate::config::Limits;

/// The keys of `[limits]`.
pub(super) const KEYS: &[&str] = &[
    "request_body",
    "reply_body",
    "header_bytes",
    "connections",
    "in_flight",
    "handshake_timeout",
    "header_timeout",
    "body_timeout",
    "connect_timeout",
    "upstream_timeout",
    "drain_delay",
    "drain_timeout",
];

/// Bodies are held in memory whole, so their ceiling is what a token exchange never needs.
const BODY: (ByteSize, ByteSize) = (ByteSize::kib(1), ByteSize::mib(64));
/// The HTTP/1 parser wants at least 8 KiB.
const HEADER: (ByteSize, ByteSize) = (ByteSize::kib(8), ByteSize::mib(1));
const MANY: usize = 1_000_000;

pub(super) fn read(section: &Section<'_>) -> Limits {
    let body = |key, default: ByteSize| section.read_or(key, bytes(default), size(BODY.0, BODY.1));
    let number = |key, default| section.read_or(key, default, count(1, MANY));
    let delay = value::span(Duration::ZERO, Duration::from_secs(3600));
    let span = |key, seconds| section.read_or(key, Duration::from_secs(seconds), value::duration);
    let limits = Limits {
        request_body: body("request_body", ByteSize::kib(128)),
        reply_body: body("reply_body", ByteSize::mib(1)),
        header_bytes: section.read_or(
            "header_bytes",
            bytes(ByteSize::kib(32)),
            size(HEADER.0, HEADER.1),
        ),
        connections: number("connections", 4096),
        in_flight: number("in_flight", 1024),
        handshake_timeout: span("handshake_timeout", 10),
        header_timeout: span("header_timeout", 10),
        body_timeout: span("body_timeout", 15),
        connect_timeout: span("connect_timeout", 5),
        upstream_timeout: span("upstream_timeout", 30),
        drain_delay: section.read_or("drain_delay", Duration::ZERO, delay),
        drain_timeout: span("drain_timeout", 20),
    };
    if limits.connect_timeout > limits.upstream_timeout {
        section.wrong(
            "connect_timeout",
            Wrong::new(
                format!("{:?}", limits.connect_timeout),
                format!("at most upstream_timeout ({:?})", limits.upstream_timeout),
            ),
        );
    }
    limits
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
