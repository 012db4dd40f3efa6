//! `[traces]`: the collector that spans go to.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use http::uri::PathAndQuery;
use toml::Value;

use super::file::{self, Pem};
use super::network;
use super::section::Section;
use super::value::{self, Read, Wrong, wrong};
use crate::config::warning::{is_here, is_plaintext};
use crate::config::{Endpoint, Traces};
use crate::traces::headers::{self, HeadersError};

const KEYS: &[&str] = &[
    "endpoint",
    "ca",
    "headers_file",
    "insecure_plaintext",
    "sample",
    "service_name",
    "timeout",
];

const SERVICE_NAME: &str = "tidegate";
const TIMEOUT: Duration = Duration::from_secs(10);

const ENDPOINT: &str = "where the collector takes OTLP over HTTP, path included, like \
                        \"https://collector.internal:4318/v1/traces\"";

/// Reads the section, if there is one.
pub(super) fn read(root: &Section<'_>) -> Option<Traces> {
    if !root.has("traces") {
        return None;
    }
    let section = root.section("traces", KEYS);
    let ca = file::pem(&section, "ca", Pem::Certificates);
    let headers_file = headers_file(&section);
    let plaintext = section.read_or("insecure_plaintext", false, value::bool);
    let sample = section.read_or("sample", 1.0, share);
    let service_name = section.read("service_name", value::label);
    let span = value::span(Duration::from_millis(100), Duration::from_secs(60));
    let timeout = section.read_or("timeout", TIMEOUT, span);
    let (authority, path) = section.require("endpoint", ENDPOINT, endpoint)?;
    let endpoint = Endpoint {
        identity: None,
        authority,
        connect: None,
        ca,
    };
    if is_plaintext(&endpoint) && !is_here(&endpoint) && !plaintext {
        let expected = "https://, a loopback address, or insecure_plaintext = true";
        section.wrong("endpoint", Wrong::new("plain HTTP", expected));
    }
    Some(Traces {
        endpoint,
        path,
        headers_file,
        sample,
        service_name: service_name.unwrap_or_else(|| SERVICE_NAME.to_owned()),
        timeout,
    })
}

/// Server and path of the collector.
fn endpoint(value: &Value) -> Read<(Uri, PathAndQuery)> {
    let no = || wrong(value, ENDPOINT);
    let text = value.as_str().ok_or_else(no)?;
    let parts = text.parse::<Uri>().map_err(|_| no())?.into_parts();
    let (Some(scheme), Some(authority), Some(path)) =
        (parts.scheme, parts.authority, parts.path_and_query)
    else {
        return Err(no());
    };
    let base = Value::from(format!("{scheme}://{authority}"));
    if authority.as_str().contains('@') {
        return Err(Wrong::new("a URL with a user in it", ENDPOINT));
    }
    let bare = path.path() == "/" || path.query().is_some() || text.contains('#');
    let authority = network::authority(&base).map_err(|_| no())?;
    if bare {
        Err(no())
    } else {
        Ok((authority, path))
    }
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

fn headers_file(section: &Section<'_>) -> Option<PathBuf> {
    const EXPECTED: &str = "a readable file with 1 to 32 lines like \"x-api-key: ...\"";
    let path = file::path(section, "headers_file", EXPECTED)?;
    let fault = headers::read(&path).err().map(|error| match error {
        HeadersError::Unreadable(error) => file::why(&error),
        HeadersError::File
        | HeadersError::Line(_)
        | HeadersError::Number
        | HeadersError::Taken(_) => error.to_string(),
    });
    file::report(section, "headers_file", &path, fault, EXPECTED);
    Some(path)
}
