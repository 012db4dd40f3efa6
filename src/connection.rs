//! One request that creates a connection, top to bottom: resolve the creator, verify the sign-in
//! tokens, evaluate under both policies, forward, reply.
//!
//! Invariant: nothing is forwarded before both tokens are verified and the rule has given its
//! permit; what is forwarded is what was checked, byte for byte. The service's reply is withheld
//! in turn, until the rule permits its release: it may hold tokens as well.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, request};
use http_body_util::Full;
use hyper::body::{Body, Incoming};

use crate::audit::{Exchange, Seen};
use crate::conclusion::{self, Ended};
use crate::config::template::Captures;
use crate::config::{Connection, Tell};
use crate::core::creator::Creator;
use crate::core::isolation::{Outcome, Permit, Presented, Provider};
use crate::core::token::presented::not_entra;
use crate::core::token::verified::Refused;
use crate::creator;
use crate::gateway::{Gateway, Lane, Peer, abreast};
use crate::headers;
use crate::keys::{NotVerified, Waited};
use crate::presented::{self, Reading, Shown};
use crate::refusal::Refusal;
use crate::reply::Style;
use crate::upstream::{self, Redirects};
use crate::withheld::{self, Reply, Withheld};

/// Carries one request through and answers it. Its audit record is written when it ends, however
/// it ends.
pub async fn create(
    gateway: &Arc<Gateway>,
    lane: &Lane,
    connection: &Connection,
    peer: &Peer,
    request: Request<Incoming>,
) -> Reply {
    let (head, body) = request.into_parts();
    let style = Style::of(&lane.route, &head.headers);
    let mut record = gateway.open_record(lane);
    record.identify(&head.headers);
    let ended = steps(gateway, lane, connection, peer, (head, body), &mut record).await;
    conclusion::answer(ended, &style, &mut record)
}

async fn steps(
    gateway: &Arc<Gateway>,
    lane: &Lane,
    connection: &Connection,
    peer: &Peer,
    (mut head, body): (request::Parts, Incoming),
    record: &mut Exchange,
) -> Result<Reply, Ended> {
    // What a client marks as meant for this hop alone is not forwarded, so it is not read either.
    headers::end_to_end(&mut head.headers, &gateway.trust_headers);
    let body = gateway.look(&head, body)?;
    let reading = Reading::of(&connection.sign_in, &head.headers, body.is_end_stream())?;
    let body = gateway.read_body(&head, body).await?;

    let path = head.uri.path().to_owned();
    let captures = lane.route.path.matches(&path).ok_or(Refusal::NoRoute)?;
    let creator = resolve(gateway, lane, peer, &head, &captures, &mut record.waited).await?;
    record.creator = Some(creator);
    let shown = (&head, reading, &*body);
    let presented = verify(gateway, lane, connection, shown, &mut record.waited).await?;
    // Not before: who waits for keys takes no place from others.
    let admitted = gateway.admit()?;
    gateway.can_decide()?;

    let signed_in = (presented.sign_in(), Some(Seen::Presented(presented)));
    let permit = conclusion::evaluate(gateway, lane, creator, signed_in, record)?;

    let target = lane.target(&captures, head.uri.query())?;
    headers::towards_upstream(
        &mut head.headers,
        lane.upstream.host(),
        &gateway.trust_headers,
        lane.route.cookies,
    );
    tell(&mut head.headers, &connection.service.tell, record);
    let request = upstream::request(head.method, &target, head.headers, body)?;
    abreast().await;
    let withheld = forward(permit, lane, request, record).await?;

    // A service's reply need not hold a token, whatever its status.
    let tokens = withheld.inspect_any(&lane.route.provider.issuers);
    let signed_in = conclusion::signed_in(tokens, Outcome::Failure, lane.terms)?;
    let permit = conclusion::evaluate(gateway, lane, creator, signed_in, record)?;
    let mut answer = withheld.release(permit, lane.route.cookies);
    withheld::no_store(answer.headers_mut());
    admitted.hold(&mut answer);
    abreast().await;
    Ok(answer)
}

