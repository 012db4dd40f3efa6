//! A gateway whose admin listener has TLS and is open to administrators and operators.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_mock::Token;
use tidegate_mock::tls::Leaf;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use toml::Table;

use crate::harness::*;

/// The audience of administrators' tokens.
pub(crate) const ADMIN: &str = "api://tidegate-admin";

/// Power Platform Administrator.
pub(crate) const WRITER: &str = "11648597-926c-4cf3-9c36-bcebb0ba8dcc";

/// Global Reader.
pub(crate) const READER: &str = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";

/// Where a tenant's policy is.
pub(crate) fn path(tenant: &str) -> String {
    format!(
        "/providers/PowerPlatform.Governance/v1/tenants/{tenant}/tenantIsolationPolicy?api-version=2020-06-01"
    )
}

/// The gateway and what belongs to its administration.
pub(crate) struct Office {
    pub(crate) world: World,
    /// The operator's token.
    pub(crate) operator: String,
    /// Where it is.
    pub(crate) operator_file: std::path::PathBuf,
    _files: TempDir,
}

/// A request to the admin listener, under construction.
#[must_use]
pub(crate) struct Ask<'o> {
    office: &'o Office,
    client: reqwest::Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Office {
    /// Opens it with the usual setup.
    pub(crate) async fn open() -> Self {
        Self::with(Setup::new()).await
    }

    /// Opens it with a setup to which its own is added.
    pub(crate) async fn with(setup: Setup) -> Self {
        let files = TempDir::new().unwrap();
        let operator_file = files.path().join("operator-token");
        let operator = tidegate_mock::jwt::random(48);
        std::fs::write(&operator_file, format!("{operator}\n")).unwrap();
        let tls: Table =
            "certificate = 'gateway.pem'\nkey = 'gateway.key'\nclient_ca = 'clients-ca.pem'"
                .parse()
                .unwrap();
        let policies: Table = format!(
            "provider = 'entra'\naudience = ['{ADMIN}']\nread_roles = ['{READER}']\n\
             operators = ['ops.internal']\noperator_token_file = {:?}",
            operator_file.to_str().unwrap()
        )
        .parse()
        .unwrap();
        let setup = setup.set("admin.tls", tls).set("admin.policies", policies);
        let office = Self {
            world: World::start(setup).await,
            operator,
            operator_file,
            _files: files,
        };
        office.world.secrets.remember(&office.operator);
        office
    }

    /// An administrator's token, of a tenant, with these roles.
    pub(crate) fn token(&self, tenant: &str, roles: &[&str]) -> Token {
        let token = self.world.idp.mint().access_token(tenant).audience(ADMIN);
        token
            .claim("wids", json!(roles))
            .claim("canary", self.world.secrets.canary())
    }

    /// A request without credentials.
    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        Ask {
            office: self,
            client: self.world.client_with(None),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Vec::new(),
        }
    }

    /// A GET of a policy by an administrator of that tenant.
    pub(crate) fn get(&self, tenant: &str) -> Ask<'_> {
        self.ask(Method::GET, &path(tenant))
            .bearer(&self.token(tenant, &[WRITER]).build())
    }

    /// A PUT of a policy by an administrator of that tenant.
    pub(crate) fn put(&self, tenant: &str, document: impl ToString) -> Ask<'_> {
        self.ask(Method::PUT, &path(tenant))
            .bearer(&self.token(tenant, &[WRITER]).build())
            .json(document.to_string())
    }

    /// Puts a policy, and gives its record.
    pub(crate) async fn must_put(&self, tenant: &str, document: impl ToString) -> (Answer, Value) {
        let answer = self.put(tenant, document).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let record = self.world.next_record().await;
        assert_eq!(record["event"], "policy_change", "{record}");
        (answer, record)
    }

    /// A TLS connection to the admin listener for any bytes.
    pub(crate) async fn raw(&self) -> Raw {
        Raw::new(self.stream().await)
    }

    /// The same, bare.
    pub(crate) async fn stream(&self) -> TlsStream<TcpStream> {
        let world = &self.world;
        let tcp = TcpStream::connect(world.gateway.admin).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(world.ca.pem().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        connector.connect(name, tcp).await.unwrap()
    }

    /// The admin listener's base URL.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.world.gateway.admin.port())
    }

    /// What the policy file of a tenant holds.
    pub(crate) fn file(&self, tenant: &str) -> Option<Vec<u8>> {
        std::fs::read(self.world.policies().join(format!("{tenant}.json"))).ok()
    }
}

impl Ask<'_> {
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = http::HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.headers
            .append(name.parse::<HeaderName>().unwrap(), value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.office.world.secrets.remember_end(token.as_bytes());
        self.without("authorization")
            .header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn json(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.without("content-type")
            .header("content-type", "application/json")
    }

    pub(crate) fn certificate(mut self, leaf: &Leaf) -> Self {
        self.client = self.office.world.client_with(Some(leaf));
        self
    }

    pub(crate) async fn try_send(self) -> reqwest::Result<Answer> {
        let url = format!("{}{}", self.office.url(), self.path);
        let request = self.client.request(self.method, url);
        let request = request.headers(self.headers).body(self.body);
        Answer::of(request.send().await?).await
    }

    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.unwrap()
    }

    /// Sends what is to be refused, and holds the answer and its record against this.
    pub(crate) async fn refused(self, status: u16, code: &str, reason: &str) -> Answer {
        let office = self.office;
        let answer = self.send().await;
        is_fault(&answer, status, code);
        let record = office.world.next_record().await;
        assert_eq!(record["reason"], reason, "{record}");
        assert_eq!(record["status"], status, "{record}");
        let outcome = if status < 500 { "refused" } else { "error" };
        assert_eq!(record["outcome"], outcome, "{record}");
        assert_eq!(
            (&record["before"], &record["after"]),
            (&Value::Null, &Value::Null)
        );
        office
            .world
            .secrets
            .assert_none_in("the answer", &answer.everything());
        answer
    }
}

/// An answer has Microsoft's shape.
pub(crate) fn is_fault(answer: &Answer, status: u16, code: &str) {
    let error = &answer.json()["error"];
    assert_eq!(
        (answer.status, &error["code"]),
        (status, &json!(code)),
        "{answer:?}"
    );
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    for detail in error["details"].as_array().unwrap() {
        assert_eq!(detail["code"], "ValidationError");
        assert!(detail["message"].is_string());
    }
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(
        answer.header("www-authenticate").is_some(),
        status == 401,
        "{answer:?}"
    );
    assert_eq!(
        answer.header("retry-after").is_some(),
        status == 503,
        "{answer:?}"
    );
}
