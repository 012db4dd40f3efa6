//! Which tenant a path segment names: an id, `consumers`, or a domain, resolved at the provider.
//!
//! Invariant: this serves the early check only. What cannot be resolved is not decided early; the
//! check on the reply decides.
//!
//! Source: OpenID Connect Discovery 1.0; Microsoft identity platform, "OpenID Connect" (`issuer`
//! of a domain's metadata names its tenant id).

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use moka::sync::Cache;
use serde::Deserialize;
use tokio::time::timeout;

use crate::core::tenant::{PERSONAL_ACCOUNTS, TenantId};
use crate::core::token::issuer::{Issuers, Match};
use crate::resolve;
use crate::upstream::Upstream;

/// Domains kept at most.
const MOST: u64 = 10_000;

/// A domain seldom moves to another tenant; the check on the reply covers the rest.
const KEPT: Duration = Duration::from_secs(3600);

/// The early check is a courtesy: it does not hold an exchange up for longer than this.
const PATIENCE: Duration = Duration::from_secs(3);

/// Domains of one provider, resolved and kept for a while. None: not resolvable.
pub struct Domains {
    issuers: Issuers,
    known: Cache<String, Option<TenantId>>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
}

impl Domains {
    /// An empty cache for a provider with these issuers.
    pub fn new(issuers: Issuers) -> Self {
        Self {
            issuers,
            known: Cache::builder()
                .max_capacity(MOST)
                .time_to_live(KEPT)
                .build(),
        }
    }

    /// The tenant that a path segment names, if it names one.
    pub async fn tenant(&self, segment: &str, upstream: &Upstream) -> Option<TenantId> {
        if let Ok(tenant) = TenantId::parse(segment) {
            return Some(tenant);
        }
        if segment.eq_ignore_ascii_case("consumers") {
            return Some(PERSONAL_ACCOUNTS);
        }
        let domain = resolve::domain(segment).ok()?;
        if let Some(known) = self.known.get(&domain) {
            return known;
        }
        // Only what the provider said is kept: a fault of the moment is not.
        let found = self.ask(&domain, upstream).await?;
        self.known.insert(domain, found);
        found
    }

    async fn ask(&self, domain: &str, upstream: &Upstream) -> Option<Option<TenantId>> {
        let target = format!("/{domain}/v2.0/.well-known/openid-configuration");
        let mut headers = HeaderMap::new();
        headers.insert(http::header::HOST, upstream.host().clone());
        let asked = upstream.published(&target, headers, Bytes::new());
        let reply = timeout(PATIENCE, asked).await.ok()?.ok()?;
        if reply.status().is_client_error() {
            return Some(None);
        }
        let Metadata { issuer } = serde_json::from_slice(reply.text(&self.issuers).ok()?).ok()?;
        Some(match self.issuers.find(Some(&issuer)) {
            Match::Tenant(tenant) => Some(tenant),
            Match::Foreign | Match::Resembles => None,
        })
    }
}
