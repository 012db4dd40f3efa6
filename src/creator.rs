//! Who creates or runs the connection: what each of a route's sources says of it.
//!
//! Invariant: a bearer token counts only verified; a header counts only from a peer that is
//! believed.

use http::{HeaderMap, HeaderName};

use crate::config::template::Captures;
use crate::config::{CreatorSource, Provider, Route, RouteKind};
use crate::core::creator::{self, Claim, Creator};
use crate::core::token::verified::{Refused, Verified};
use crate::gateway::{Gateway, Lane, Peer};
use crate::keys::{NotVerified, Waited};
use crate::presented::{self, Doubtful};
use crate::refusal::Refusal;

/// Settles on the creator, from the route's sources in the operator's order. Where a connection
/// route asks for the creator's token, it must be there.
///
/// # Errors
/// The refusal to answer with.
pub async fn resolve(
    gateway: &Gateway,
    lane: &Lane,
    peer: &Peer,
    headers: &HeaderMap,
    captures: &Captures<'_, '_>,
    waited: &mut Option<Waited>,
) -> Result<Creator, Refusal> {
    let connection = matches!(lane.route.kind, RouteKind::Connection(_));
    let mut claims = Vec::with_capacity(2);
    for source in &lane.route.creator {
        let claim = match source {
            CreatorSource::Bearer {
                header,
                audience,
                provider,
            } => match presented::in_header(headers, header) {
                Ok(None) if connection && headers.contains_key(header) => {
                    // Of another scheme: it would travel, unread.
                    return Err(Refusal::CreatorTokenMissing);
                }
                Ok(None) => None,
                Ok(Some(token)) => {
                    let token = verify(gateway, provider, token, audience, waited).await?;
                    Some(Claim::Bearer(token))
                }
                Err(Doubtful) => return Err(Refusal::CreatorToken(Refused::Malformed)),
            },
            CreatorSource::Fixed(tenant) => Some(Claim::Fixed(*tenant)),
            // From a peer that is not trusted it is as if it had not been sent.
            CreatorSource::Header(name) => headers
                .get(name)
                .filter(|_| peer.trusted)
                .map(|value| Claim::Header(String::from_utf8_lossy(value.as_bytes()))),
            CreatorSource::Path(name) => captures.get(name).map(Claim::Path),
        };
        claims.extend(claim);
    }
    let token = claims.iter().any(|claim| matches!(claim, Claim::Bearer(_)));
    if connection && bearers(&lane.route).next().is_some() && !token {
        return Err(Refusal::CreatorTokenMissing);
    }
    creator::resolve(claims).map_err(Refusal::Creator)
}

async fn verify(
    gateway: &Gateway,
    provider: &Provider,
    token: &str,
    audience: &[String],
    waited: &mut Option<Waited>,
) -> Result<Verified, Refusal> {
    let keys = gateway.keys.of(&provider.name);
    let keys = keys.ok_or(Refusal::KeysUnavailable)?;
    let verified = keys.verify_noting(token, audience, waited).await;
    verified.map_err(|why| match why {
        NotVerified::Refused(why) => Refusal::CreatorToken(why),
        NotVerified::Unavailable => Refusal::KeysUnavailable,
    })
}

fn bearers(route: &Route) -> impl Iterator<Item = &HeaderName> {
    route.creator.iter().filter_map(|source| match source {
        CreatorSource::Bearer { header, .. } => Some(header),
        CreatorSource::Fixed(_) | CreatorSource::Header(_) | CreatorSource::Path(_) => None,
    })
}

/// Takes the creator's tokens out of a request to an identity provider: they are for us. Client
/// authentication in the same header (`Basic`) stays.
pub fn without_bearers(headers: &mut HeaderMap, route: &Route) {
    for name in bearers(route) {
        if presented::in_header(headers, name) != Ok(None) {
            headers.remove(name);
        }
    }
}
