//! `[events]`: the store behind reports.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::{Span, SpanRelativeTo};
use toml::Value;

use super::file;
use super::section::Section;
use super::value::{self, Read, Wrong, size};
use crate::config::{Audit, AuditOutput, Events};

const KEYS: &[&str] = &["file", "keep", "max_size"];

/// The default file, beside the configuration.
const FILE: &str = "events.sqlite";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LEAST_SIZE: ByteSize = ByteSize::mib(1);
const MOST_SIZE: ByteSize = ByteSize::gib(1024);
const SIZE: ByteSize = ByteSize::mib(512);

/// Reads `[events]`, if it is there.
pub(super) fn read(root: &Section<'_>, audit: &Audit) -> Option<Events> {
    if !root.has("events") {
        return None;
    }
    let section = root.section("events", KEYS);
    let expected = "a file in a directory that exists";
    let named = section.read("file", |value| {
        value::parsed(value, expected, |text| (!text.is_empty()).then_some(text))
    });
    let size = section.read("max_size", size(LEAST_SIZE, MOST_SIZE));
    let file = file::output(&section, "file", named.unwrap_or(FILE), expected);
    if audit.output == AuditOutput::File(file.clone()) {
        let found = format!(
            "{:?}, which is audit.output as well",
            file.display().to_string()
        );
        section.wrong("file", Wrong::new(found, "a file of its own"));
    }
    Some(Events {
        file,
        keep: section.read_or("keep", 400 * DAY, days),
        max_size: size.map_or(SIZE.as_u64(), |size| {
            u64::try_from(size).unwrap_or(u64::MAX)
        }),
    })
}

/// A number of days of 24 hours, from one day to ten years of them.
fn days(value: &Value) -> Read<Duration> {
    let expected = "a duration like \"400d\" or \"12w\", from 1d to 3650d";
    value::parsed(value, expected, |text| {
        let span: Span = text.parse().ok()?;
        let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        let span = Duration::try_from(span).ok()?;
        (DAY..=3650 * DAY).contains(&span).then_some(span)
    })
}
