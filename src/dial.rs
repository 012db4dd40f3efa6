//! How a provider is dialled, for keys and for domains: one TLS stack, its own roots, and another
//! address where `connect` says so.
//!
//! reqwest connects to the port that a URL names, whatever a resolver says, and asks no resolver
//! about addresses. So with `connect` the URL has that port, the resolver that address, and the
//! server is told its own name in `host`; where the name is an address, the URL has the other
//! host's name and the certificate must still be the address's own.

use std::net::IpAddr;
use std::time::Duration;

use http::uri::Scheme;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, retry};
use rustls::pki_types::ServerName;
use tokio::net::lookup_host;

use crate::config::Endpoint;
use crate::tls;

/// Metadata and keys are fetched in a row, and then nothing for a while.
const IDLE: Duration = Duration::from_secs(5);

/// A client, and the scheme, host and port that its URLs have.
pub(crate) struct Dial {
    pub(crate) base: String,
    pub(crate) client: Client,
}

impl Dial {
    /// Prepares a client for one server; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the endpoint.
    pub(crate) fn to(endpoint: &Endpoint) -> Result<Self, String> {
        let authority = &endpoint.authority;
        let host = authority.host().ok_or("the authority names no host")?;
        let named = authority.authority().map_or(host, |named| named.as_str());
        let secure = authority.scheme() != Some(&Scheme::HTTP);
        let scheme = if secure { "https" } else { "http" };
        let address = bare(host).parse::<IpAddr>().ok();
        let mut client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        if secure {
            let ca = endpoint.ca.as_deref();
            let config = match (&endpoint.connect, address) {
                (Some(_), Some(address)) => tls::client_of(ca, ServerName::from(address)),
                (Some(_) | None, _) => tls::client(ca),
            };
            client = client.tls_backend_preconfigured(config?);
        }
        let base = match (&endpoint.connect, address) {
            (None, _) => format!("{scheme}://{named}"),
            (Some((to, port)), Some(_)) => format!("{scheme}://{}:{port}", bracketed(to)),
            (Some((to, port)), None) => {
                client = client.dns_resolver(Elsewhere(to.clone(), *port));
                format!("{scheme}://{host}:{port}")
            }
        };
        let client = client
            .build()
            .map_err(|error| error.without_url().to_string())?;
        Ok(Self { base, client })
    }
}

/// The innermost cause: the outer ones say that a request failed, and to which address.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if cause.is::<reqwest::Error>() {
        // It has no cause, and its text may hold the address.
        return "no answer".to_owned();
    }
    cause.to_string()
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// Every name is at this host and port.
struct Elsewhere(String, u16);

impl Resolve for Elsewhere {
    fn resolve(&self, _name: Name) -> Resolving {
        let (host, port) = (self.0.clone(), self.1);
        Box::pin(async move {
            let addresses: Vec<_> = lookup_host((host, port)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
