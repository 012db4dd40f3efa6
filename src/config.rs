//! The configuration, always valid: what the rest of the program is built from.
//!
//! Invariant: a [`Config`] exists only if every problem in its file was mended; `config/read.rs`
//! turns the TOML text into it and collects all problems on the way.

mod admin;
mod connection;
mod etcd;
mod events;
mod otlp;
mod read;
pub mod template;
mod traces;
mod warning;
mod webhooks;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Uri};

use crate::core::isolation::{self, OnUndetermined};
use crate::core::policy::{Isolation, Mode};
use crate::core::tenant::TenantId;
use crate::core::token::issuer::Issuers;

pub use admin::{Admin, Administrators, PolicyAdmin};
pub use connection::{
    Browsers, Connection, ErrorFormat, Place, Service, SignInSource, Tell, Verification,
};
pub use etcd::{Etcd, User};
pub use events::Events;
pub use otlp::{Collector, Logs};
pub use read::{load, parse, policy_directory};
pub use template::Template;
pub use traces::Traces;
pub use warning::{Warning, warnings};
pub use webhooks::{Audience, Webhook, WebhookUrl};

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway's mode.
    pub mode: Mode,
    /// The data plane's listener.
    pub listen: Listen,
    /// The admin listener.
    pub admin: Admin,
    /// Where policies come from.
    pub policies: Policies,
    /// Where audit records go.
    pub audit: Audit,
    /// Where they go as OTLP logs as well, if anywhere.
    pub logs: Option<Logs>,
    /// The store of decision events, if there is one.
    pub events: Option<Events>,
    /// Who is told of decisions while they are made.
    pub webhooks: Vec<Webhook>,
    /// Where traces go, if anywhere.
    pub traces: Option<Traces>,
    /// Operational logs.
    pub log: Log,
    /// Bounds.
    pub limits: Limits,
    /// Who may name a creator in a header.
    pub trust: Trust,
    /// How tokens in requests are verified.
    pub verification: Verification,
    /// Services behind the gateway, whether or not a route leads to them.
    pub services: Vec<Arc<Service>>,
    /// Routes, in the operator's order; the first match wins.
    pub routes: Vec<Arc<Route>>,
}

impl Config {
    /// The providers that routes forward to or verify tokens of, and those that administrators of
    /// policies depend on, each once.
    pub fn providers(&self) -> Vec<&Provider> {
        let mut providers: Vec<&Provider> = Vec::new();
        let of_routes = self.routes.iter().flat_map(|route| route.providers());
        let of_admin = self.admin.policies.provider.iter().map(AsRef::as_ref);
        for provider in of_routes.chain(of_admin) {
            if !providers.iter().any(|known| known.name == provider.name) {
                providers.push(provider);
            }
        }
        providers
    }
}

/// The data plane's listener.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Address to bind; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Threads that serve, each with a runtime and a listening socket of its own.
    pub workers: usize,
    /// The base URL that discovery documents name (`https://host[:port]`, no path). None: the
    /// scheme and authority of the request.
    pub public_url: Option<Uri>,
    /// TLS; none means plain HTTP/1.1.
    pub tls: Option<ListenTls>,
}

/// TLS towards clients.
#[derive(Clone, Debug)]
pub struct ListenTls {
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
    /// PEM authorities of client certificates; set, a client certificate is required.
    pub client_ca: Option<PathBuf>,
}

/// Where policies come from.
#[derive(Clone, Debug)]
pub struct Policies {
    /// A directory, or a cluster of etcd.
    pub source: PolicySource,
    /// What a tenant without a record counts as.
    pub absent: Isolation,
}

impl Policies {
    /// The directory that they come from.
    ///
    /// # Errors
    /// A sentence: they come from elsewhere.
    pub fn directory(&self) -> Result<&Path, String> {
        match &self.source {
            PolicySource::Directory(directory) => Ok(directory),
            PolicySource::Etcd(_) => Err(
                "policies come from etcd, and this reads a directory: --policies names one"
                    .to_owned(),
            ),
        }
    }
}

/// What policies are read from.
#[derive(Clone, Debug)]
pub enum PolicySource {
    /// A directory with one `<tenant-id>.json` per tenant.
    Directory(PathBuf),
    /// A cluster that all gateways of a fleet share.
    Etcd(Box<Etcd>),
}

/// Audit records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Where they go.
    pub output: AuditOutput,
    /// What their loss means.
    pub mode: AuditMode,
}

/// What follows while records cannot be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditMode {
    /// Exchanges go on; what is lost is counted.
    #[default]
    BestEffort,
    /// Nothing is released.
    Required,
}

/// Where audit records go, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditOutput {
    /// Appended to a file.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

/// Operational logs; always on standard error.
#[derive(Clone, Debug)]
pub struct Log {
    /// Text or JSON.
    pub format: LogFormat,
    /// A level of `tracing`, like `info`.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Bounds. Sizes in bytes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest request body.
    pub request_body: usize,
    /// Largest reply body, before and after decoding.
    pub reply_body: usize,
    /// Largest header block of a request.
    pub header_bytes: usize,
    /// Open connections at once.
    pub connections: usize,
    /// Exchanges under way at once.
    pub in_flight: usize,
    /// Accept to end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// First byte of a request to the end of its headers; idle keep-alive as well.
    pub header_timeout: Duration,
    /// A request's body.
    pub body_timeout: Duration,
    /// Connecting to a provider, TLS included.
    pub connect_timeout: Duration,
    /// One upstream exchange in all: connect to last byte.
    pub upstream_timeout: Duration,
    /// How long connections are still taken after SIGTERM, while `/readyz` says so; in the second
    /// half of it clients are told to leave.
    pub drain_delay: Duration,
    /// How long exchanges under way may take to finish after that.
    pub drain_timeout: Duration,
}

