//! What one TOML value may be: each function reads one kind, or says what it found instead.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;
use toml::{Table, Value};

use crate::config::Template;
use crate::core::tenant::TenantId;
use crate::core::token::presented::Pointer;

/// What stands there, and what should.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) found: String,
    pub(super) expected: String,
}

impl Wrong {
    pub(super) fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            expected: expected.into(),
        }
    }
}

/// A value, or what is wrong with it.
pub(super) type Read<T> = Result<T, Wrong>;

/// Describes a value, short enough for one line.
pub(super) fn describe(value: &Value) -> String {
    const LONGEST: usize = 80;
    match value {
        Value::String(text) => match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
            None => format!("{text:?}"),
        },
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            value.to_string()
        }
        Value::Array(_) => "an array".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

pub(super) fn wrong(value: &Value, expected: impl fmt::Display) -> Wrong {
    Wrong::new(describe(value), expected.to_string())
}

pub(super) fn table(value: &Value) -> Read<&Table> {
    value.as_table().ok_or_else(|| wrong(value, "a table"))
}

pub(super) fn array(value: &Value) -> Read<&Vec<Value>> {
    value.as_array().ok_or_else(|| wrong(value, "an array"))
}

pub(super) fn bool(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| wrong(value, "true or false"))
}

/// A text that `parse` understands; `expected` describes such texts.
pub(super) fn parsed<'v, T>(
    value: &'v Value,
    expected: &str,
    parse: impl FnOnce(&'v str) -> Option<T>,
) -> Read<T> {
    let text = value.as_str().ok_or_else(|| wrong(value, expected))?;
    parse(text).ok_or_else(|| wrong(value, expected))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Value) -> Read<T> {
    move |value| {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        parsed(value, &all.join(" or "), |text| {
            words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, meaning)| *meaning)
        })
    }
}

/// A whole number within bounds, both included.
pub(super) fn count(least: usize, most: usize) -> impl Fn(&Value) -> Read<usize> {
    move |value| {
        value
            .as_integer()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| wrong(value, format!("a number from {least} to {most}")))
    }
}

/// A size within bounds, both included.
pub(super) fn size(least: ByteSize, most: ByteSize) -> impl Fn(&Value) -> Read<usize> {
    move |value| {
        let expected = format!("a size like \"128KiB\", from {least} to {most}");
        parsed(value, &expected, |text| {
            let size = text.parse::<ByteSize>().ok()?;
            usize::try_from(size.as_u64())
                .ok()
                .filter(|_| (least..=most).contains(&size))
        })
    }
}

/// A time span that is not zero and at most an hour.
pub(super) fn duration(value: &Value) -> Read<Duration> {
    const LONGEST: Duration = Duration::from_secs(3600);
    let expected = "a duration like \"10s\" or \"1m 30s\", above zero and at most one hour";
    parsed(value, expected, |text| {
        time(text).filter(|span| !span.is_zero() && *span <= LONGEST)
    })
}

/// A time span within bounds, both included.
pub(super) fn span(least: Duration, most: Duration) -> impl Fn(&Value) -> Read<Duration> {
    move |value| {
        let (least_text, most_text) = (written(least), written(most));
        let expected =
            format!("a duration like \"10s\" or \"1h 30m\", from {least_text} to {most_text}");
        parsed(value, &expected, |text| {
            time(text).filter(|span| (least..=most).contains(span))
        })
    }
}

fn time(text: &str) -> Option<Duration> {
    Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()
}

/// A time span as it is written in the file.
pub(super) fn written(span: Duration) -> String {
    SignedDuration::try_from(span).map_or_else(|_| format!("{span:?}"), |span| format!("{span:#}"))
}

pub(super) fn address(value: &Value) -> Read<SocketAddr> {
    let expected = "an address and port like \"127.0.0.1:8443\" or \"[::1]:8443\"";
    parsed(value, expected, |text| text.parse().ok())
}

