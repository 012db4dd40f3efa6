//! Everything the rows are played on: certificates, policies, configuration, providers and the
//! gateway.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tidegate_mock::tenants::CONTOSO;
use tidegate_mock::tls::{Ca, LOCAL_NAMES};
use tidegate_mock::{MockIdp, MockService, Options, jwt};

use crate::Failure;
use crate::client::Client;
use crate::connections::judge::{CREATOR_TENANT, DECISION_ID, SIGN_IN_TENANT};
use crate::connections::{CONNECTOR, PLATFORM};
use crate::gateway::Gateway;
use crate::policies::{PROBE, Policy};

/// The set stage. Fields are dropped in this order: the gateway ends before its files go.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) entra: MockIdp,
    pub(crate) devops: MockIdp,
    pub(crate) service: MockService,
    pub(crate) client: Client,
    binary: PathBuf,
    directory: TempDir,
}

impl Stage {
    /// Writes the files, starts the providers and the gateway.
    pub(crate) async fn set(binary: &Path) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new()
            .prefix("tidegate-demo-")
            .tempdir()?;
        let ca = Arc::new(Ca::new()?);
        let entra = MockIdp::start(Options::entra().ca(Arc::clone(&ca))).await?;
        let devops = MockIdp::start(Options::azure_devops().ca(Arc::clone(&ca))).await?;
        let service = MockService::start(Options::connection_service().ca(Arc::clone(&ca))).await?;
        let certificate = ca.server(LOCAL_NAMES)?;
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text);
        write("ca.pem", ca.pem())?;
        write("gateway.pem", &certificate.certificate_pem)?;
        write("gateway.key", &certificate.key_pem)?;
        write("tidegate.toml", &configuration(&entra, &devops, &service))?;
        write("operator-token", &jwt::random(48))?;
        std::fs::create_dir(directory.path().join("policies"))?;
        Policy::off(PROBE).write(&directory.path().join("policies"))?;
        let (config, audit) = ("tidegate.toml", "audit.jsonl");
        let [config, audit] = [config, audit].map(|name| directory.path().join(name));
        let gateway = Gateway::start(binary, &config, &audit).await?;
        let client = Client::new(ca.pem())?;
        Ok(Self {
            gateway,
            entra,
            devops,
            service,
            client,
            binary: std::path::absolute(binary)?,
            directory,
        })
    }

    /// The directory the gateway reads policies from.
    pub(crate) fn policies(&self) -> PathBuf {
        self.directory.path().join("policies")
    }

    /// The gateway's binary.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// A file of the gateway's: its configuration, what it writes, the operator's token.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The certificate authority of the gateway and the providers.
    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }
}

/// A gateway shared by many tenants. On token routes the platform names the creator in a header,
/// from the loopback only; on connection routes it is the creator's own token that counts. A browser
/// that comes back from a sign-in has none: that route serves one tenant.
fn configuration(entra: &MockIdp, devops: &MockIdp, service: &MockService) -> String {
    let tokens = token_routes(entra, devops);
    format!("{tokens}{}", connection_routes(service))
}

fn connection_routes(service: &MockService) -> String {
    format!(
        r#"
[services.connections]
authority = "{service}"
ca = "ca.pem"
[services.connections.tell]
creator_tenant = "{CREATOR_TENANT}"
sign_in_tenant = "{SIGN_IN_TENANT}"
decision_id = "{DECISION_ID}"

[[routes]]
name = "connections"
kind = "connection"
service = "connections"
provider = "entra"
path = "/connections/{{id}}"
methods = ["PUT"]
creator = [{{ bearer = "authorization", audience = ["{PLATFORM}"] }}]
sign_in = [{{ json = "/properties/token", audience = ["{CONNECTOR}"] }}]
errors = "arm"

[[routes]]
name = "redirect"
kind = "connection"
service = "connections"
provider = "entra"
path = "/redirect"
methods = ["POST"]
creator = [{{ tenant = "{CONTOSO}" }}]
sign_in = [{{ form = "id_token", audience = ["{CONNECTOR}"] }}]
browsers = "page"

[[routes]]
name = "azure-devops-connections"
kind = "connection"
service = "connections"
provider = "azure-devops"
path = "/azure-devops/connections/{{id}}"
methods = ["PUT"]
connector = "visualstudioteamservices"
creator = [{{ bearer = "authorization", audience = ["{PLATFORM}"], provider = "entra" }}]
sign_in = [{{ json = "/properties/token", audience = ["{CONNECTOR}"] }}]
errors = "arm"
"#,
        service = service.url(),
    )
}

fn token_routes(entra: &MockIdp, devops: &MockIdp) -> String {
    format!(
        r#"mode = "enforce"

[listen]
address = "127.0.0.1:0"
workers = 2
[listen.tls]
certificate = "gateway.pem"
key = "gateway.key"

[admin]
address = "127.0.0.1:0"
[admin.policies]
operator_token_file = "operator-token"

[audit]
output = "audit.jsonl"

[events]
file = "events.sqlite"

[policies]
directory = "policies"

[trust]
peers = ["loopback"]

[providers.entra]
kind = "entra"
cloud = "public"
authority = "{entra}"
ca = "ca.pem"

[providers.azure-devops]
kind = "other"
authority = "{devops}"
ca = "ca.pem"

[[routes]]
name = "token"
kind = "token"
provider = "entra"
path = "/{{tenant}}/oauth2/v2.0/token"
creator = [{{ header = "x-ms-client-tenant-id" }}]

[[routes]]
name = "token-v1"
kind = "token"
provider = "entra"
path = "/{{tenant}}/oauth2/token"
creator = [{{ header = "x-ms-client-tenant-id" }}]

[[routes]]
name = "discovery"
kind = "discovery"
provider = "entra"
path = "/{{tenant}}/v2.0/.well-known/openid-configuration"

[[routes]]
name = "authorize"
kind = "relay"
provider = "entra"
path = "/{{tenant}}/oauth2/v2.0/authorize"

[[routes]]
name = "keys"
kind = "relay"
provider = "entra"
path = "/{{tenant}}/discovery/v2.0/keys"

[[routes]]
name = "azure-devops"
kind = "token"
provider = "azure-devops"
path = "/oauth2/token"
connector = "visualstudioteamservices"
creator = [{{ header = "x-ms-client-tenant-id" }}]
"#,
        entra = entra.url(),
        devops = devops.url(),
    )
}