/// Who creates the connection. A token in the query is refused whoever takes it: it would stand in
/// logs all the way.
async fn resolve(
    gateway: &Gateway,
    lane: &Lane,
    peer: &Peer,
    head: &request::Parts,
    captures: &Captures<'_, '_>,
    waited: &mut Option<Waited>,
) -> Result<Creator, Refusal> {
    if presented::in_query(head, "access_token") {
        return Err(Refusal::CreatorToken(Refused::Malformed));
    }
    creator::resolve(gateway, lane, peer, &head.headers, captures, waited).await
}

/// Whom the request signs in: by every token in it, each verified.
async fn verify(
    gateway: &Gateway,
    lane: &Lane,
    connection: &Connection,
    (head, reading, body): (&request::Parts, Reading, &[u8]),
    waited: &mut Option<Waited>,
) -> Result<Presented, Refusal> {
    if connection.sign_in.is_empty() {
        return Ok(Presented::Nobody);
    }
    let shown = presented::tokens(&connection.sign_in, head, reading, body)?;
    let mut tokens = Vec::with_capacity(shown.len());
    for token in &shown {
        tokens.push(verify_one(gateway, lane, connection, token, waited).await?);
    }
    Presented::agreeing(tokens)
        .map_err(|_| Refusal::SignInContradiction)?
        .ok_or(Refusal::SignInMissing)
}

/// Verifies one token. Only where the provider is not Entra may it be another than Entra's, and
/// only if it does not claim to be one.
async fn verify_one(
    gateway: &Gateway,
    lane: &Lane,
    connection: &Connection,
    token: &Shown<'_>,
    waited: &mut Option<Waited>,
) -> Result<Presented, Refusal> {
    let provider = &lane.route.provider;
    let mut ended = None;
    for verifier in &connection.verifiers {
        let keys = gateway.keys.of(&verifier.name);
        let keys = keys.ok_or(Refusal::KeysUnavailable)?;
        if matches!(provider.kind, Provider::Other(_)) && !keys.claims_to_issue(&token.text) {
            continue;
        }
        match keys
            .verify_noting(&token.text, token.audience, waited)
            .await
        {
            Ok(verified) => return Ok(Presented::Verified(verified)),
            Err(NotVerified::Unavailable) => ended = Some(Refusal::KeysUnavailable),
            Err(NotVerified::Refused(why)) => {
                ended.get_or_insert(Refusal::SignInToken(why));
            }
        }
    }
    match (ended, provider.kind) {
        (Some(refusal), _) => Err(refusal),
        // Only verification speaks for Entra's.
        (None, Provider::Entra) => Err(Refusal::KeysUnavailable),
        (None, Provider::Other(_)) => not_entra(&token.text, &provider.issuers)
            .map(Presented::NotEntra)
            .map_err(Refusal::SignInToken),
    }
}

/// Sets the headers that tell the service what was decided. The client's own are gone by now.
fn tell(headers: &mut HeaderMap, tell: &Tell, record: &Exchange) {
    let mut set = |name: &Option<HeaderName>, value: Option<String>| {
        let value = value.and_then(|text| HeaderValue::try_from(text).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.insert(name, value);
        }
    };
    let creator = record.creator.and_then(Creator::tenant);
    set(
        &tell.creator_tenant,
        creator.map(|tenant| tenant.to_string()),
    );
    set(&tell.decision_id, Some(record.decision_id.to_string()));
    let sign_in = record.sign_in_tenant;
    set(
        &tell.sign_in_tenant,
        sign_in.map(|tenant| tenant.to_string()),
    );
}

/// Sends the request on to the service, against the rule's permit for it.
async fn forward(
    permit: Permit,
    lane: &Lane,
    request: Request<Full<Bytes>>,
    record: &mut Exchange,
) -> Result<Withheld, Refusal> {
    let Permit { .. } = permit;
    lane.ask(request, Redirects::Relay, record).await
}
