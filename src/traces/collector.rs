//! The collector, as the exporter of spans knows it.
//!
//! Invariant: of the exporter's requests only the body leaves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::runtime::{Builder, Runtime};

use crate::config;
use crate::otlp;
use crate::tls::Certificates;

/// Sends to the collector.
#[derive(Debug)]
pub(super) struct Collector {
    to: otlp::Collector,
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
    pub(super) fn new(
        config: &config::Collector,
        certificates: &Certificates,
    ) -> Result<Self, String> {
        let to = otlp::Collector::new("traces", config, certificates)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("traces")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            to,
            runtime,
            last: Mutex::default(),
        })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        self.to.url()
    }

    /// What came of the last request.
    pub(super) fn last(&self) -> Last {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, spans: Bytes) -> Result<Response<Bytes>, HttpError> {
        let answered = self.runtime.block_on(self.to.post(spans));
        match answered {
            Ok(response) => {
                let rejected = rejected(response.body());
                *self.locked() = Last::Answered(response.status().as_u16(), rejected);
                Ok(response)
            }
            Err(why) => {
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
