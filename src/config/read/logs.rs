//! `[audit.otlp]`: the collector that audit records go to as OTLP logs.

use std::time::Duration;

use super::collector::{self, Signal};
use super::section::Section;
use super::value;
use crate::config::Logs;

const KEYS: &[&str] = &[
    "endpoint",
    "ca",
    "headers_file",
    "insecure_plaintext",
    "retry_for",
    "service_name",
    "timeout",
];

const RETRY_FOR: Duration = Duration::from_secs(15 * 60);

/// Reads the section, if there is one.
pub(super) fn read(audit: &Section<'_>) -> Option<Logs> {
    if !audit.has("otlp") {
        return None;
    }
    let section = audit.section("otlp", KEYS);
    let span = value::span(Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
    let retry_for = section.read_or("retry_for", RETRY_FOR, span);
    Some(Logs {
        collector: collector::read(&section, Signal::Logs)?,
        retry_for,
    })
}
