//! OTLP over HTTP: a collector, as what is exported reaches it, by the stack that everything else
//! uses.
//!
//! Invariant: a request holds what is exported and the configured headers, nothing from the
//! environment, and goes to the configured address alone: redirects are not followed. Headers are
//! never printed.

pub(crate) mod headers;

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use uuid::Uuid;

use crate::config;
use crate::dial::{Dial, cause};
use crate::tls::Certificates;

/// More of an answer is not read: it tells how much was rejected.
const ANSWER: usize = 64 * 1024;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// This process, the same in everything that it exports.
static INSTANCE: LazyLock<Uuid> = LazyLock::new(Uuid::now_v7);

/// Sends to a collector.
pub(crate) struct Collector {
    dial: Dial,
    url: String,
    headers: HeaderMap,
    timeout: Duration,
}

impl Collector {
    /// Prepares a collector, which logs and metrics call `of`; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the address, its certificates or the file of headers.
    pub(crate) fn new(
        of: &str,
        config: &config::Collector,
        certificates: &Certificates,
    ) -> Result<Self, String> {
        let dial = Dial::to(of, &config.endpoint, certificates)?;
        let headers = match &config.headers_file {
            None => HeaderMap::new(),
            Some(file) => {
                headers::read(file).map_err(|error| format!("{}: {error}", file.display()))?
            }
        };
        Ok(Self {
            url: format!("{}{}", dial.base, config.path),
            dial,
            headers,
            timeout: config.timeout,
        })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request once. Of a long answer only the head is told.
    ///
    /// # Errors
    /// Why there was no answer, in words that hold nothing of the address.
    pub(crate) async fn post(&self, export: Bytes) -> Result<Response<Bytes>, String> {
        self.try_post(export).await.map_err(|error| {
            if error.is_timeout() {
                "took too long".to_owned()
            } else {
                cause(&error)
            }
        })
    }

    async fn try_post(&self, export: Bytes) -> reqwest::Result<Response<Bytes>> {
        let request = self
            .dial
            .client()
            .post(&self.url)
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, PROTOBUF)
            .timeout(self.timeout)
            .body(export);
        let mut answer = request.send().await?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        let mut body = BytesMut::new();
        while let Some(piece) = answer.chunk().await? {
            if body.len() + piece.len() > ANSWER {
                // What it says is nothing we know.
                return Ok(response);
            }
            body.extend_from_slice(&piece);
        }
        *response.body_mut() = body.freeze();
        Ok(response)
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

/// Who tells: this service, this program, this process.
pub(crate) fn resource(service_name: &str) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service_name.to_owned()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", INSTANCE.to_string()),
        ])
        .build()
}

/// What of this program tells.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("tidegate")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}
