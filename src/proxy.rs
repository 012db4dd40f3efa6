//! One request: screened, routed, handed to its kind.
//!
//! Invariant: what matches no route is 404; nothing passes uninspected.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::CONTENT_LENGTH;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use crate::conclusion;
use crate::config::{Connection, RouteKind};
use crate::connection;
use crate::discovery;
use crate::exchange;
use crate::gateway::{Admitted, Lane, Peer, Worker};
use crate::headers;
use crate::metrics::Reason;
use crate::refusal::Refusal;
use crate::relay;
use crate::reply::{self, Style};
use crate::withheld::Reply;

/// What a listener holds for a request until its answer was sent.
pub trait Held: Send + 'static {
    /// The answer is there, and now it is the client's turn to take it.
    fn answered(&self);
}

/// Answers one request. `held` is dropped when the answer was written, and not before.
///
/// # Errors
/// None: whatever happens, there is an answer.
pub async fn serve<H: Held>(
    worker: Arc<Worker>,
    peer: Arc<Peer>,
    request: Request<Incoming>,
    held: H,
) -> Result<Response<Sending<H>>, Infallible> {
    let head_alone = request.method() == Method::HEAD;
    let mut reply = answer(&worker, &peer, request).await;
    if head_alone {
        reply = without_body(reply);
    }
    held.answered();
    let place = reply.extensions_mut().remove();
    Ok(reply.map(|body| Sending {
        body,
        held: Some((place, held)),
    }))
}

/// What is given back when a reply was written or its client is gone.
type Place<H> = (Option<Arc<Admitted>>, H);

/// A reply's body. hyper lets go of it as soon as it has its bytes, which then wait for the client:
/// so what is held until they are written goes with them.
pub struct Sending<H> {
    body: Full<Bytes>,
    held: Option<Place<H>>,
}

/// Bytes, and what is given back with the last of them.
struct Holding<H> {
    bytes: Bytes,
    _held: Place<H>,
}

impl<H> AsRef<[u8]> for Holding<H> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<H: Held + Unpin> Body for Sending<H> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let polled = ready!(Pin::new(&mut self.body).poll_frame(context));
        let holding = |bytes| match self.held.take() {
            Some(held) => Bytes::from_owner(Holding { bytes, _held: held }),
            None => bytes,
        };
        Poll::Ready(polled.map(|frame| frame.map(|frame| frame.map_data(holding))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The answer to HEAD. Over HTTP/2 hyper would send the body.
fn without_body(mut reply: Reply) -> Reply {
    if let Some(length) = reply.body().size_hint().exact() {
        reply
            .headers_mut()
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    *reply.body_mut() = Full::default();
    reply
}

async fn answer(worker: &Worker, peer: &Peer, request: Request<Incoming>) -> Reply {
    let gateway = &worker.gateway;
    let (head, body) = request.into_parts();
    let routed = headers::screen(&head).and_then(|host| {
        let root = PathAndQuery::from_static("/");
        let target = head.uri.path_and_query().unwrap_or(&root);
        let lane = worker.lane(&host, target).ok_or(Refusal::NoRoute)?;
        Ok((host, lane))
    });
    let (host, lane) = match routed {
        Ok(routed) => routed,
        Err(_) if matches!(head.method, Method::CONNECT | Method::TRACE) => {
            return unrouted(worker, Refusal::Method);
        }
        Err(refusal) => return unrouted(worker, refusal),
    };
    if let Err(refusal) = headers::screen_trust(&head.headers, &gateway.trust_headers) {
        return refused(worker, lane, &head.headers, refusal);
    }
    if !peer.is_good() {
        return refused(worker, lane, &head.headers, Refusal::ClientCertificate);
    }
    let request = Request::from_parts(head, body);
    match &lane.route.kind {
        RouteKind::Connection(connection) if connection.methods.contains(request.method()) => {
            connection::create(gateway, lane, connection, peer, request).await
        }
        RouteKind::Token if request.method() == Method::POST => {
            exchange::exchange(gateway, lane, peer, request).await
        }
        RouteKind::Discovery if is_read(request.method()) => {
            let answered = discovery::answer(worker, lane, &host, request).await;
            answered.unwrap_or_else(|refusal| withheld(worker, lane, refusal))
        }
        RouteKind::Relay { methods } if takes(methods, request.method()) => {
            let answered = relay::answer(worker, lane, request).await;
            answered.unwrap_or_else(|refusal| withheld(worker, lane, refusal))
        }
        kind @ (RouteKind::Connection(_)
        | RouteKind::Discovery
        | RouteKind::Relay { .. }
        | RouteKind::Token) => {
            let refused = refused(worker, lane, request.headers(), Refusal::Method);
            reply::allowing(&allowed(kind), refused)
        }
    }
}

/// The methods that a route takes.
fn allowed(kind: &RouteKind) -> String {
    let methods = match kind {
        RouteKind::Connection(Connection { methods, .. }) | RouteKind::Relay { methods } => methods,
        RouteKind::Discovery => return "GET, HEAD".to_owned(),
        RouteKind::Token => return "POST".to_owned(),
    };
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    names.join(", ")
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn takes(methods: &[Method], method: &Method) -> bool {
    methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET))
}

/// Refuses what reached a route; on a route of exchanges with a record.
fn refused(worker: &Worker, lane: &Lane, headers: &HeaderMap, refusal: Refusal) -> Reply {
    match lane.route.kind {
        RouteKind::Connection(_) | RouteKind::Token => {
            let style = Style::of(&lane.route, headers);
            conclusion::refused(&worker.gateway, lane, headers, &style, refusal)
        }
        RouteKind::Discovery | RouteKind::Relay { .. } => unrouted(worker, refusal),
    }
}

/// Refuses what a discovery or relay route could not answer; the log tells of a provider's faults.
fn withheld(worker: &Worker, lane: &Lane, refusal: Refusal) -> Reply {
    if refusal.status().is_server_error() {
        let (route, reason) = (&*lane.route.name, refusal.reason());
        tracing::warn!(route, reason, "a provider's answer is withheld");
    }
    unrouted(worker, refusal)
}

/// Refuses what is no exchange; it is counted.
fn unrouted(worker: &Worker, refusal: Refusal) -> Reply {
    let reason = refusal.reason();
    worker
        .gateway
        .recorder
        .metrics
        .refused
        .get_or_create(&Reason { reason })
        .inc();
    reply::refuse_early(refusal)
}
