//! One provider or service, as this worker reaches it: a pool of HTTP/1.1 connections and one exchange.
//!
//! Invariant: a request is sent at most once. It goes to a fresh connection a second time only if
//! hyper hands it back untouched, which it does when not a byte was written. A connection on which
//! anything went wrong is closed, never pooled.
//!
//! The pool is our own because its rules are: a connection rests, ages, is never waited for, and is
//! driven by the exchange that uses it (`upstream/connection.rs`).

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::{Endpoint, Limits};
use crate::refusal::Refusal;
use crate::tls::{self, Certificates};
use crate::withheld::{Published, Withheld};

mod connection;
mod head;

use connection::{Connection, Stream};

/// An idle connection is not used again after this long: most servers keep theirs for longer, so
/// a request seldom meets a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(30);

/// A connection is not used again after this long, nor for more exchanges than this: addresses and
/// certificates change, and a connection that got out of step must not stay so.
const OLDEST: Duration = Duration::from_secs(60);
const MOST_USES: u32 = 1_000;

/// Idle connections kept at most.
const MAX_IDLE: usize = 256;

/// File descriptors for connections to providers and services, those of all workers.
#[derive(Clone)]
pub struct Sockets {
    /// One place for each connection, whether it is used or idle.
    pub places: Arc<Semaphore>,
    /// Idle connections that each worker may keep to each server.
    pub idle: usize,
}

/// A provider or a service, and this worker's connections to it.
pub struct Upstream {
    /// `host` header of every request.
    host: HeaderValue,
    /// Where TCP goes.
    target: (String, u16),
    tls: Option<(tls::Client, ServerName<'static>)>,
    sockets: Sockets,
    connect_timeout: Duration,
    total_timeout: Duration,
    reply_body: usize,
    /// Oldest first.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

/// Whether a redirect may be relayed (it is never followed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// It is an answer that cannot be inspected.
    Refuse,
    /// It goes to the client as it is.
    Relay,
}

impl Upstream {
    /// Prepares a server, `of` in logs and metrics; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the authority or its certificates.
    pub fn new(
        of: impl Display,
        endpoint: &Endpoint,
        limits: &Limits,
        certificates: &Certificates,
        sockets: &Sockets,
    ) -> Result<Self, String> {
        let authority = &endpoint.authority;
        let host = authority.host().ok_or("the authority names no host")?;
        let secure = authority.scheme() != Some(&Scheme::HTTP);
        let port = authority
            .port_u16()
            .unwrap_or(if secure { 443 } else { 80 });
        let named = authority.authority().map_or(host, |named| named.as_str());
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let tls = if secure {
            let name = ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
            Some((certificates.towards(of, endpoint, None)?, name))
        } else {
            None
        };
        Ok(Self {
            host: HeaderValue::from_str(named).map_err(|error| error.to_string())?,
            target: endpoint
                .connect
                .clone()
                .unwrap_or_else(|| (bare.to_owned(), port)),
            tls,
            sockets: sockets.clone(),
            connect_timeout: limits.connect_timeout,
            total_timeout: limits.upstream_timeout,
            reply_body: limits.reply_body,
            idle: Mutex::new(VecDeque::new()),
        })
    }

    /// The `host` header of requests to it.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Sends one request (origin-form target, headers prepared) and takes the whole reply in.
    ///
    /// # Errors
    /// The refusal that says what the upstream did wrong.
    pub async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        redirects: Redirects,
    ) -> Result<Withheld, Refusal> {
        let (head, body) = self.receive(request, redirects).await?;
        Ok(Withheld::new(head, body, self.reply_body))
    }

