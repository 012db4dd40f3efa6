//! What a mock provider is told before it starts. Every field has a default, so a test names only
//! what it is about.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::tenants;
use crate::tls::{Ca, Leaf};

/// Which provider the mock plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Azure DevOps' own token service: HS256 tokens of its own, the code travels in `assertion`.
    AzureDevOps,
    /// No provider: a service that creates connections, as behind the gateway.
    ConnectionService,
    /// Microsoft Entra: v1 and v2 endpoints, discovery, key sets, RS256 tokens.
    Entra,
}

/// The version of an Entra token (`ver`): `1.0` or `2.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `ver: "1.0"`.
    V1,
    /// `ver: "2.0"`.
    V2,
}

impl Version {
    /// The value of the `ver` claim.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }
}

/// Issuer templates; `{tenantid}` stands for the tenant. The defaults are Microsoft's public cloud.
#[derive(Clone, Debug)]
pub struct Issuers {
    /// Template of v1 tokens.
    pub v1: String,
    /// Template of v2 tokens.
    pub v2: String,
}

impl Issuers {
    /// The issuer of one tenant.
    pub fn of(&self, version: Version, tenant: &str) -> String {
        let template = match version {
            Version::V1 => &self.v1,
            Version::V2 => &self.v2,
        };
        template.replace("{tenantid}", tenant)
    }
}

impl Default for Issuers {
    fn default() -> Self {
        Self {
            v1: "https://sts.windows.net/{tenantid}/".into(),
            v2: "https://login.microsoftonline.com/{tenantid}/v2.0".into(),
        }
    }
}

/// How a [`MockIdp`](crate::MockIdp) is set up. Change fields directly or through the builder
/// methods.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which provider is played. Default: Entra.
    pub flavour: Flavour,
    /// Where to listen. Default: `127.0.0.1:0`, a free port.
    pub listen: SocketAddr,
    /// Serve plain HTTP instead of HTTPS.
    pub plain: bool,
    /// The host that [`url`](crate::MockIdp::url) and discovery name. Default: `localhost`.
    pub host: String,
    /// The base URL that discovery names instead of the mock's own, without a trailing slash.
    pub public_url: Option<String>,
    /// More DNS names or addresses for the certificate, beside localhost, 127.0.0.1 and ::1.
    pub names: Vec<String>,
    /// Signs the certificate. Default: an authority made for this instance.
    pub ca: Option<Arc<Ca>>,
    /// The certificate to serve as it is (expired, wrong name, ...), instead of a good one.
    pub certificate: Option<Leaf>,
    /// Domain to tenant id. Default: Contoso, Fabrikam and Northwind of [`tenants`].
    pub domains: BTreeMap<String, String>,
    /// The tenant meant when nothing in a request names one. Default: Contoso.
    pub default_tenant: String,
    /// Issuers of the tokens.
    pub issuers: Issuers,
    /// The version of access tokens for resources not in `resource_versions`. Default: v2.
    pub access_token_version: Version,
    /// The version a resource asks for, by the resource's URI. Default: Graph and ARM take v1.
    pub resource_versions: BTreeMap<String, Version>,
    /// Graph's access tokens carry `nonce` in the header and sign over its digest, as the real ones
    /// do. Default: true.
    pub graph_nonce: bool,
    /// The v1 endpoint's id_tokens are `alg: none`, as some of the real ones are. Default: false.
    pub unsigned_v1_id_tokens: bool,
    /// Discovery names `mtls_endpoint_aliases`. Default: true.
    pub mtls_aliases: bool,
    /// How many polls a device code answers with `authorization_pending`. Default: 1.
    pub device_polls: u32,
    /// The `interval` (seconds) of a device code. Default: 1.
    pub device_interval: u32,
    /// Lifetime of tokens in seconds. Default: 3599.
    pub lifetime: u64,
    /// How many requests the log keeps; the oldest go first. Default: 100,000.
    pub log_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        let own = |(domain, tenant): (&str, &str)| (domain.to_owned(), tenant.to_owned());
        Self {
            flavour: Flavour::Entra,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            plain: false,
            host: "localhost".into(),
            public_url: None,
            names: Vec::new(),
            ca: None,
            certificate: None,
            domains: tenants::DOMAINS.map(own).into(),
            default_tenant: tenants::CONTOSO.into(),
            issuers: Issuers::default(),
            access_token_version: Version::V2,
            resource_versions: BTreeMap::from([
                ("https://graph.microsoft.com".into(), Version::V1),
                ("https://management.azure.com".into(), Version::V1),
            ]),
            graph_nonce: true,
            unsigned_v1_id_tokens: false,
            mtls_aliases: true,
            device_polls: 1,
            device_interval: 1,
            lifetime: 3599,
            log_limit: 100_000,
        }
    }
}

impl Options {
    /// An Entra-like provider with the defaults.
    pub fn entra() -> Self {
        Self::default()
    }

    /// An Azure-DevOps-like token service with the defaults.
    pub fn azure_devops() -> Self {
        Self {
            flavour: Flavour::AzureDevOps,
            ..Self::default()
        }
    }

    /// A service that creates connections, with the defaults.
    pub fn connection_service() -> Self {
        Self {
            flavour: Flavour::ConnectionService,
            ..Self::default()
        }
    }

    /// Listens on `address` instead of a free port of the loopback.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Serves plain HTTP.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Registers a domain of a tenant.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>, tenant: impl Into<String>) -> Self {
        self.domains
            .insert(domain.into().to_ascii_lowercase(), tenant.into());
        self
    }

    /// Takes the certificate from this authority, so that several servers share one CA.
    #[must_use]
    pub fn ca(mut self, ca: Arc<Ca>) -> Self {
        self.ca = Some(ca);
        self
    }

    /// Serves this certificate as it is.
    #[must_use]
    pub fn certificate(mut self, leaf: Leaf) -> Self {
        self.certificate = Some(leaf);
        self
    }

    /// Sets the version of access tokens for every resource.
    #[must_use]
    pub fn access_token_version(mut self, version: Version) -> Self {
        self.access_token_version = version;
        self.resource_versions.clear();
        self
    }

    /// Sets the version of access tokens for one resource.
    #[must_use]
    pub fn resource_version(mut self, resource: impl Into<String>, version: Version) -> Self {
        self.resource_versions.insert(resource.into(), version);
        self
    }

    /// Sets both issuer templates; `{tenantid}` stands for the tenant.
    #[must_use]
    pub fn issuers(mut self, v1: impl Into<String>, v2: impl Into<String>) -> Self {
        self.issuers = Issuers {
            v1: v1.into(),
            v2: v2.into(),
        };
        self
    }
}
