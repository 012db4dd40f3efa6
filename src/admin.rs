//! The admin listener: `/livez`, `/readyz`, `/metrics`, `/keys`, and the APIs of policies and reports
//! with their description at `/openapi.json`. Apart from the data plane, so that it answers when that is full.
//!
//! Invariant: every wait for a client has a deadline (handshake, headers, body, a client that does
//! not read), and so has every connection, so that a certificate counts little longer than it is
//! good. Who may administer policies is asked of each request anew. Connections on which nothing is
//! asked keep nobody out.

pub mod additions;
mod api;
mod caller;
mod condition;
mod domains;
mod fault;
mod held;
mod put;
mod reports;
mod stored;
mod target;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

use crate::accept::Acceptor;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::metrics::plain;
use crate::tls::{Certificates, Server, Shown};
use api::Api;
use held::{Busy, Held};

/// For a handshake, a request's headers, between requests, and for a client to read.
const PATIENCE: Duration = Duration::from_secs(10);

/// The description of the API.
const OPENAPI: &str = include_str!("admin/openapi.json");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Whether the gateway takes traffic, as far as it has not been told to end.
#[derive(Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// Sets it.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What the admin listener serves.
pub struct Desk {
    gateway: Arc<Gateway>,
    tls: Option<Server>,
    api: Arc<Api>,
    /// What `/readyz` says.
    pub readiness: Readiness,
}

impl Desk {
    /// Prepares it; `tls` where it speaks that.
    ///
    /// # Errors
    /// The name of the provider that resolves domains, and a sentence about it.
    pub fn new(
        config: &Config,
        gateway: Arc<Gateway>,
        tls: Option<Server>,
        certificates: &Certificates,
    ) -> Result<Self, (String, String)> {
        Ok(Self {
            api: Arc::new(Api::new(config, &gateway, certificates)?),
            gateway,
            tls,
            readiness: Readiness::default(),
        })
    }

    /// Waits for the writes of policies that are under way, and lets no other begin.
    pub async fn finish(&self) {
        self.api.finish().await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, busy: Busy) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream.as_mut().set_write_timeout_pinned(Some(PATIENCE));
        let Some(tls) = &self.tls else {
            return self.http(stream, None, busy).await;
        };
        let handshake = tls.now();
        let stream = timeout(PATIENCE, handshake.acceptor().accept(stream))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        let shown = handshake.shown(stream.get_ref().1);
        self.http(stream, shown, busy).await
    }

    async fn http<S>(self: Arc<Self>, stream: S, shown: Option<Shown>, busy: Busy) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let names = shown.as_ref().map_or_else(Vec::new, Shown::names);
        let shown = Arc::new((shown, names));
        let service = service_fn(move |request| {
            let (desk, shown, busy) = (Arc::clone(&self), Arc::clone(&shown), busy.clone());
            async move {
                let _busy = busy.begin();
                // A certificate that is not good any more is none.
                let good = shown.0.as_ref().is_some_and(Shown::is_good);
                let names: &[String] = if good { &shown.1 } else { &[] };
                Ok::<_, Infallible>(desk.answer(request, names).await)
            }
        });
        held::converse(stream, service, held::LIFE).await
    }

    async fn answer(&self, request: Request<Incoming>, names: &[String]) -> Response<Full<Bytes>> {
        match target::of(request.uri().path()) {
            Some(target) => self.api.answer(target, names, request).await,
            None => self.probe(&request),
        }
    }

    /// Everything but the policies API.
    fn probe<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let refused = "method not allowed\n";
            let mut refused = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, refused);
            refused
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let gateway = &self.gateway;
        match request.uri().path() {
            "/livez" => answer(StatusCode::OK, TEXT, "live\n"),
            "/readyz"
                if self.readiness.get()
                    && gateway.keys.ready()
                    && gateway.policies.is_available() =>
            {
                answer(StatusCode::OK, TEXT, format!("ready\n{}", fresh(gateway)))
            }
            "/readyz" => {
                let told = format!("not ready\n{}", fresh(gateway));
                answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, told)
            }
            "/keys" => answer(StatusCode::OK, JSON, keys(gateway)),
            "/openapi.json" => answer(StatusCode::OK, JSON, OPENAPI),
            "/metrics" => measured(gateway, request.headers()),
            _ => answer(StatusCode::NOT_FOUND, TEXT, "not found\n"),
        }
    }
}

/// Serves the admin listener for as long as the process lives.
pub async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let mut acceptor = Acceptor::new(listener, "admin");
    let mut held = Held::default();
    loop {
        let (stream, _) = acceptor.accept().await;
        held.make_room().await;
        let desk = Arc::clone(&desk);
        held.hold(|busy| async move {
            if let Err(error) = desk.connection(stream, busy).await {
                tracing::debug!(%error, "admin connection ended");
            }
        });
    }
}

/// How fresh policies are that come from etcd; of others there is nothing to tell.
fn fresh(gateway: &Gateway) -> String {
    match (gateway.policies.source(), gateway.policies.freshness()) {
        (None, _) => String::new(),
        (Some(_), None) => "policies: none yet\n".to_owned(),
        (Some(_), Some(fresh)) => {
            let (revision, age) = (fresh.revision, fresh.age.as_millis());
            format!("policies: revision {revision}, confirmed {age} ms ago\n")
        }
    }
}

/// The metrics, in the format that the scraper asks for.
fn measured(gateway: &Gateway, headers: &HeaderMap) -> Response<Full<Bytes>> {
    gateway.keys.measure();
    let recorder = &gateway.recorder;
    let metrics = recorder
        .metrics
        .encode(gateway.policies.stats(), recorder.audit.standing());
    let asked = headers.get_all(ACCEPT).iter();
    let openmetrics = asked
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("application/openmetrics-text"));
    if openmetrics {
        answer(StatusCode::OK, OPENMETRICS, metrics)
    } else {
        answer(StatusCode::OK, PROMETHEUS, plain(&metrics))
    }
}

/// How signing keys stand, as JSON.
fn keys(gateway: &Gateway) -> String {
    let report = serde_json::json!({ "sources": gateway.keys.report() });
    format!("{report}\n")
}

/// JSON of the policies API.
fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    const SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
    const TYPE: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
    let mut response = answer(status, TYPE, body);
    response
        .headers_mut()
        .insert(SNIFF, HeaderValue::from_static("nosniff"));
    response
}

fn answer(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
