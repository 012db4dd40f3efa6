//! One token exchange, top to bottom: resolve the creator, exchange with the provider, classify
//! the tokens, evaluate under both policies, reply.
//!
//! Invariant: each value is made once and then only read; both policies come from one snapshot,
//! taken after the wait for the provider; the provider's reply is withheld until the rule permits
//! its release.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Request, request};
use hyper::body::Incoming;

use crate::audit::{self, Exchange};
use crate::config::template::{Captures, TENANT};
use crate::config::{Connector, CreatorSource};
use crate::core::creator::{self, Creator};
use crate::core::form::{self, TokenRequest};
use crate::core::isolation::{self, Decision, Provider, Reason, SignIn, Undetermined, Verdict};
use crate::core::policy::{Mode, UnixSeconds};
use crate::gateway::{Gateway, Lane, Peer};
use crate::headers;
use crate::refusal::Refusal;
use crate::reply;
use crate::upstream::{self, Redirects};
use crate::withheld::{self, Reply, Withheld};

/// Carries one exchange through and answers it. Its audit record is written when it ends,
/// however it ends.
pub async fn exchange(
    gateway: &Arc<Gateway>,
    lane: &Lane,
    peer: &Peer,
    request: Request<Incoming>,
) -> Reply {
    let (head, body) = request.into_parts();
    let mut record = Exchange::open(
        gateway.audit.clone(),
        gateway.metrics.clone(),
        lane.route.clone(),
        gateway.mode,
    );
    identify(&mut record, lane, &head.headers);
    let answer = match steps(gateway, lane, peer, head, body, &mut record).await {
        Ok(answer) => answer,
        Err(refusal) => {
            record.refused(refusal.reason());
            reply::refuse(refusal, &record)
        }
    };
    record.status = Some(answer.status().as_u16());
    answer
}

/// Refuses a request that reached a token route and is no exchange (a wrong method), with a record.
pub fn refused(gateway: &Gateway, lane: &Lane, refusal: Refusal) -> Exchange {
    let mut record = Exchange::open(
        gateway.audit.clone(),
        gateway.metrics.clone(),
        lane.route.clone(),
        gateway.mode,
    );
    record.refused(refusal.reason());
    record.status = Some(refusal.status().as_u16());
    record
}

async fn steps(
    gateway: &Arc<Gateway>,
    lane: &Lane,
    peer: &Peer,
    mut head: request::Parts,
    body: Incoming,
    record: &mut Exchange,
) -> Result<Reply, Refusal> {
    let body = read_form(gateway, &head.headers, body).await?;
    let admitted = gateway.admit()?;
    record.grant_type = Some(grant_type(&body, lane.terms.provider)?);

    let path = head.uri.path().to_owned();
    let captures = lane.route.path.matches(&path).ok_or(Refusal::NoRoute)?;
    let creator = resolve(lane, peer, &head.headers, &captures)?;
    record.creator = Some(creator);

    if let Some(decision) = decide_early(gateway, lane, creator, &captures, record).await {
        return conclude(decision, None, lane, record);
    }

    let target = lane.target(&captures, head.uri.query())?;
    headers::towards_provider(
        &mut head.headers,
        lane.upstream.host(),
        &gateway.trust_headers,
        lane.route.cookies,
    );
    let request = upstream::request(head.method, &target, head.headers, body)?;
    abreast().await;
    let asked = Instant::now();
    let received = lane.upstream.exchange(request, Redirects::Refuse).await;
    record.upstream_us = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
    let withheld = received?;
    record.upstream_status = Some(withheld.status().as_u16());

    let sign_in = classify(gateway, lane, &withheld, record)?;
    let decision = isolation::decide(
        creator.tenant(),
        &sign_in,
        &gateway.policies.snapshot(),
        lane.terms,
        now(),
    );
    let mut answer = conclude(decision, Some(withheld), lane, record)?;
    admitted.hold(&mut answer);
    abreast().await;
    Ok(answer)
}

/// Lets the worker's other exchanges come as far. Under load their requests then leave in a row,
/// and so do their answers, which wakes the other side fewer times and keeps caches warm: about a
/// tenth of the cost of an exchange (`bench/README.md`).
async fn abreast() {
    tokio::task::yield_now().await;
}

/// What the record says of the request as such.
fn identify(record: &mut Exchange, lane: &Lane, headers: &HeaderMap) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    record.connector = match &lane.route.connector {
        Connector::Fixed(name) => Some(name.clone()),
        Connector::Header(name) => text(name.as_str()).map(|text| audit::bounded(text).to_owned()),
        Connector::None => None,
    };
    let sound = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    record.correlation_id = text("client-request-id").filter(sound).map(str::to_owned);
    record.trace_id = text("traceparent")
        .and_then(|parent| parent.split('-').nth(1))
        .filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        .map(str::to_owned);
}

