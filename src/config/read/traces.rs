//! `[traces]`: the collector that spans go to.

use toml::Value;

use super::collector::{self, Signal};
use super::section::Section;
use super::value::{Read, wrong};
use crate::config::Traces;

const KEYS: &[&str] = &[
    "endpoint",
    "ca",
    "headers_file",
    "insecure_plaintext",
    "sample",
    "service_name",
    "timeout",
];

/// Reads the section, if there is one.
pub(super) fn read(root: &Section<'_>) -> Option<Traces> {
    if !root.has("traces") {
        return None;
    }
    let section = root.section("traces", KEYS);
    let sample = section.read_or("sample", 1.0, share);
    Some(Traces {
        collector: collector::read(&section, Signal::Traces)?,
        sample,
    })
}

/// A share of something: from none of it to all.
fn share(value: &Value) -> Read<f64> {
    let number = match value {
        Value::Float(number) => Some(*number),
        Value::Integer(0) => Some(0.0),
        Value::Integer(1) => Some(1.0),
        Value::Array(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Integer(_)
        | Value::String(_)
        | Value::Table(_) => None,
    };
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| wrong(value, "a number from 0 to 1, like 0.1"))
}
