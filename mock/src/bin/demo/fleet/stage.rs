//! What the fleet is tried on: etcd, a provider, and gateways that share their policies.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegate_mock::tls::{Ca, LOCAL_NAMES};
use tidegate_mock::{MockIdp, Options};

use super::audit::{Audit, Records};
use super::etcd::Cluster;
use super::judge::{Effect, Flip};
use crate::Failure;
use crate::gateway::Gateway;

/// How many gateways there are.
pub(crate) const GATEWAYS: usize = 5;

/// Far more than a change takes to every gateway, the loss of a member of etcd included.
const PATIENCE: Duration = Duration::from_secs(60);

/// The set stage. Fields are dropped in this order: processes end before their files go.
pub(crate) struct Stage {
    pub(crate) gateways: Vec<Gateway<Audit>>,
    pub(crate) etcd: Cluster,
    pub(crate) entra: MockIdp,
    /// The certificate authority of gateways and provider, as PEM.
    pub(crate) ca: String,
    /// The policy before the first flip.
    pub(crate) first: Flip,
    _place: TempDir,
}

impl Stage {
    /// Starts etcd with a policy in it, the provider, and the gateways.
    pub(crate) async fn set(binary: &Path) -> Result<Self, Failure> {
        let place = tempfile::Builder::new()
            .prefix("tidegate-fleet-")
            .tempdir()?;
        let etcd = Cluster::start(place.path()).await?;
        let first = super::written(&etcd.client(), 0, Effect::Allow).await?;
        let ca = Arc::new(Ca::new()?);
        let entra = MockIdp::start(Options::entra().ca(Arc::clone(&ca))).await?;
        let certificate = ca.server(LOCAL_NAMES)?;
        let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text);
        write("ca.pem", ca.pem())?;
        write("gateway.pem", &certificate.certificate_pem)?;
        write("gateway.key", &certificate.key_pem)?;
        let mut gateways = Vec::new();
        for number in 0..GATEWAYS {
            let name = format!("gateway-{number}");
            let file = format!("{name}.toml");
            write(&file, &configuration(&name, &etcd, &entra))?;
            let config = place.path().join(file);
            gateways.push(Gateway::with(binary, &config, |out| Ok(Audit::collect(out))).await?);
        }
        Ok(Self {
            gateways,
            etcd,
            entra,
            ca: ca.pem().to_owned(),
            first,
            _place: place,
        })
    }

    /// Waits until every gateway was seen to decide by a revision.
    pub(crate) async fn seen(&self, revision: u64) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        for (number, gateway) in self.gateways.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let seen = tokio::time::timeout(left, gateway.audit().reaches(revision)).await;
            let seen = seen.unwrap_or_else(|_| Err(format!("not within {PATIENCE:?}").into()));
            seen.map_err(|error| {
                let problem = format!("gateway-{number} was not seen to apply {revision}: {error}");
                gateway.explain(&problem)
            })?;
        }
        Ok(())
    }

    /// Ends every gateway as an operator would, and reads its records to the last.
    pub(crate) async fn end(&mut self) -> Result<Vec<Records>, Failure> {
        let mut all = Vec::new();
        for mut gateway in self.gateways.drain(..) {
            gateway.end().await?;
            all.push(gateway.into_audit().finish().await?);
        }
        Ok(all)
    }
}

fn configuration(name: &str, etcd: &Cluster, entra: &MockIdp) -> String {
    format!(
        r#"mode = "enforce"

[listen]
address = "127.0.0.1:0"
workers = 1
[listen.tls]
certificate = "gateway.pem"
key = "gateway.key"

[admin]
address = "127.0.0.1:0"

[policies.etcd]
endpoints = {endpoints:?}
prefix = "{prefix}"
cache = "{name}.sqlite"
gateway = "{name}"

[trust]
peers = ["loopback"]

[providers.entra]
kind = "entra"
cloud = "public"
authority = "{entra}"
ca = "ca.pem"

[[routes]]
name = "token"
kind = "token"
provider = "entra"
path = "/{{tenant}}/oauth2/v2.0/token"
creator = [{{ header = "x-ms-client-tenant-id" }}]
"#,
        endpoints = etcd.endpoints(),
        prefix = Cluster::PREFIX,
        entra = entra.url(),
    )
}