/// A host as requests name it: no port, lower case.
pub(super) fn host(value: &Value) -> Read<String> {
    let expected = "a host name in lower case and without a port, like \"login.example\"";
    parsed(value, expected, |text| {
        is_host(text).then(|| text.to_owned())
    })
}

pub(super) fn is_host(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let label = |label: &str| !label.is_empty() && label.bytes().all(allowed);
    text.len() <= 253 && text.split('.').all(label)
}

/// A name of ours: it stands in records and is a metric's label.
pub(super) const NAME: &str = "a name of 1 to 64 letters, digits, '-', '_' or '.'";

pub(super) fn name(value: &Value) -> Read<String> {
    parsed(value, NAME, |text| is_name(text).then(|| text.to_owned()))
}

pub(super) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// A label for records.
pub(super) fn label(value: &Value) -> Read<String> {
    parsed(
        value,
        "a text of 1 to 128 characters without control characters",
        |text| {
            let fits = (1..=128).contains(&text.chars().count());
            (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
        },
    )
}

/// A path template.
pub(super) fn template(value: &Value) -> Read<Template> {
    let expected = "a path like \"/{tenant}/oauth2/v2.0/token\"";
    let text = value.as_str().ok_or_else(|| wrong(value, expected))?;
    let found = |why| format!("{}, in which {why}", describe(value));
    Template::parse(text).map_err(|why| Wrong::new(found(why), expected))
}

pub(super) fn tenant(value: &Value) -> Read<TenantId> {
    let expected = "a tenant id (36-character GUID)";
    let text = value.as_str().ok_or_else(|| wrong(value, expected))?;
    TenantId::parse(text).map_err(|_| wrong(value, expected))
}

/// What `aud` of a token may be.
pub(super) const AUDIENCE: &str =
    "what a token's aud must be, word for word, like \"api://platform\"; one or a list";

pub(super) fn audience(value: &Value) -> Read<String> {
    parsed(value, AUDIENCE, |text| {
        let exact = (1..=1024).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        exact.then(|| text.to_owned())
    })
}

/// A field of a form.
pub(super) fn field(value: &Value) -> Read<String> {
    parsed(value, "a field's name like \"id_token\"", |text| {
        is_name(text).then(|| text.to_owned())
    })
}

/// A JSON Pointer.
pub(super) fn pointer(value: &Value) -> Read<Pointer> {
    let expected = "a JSON Pointer like \"/properties/token\"";
    let text = value.as_str().ok_or_else(|| wrong(value, expected))?;
    let found = |why| format!("{}, and {why}", describe(value));
    Pointer::parse(text).map_err(|why| Wrong::new(found(why), expected))
}

/// A tenant whose OpenID metadata names signing keys.
pub(super) const KEY_TENANT: &str =
    "\"common\", \"organizations\", \"consumers\", a tenant id or a domain";

pub(super) fn key_tenant(value: &Value) -> Read<String> {
    const WORDS: [&str; 3] = ["common", "consumers", "organizations"];
    parsed(value, KEY_TENANT, |text| match TenantId::parse(text) {
        Ok(tenant) => Some(tenant.to_string()),
        Err(_) => {
            let domain = text.contains('.') && is_host(text);
            (domain || WORDS.contains(&text)).then(|| text.to_owned())
        }
    })
}

/// A DNS name or URI that a client certificate is issued to.
pub(super) fn certificate_name(value: &Value) -> Read<String> {
    let expected = "a DNS name in lower case or a URI, without wildcards";
    parsed(value, expected, |text| {
        let is_uri = text.split_once("://").is_some_and(|(scheme, rest)| {
            let printable = text.bytes().all(|b| b.is_ascii_graphic() && b != b'*');
            !scheme.is_empty() && !rest.is_empty() && printable
        });
        (is_uri || is_host(text)).then(|| text.to_owned())
    })
}
