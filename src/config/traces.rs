//! Where traces go.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::Endpoint;

/// A collector, and what it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Where it takes spans, like `/v1/traces`.
    pub path: PathAndQuery,
    /// A file of headers that it asks for, like an API key.
    pub headers_file: Option<PathBuf>,
    /// The share of the traces that begin here which it is told of, from 0 to 1.
    pub sample: f64,
    /// What this gateway is called there.
    pub service_name: String,
    /// How long it may take to answer.
    pub timeout: Duration,
}
