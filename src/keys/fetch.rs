//! One source of signing keys: a tenant's OpenID metadata, and the key set that it names.
//!
//! Invariant: nothing is asked of any other server than the provider. Only path and query are taken
//! from `jwks_uri`, redirects are not followed, the environment's proxies are not used, and both
//! documents are bounded in size and, together, in time.
//!
//! Source: OpenID Connect Discovery 1.0 section 4, Microsoft identity platform, "OpenID Connect".

use std::future::Future;
use std::time::Duration;

use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use reqwest::Response;
use serde::Deserialize;
use thiserror::Error;
use tokio::time::timeout;

use crate::config::Provider;
use crate::core::tenant::PERSONAL_ACCOUNTS;
use crate::core::token::issuer::{Issuers, Match, PLACEHOLDER};
use crate::core::token::keys::{KeySet, KeySetError};
use crate::dial::{Dial, cause};
use crate::tls::Certificates;

/// Largest documents, in bytes. Entra's have about 2 KiB and 20 KiB.
const METADATA: usize = 64 * 1024;
const KEYS: usize = 256 * 1024;

/// One of the two documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Keys,
    Metadata,
}

impl Document {
    const fn cap(self) -> usize {
        match self {
            Self::Keys => KEYS,
            Self::Metadata => METADATA,
        }
    }
}

impl std::fmt::Display for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keys => "keys",
            Self::Metadata => "metadata",
        })
    }
}

/// Why no keys could be had. Nothing that the server wrote is in it.
#[derive(Clone, Debug, Error, PartialEq, Eq, strum::EnumCount)]
pub(super) enum FetchError {
    /// No answer: no address, no connection, no TLS, broken off.
    #[error("{0}: {1}")]
    Connection(Document, String),
    /// `jwks_uri` is another server's.
    #[error("metadata: jwks_uri has not the authority's scheme, host and port")]
    Elsewhere,
    /// The metadata is somebody else's.
    #[error("metadata: issuer is none of the provider's")]
    Issuer,
    /// It is no key set that can be used.
    #[error("keys: {0}")]
    Keys(#[from] KeySetError),
    /// It is no metadata.
    #[error("metadata: not an object with issuer and jwks_uri")]
    Metadata,
    /// It took too long.
    #[error("took too long")]
    Slow,
    /// Not 200.
    #[error("{0}: answered {1}")]
    Status(Document, u16),
    /// More than is read.
    #[error("{0}: larger than {cap} bytes", cap = .0.cap())]
    TooLarge(Document),
}

impl FetchError {
    /// The word for metrics.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Connection(..) => "connection",
            Self::Elsewhere => "elsewhere",
            Self::Issuer => "issuer",
            Self::Keys(_) => "keys",
            Self::Metadata => "metadata",
            Self::Slow => "slow",
            Self::Status(..) => "status",
            Self::TooLarge(_) => "too_large",
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    cloud_instance_name: Option<String>,
}

/// How a provider's keys are fetched.
pub(super) struct Fetcher {
    authority: Uri,
    /// What is dialled; `host` is what the server is told.
    dial: Dial,
    host: HeaderValue,
    issuers: Issuers,
    patience: Duration,
}

impl Fetcher {
    /// Prepares fetches that take no longer than `patience`; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the endpoint.
    pub(super) fn new(
        provider: &Provider,
        patience: Duration,
        certificates: &Certificates,
    ) -> Result<Self, String> {
        let authority = &provider.endpoint.authority;
        let named = authority.authority().ok_or("the authority names no host")?;
        Ok(Self {
            authority: authority.clone(),
            dial: Dial::to(
                format_args!("providers.{}", provider.name),
                &provider.endpoint,
                certificates,
            )?,
            host: HeaderValue::from_str(named.as_str()).map_err(|error| error.to_string())?,
            issuers: provider.issuers.clone(),
            patience,
        })
    }

    /// Fetches the keys that the metadata at `path` leads to.
    pub(super) async fn fetch(&self, path: &str) -> Result<KeySet, FetchError> {
        self.in_time(async {
            let metadata = self.read(Document::Metadata, path).await?;
            let (keys, cloud) = self.keys_of(&metadata)?;
            let keys = self.read(Document::Keys, keys.as_str()).await?;
            Ok(KeySet::parse_in_cloud(&keys, cloud.as_deref())?)
        })
        .await
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        timeout(self.patience, work)
            .await
            .unwrap_or(Err(FetchError::Slow))
    }

    /// Where the keys are and of which cloud, by metadata that is the provider's.
    fn keys_of(&self, metadata: &[u8]) -> Result<(PathAndQuery, Option<String>), FetchError> {
        // A list would be read by position.
        let object = metadata.trim_ascii_start().starts_with(b"{");
        let Metadata {
            issuer,
            jwks_uri,
            cloud_instance_name,
        } = serde_json::from_slice(metadata)
            .ok()
            .filter(|_| object)
            .ok_or(FetchError::Metadata)?;
        if !is_own(&issuer, &self.issuers) {
            return Err(FetchError::Issuer);
        }
        let uri: Uri = jwks_uri.parse().map_err(|_| FetchError::Elsewhere)?;
        if !same_server(&uri, &self.authority) {
            return Err(FetchError::Elsewhere);
        }
        let path = uri.into_parts().path_and_query;
        Ok((path.ok_or(FetchError::Elsewhere)?, cloud_instance_name))
    }

    async fn read(&self, document: Document, path: &str) -> Result<Vec<u8>, FetchError> {
        let broken = |error: reqwest::Error| FetchError::Connection(document, cause(&error));
        let mut response: Response = self
            .dial
            .client()
            .get(format!("{}{path}", self.dial.base))
            .header(HOST, &self.host)
            .send()
            .await
            .map_err(broken)?;
        if response.status() != reqwest::StatusCode::OK {
            let status = response.status().as_u16();
            return Err(FetchError::Status(document, status));
        }
        let cap = document.cap();
        let told = response.content_length().unwrap_or_default();
        if told > u64::try_from(cap).unwrap_or(u64::MAX) {
            return Err(FetchError::TooLarge(document));
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            if body.len() + piece.len() > cap {
                return Err(FetchError::TooLarge(document));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}

/// Whether an issuer is one of the templates, as `common` names itself, or one filled in.
fn is_own(issuer: &str, issuers: &Issuers) -> bool {
    let filled = issuer.replacen(PLACEHOLDER, PERSONAL_ACCOUNTS.encode(&mut [0; 36]), 1);
    matches!(issuers.find(Some(&filled)), Match::Tenant(_))
}

/// Whether two URLs have one scheme, host and port, and the first says no more than a server needs.
fn same_server(uri: &Uri, authority: &Uri) -> bool {
    let server = |uri: &Uri| {
        let secure = uri.scheme_str()? == "https";
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Some((
            uri.scheme()?.clone(),
            uri.host()?.to_ascii_lowercase(),
            port,
        ))
    };
    let named = uri.authority().map_or("", |named| named.as_str());
    !named.contains('@') && server(uri).is_some() && server(uri) == server(authority)
}

#[cfg(test)]
mod tests;
