//! Which tenant a domain belongs to, asked of the provider when a domain is written into a policy.
//!
//! 1. The name is a domain by the letter: ASCII labels of letters, digits and hyphens, two or more.
//!    What only looks like one is refused before anybody is asked.
//! 2. The provider's OpenID metadata for it is asked for, of that server and no other.
//! 3. A tenant of another cloud is refused, whatever its issuer looks like.
//! 4. The issuer must be one of the provider's, with a tenant id in it.
//!
//! Invariant: a [`Resolved`] has been through all four; what cannot be told is an error, never
//! "no such tenant".
//!
//! Source: OpenID Connect Discovery 1.0; Microsoft identity platform, "OpenID Connect" (`issuer` of
//! a domain's metadata) and "National clouds" (`cloud_instance_name`, `tenant_region_scope`).

use std::time::Duration;

use http::HeaderValue;
use http::header::HOST;
use moka::sync::Cache;
use reqwest::StatusCode;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::Provider;
use crate::core::tenant::{MANY_TENANTS, PERSONAL_ACCOUNTS, TenantId};
use crate::core::token::issuer::{Cloud, Issuers, Match, PLACEHOLDER};
use crate::dial::Dial;
use crate::tls::Certificates;

/// Domains kept at most.
const MOST: u64 = 10_000;

/// A domain seldom moves to another tenant, and seldom appears.
const KEPT: Duration = Duration::from_secs(600);
const REFUSAL_KEPT: Duration = Duration::from_secs(60);

/// Questions to the provider at once, whoever asks.
const AT_ONCE: usize = 8;

/// Largest answer, in bytes. Entra's have about 2 KiB.
const LARGEST: usize = 64 * 1024;

/// A domain and the tenant that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The domain, in lower case.
    pub domain: String,
    /// Its tenant.
    pub tenant: TenantId,
}

/// Why a domain is no tenant's, or nobody can tell whose. No text of the provider is in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ResolveError {
    /// It is not a domain.
    #[error("{0}")]
    Name(NameError),
    /// It belongs to a tenant of another cloud.
    #[error("a domain of a tenant in another cloud ({0}), which this provider does not serve")]
    OtherCloud(&'static str),
    /// The provider's answer is not one.
    #[error("the provider's answer about it cannot be used: {0}")]
    Strange(&'static str),
    /// No answer, or none that says anything about the domain.
    #[error("the provider cannot be asked about it: {0}")]
    Unavailable(String),
    /// The provider says that there is no such tenant.
    #[error("a domain that the provider knows no tenant of (AADSTS90002)")]
    Unknown,
}

impl ResolveError {
    /// Whether the name is at fault, and not the provider or the way to it.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Name(_) | Self::OtherCloud(_) | Self::Unknown => true,
            Self::Strange(_) | Self::Unavailable(_) => false,
        }
    }
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// A name that stands for many tenants, or for personal accounts.
    #[error("a name that stands for no single organisation's tenant; give its domain or its id")]
    Alias,
    /// Letters that may look like others.
    #[error("characters that are not ASCII; write the domain in its xn-- form (punycode)")]
    NotAscii,
    /// Anything else.
    #[error(
        "not a domain: labels of letters, digits and hyphens with dots between, no dot or space at \
         an end"
    )]
    NotADomain,
    /// Spaces within or around it.
    #[error("white space, which no domain has")]
    Space,
    /// A dot at its end.
    #[error("a dot at the end; write the domain without it")]
    TrailingDot,
}

/// A domain by the letter, in lower case.
///
/// # Errors
/// What is wrong with it.
pub fn domain(name: &str) -> Result<String, NameError> {
    let alias = |alias: &&str| name.eq_ignore_ascii_case(alias);
    if MANY_TENANTS.iter().any(alias) || alias(&"consumers") {
        return Err(NameError::Alias);
    }
    if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(NameError::Space);
    }
    if !name.is_ascii() {
        return Err(NameError::NotAscii);
    }
    if name.len() > 1 && name.ends_with('.') {
        return Err(NameError::TrailingDot);
    }
    if !is_domain(name) {
        return Err(NameError::NotADomain);
    }
    Ok(name.to_ascii_lowercase())
}

fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(label)
        && !last.bytes().all(|b| b.is_ascii_digit())
}

/// Asks one provider about domains.
pub struct Resolver {
    dial: Dial,
    host: HeaderValue,
    issuers: Issuers,
    patience: Duration,
    places: Semaphore,
    known: Cache<String, TenantId>,
    refused: Cache<String, ResolveError>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    cloud_instance_name: Option<String>,
    tenant_region_scope: Option<String>,
}

#[derive(Deserialize)]
struct Fault {
    error: String,
    #[serde(default)]
    error_codes: Vec<u64>,
    #[serde(default)]
    error_description: String,
}

impl Resolver {
    /// Prepares questions that take no longer than `patience`; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the endpoint or its certificates.
    pub fn new(
        provider: &Provider,
        patience: Duration,
        certificates: &Certificates,
    ) -> Result<Self, String> {
        let dial = Dial::to(
            format_args!("providers.{}", provider.name),
            &provider.endpoint,
            certificates,
        )?;
        let authority = provider.endpoint.authority.authority();
        let named = authority.ok_or("the authority names no host")?;
        let keep = |span| Cache::builder().max_capacity(MOST).time_to_live(span);
        Ok(Self {
            dial,
            host: HeaderValue::from_str(named.as_str()).map_err(|error| error.to_string())?,
            issuers: provider.issuers.clone(),
            patience,
            places: Semaphore::new(AT_ONCE),
            known: keep(KEPT).build(),
            refused: Cache::builder()
                .max_capacity(MOST)
                .time_to_live(REFUSAL_KEPT)
                .build(),
        })
    }

    /// The tenant that a domain belongs to. It may wait until others have their answers.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn resolve(&self, name: &str) -> Result<Resolved, ResolveError> {
        let domain = domain(name).map_err(ResolveError::Name)?;
        if let Some(told) = self.told(&domain) {
            return told.map(|tenant| Resolved { domain, tenant });
        }
        let closed = |_| ResolveError::Unavailable("nobody asks any more".into());
        let _place = self.places.acquire().await.map_err(closed)?;
        // Somebody else may have asked the same meanwhile.
        if let Some(told) = self.told(&domain) {
            return told.map(|tenant| Resolved { domain, tenant });
        }
        let asked = timeout(self.patience, self.ask(&domain)).await;
        match asked.unwrap_or_else(|_| Err(ResolveError::Unavailable("no answer in time".into()))) {
            Ok(tenant) => {
                self.known.insert(domain.clone(), tenant);
                Ok(Resolved { domain, tenant })
            }
            Err(error) => {
                if error.is_final() {
                    self.refused.insert(domain, error.clone());
                }
                Err(error)
            }
        }
    }

    /// What the provider said of a domain not long ago.
    fn told(&self, domain: &str) -> Option<Result<TenantId, ResolveError>> {
        let known = self.known.get(domain).map(Ok);
        known.or_else(|| self.refused.get(domain).map(Err))
    }

    async fn ask(&self, domain: &str) -> Result<TenantId, ResolveError> {
        let broken = |error: reqwest::Error| {
            // Only its kind: its text may hold an address.
            let what = if error.is_connect() {
                "no connection"
            } else {
                "no whole answer"
            };
            ResolveError::Unavailable(what.into())
        };
        let path = format!("/{domain}/v2.0/.well-known/openid-configuration");
        let request = self.dial.client().get(format!("{}{path}", self.dial.base));
        let request = request.header(HOST, &self.host).send();
        let mut response = request.await.map_err(broken)?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            if body.len() + piece.len() > LARGEST {
                return Err(ResolveError::Strange("it is too large"));
            }
            body.extend_from_slice(&piece);
        }
        match response.status() {
            StatusCode::OK => tenant(&body, &self.issuers),
            StatusCode::BAD_REQUEST if is_unknown(&body) => Err(ResolveError::Unknown),
            status => Err(ResolveError::Unavailable(format!("it answered {status}"))),
        }
    }
}