/// Who may name a creator in a header.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Networks whose peers are believed.
    pub peers: Vec<Network>,
    /// DNS or URI names of client certificates that are believed.
    pub client_certificates: Vec<String>,
}

/// An address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// First address.
    pub address: IpAddr,
    /// Length of the prefix in bits.
    pub prefix: u8,
}

impl Network {
    /// Whether `peer` is in the range. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, peer: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
            IpAddr::V6(v6) => (v6.to_bits(), false),
        };
        let ((own, own_v4), (other, other_v4)) = (bits(self.address), bits(peer.to_canonical()));
        let mask = u128::MAX
            .checked_shl(128 - u32::from(self.prefix))
            .unwrap_or(0);
        own_v4 == other_v4 && own & mask == other & mask
    }
}

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name in the configuration.
    pub name: String,
    /// Entra, or not.
    pub kind: isolation::Provider,
    /// Where it is.
    pub endpoint: Endpoint,
    /// The tenants whose OpenID metadata names its signing keys, like `common`.
    pub key_tenants: Vec<String>,
    /// The issuers whose tokens name a tenant on this provider's routes.
    pub issuers: Issuers,
    /// Rule 6's choice.
    pub undetermined: OnUndetermined,
}

/// A server that requests go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where to connect: scheme and authority, no path.
    pub authority: Uri,
    /// Where TCP goes, if not to the authority's own host: needed where that name resolves to
    /// this gateway.
    pub connect: Option<(String, u16)>,
    /// PEM authorities that sign its certificate; none means the built-in Mozilla roots.
    pub ca: Option<PathBuf>,
    /// What the gateway shows it (mutual TLS).
    pub identity: Option<Identity>,
}

/// A certificate that the gateway shows to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in records, unique.
    pub name: Arc<str>,
    /// What it does.
    pub kind: RouteKind,
    /// Whom it forwards to; of a connection route, whose accounts sign in.
    pub provider: Arc<Provider>,
    /// The request's host (no port, lower case); none matches any.
    pub host: Option<String>,
    /// The request's path.
    pub path: Template,
    /// The provider's path, filled in from the request's.
    pub upstream_path: Template,
    /// Where the connector's label comes from.
    pub connector: Connector,
    /// Where the creator is told, in this order.
    pub creator: Vec<CreatorSource>,
    /// Whether cookies travel.
    pub cookies: Cookies,
}

impl Route {
    /// Its provider, and those that it verifies tokens of.
    fn providers(&self) -> impl Iterator<Item = &Provider> {
        std::iter::once(&self.provider)
            .chain(self.verifiers())
            .map(AsRef::as_ref)
    }

    /// The name of what its requests go to: a service, or its provider.
    pub fn behind(&self) -> &str {
        match &self.kind {
            RouteKind::Connection(connection) => &connection.service.name,
            RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => {
                &self.provider.name
            }
        }
    }

    /// The providers whose keys verify tokens of its requests; one may come twice.
    pub fn verifiers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        let of_creators = self.creator.iter().filter_map(|source| match source {
            CreatorSource::Bearer { provider, .. } => Some(provider),
            CreatorSource::Fixed(_) | CreatorSource::Header(_) | CreatorSource::Path(_) => None,
        });
        let of_sign_ins = match &self.kind {
            RouteKind::Connection(connection) => connection.verifiers.as_slice(),
            RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => &[],
        };
        of_creators.chain(of_sign_ins)
    }
}

/// What a route does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// An endpoint that creates connections: the tokens are in the request.
    Connection(Connection),
    /// OpenID metadata, with every token-returning endpoint rewritten to the gateway.
    Discovery,
    /// A path declared to carry no tokens.
    Relay {
        /// Methods that are forwarded.
        methods: Vec<http::Method>,
    },
    /// A token endpoint.
    Token,
}

impl RouteKind {
    /// The word used in configuration, logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Discovery => "discovery",
            Self::Relay { .. } => "relay",
            Self::Token => "token",
        }
    }
}

/// A label in records, never part of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connector {
    /// Fixed by the route.
    Fixed(String),
    /// From a request header.
    Header(HeaderName),
    /// None.
    None,
}

/// A place where the creator tenant is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreatorSource {
    /// The creator's own token, verified: `tid` of a bearer token in this header.
    Bearer {
        /// The header, like `authorization`.
        header: HeaderName,
        /// What `aud` must be, one of them.
        audience: Vec<String>,
        /// The Entra provider whose keys verify it.
        provider: Arc<Provider>,
    },
    /// The tenant that the gateway serves.
    Fixed(TenantId),
    /// A header, believed from trusted peers.
    Header(HeaderName),
    /// A named segment of the path.
    Path(String),
}

/// Whether cookies travel between the client and the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookies {
    /// Both ways.
    Relay,
    /// Neither way.
    Strip,
}
