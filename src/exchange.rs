//! One token exchange, top to bottom: resolve the creator, exchange with the provider, classify
//! the tokens, evaluate under both policies, reply.
//!
//! Invariant: each value is made once and then only read; both policies come from one snapshot,
//! taken after the wait for the provider; the provider's reply is withheld until the rule permits
//! its release.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Request, request};
use hyper::body::Incoming;

use crate::audit::Exchange;
use crate::clock::now;
use crate::conclusion::{self, Ended};
use crate::config::template::{Captures, TENANT};
use crate::core::creator::Creator;
use crate::core::form::{self, TokenRequest};
use crate::core::isolation::{self, Permit, Provider, Verdict};
use crate::creator;
use crate::gateway::{Gateway, Lane, Peer, abreast};
use crate::headers;
use crate::refusal::Refusal;
use crate::reply::Style;
use crate::upstream::{self, Redirects};
use crate::withheld::{self, Reply};

/// Carries one exchange through and answers it. Its audit record is written when it ends,
/// however it ends.
pub async fn exchange(
    gateway: &Arc<Gateway>,
    lane: &Lane,
    peer: &Peer,
    request: Request<Incoming>,
) -> Reply {
    let (head, body) = request.into_parts();
    let mut record = gateway.open_record(lane);
    record.identify(&head.headers);
    let ended = steps(gateway, lane, peer, head, body, &mut record).await;
    conclusion::answer(ended, &Style::OAuth, &mut record)
}

async fn steps(
    gateway: &Arc<Gateway>,
    lane: &Lane,
    peer: &Peer,
    mut head: request::Parts,
    body: Incoming,
    record: &mut Exchange,
) -> Result<Reply, Ended> {
    let body = gateway.look(&head, body)?;
    let body = read_form(gateway, &head, body).await?;
    record.grant_type = Some(grant_type(&body, lane.terms.provider)?);

    let path = head.uri.path().to_owned();
    let captures = lane.route.path.matches(&path).ok_or(Refusal::NoRoute)?;
    let (headers, waited) = (&head.headers, &mut record.waited);
    let creator = creator::resolve(gateway, lane, peer, headers, &captures, waited).await?;
    record.creator = Some(creator);
    let admitted = gateway.admit()?;
    gateway.can_decide()?;

    decide_early(gateway, lane, creator, &captures, record).await?;

    let target = lane.target(&captures, head.uri.query())?;
    creator::without_bearers(&mut head.headers, &lane.route);
    headers::towards_upstream(
        &mut head.headers,
        lane.upstream.host(),
        &gateway.trust_headers,
        lane.route.cookies,
    );
    let request = upstream::request(head.method, &target, head.headers, body)?;
    abreast().await;
    let withheld = lane.ask(request, Redirects::Refuse, record).await?;

    let tokens = withheld.inspect(&lane.route.provider.issuers);
    let signed_in = conclusion::signed_in(tokens, withheld.outcome(), lane.terms)?;
    let permit = conclusion::evaluate(gateway, lane, creator, signed_in, record)?;

    let mut answer = withheld.release(permit, lane.route.cookies);
    withheld::no_store(answer.headers_mut());
    admitted.hold(&mut answer);
    abreast().await;
    Ok(answer)
}

/// The request's body, whole, if it is a form.
async fn read_form(
    gateway: &Arc<Gateway>,
    head: &request::Parts,
    body: Incoming,
) -> Result<Bytes, Refusal> {
    let headers = &head.headers;
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let media_type = types
        .next()
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    let is_form = media_type
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if !is_form || types.next().is_some() || headers.contains_key(CONTENT_ENCODING) {
        return Err(Refusal::ContentType);
    }
    gateway.read_body(head, body).await
}

/// The grant, as a word we know; recorded and otherwise of no consequence: every grant's reply is
/// inspected the same.
fn grant_type(body: &[u8], provider: Provider) -> Result<&'static str, Refusal> {
    let TokenRequest { grant_type, code } = form::token_request(body).map_err(|_| Refusal::Form)?;
    match (grant_type, provider) {
        (Some(grant), _) => Ok(known_grant(&grant)),
        (None, Provider::Other(_)) if code => Ok("authorization_code"),
        (None, Provider::Entra | Provider::Other(_)) => Err(Refusal::GrantMissing),
    }
}

fn known_grant(grant: &str) -> &'static str {
    const KNOWN: [&str; 8] = [
        "authorization_code",
        "client_credentials",
        "password",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == grant)
        .unwrap_or("other")
}

/// The same rule before the provider is asked, where the path names a concrete tenant: no token
/// is minted and no code is burnt for a connection that is blocked anyway. Only a block ends the
/// exchange here; the check on the reply stays the authority.
async fn decide_early(
    gateway: &Gateway,
    lane: &Lane,
    creator: Creator,
    captures: &Captures<'_, '_>,
    record: &mut Exchange,
) -> Result<(), Ended> {
    let Some(segment) = captures.get(TENANT) else {
        return Ok(());
    };
    if !matches!(lane.terms.provider, Provider::Entra) {
        return Ok(());
    }
    let Some(tenant) = lane.domains.tenant(segment, &lane.upstream).await else {
        return Ok(());
    };
    let began = record.evaluating();
    record.policy_source = gateway.policies.freshness();
    let policies = gateway.policies.snapshot();
    let decision = isolation::evaluate(creator.tenant(), tenant, &policies, lane.terms, now());
    record.evaluated(began, &decision);
    if !matches!(decision.verdict, Verdict::Block | Verdict::Unavailable) {
        return Ok(());
    }
    record.early = true;
    conclusion::permit(decision, Some(tenant), None, lane, record).map(|Permit { .. }| ())
}
