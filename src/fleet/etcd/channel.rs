//! One HTTP/2 connection to one member, as gRPC clients use it.
//!
//! Invariant: it is made once and never again; every request on it asks for a member with a leader
//! and shows the session's token, if there is one.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::codegen::Service;

use super::error::bounded;
use super::{EtcdError, PING, PONG};

/// etcd's own.
const PORT: u16 = 2379;

/// What may be under way: a page of policies fits.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

const LEADER: HeaderName = HeaderName::from_static("hasleader");
const TOKEN: HeaderName = HeaderName::from_static("token");

/// The connection. It ends with the last clone.
#[derive(Clone)]
pub(super) struct Channel {
    send: SendRequest<Body>,
    member: Uri,
    token: Arc<RwLock<Option<HeaderValue>>>,
    _driver: Arc<Driver>,
}

/// The task that moves the bytes.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Channel {
    pub(super) async fn connect(member: &Uri, tls: &Arc<ClientConfig>) -> Result<Self, EtcdError> {
        let authority = member.authority();
        let authority = authority.ok_or_else(|| EtcdError::Connection("no host".to_owned()))?;
        let host = bare(authority).to_owned();
        let port = authority.port_u16().unwrap_or(PORT);
        let stream = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        if member.scheme() == Some(&Scheme::HTTP) {
            return Self::over(stream, member).await;
        }
        let name = ServerName::try_from(host).map_err(broken)?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(name, stream).await.map_err(broken)?;
        Self::over(stream, member).await
    }

    async fn over<S>(stream: S, member: &Uri) -> Result<Self, EtcdError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // How it ends is told to whoever waits for an answer.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self {
            send,
            member: member.clone(),
            token: Arc::default(),
            _driver: Arc::new(Driver(driver.abort_handle())),
        })
    }

    pub(super) const fn member(&self) -> &Uri {
        &self.member
    }

    /// What requests are addressed to.
    pub(super) fn origin(&self) -> Uri {
        self.member.clone()
    }

    pub(super) fn forget_token(&self) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn show_token(&self, token: &str) -> Result<(), EtcdError> {
        let odd = |_| EtcdError::Refused("a token that is no header's value".to_owned());
        let mut value = HeaderValue::from_str(token).map_err(odd)?;
        value.set_sensitive(true);
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.send.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        headers.insert(LEADER, HeaderValue::from_static("true"));
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = token.as_ref() {
            headers.insert(TOKEN, token.clone());
        }
        Box::pin(self.send.send_request(request))
    }
}

fn bare(authority: &Authority) -> &str {
    authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
}

fn broken(error: impl std::fmt::Display) -> EtcdError {
    EtcdError::Connection(bounded(&error.to_string()))
}
