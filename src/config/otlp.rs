//! Where what is exported over OTLP goes.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::Endpoint;

/// A collector, and who tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Where it takes what it is sent, like `/v1/traces`.
    pub path: PathAndQuery,
    /// A file of headers that it asks for, like an API key.
    pub headers_file: Option<PathBuf>,
    /// What this gateway is called there.
    pub service_name: String,
    /// How long it may take to answer.
    pub timeout: Duration,
}

impl Collector {
    /// Its URL, which holds no secret.
    pub fn url(&self) -> String {
        let authority = self.endpoint.authority.to_string();
        format!("{}{}", authority.trim_end_matches('/'), self.path)
    }
}

/// Audit records as OTLP logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// Where they go.
    pub collector: Collector,
    /// How long a collector in trouble is given to take records, before they are given up.
    pub retry_for: Duration,
}
