//! The collector, as spans reach it: OTLP over HTTP, by the stack that everything else uses.
//!
//! Invariant: a request holds spans and the configured headers, nothing from the environment, and
//! goes to the configured address alone: redirects are not followed. Headers are never printed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::runtime::{Builder, Runtime};

use super::headers;
use crate::config::Traces;
use crate::dial::{Dial, cause};
use crate::tls::Certificates;

/// More of an answer is not read: it tells how many spans were rejected.
const ANSWER: usize = 64 * 1024;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// Sends to the collector.
pub(super) struct Collector {
    dial: Dial,
    url: String,
    headers: HeaderMap,
    timeout: Duration,
    /// Of its own: the thread that sends has none.
    runtime: Runtime,
    last: Mutex<Last>,
}

/// What came of the last request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Last {
    /// It answered so, and rejected so many of the spans.
    Answered(u16, u64),
    /// There was no answer, because of this.
    Failed(String),
    /// There was none yet.
    #[default]
    Nothing,
}

impl Last {
    /// Spans that the collector did not take although it answered.
    pub(super) const fn rejected(&self) -> u64 {
        match self {
            Self::Answered(_, rejected) => *rejected,
            Self::Failed(_) | Self::Nothing => 0,
        }
    }
}

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status, _) => write!(f, "answered {status}"),
            Self::Failed(why) => f.write_str(why),
            Self::Nothing => f.write_str("too much for one request"),
        }
    }
}

impl Collector {
    /// Prepares the collector; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the address, its certificates or the file of headers.
    pub(super) fn new(config: &Traces, certificates: &Certificates) -> Result<Self, String> {
        let dial = Dial::to("traces", &config.endpoint, certificates)?;
        let headers = match &config.headers_file {
            None => HeaderMap::new(),
            Some(file) => {
                headers::read(file).map_err(|error| format!("{}: {error}", file.display()))?
            }
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("traces")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            url: format!("{}{}", dial.base, config.path),
            dial,
            headers,
            timeout: config.timeout,
            runtime,
            last: Mutex::default(),
        })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What came of the last request.
    pub(super) fn last(&self) -> Last {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(&self, spans: Bytes) -> reqwest::Result<Response<Bytes>> {
        let request = self
            .dial
            .client()
            .post(&self.url)
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, PROTOBUF)
            .timeout(self.timeout)
            .body(spans);
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

    fn send(&self, spans: Bytes) -> Result<Response<Bytes>, HttpError> {
        let answered = self.runtime.block_on(self.post(spans));
        match answered {
            Ok(response) => {
                let rejected = rejected(response.body());
                *self.locked() = Last::Answered(response.status().as_u16(), rejected);
                Ok(response)
            }
            Err(error) => {
                let why = if error.is_timeout() {
                    "took too long".to_owned()
                } else {
                    cause(&error)
                };
                *self.locked() = Last::Failed(why.clone());
                Err(why.into())
            }
        }
    }
}

/// Spans that an answer says were rejected.
fn rejected(answer: &Bytes) -> u64 {
    let answer = ExportTraceServiceResponse::decode(answer.clone()).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    u64::try_from(partial.rejected_spans).unwrap_or_default()
}

impl HttpClient for Collector {
    /// Sends a request's body. Its headers are the exporter's, which takes some from the
    /// environment: they stay here.
    fn send_bytes<'s, 'a>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(async move { self.send(request.into_body()) })
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}
