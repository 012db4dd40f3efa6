//! How a provider is dialled, for keys and for domains: one TLS stack, its own roots, and another
//! address where `connect` says so.
//!
//! reqwest connects to the port that a URL names, whatever a resolver says, and asks no resolver
//! about addresses. So with `connect` the URL has that port, the resolver that address, and the
//! server is told its own name in `host`; where the name is an address, the URL has the other
//! host's name and the certificate must still be the address's own.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::uri::Scheme;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, retry};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::lookup_host;

use crate::config::Endpoint;
use crate::tls::{self, Certificates};

/// Metadata and keys are fetched in a row, and then nothing for a while.
const IDLE: Duration = Duration::from_secs(5);

/// A client, and the scheme, host and port that its URLs have.
pub(crate) struct Dial {
    pub(crate) base: String,
    /// Where every name is, if not where resolvers say.
    elsewhere: Option<(String, u16)>,
    tls: Option<tls::Client>,
    /// The client, and under which certificates it was made.
    made: Mutex<(u64, Client)>,
}

impl Dial {
    /// Prepares a client for one server, which logs and metrics call `of`; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the endpoint.
    pub(crate) fn to(
        of: impl Display,
        endpoint: &Endpoint,
        certificates: &Certificates,
    ) -> Result<Self, String> {
        let authority = &endpoint.authority;
        let host = authority.host().ok_or("the authority names no host")?;
        let named = authority.authority().map_or(host, |named| named.as_str());
        let secure = authority.scheme() != Some(&Scheme::HTTP);
        let scheme = if secure { "https" } else { "http" };
        let address = bare(host).parse::<IpAddr>().ok();
        let own = address.filter(|_| endpoint.connect.is_some());
        let tls = secure
            .then(|| certificates.towards(of, endpoint, own.map(ServerName::from)))
            .transpose()?;
        let (base, elsewhere) = match (&endpoint.connect, address) {
            (None, _) => (format!("{scheme}://{named}"), None),
            (Some((to, port)), Some(_)) => (format!("{scheme}://{}:{port}", bracketed(to)), None),
            (Some((to, port)), None) => {
                let base = format!("{scheme}://{host}:{port}");
                (base, Some((to.clone(), *port)))
            }
        };
        let made = make(elsewhere.as_ref(), tls.as_ref())?;
        Ok(Self {
            base,
            elsewhere,
            tls,
            made: Mutex::new(made),
        })
    }

    /// The client, which trusts and shows what is in force now.
    pub(crate) fn client(&self) -> Client {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.tls.as_ref().map_or(0, tls::Client::number);
        if made.0 != number {
            match make(self.elsewhere.as_ref(), self.tls.as_ref()) {
                Ok(new) => *made = new,
                Err(error) => tracing::error!(base = &*self.base, error, "no client"),
            }
        }
        made.1.clone()
    }
}

fn make(
    elsewhere: Option<&(String, u16)>,
    tls: Option<&tls::Client>,
) -> Result<(u64, Client), String> {
    let mut client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .retry(retry::never())
        .referer(false)
        .http1_only()
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
    if let Some((host, port)) = elsewhere {
        client = client.dns_resolver(Elsewhere(host.clone(), *port));
    }
    let mut under = 0;
    if let Some(tls) = tls {
        let (number, config) = tls.now();
        under = number;
        client = client.tls_backend_preconfigured(ClientConfig::clone(&config));
    }
    let client = client
        .build()
        .map_err(|error| error.without_url().to_string())?;
    Ok((under, client))
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