    /// Asks with GET for what the server publishes (origin-form target, headers prepared).
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange); a redirect is one.
    pub async fn published(
        &self,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Published, Refusal> {
        let request = request(Method::GET, target, headers, body)?;
        let (head, body) = self.receive(request, Redirects::Refuse).await?;
        Ok(Published::new(head, body, self.reply_body))
    }

    async fn receive(
        &self,
        request: Request<Full<Bytes>>,
        redirects: Redirects,
    ) -> Result<(response::Parts, Bytes), Refusal> {
        timeout(self.total_timeout, self.receive_untimed(request, redirects))
            .await
            .unwrap_or(Err(Refusal::UpstreamDeadline))
    }

    async fn receive_untimed(
        &self,
        request: Request<Full<Bytes>>,
        redirects: Redirects,
    ) -> Result<(response::Parts, Bytes), Refusal> {
        let (response, mut connection) = self.send(request).await?;
        let (head, body) = response.into_parts();
        // Two lengths: where the reply ends is a matter of opinion (RFC 9112 section 6.3).
        if head.headers.contains_key(TRANSFER_ENCODING) && head.headers.contains_key(CONTENT_LENGTH)
        {
            return Err(Refusal::UpstreamIncomplete);
        }
        if head.status.is_informational()
            || (head.status.is_redirection() && redirects == Redirects::Refuse)
        {
            return Err(Refusal::UpstreamRedirect);
        }
        let body = connection
            .drive(Limited::new(body, self.reply_body).collect())
            .await
            .ok_or(Refusal::UpstreamIncomplete)?
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Refusal::UpstreamTooLarge
                } else {
                    Refusal::UpstreamIncomplete
                }
            })?;
        self.keep(connection);
        Ok((head, body.to_bytes()))
    }

    /// Sends on an idle connection, or on a new one. Only a request that hyper returns unsent is
    /// tried again.
    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Box<Connection>), Refusal> {
        while let Some(mut connection) = self.take_idle() {
            if !connection.is_open() {
                continue;
            }
            match connection.send(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(Some(unsent)) => request = unsent,
                Err(None) => return Err(Refusal::UpstreamIncomplete),
            }
        }
        let mut connection = timeout(self.connect_timeout, self.connect())
            .await
            .map_err(|_| Refusal::UpstreamDeadline)??;
        match connection.send(request).await {
            Ok(response) => Ok((response, connection)),
            Err(_) => Err(Refusal::UpstreamIncomplete),
        }
    }

    async fn connect(&self) -> Result<Box<Connection>, Refusal> {
        let refuse = |step: &'static str, error: &dyn std::fmt::Display| {
            tracing::warn!(upstream.host = ?self.host, step, %error, "cannot connect upstream");
            Refusal::UpstreamConnect
        };
        let place = self.place()?;
        let (host, port) = &self.target;
        let stream = TcpStream::connect((host.as_str(), *port))
            .await
            .map_err(|error| refuse("tcp", &error))?;
        stream
            .set_nodelay(true)
            .map_err(|error| refuse("tcp", &error))?;
        let mut under = 0;
        let stream: Stream = match &self.tls {
            None => Box::new(stream),
            Some((client, name)) => {
                let (number, config) = client.now();
                under = number;
                let connected = TlsConnector::from(config).connect(name.clone(), stream);
                Box::new(connected.await.map_err(|error| refuse("tls", &error))?)
            }
        };
        Connection::open(stream, under, place)
            .await
            .map_err(|error| refuse("http", &error))
    }

    /// A place for one more connection; an idle one may have to go for it.
    fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let ask = || Arc::clone(&self.sockets.places).try_acquire_owned();
        ask()
            .or_else(|_| {
                self.idle().pop_front();
                ask()
            })
            .map_err(|_| Refusal::Overload)
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that has rested longest: a reply too many has arrived by then, and ends it.
    /// One that was opened under other certificates than those in force is not used again.
    fn take_idle(&self) -> Option<Box<Connection>> {
        let number = self.tls.as_ref().map_or(0, |(client, _)| client.number());
        let mut idle = self.idle();
        while let Some(Idle { connection, since }) = idle.pop_front() {
            if since.elapsed() < IDLE && connection.under == number {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Box<Connection>) {
        let now = Instant::now();
        let mut idle = self.idle();
        while idle
            .front()
            .is_some_and(|oldest| now - oldest.since >= IDLE)
        {
            idle.pop_front();
        }
        let fresh = connection.opened.elapsed() < OLDEST && connection.uses < MOST_USES;
        if fresh && idle.len() < self.sockets.idle.min(MAX_IDLE) {
            idle.push_back(Idle {
                connection,
                since: now,
            });
        }
    }
}

/// A request to send, from its parts.
pub fn request(
    method: http::Method,
    target: &str,
    headers: http::HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Refusal> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::try_from(target).map_err(|_| Refusal::Path)?;
    *request.headers_mut() = headers;
    Ok(request)
}
