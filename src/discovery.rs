//! The discovery route: OpenID metadata, with every endpoint that returns tokens led back here.
//!
//! Invariant: a client that follows what it reads never reaches the provider's token endpoint. A
//! URL is left as it is only if it stands under a name that is known to return no token; any other
//! is rewritten to this gateway (which answers 404 where it has no route), or the document is
//! withheld.
//!
//! Source: OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2, RFC 8628 section 4, RFC
//! 8705 section 5 (`mtls_endpoint_aliases`).

use http::uri::Authority;
use http::{Request, Uri};
use hyper::body::Incoming;
use serde_json::Value;

use crate::config::RouteKind;
use crate::config::template::{Captures, TENANT};
use crate::core::isolation::{self, Provider, SignIn, Verdict};
use crate::core::tenant::TenantId;
use crate::core::token::issuer::{Match, PLACEHOLDER};
use crate::gateway::{Lane, Worker};
use crate::headers;
use crate::refusal::Refusal;
use crate::withheld::{self, Reply};

/// Members whose URL returns no token: it stays, unless this gateway routes its path.
const NO_TOKEN: [&str; 11] = [
    "authorization_endpoint",
    "check_session_iframe",
    "end_session_endpoint",
    "error_uri",
    "jwks_uri",
    "op_policy_uri",
    "op_tos_uri",
    "rbac_url",
    "service_documentation",
    "userinfo_endpoint",
    "introspection_endpoint",
];

/// The member by which instance discovery leads to a tenant's metadata; such a document names no
/// issuer.
const INSTANCE: &str = "tenant_discovery_endpoint";

/// Relays a request for metadata, and rewrites what comes.
///
/// # Errors
/// The refusal to answer with.
pub async fn answer(
    worker: &Worker,
    lane: &Lane,
    host: &Authority,
    request: Request<Incoming>,
) -> Result<Reply, Refusal> {
    let gateway = &worker.gateway;
    let (mut head, body) = request.into_parts();
    let body = gateway.read_body(&head, body).await?;
    let admitted = gateway.admit()?;
    let path = head.uri.path().to_owned();
    let captures = lane.route.path.matches(&path).ok_or(Refusal::NoRoute)?;
    let target = lane.target(&captures, head.uri.query())?;
    let (route, upstream) = (&lane.route, &lane.upstream);
    headers::towards_upstream(
        &mut head.headers,
        upstream.host(),
        &gateway.trust_headers,
        route.cookies,
    );
    headers::without_conditions(&mut head.headers);
    let published = upstream.published(&target, head.headers, body).await?;

    let text = published.text(&route.provider.issuers)?;
    let mut document: Value =
        serde_json::from_slice(text).map_err(|_| Refusal::UpstreamMetadata)?;
    let base = Base {
        worker,
        lane,
        host,
        captures: &captures,
    };
    if published.status().is_success() {
        base.check_issuer(&document)?;
    }
    base.rewrite(None, &mut document)?;
    let rewritten = serde_json::to_vec(&document).map_err(|_| Refusal::UpstreamMetadata)?;

    // Nothing in it is a token: the rule gives the permit for that.
    let policies = gateway.policies.snapshot();
    let decision = isolation::decide(None, &SignIn::NoToken, &policies, lane.terms, 0);
    let Verdict::Allow(permit) = decision.verdict else {
        return Err(Refusal::UpstreamMetadata);
    };
    let mut reply = published.release_rewritten(permit, route.cookies, rewritten);
    // It names the host that the request named: nobody else's to keep.
    withheld::no_store(reply.headers_mut());
    admitted.hold(&mut reply);
    Ok(reply)
}

/// What a rewritten URL is made of.
struct Base<'a> {
    worker: &'a Worker,
    lane: &'a Lane,
    host: &'a Authority,
    captures: &'a Captures<'a, 'a>,
}

impl Base<'_> {
    /// Metadata of another tenant or another issuer than asked for leads the client astray.
    fn check_issuer(&self, document: &Value) -> Result<(), Refusal> {
        let provider = &self.lane.route.provider;
        if !matches!(provider.kind, Provider::Entra) {
            return Ok(());
        }
        let issuer = document.get("issuer").and_then(Value::as_str);
        if issuer.is_none() && document.get(INSTANCE).is_some() {
            return Ok(());
        }
        // `common` and `organizations` answer with a template in place of a tenant.
        let stand_in = crate::core::tenant::PERSONAL_ACCOUNTS.to_string();
        let filled = issuer.map(|issuer| issuer.replace(PLACEHOLDER, &stand_in));
        let Match::Tenant(named) = provider.issuers.find(filled.as_deref()) else {
            return Err(Refusal::UpstreamMetadata);
        };
        let asked = self
            .captures
            .get(TENANT)
            .and_then(|text| TenantId::parse(text).ok());
        match asked {
            Some(asked) if asked != named => Err(Refusal::UpstreamMetadata),
            _ => Ok(()),
        }
    }

    /// Rewrites every URL below a value; `name` is the member it stands under.
    fn rewrite(&self, name: Option<&str>, value: &mut Value) -> Result<(), Refusal> {
        match value {
            Value::Object(members) => members
                .iter_mut()
                .try_for_each(|(name, value)| self.rewrite(Some(name), value)),
            Value::Array(values) => values
                .iter_mut()
                .try_for_each(|value| self.rewrite(name, value)),
            Value::String(text) => {
                if let Some(rewritten) = self.rewritten(name.unwrap_or_default(), text)? {
                    *text = rewritten;
                }
                Ok(())
            }
            Value::Bool(_) | Value::Null | Value::Number(_) => Ok(()),
        }
    }

    /// The URL to put in place of `text`, or none if it stays.
    fn rewritten(&self, name: &str, text: &str) -> Result<Option<String>, Refusal> {
        let name = name.to_ascii_lowercase();
        let is_endpoint = name.ends_with("_endpoint") || name.ends_with("_uri");
        let is_url = text.contains("//") || text.contains('\\') || text.starts_with('/');
        if name == "issuer" || !(is_url || is_endpoint) {
            return Ok(None);
        }
        let harmless = NO_TOKEN.contains(&name.as_str());
        let url = match text.parse::<Uri>() {
            Ok(url) if url.scheme().is_some() && url.authority().is_some() => url,
            _ if harmless => return Ok(None),
            _ => return Err(Refusal::UpstreamMetadata),
        };
        let path = match self.routed(url.path()) {
            Some(path) => path,
            None if harmless => return Ok(None),
            None => url.path().to_owned(),
        };
        let query = url
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        Ok(Some(format!("{}{path}{query}", self.origin())))
    }

    /// The gateway's path for a path of the provider, if a route leads there.
    fn routed(&self, path: &str) -> Option<String> {
        self.worker.lanes.iter().find_map(|lane| {
            let route = &lane.route;
            let to_service = matches!(route.kind, RouteKind::Connection(_));
            let same = !to_service
                && route.provider.name == self.lane.route.provider.name
                && route
                    .host
                    .as_ref()
                    .is_none_or(|host| host.eq_ignore_ascii_case(self.host.host()));
            if !same {
                return None;
            }
            let captures = route.upstream_path.matches(path)?;
            route.path.fill(&[&captures, self.captures])
        })
    }

    /// Scheme and authority under which the client reaches this gateway.
    fn origin(&self) -> String {
        match &self.worker.gateway.public_url {
            Some(url) => url.to_string().trim_end_matches('/').to_owned(),
            None if self.worker.gateway.tls => format!("https://{}", self.host),
            None => format!("http://{}", self.host),
        }
    }
}
