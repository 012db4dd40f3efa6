//! What a world is made of, before it starts: the configuration, the policies, the providers.

use std::path::Path;

use toml::{Table, Value};

use tidegate_mock::{MockIdp, Options};

use super::{MICROSOFT, NORTHWIND, Policy};

/// A shared gateway with TLS, creators named by a trusted header, an Entra-like and an
/// Azure-DevOps-like provider, unless changed.
pub(crate) struct Setup {
    pub(crate) config: Table,
    pub(crate) policies: Vec<Policy>,
    pub(crate) entra: Options,
    pub(crate) mutual_tls: bool,
    /// More authorities that the gateway trusts providers by, PEM.
    pub(crate) extra_ca: String,
    /// Creator and sign-in tenant of an exchange that must pass at any time.
    pub(crate) good: (Option<String>, String),
    /// What happens to the Entra-like provider before the gateway starts.
    pub(crate) before: Option<Before>,
    /// Whether the gateway is waited for until it is ready.
    pub(crate) ready: bool,
    /// Programs that the gateway is started through; `{}` in a word is the world's directory.
    pub(crate) under: Vec<String>,
    /// What happens to the world's directory before the gateway starts.
    pub(crate) on_disk: Option<OnDisk>,
}

/// What happens to the world's directory before the gateway starts.
type OnDisk = Box<dyn FnOnce(&Path) + Send>;

/// What happens to a provider before the gateway starts.
type Before = Box<dyn FnOnce(&MockIdp) + Send>;

const BASE: &str = r#"
mode = "enforce"
[listen]
address = "127.0.0.1:0"
workers = 2
tls = { certificate = "gateway.pem", key = "gateway.key" }
[admin]
address = "127.0.0.1:0"
[policies]
directory = "policies"
[log]
level = "trace"
[providers.entra]
kind = "entra"
cloud = "public"
ca = "ca.pem"
[providers.azure-devops]
kind = "other"
ca = "ca.pem"
[[routes]]
name = "token-v2"
kind = "token"
provider = "entra"
path = "/{tenant}/oauth2/v2.0/token"
connector_header = "x-connector-name"
creator = [{ header = "x-ms-client-tenant-id" }]
[[routes]]
name = "token-v1"
kind = "token"
provider = "entra"
path = "/{tenant}/oauth2/token"
creator = [{ header = "x-ms-client-tenant-id" }]
[[routes]]
name = "discovery"
kind = "discovery"
provider = "entra"
[[routes]]
name = "keys-v2"
kind = "relay"
provider = "entra"
path = "/{tenant}/discovery/v2.0/keys"
[[routes]]
name = "keys-v1"
kind = "relay"
provider = "entra"
path = "/{tenant}/discovery/keys"
[[routes]]
name = "instance-discovery"
kind = "relay"
provider = "entra"
path = "/common/discovery/instance"
[[routes]]
name = "device-code"
kind = "relay"
provider = "entra"
path = "/{tenant}/oauth2/v2.0/devicecode"
methods = ["POST"]
[[routes]]
name = "azure-devops"
kind = "token"
provider = "azure-devops"
path = "/oauth2/token"
connector = "azure-devops"
creator = [{ header = "x-ms-client-tenant-id" }]
"#;

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            config: BASE.parse().unwrap(),
            policies: Vec::new(),
            entra: Options::entra(),
            mutual_tls: false,
            extra_ca: String::new(),
            good: (Some(NORTHWIND.to_owned()), NORTHWIND.to_owned()),
            before: None,
            ready: true,
            under: Vec::new(),
            on_disk: None,
        }
    }

    /// Sets a key, like `limits.upstream_timeout`.
    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let mut parts: Vec<&str> = key.split('.').collect();
        let last = parts.pop().unwrap();
        let mut table = &mut self.config;
        for part in parts {
            let entry = table
                .entry(part)
                .or_insert_with(|| Value::Table(Table::new()));
            table = entry.as_table_mut().unwrap();
        }
        table.insert(last.to_owned(), value.into());
        self
    }

    /// Sets a key of a route.
    pub(crate) fn on_route(mut self, name: &str, key: &str, value: &str) -> Self {
        let parsed: Table = format!("{key} = {value}").parse().unwrap();
        let route = self
            .route_tables()
            .iter_mut()
            .find(|route| route["name"].as_str() == Some(name));
        route.unwrap().as_table_mut().unwrap().extend(parsed);
        self
    }

    /// Adds a route, in TOML.
    pub(crate) fn route(mut self, text: &str) -> Self {
        let table: Table = text.parse().unwrap();
        self.route_tables().push(Value::Table(table));
        self
    }

    /// Takes all routes away.
    pub(crate) fn without_routes(mut self) -> Self {
        self.route_tables().clear();
        self
    }

    fn route_tables(&mut self) -> &mut Vec<Value> {
        self.config["routes"].as_array_mut().unwrap()
    }

    /// Adds a policy.
    pub(crate) fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Sets up the Entra-like provider.
    pub(crate) fn entra(mut self, change: impl FnOnce(Options) -> Options) -> Self {
        self.entra = change(self.entra);
        self
    }

    /// Serves plain HTTP.
    pub(crate) fn plain(mut self) -> Self {
        self.config["listen"].as_table_mut().unwrap().remove("tls");
        self
    }

    /// Asks clients for a certificate.
    pub(crate) fn mutual_tls(mut self) -> Self {
        self.mutual_tls = true;
        self.set("listen.tls.client_ca", "clients-ca.pem")
    }

    /// Keeps the provider's authority, and finds it where the mock is.
    pub(crate) fn microsofts_own(self) -> Self {
        let entra = |options: Options| Options {
            names: vec![MICROSOFT.to_owned()],
            public_url: Some(format!("https://{MICROSOFT}")),
            ..options
        };
        self.entra(entra)
            .set("providers.entra.authority", format!("https://{MICROSOFT}"))
            .set("providers.entra.connect", "the mock")
    }

    /// Lets the gateway trust one more authority of providers.
    pub(crate) fn extra_ca(mut self, pem: &str) -> Self {
        self.extra_ca.push_str(pem);
        self
    }

    /// Sets the exchange that must pass at any time: creator and sign-in tenant.
    pub(crate) fn good(mut self, creator: Option<&str>, sign_in: &str) -> Self {
        self.good = (creator.map(str::to_owned), sign_in.to_owned());
        self
    }

    /// Does this to the Entra-like provider before the gateway starts.
    pub(crate) fn before(mut self, act: impl FnOnce(&MockIdp) + Send + 'static) -> Self {
        self.before = Some(Box::new(act));
        self
    }

    /// Does this to the world's directory before the gateway starts.
    pub(crate) fn before_start(mut self, act: impl FnOnce(&Path) + Send + 'static) -> Self {
        self.on_disk = Some(Box::new(act));
        self
    }

    /// Does not wait until the gateway is ready.
    pub(crate) fn unready(mut self) -> Self {
        self.ready = false;
        self
    }
}
