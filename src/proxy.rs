//! One request: screened, routed, handed to its kind.
//!
//! Invariant: what matches no route is 404; nothing passes uninspected.

use std::convert::Infallible;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{Method, Request};
use hyper::body::Incoming;

use crate::config::RouteKind;
use crate::discovery;
use crate::exchange;
use crate::gateway::{Peer, Worker};
use crate::headers;
use crate::metrics::Reason;
use crate::refusal::Refusal;
use crate::relay;
use crate::reply;
use crate::withheld::Reply;

/// Answers one request.
///
/// # Errors
/// None: whatever happens, there is an answer.
pub async fn serve(
    worker: Arc<Worker>,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Result<Reply, Infallible> {
    Ok(answer(&worker, &peer, request).await)
}

async fn answer(worker: &Worker, peer: &Peer, request: Request<Incoming>) -> Reply {
    let gateway = &worker.gateway;
    let (head, body) = request.into_parts();
    let routed = headers::screen(&head, &gateway.trust_headers).and_then(|host| {
        let root = PathAndQuery::from_static("/");
        let target = head.uri.path_and_query().unwrap_or(&root);
        let lane = worker.lane(&host, target).ok_or(Refusal::NoRoute)?;
        Ok((host, lane))
    });
    let (host, lane) = match routed {
        Ok(routed) => routed,
        Err(refusal) => {
            let reason = refusal.reason();
            gateway
                .metrics
                .refused
                .get_or_create(&Reason { reason })
                .inc();
            return reply::refuse_early(refusal);
        }
    };
    let request = Request::from_parts(head, body);
    match &lane.route.kind {
        RouteKind::Token if request.method() == Method::POST => {
            exchange::exchange(gateway, lane, peer, request).await
        }
        RouteKind::Discovery if is_read(request.method()) => {
            discovery::answer(worker, lane, &host, request).await
        }
        RouteKind::Relay { methods } if takes(methods, request.method()) => {
            relay::answer(worker, lane, request).await
        }
        RouteKind::Token => {
            drop(exchange::refused(gateway, lane, Refusal::Method));
            reply::refuse_method("POST")
        }
        RouteKind::Discovery => wrong_method(worker, "GET, HEAD"),
        RouteKind::Relay { methods } => {
            let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
            wrong_method(worker, &names.join(", "))
        }
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn takes(methods: &[Method], method: &Method) -> bool {
    methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET))
}

fn wrong_method(worker: &Worker, allow: &str) -> Reply {
    let reason = Refusal::Method.reason();
    worker
        .gateway
        .metrics
        .refused
        .get_or_create(&Reason { reason })
        .inc();
    reply::refuse_method(allow)
}
