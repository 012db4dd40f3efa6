//! The platform that asks the gateways for tokens, as `compose.yaml` shows it with curl.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use reqwest::{Client, StatusCode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidegate::tls;

use super::services::{Trial, until};
use crate::compose::NODES;

pub(super) const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
pub(super) const FABRIKAM: &str = "22222222-2222-4222-8222-222222222222";

/// Who asks, with what certificate. Everything is asked by the name that it has in the Compose file.
pub(super) struct Platform {
    ports: BTreeMap<(&'static str, u16), u16>,
    platform: Client,
    nobody: Client,
    gateway: Client,
    node: Client,
    provider: Client,
}

impl Platform {
    /// Clients with what the setup made.
    pub(super) fn of(trial: &Trial) -> Self {
        tls::install_provider();
        let (host, mock) = (trial.client(), trial.volume("mock"));
        let (gateway, node) = (trial.volume("gateway-certs"), trial.volume("etcd-certs"));
        let client = |ca: &Path, stem: Option<&Path>| client(trial, &ca.join("ca.pem"), stem);
        Self {
            ports: trial.ports().clone(),
            platform: client(&host, Some(&host.join("client"))),
            nobody: client(&host, None),
            gateway: client(&node, Some(&gateway.join("etcd-client"))),
            node: client(&node, Some(&node.join("etcd"))),
            provider: client(&mock, None),
        }
    }

    fn url(&self, name: &'static str, port: u16, path: &str) -> String {
        format!("https://{name}:{}{path}", self.ports[&(name, port)])
    }

    /// Waits until a gateway takes exchanges.
    pub(super) async fn ready(&self, gateway: &'static str) {
        let url = self.url(gateway, 9443, "/readyz");
        until(&format!("{gateway} is ready"), async || {
            let answer = self.nobody.get(&url).send().await.ok()?;
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// The status of an answer for a token of `sign_in` in a connection of `creator`.
    pub(super) async fn ask(&self, gateway: &'static str, creator: &str, sign_in: &str) -> u16 {
        let url = self.url(gateway, 8443, &format!("/{sign_in}/oauth2/v2.0/token"));
        exchange(&self.platform, &url, creator).await.unwrap()
    }

    /// A client without a certificate gets nothing from a gateway.
    pub(super) async fn nobody_else(&self, gateway: &'static str) {
        let url = self.url(gateway, 8443, &format!("/{FABRIKAM}/oauth2/v2.0/token"));
        assert!(exchange(&self.nobody, &url, CONTOSO).await.is_err());
    }

    /// Nodes speak to each other, and to no gateway.
    pub(super) async fn the_gateways_certificate_is_no_nodes(&self) {
        for node in NODES {
            let url = self.url(node, 2380, "/version");
            assert!(self.node.get(&url).send().await.is_ok(), "{node}");
            assert!(self.gateway.get(&url).send().await.is_err(), "{node}");
        }
    }

    /// What follows the provider's metadata comes back to the gateway.
    pub(super) async fn discovery_leads_here(&self, gateway: &'static str) {
        let path = "/common/v2.0/.well-known/openid-configuration";
        let provider = self.provider.get(self.url("mock", 8444, path)).send().await;
        assert_eq!(provider.unwrap().status(), StatusCode::OK);
        let here = self
            .platform
            .get(self.url(gateway, 8443, path))
            .send()
            .await;
        let here = here.unwrap().text().await.unwrap();
        let tokens = self.url(gateway, 8443, "/common/oauth2/v2.0/token");
        assert!(here.contains(&format!("\"{tokens}\"")), "{here}");
    }
}

async fn exchange(client: &Client, url: &str, creator: &str) -> reqwest::Result<u16> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "app"),
        ("client_secret", "any"),
        ("scope", "app/.default"),
    ];
    let asked = client.post(url).header("x-ms-client-tenant-id", creator);
    Ok(asked.form(&form).send().await?.status().as_u16())
}

/// A client that trusts an authority, with a certificate `<stem>.pem` or without.
fn client(trial: &Trial, ca: &Path, stem: Option<&Path>) -> Client {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots);
    let tls = match stem {
        None => tls.with_no_client_auth(),
        Some(stem) => {
            let chain = CertificateDer::from_pem_file(stem.with_extension("pem")).unwrap();
            let key = fs::read(stem.with_extension("key")).unwrap();
            let key = PrivateKeyDer::from_pem_slice(&key).unwrap();
            tls.with_client_auth_cert(vec![chain], key).unwrap()
        }
    };
    let mut client = Client::builder().tls_backend_preconfigured(tls).no_proxy();
    for (name, _) in trial.ports().keys() {
        client = client.resolve(name, SocketAddr::from(([127, 0, 0, 1], 0)));
    }
    // Each request asks anew who is there.
    client.pool_max_idle_per_host(0).build().unwrap()
}
