//! The relay route: paths that the operator declared to carry no tokens (keys,
//! authorize redirects, device codes).
//!
//! Invariant: the declaration is held to. A reply in which an Entra token is found after all is
//! withheld: a mistyped route must not become a way round the gateway.

use http::{Method, Request};
use hyper::body::Incoming;

use crate::core::isolation::{self, SignIn, Verdict};
use crate::core::policy::Mode;
use crate::gateway::{Lane, Worker};
use crate::headers;
use crate::refusal::Refusal;
use crate::upstream::{self, Redirects};
use crate::withheld::{Reply, Withheld};

/// Relays one request.
///
/// # Errors
/// The refusal to answer with.
pub async fn answer(
    worker: &Worker,
    lane: &Lane,
    request: Request<Incoming>,
) -> Result<Reply, Refusal> {
    let gateway = &worker.gateway;
    let (mut head, body) = request.into_parts();
    let body = gateway.look(&head, body)?;
    let body = gateway.read_body(&head, body).await?;
    let admitted = gateway.admit()?;
    let path = head.uri.path().to_owned();
    let captures = lane.route.path.matches(&path).ok_or(Refusal::NoRoute)?;
    let target = lane.target(&captures, head.uri.query())?;
    headers::towards_upstream(
        &mut head.headers,
        lane.upstream.host(),
        &gateway.trust_headers,
        lane.route.cookies,
    );
    // HEAD is asked as GET: its answer has no body to inspect otherwise; hyper drops it again.
    let method = match head.method {
        Method::HEAD => Method::GET,
        method => method,
    };
    headers::without_conditions(&mut head.headers);
    let sent = upstream::request(method, &target, head.headers, body)?;
    let withheld = lane.upstream.exchange(sent, Redirects::Relay).await?;
    match (without_token(&withheld, lane), gateway.mode) {
        (Ok(()), _) => {}
        (Err(refusal), Mode::Enforce) => return Err(refusal),
        (Err(refusal), Mode::ReportOnly) => tracing::warn!(
            route = &*lane.route.name,
            reason = refusal.reason(),
            "relayed what enforce mode would withhold"
        ),
    }
    let policies = gateway.policies.snapshot();
    let decision = isolation::decide(None, &SignIn::NoToken, &policies, lane.terms, 0);
    let Verdict::Allow(permit) = decision.verdict else {
        return Err(Refusal::UpstreamToken);
    };
    let mut reply = withheld.release(permit, lane.route.cookies);
    admitted.hold(&mut reply);
    Ok(reply)
}

fn without_token(withheld: &Withheld, lane: &Lane) -> Result<(), Refusal> {
    if withheld.shows_token(&lane.route.provider.issuers)? {
        return Err(Refusal::UpstreamToken);
    }
    Ok(())
}