/// Whether a refusal says that there is no such tenant.
fn is_unknown(body: &[u8]) -> bool {
    serde_json::from_slice::<Fault>(body).is_ok_and(|fault| {
        fault.error == "invalid_tenant"
            || fault.error_codes.contains(&90002)
            || fault.error_description.starts_with("AADSTS90002:")
    })
}

/// The tenant that metadata is of.
fn tenant(metadata: &[u8], issuers: &Issuers) -> Result<TenantId, ResolveError> {
    // A list would be read by position.
    let object = metadata.trim_ascii_start().starts_with(b"{");
    let metadata: Metadata = serde_json::from_slice(metadata)
        .ok()
        .filter(|_| object)
        .ok_or(ResolveError::Strange("it is no OpenID metadata"))?;
    if let Some(cloud) = elsewhere(&metadata, issuers) {
        return Err(ResolveError::OtherCloud(cloud));
    }
    match issuers.find(Some(&metadata.issuer)) {
        Match::Tenant(PERSONAL_ACCOUNTS) => Err(ResolveError::Name(NameError::Alias)),
        Match::Tenant(tenant) => Ok(tenant),
        Match::Foreign | Match::Resembles => Err(ResolveError::Strange(
            "its issuer is none of the provider's",
        )),
    }
}

/// The other cloud that metadata says its tenant is in. A provider with issuers of its own is in
/// no cloud that we know, and then only the issuer tells.
fn elsewhere(metadata: &Metadata, issuers: &Issuers) -> Option<&'static str> {
    let own: Vec<Cloud> = Cloud::ALL
        .into_iter()
        .filter(|cloud| issues(*cloud, issuers))
        .collect();
    let other = |named: Cloud| (!own.contains(&named)).then(|| name(named));
    let by_issuer = Cloud::ALL.into_iter().find(|cloud| {
        let templates = Issuers::of_clouds(&[*cloud]);
        matches!(templates.find(Some(&metadata.issuer)), Match::Tenant(_))
            && !matches!(issuers.find(Some(&metadata.issuer)), Match::Tenant(_))
    });
    if let Some(cloud) = by_issuer {
        return other(cloud);
    }
    if own.is_empty() {
        return None;
    }
    if let Some(instance) = &metadata.cloud_instance_name {
        let named = |cloud: &Cloud| name(*cloud).eq_ignore_ascii_case(instance);
        let elsewhere = match Cloud::ALL.into_iter().find(named) {
            Some(cloud) => other(cloud),
            None => Some("one that is not known here"),
        };
        if elsewhere.is_some() {
            return elsewhere;
        }
    }
    let region = metadata.tenant_region_scope.as_deref().unwrap_or_default();
    let government = region.to_ascii_uppercase().starts_with("USG");
    if government {
        other(Cloud::UsGov)
    } else {
        None
    }
}

/// Whether a cloud's issuers are among these.
fn issues(cloud: Cloud, issuers: &Issuers) -> bool {
    // Version 2.0's: that of version 1.0 is shared by two clouds.
    let [template, _] = cloud.issuers();
    let filled = template.replacen(PLACEHOLDER, "11111111-1111-4111-8111-111111111111", 1);
    matches!(issuers.find(Some(&filled)), Match::Tenant(_))
}

/// `cloud_instance_name` of a cloud's metadata.
const fn name(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::China => "partner.microsoftonline.cn",
        Cloud::Public => "microsoftonline.com",
        Cloud::UsGov => "microsoftonline.us",
    }
}

#[cfg(test)]
mod tests;
