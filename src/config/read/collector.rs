//! A collector, as every section describes it that something is exported by over OTLP.

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
use crate::config::{Collector, Endpoint};
use crate::otlp::headers::{self, HeadersError};

const SERVICE_NAME: &str = "tidegate";
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Logs,
    Traces,
}

impl Signal {
    /// Where a collector takes it, unless its operator chose another path.
    const fn path(self) -> &'static str {
        match self {
            Self::Logs => "/v1/logs",
            Self::Traces => "/v1/traces",
        }
    }

    fn expected(self) -> String {
        format!(
            "where the collector takes OTLP over HTTP, path included, like \
             \"https://collector.internal:4318{}\"",
            self.path()
        )
    }
}

/// Reads what a section says of its collector.
pub(super) fn read(section: &Section<'_>, signal: Signal) -> Option<Collector> {
    let ca = file::pem(section, "ca", Pem::Certificates);
    let headers_file = headers_file(section);
    let plaintext = section.read_or("insecure_plaintext", false, value::bool);
    let service_name = section.read("service_name", value::label);
    let span = value::span(Duration::from_millis(100), Duration::from_secs(60));
    let timeout = section.read_or("timeout", TIMEOUT, span);
    let (authority, path) = section.require("endpoint", &signal.expected(), |value| {
        endpoint(value, signal)
    })?;
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
    Some(Collector {
        endpoint,
        path,
        headers_file,
        service_name: service_name.unwrap_or_else(|| SERVICE_NAME.to_owned()),
        timeout,
    })
}

/// Server and path of the collector.
fn endpoint(value: &Value, signal: Signal) -> Read<(Uri, PathAndQuery)> {
    let no = || wrong(value, signal.expected());
    let text = value.as_str().ok_or_else(no)?;
    let parts = text.parse::<Uri>().map_err(|_| no())?.into_parts();
    let (Some(scheme), Some(authority), Some(path)) =
        (parts.scheme, parts.authority, parts.path_and_query)
    else {
        return Err(no());
    };
    let base = Value::from(format!("{scheme}://{authority}"));
    if authority.as_str().contains('@') {
        return Err(Wrong::new("a URL with a user in it", signal.expected()));
    }
    let bare = path.path() == "/" || path.query().is_some() || text.contains('#');
    let authority = network::authority(&base).map_err(|_| no())?;
    if bare || is_of_another(path.path(), signal) {
        Err(no())
    } else {
        Ok((authority, path))
    }
}

/// Whether a path is where collectors take something else.
fn is_of_another(path: &str, signal: Signal) -> bool {
    let known = [Signal::Logs.path(), "/v1/metrics", Signal::Traces.path()];
    let mut others = known.iter().filter(|known| **known != signal.path());
    others.any(|other| path.ends_with(other))
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