/// The request's body, whole, if it is a form.
async fn read_form(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Bytes, Refusal> {
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
    gateway.read_body(body).await
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

/// Who creates or runs the connection, from the route's sources in the operator's order.
fn resolve(
    lane: &Lane,
    peer: &Peer,
    headers: &HeaderMap,
    captures: &Captures<'_, '_>,
) -> Result<Creator, Refusal> {
    let mut claims = Vec::with_capacity(2);
    for source in &lane.route.creator {
        let claim = match source {
            CreatorSource::Fixed(tenant) => {
                Some((creator::Source::Fixed, Cow::Owned(tenant.to_string())))
            }
            // From a peer that is not trusted it is as if it had not been sent.
            CreatorSource::Header(name) => {
                headers.get(name).filter(|_| peer.trusted).map(|value| {
                    (
                        creator::Source::Header,
                        String::from_utf8_lossy(value.as_bytes()),
                    )
                })
            }
            CreatorSource::Path(name) => captures
                .get(name)
                .map(|text| (creator::Source::Path, Cow::Borrowed(text))),
        };
        claims.extend(claim);
    }
    let claims = claims.iter().map(|(source, text)| (*source, text.as_ref()));
    creator::resolve(claims).map_err(Refusal::Creator)
}

/// The same rule before the provider is asked, where the path names a concrete tenant: no token
/// is minted and no code is burnt for a connection that is blocked anyway. Only a block is
/// returned; the check on the reply stays the authority.
async fn decide_early(
    gateway: &Gateway,
    lane: &Lane,
    creator: Creator,
    captures: &Captures<'_, '_>,
    record: &mut Exchange,
) -> Option<Decision> {
    let segment = captures.get(TENANT)?;
    if !matches!(lane.terms.provider, Provider::Entra) {
        return None;
    }
    let tenant = lane.domains.tenant(segment, &lane.upstream).await?;
    let policies = gateway.policies.snapshot();
    let decision = isolation::evaluate(creator.tenant(), tenant, &policies, lane.terms, now());
    if !matches!(decision.verdict, Verdict::Block | Verdict::Unavailable) {
        return None;
    }
    record.early = true;
    record.sign_in_tenant = Some(tenant);
    Some(decision)
}

/// Whom the reply signs in.
fn classify(
    gateway: &Gateway,
    lane: &Lane,
    withheld: &Withheld,
    record: &mut Exchange,
) -> Result<SignIn, Refusal> {
    let tokens = match withheld.inspect(&lane.route.provider.issuers) {
        Ok(tokens) => tokens,
        // Report-only withholds nothing that arrived whole.
        Err(_) if gateway.mode == Mode::ReportOnly => {
            return Ok(SignIn::Undetermined(Undetermined::Unreadable, Vec::new()));
        }
        Err(refusal) => return Err(refusal),
    };
    let sign_in = SignIn::of(&tokens, withheld.outcome(), lane.terms.provider);
    record.sign_in_tenant = match &sign_in {
        SignIn::Entra(tenant) => Some(*tenant),
        SignIn::NoToken | SignIn::NotEntra | SignIn::Undetermined(..) => None,
    };
    record.tokens = Some(tokens);
    Ok(sign_in)
}

/// Turns a decision into an answer: the withheld reply against the permit, or a block.
fn conclude(
    decision: Decision,
    withheld: Option<Withheld>,
    lane: &Lane,
    record: &mut Exchange,
) -> Result<Reply, Refusal> {
    record.decided(&decision);
    let permit = match decision.verdict {
        Verdict::Block => {
            // With `undetermined = "allow"` a tenant named by one of several tokens may block.
            let tenant = decision.inbound.map(|side| side.tenant);
            return Ok(reply::block(&decision, tenant, record));
        }
        Verdict::Unavailable => return Ok(reply::refuse(Refusal::PolicyUnavailable, record)),
        Verdict::Allow(permit) | Verdict::PassNonEntra(permit) | Verdict::WouldBlock(permit) => {
            permit
        }
    };
    warn_of(decision.reason, lane, record);
    let withheld = withheld.ok_or(Refusal::UpstreamIncomplete)?;
    let mut answer = withheld.release(permit, lane.route.cookies);
    withheld::no_store(answer.headers_mut());
    Ok(answer)
}

/// One warning for each reply that passes through a known gap.
fn warn_of(reason: Reason, lane: &Lane, record: &Exchange) {
    let route = &*lane.route.name;
    let provider = &*lane.route.provider.name;
    let (id, connector) = (record.decision_id, record.connector.as_deref());
    match reason {
        Reason::NonEntra => tracing::warn!(
            route, provider, connector, decision.id = %id,
            "passed a token that is not Entra's: tenant isolation cannot see who signed in"
        ),
        Reason::Undetermined(why) => tracing::warn!(
            route, provider, connector, decision.id = %id, reason = why.as_str(),
            "passed a token although its tenant is undetermined (undetermined = \"allow\" or mode \
             report-only)"
        ),
        Reason::WithoutClientTenantAllowed => tracing::warn!(
            route, provider, connector, decision.id = %id,
            "passed a connection without a client tenant id"
        ),
        Reason::BothAllow
        | Reason::BothBlock
        | Reason::InboundBlock
        | Reason::NoToken
        | Reason::OutboundBlock
        | Reason::PolicyUnreadable
        | Reason::SameTenant
        | Reason::WithoutClientTenantBlocked => {}
    }
}

/// The time, for the rule. Before the epoch nothing is known: every entry counts as expired.
pub fn now() -> UnixSeconds {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(UnixSeconds::MAX, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
}
