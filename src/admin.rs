//! The admin listener: `/livez`, `/readyz`, `/metrics`, `/keys`. Apart from the data plane, so that it
//! answers when that is full.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::gateway::Gateway;

/// Admin connections at once; probes and scrapers need few.
const CONNECTIONS: usize = 64;

/// For a request's headers, and between requests.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Serves the admin listener for as long as the process lives.
pub async fn serve(listener: TcpListener, gateway: Arc<Gateway>, readiness: Arc<Readiness>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an admin connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (gateway, readiness) = (Arc::clone(&gateway), Arc::clone(&readiness));
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let answer = answer(&request, &gateway, &readiness);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "admin connection ended");
            }
        });
    }
}

fn answer<B>(
    request: &Request<B>,
    gateway: &Gateway,
    readiness: &Readiness,
) -> Response<Full<Bytes>> {
    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    const OPENMETRICS: HeaderValue =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "method not allowed\n".into(),
        );
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, TEXT, "live\n".into()),
        "/readyz" if readiness.get() && gateway.keys.ready() => {
            text(StatusCode::OK, TEXT, "ready\n".into())
        }
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready\n".into()),
        "/keys" => text(StatusCode::OK, JSON, keys(gateway)),
        "/metrics" => {
            gateway.keys.measure();
            let metrics = gateway
                .metrics
                .encode(gateway.policies.stats(), gateway.audit.dropped());
            text(StatusCode::OK, OPENMETRICS, metrics)
        }
        _ => text(StatusCode::NOT_FOUND, TEXT, "not found\n".into()),
    }
}

/// How signing keys stand, as JSON.
fn keys(gateway: &Gateway) -> String {
    let report = serde_json::json!({ "sources": gateway.keys.report() });
    format!("{report}\n")
}

fn text(status: StatusCode, kind: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
