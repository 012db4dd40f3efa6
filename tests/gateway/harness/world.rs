//! A gateway with everything around it: providers, clients, policies, and the bookkeeping that
//! tells after every case whether anything leaked or was counted wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tempfile::TempDir;
use tidegate_mock::tls::{Ca, Leaf, install_crypto_provider};
use tidegate_mock::{MockIdp, MockService, Options, Reply, TokenBody};
use tokio::net::TcpStream;

use super::client::client;
use super::{
    Answer, COMMON, Exchange, Gateway, Lines, Policy, Raw, Secrets, Setup, connections, files,
    until,
};

/// The one place a test looks at.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    /// The Entra-like provider.
    pub(crate) idp: MockIdp,
    /// The Azure-DevOps-like provider.
    pub(crate) devops: MockIdp,
    /// The service that creates connections.
    pub(crate) service: MockService,
    /// Configuration, certificates and policies.
    pub(crate) directory: TempDir,
    pub(crate) secrets: Secrets,
    /// Signs the certificates of servers; clients and the gateway trust it.
    pub(crate) ca: Arc<Ca>,
    /// Signs the certificates of clients.
    pub(crate) client_ca: Ca,
    pub(crate) log: Lines,
    records: Records,
    seen: AtomicUsize,
    url: String,
    scheme_is_tls: bool,
    clients: [reqwest::Client; 2],
    good: (Option<String>, String),
}

/// The public cloud's host; clients of these tests find the gateway there.
pub(crate) const MICROSOFT: &str = "login.microsoftonline.com";

/// What Prometheus 2 accepts.
const SCRAPE: &str = "application/openmetrics-text;version=1.0.0,\
    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

enum Records {
    File(PathBuf),
    Stdout(Lines),
}

impl World {
    /// Starts the providers, writes everything down, starts the gateway.
    pub(crate) async fn start(mut setup: Setup) -> Self {
        install_crypto_provider();
        let ca = Arc::new(Ca::new().unwrap());
        let client_ca = Ca::new().unwrap();
        let idp = MockIdp::start(setup.entra.clone().ca(Arc::clone(&ca)))
            .await
            .unwrap();
        let devops = MockIdp::start(Options::azure_devops().ca(Arc::clone(&ca)))
            .await
            .unwrap();
        let service = connections::service(&ca).await;
        let directory = TempDir::new().unwrap();
        let mocks = [
            ("providers", "entra", &idp),
            ("providers", "azure-devops", &devops),
            ("services", connections::SERVICE, &service),
        ];
        let config = files::write(&setup, directory.path(), &ca, &client_ca, &mocks);

        if let Some(before) = setup.before.take() {
            before(&idp);
        }
        if let Some(on_disk) = setup.on_disk.take() {
            on_disk(directory.path());
        }
        let here = directory.path().to_str().unwrap();
        let under = setup.under.iter().map(|word| word.replace("{}", here));
        let under: Vec<String> = under.collect();
        let gateway = if setup.ready {
            Gateway::start_under(&under, &config).await
        } else {
            Gateway::spawn(&config).await
        };
        // What it asked for by itself, its keys, is nobody's exchange.
        idp.requests().clear();
        let scheme_is_tls = setup.config["listen"].get("tls").is_some();
        let scheme = if scheme_is_tls { "https" } else { "http" };
        let records = match setup
            .config
            .get("audit")
            .and_then(|audit| audit["output"].as_str())
        {
            None | Some("stdout") => Records::Stdout(gateway.stdout.clone()),
            Some(file) => Records::File(directory.path().join(file)),
        };
        let identity = setup
            .mutual_tls
            .then(|| client_ca.client(["platform.internal"]).unwrap());
        let client = |http2| client(&gateway, ca.pem(), identity.as_ref(), http2);
        Self {
            url: format!("{scheme}://localhost:{}", gateway.data.port()),
            clients: [client(false), client(true)],
            log: gateway.log.clone(),
            gateway,
            idp,
            devops,
            service,
            directory,
            secrets: Secrets::default(),
            ca,
            client_ca,
            records,
            seen: AtomicUsize::new(0),
            scheme_is_tls,
            good: setup.good,
        }
    }

    /// The gateway's base URL, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its host and port, as in the `host` header.
    pub(crate) fn host(&self) -> String {
        self.url.split_once("://").unwrap().1.to_owned()
    }

    /// The PEM file of the authority that both the gateway's and the providers' certificates are
    /// of.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The policy directory.
    pub(crate) fn policies(&self) -> PathBuf {
        self.directory.path().join("policies")
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("tidegate.toml")
    }

    /// Puts a policy in place; the gateway notices by itself.
    pub(crate) fn put(&self, policy: &Policy) {
        policy.write(&self.policies());
    }

    pub(crate) fn client(&self, http2: bool) -> &reqwest::Client {
        &self.clients[usize::from(http2)]
    }

    /// A client with another certificate, or without any.
    pub(crate) fn client_with(&self, identity: Option<&Leaf>) -> reqwest::Client {
        client(&self.gateway, self.ca.pem(), identity, false)
    }

    /// An exchange: `creator` in the trusted header (none: a legacy connection), a user of
    /// `sign_in`.
    pub(crate) fn exchange<'c>(
        &self,
        creator: impl Into<Option<&'c str>>,
        sign_in: &str,
    ) -> Exchange<'_> {
        Exchange::new(self, creator.into(), sign_in)
    }

    /// Asks for something that is no exchange.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path).await
    }

    /// The same with any method, over HTTP/1.1.
    pub(crate) async fn send(&self, method: Method, path: &str) -> Answer {
        let request = self
            .client(false)
            .request(method, format!("{}{path}", self.url));
        Answer::of(request.send().await.unwrap()).await.unwrap()
    }

    /// A connection for any bytes (HTTP/1.1 by ALPN where the gateway speaks TLS).
    pub(crate) async fn raw(&self) -> Raw {
        self.raw_with(&[b"http/1.1"]).await
    }

    /// The same, offering these protocols.
    pub(crate) async fn raw_with(&self, protocols: &[&[u8]]) -> Raw {
        let tcp = TcpStream::connect(self.gateway.data).await.unwrap();
        self.raw_over(tcp, protocols).await
    }

    /// The same over this connection to it.
    pub(crate) async fn raw_over(&self, tcp: TcpStream, protocols: &[&[u8]]) -> Raw {
        tcp.set_nodelay(true).unwrap();
        if !self.scheme_is_tls {
            return Raw::new(tcp);
        }
        let connector = tokio_rustls::TlsConnector::from(self.client_config(protocols));
        let name = ServerName::try_from("localhost").unwrap();
        Raw::new(connector.connect(name, tcp).await.unwrap())
    }

    /// What a TLS client without a certificate needs, offering these protocols.
    pub(crate) fn client_config(&self, protocols: &[&[u8]]) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.ca.pem().as_bytes()).unwrap())
            .unwrap();
        let mut config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    /// Answers the shared authority's next token request with this, and notes the tokens in it.
    pub(crate) fn next_reply(&self, reply: Reply) {
        self.remember_tokens(reply.bytes());
        self.idp.script_once(COMMON, reply);
    }

    /// The same for a body of tokens.
    pub(crate) fn next_body(&self, body: &TokenBody) {
        self.next_reply(body.reply());
    }

    /// Notes everything in a text that could be a token: long runs of token characters.
    pub(crate) fn remember_tokens(&self, text: &[u8]) {
        let part = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(byte));
        for run in text.split(part).filter(|run| run.len() >= 40) {
            self.secrets.remember(std::str::from_utf8(run).unwrap());
        }
    }

    /// The audit records so far, whole ones.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.record_lines()
            .iter()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }

    fn record_lines(&self) -> Vec<String> {
        match &self.records {
            Records::Stdout(lines) => lines.all(),
            // A device has no end.
            Records::File(file) if !file.is_file() => Vec::new(),
            // A device like /dev/full would be read for ever.
            Records::File(file) if !file.is_file() => Vec::new(),
            Records::File(file) => {
                let text = std::fs::read_to_string(file).unwrap_or_default();
                let whole = text.rfind('\n').map_or("", |end| &text[..end]);
                whole.lines().map(str::to_owned).collect()
            }
        }
    }

    /// The record after the last one asked for, once it is written.
    pub(crate) async fn next_record(&self) -> Value {
        let index = self.seen.fetch_add(1, Ordering::SeqCst);
        let line = until("an audit record", async || {
            self.record_lines().get(index).cloned()
        })
        .await;
        serde_json::from_str(&line).expect(&line)
    }

    /// After every case: the providers saw exactly so many requests since the last check, nothing
    /// secret is in any output, the process is the same, and the next good request passes.
    pub(crate) async fn check(&self, requests: u64) {
        let seen = self.idp.requests().count() + self.devops.requests().count();
        assert_eq!(seen, requests, "requests at the providers");
        let (creator, sign_in) = &self.good;
        let good = self
            .exchange(creator.as_deref(), sign_in)
            .path(&format!("/{sign_in}/oauth2/v2.0/token"));
        let outcome = good.send().await;
        assert_eq!(
            outcome.answer.status, 200,
            "the next good request: {outcome:?}"
        );
        self.idp.requests().clear();
        self.devops.requests().clear();
        self.nothing_leaked().await;
        assert!(self.gateway.is_alive());
    }

    /// No secret is in a record, a log line or a metric.
    pub(crate) async fn nothing_leaked(&self) {
        self.secrets
            .assert_none_in("the audit", self.record_lines().join("\n").as_bytes());
        self.secrets
            .assert_none_in("the log", self.log.text().as_bytes());
        let metrics = self.metrics().await;
        self.secrets
            .assert_none_in("the metrics", metrics.as_bytes());
    }

    /// The admin listener's answer: status and text.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        self.gateway.get(path).await
    }

    /// `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        let (status, text) = self.admin("/metrics").await;
        assert_eq!(status, 200);
        text
    }

    /// `/metrics`, as Prometheus asks for it.
    pub(crate) async fn openmetrics(&self) -> Answer {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .get(format!("http://{}/metrics", self.gateway.admin))
            .header("accept", SCRAPE);
        Answer::of(request.send().await.unwrap()).await.unwrap()
    }

    /// Warnings in the log so far.
    pub(crate) fn warnings(&self) -> usize {
        self.log.count(" WARN ")
    }

    /// Sends the gateway a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.gateway.signal(signal);
    }

    /// Ends the gateway: it exits with 0, wrote one record per exchange, leaked nothing, and never
    /// panicked.
    pub(crate) async fn finish(self) {
        self.nothing_leaked().await;
        self.signal(Signal::TERM);
        self.ended().await;
    }

    /// The same for a gateway that was told to end already.
    pub(crate) async fn ended(mut self) {
        let status = self.gateway.ended().await;
        assert_eq!(status.code(), Some(0), "{}", self.log.text());
        let (records, seen) = (self.records(), self.seen.load(Ordering::SeqCst));
        assert_eq!(records.len(), seen, "one record per exchange: {records:#?}");
        let lines = self.record_lines().join("\n");
        self.secrets.assert_none_in("the audit", lines.as_bytes());
        let log = self.log.text();
        self.secrets.assert_none_in("the log", log.as_bytes());
        self.secrets.assert_no_end_in("the log", log.as_bytes());
        self.secrets.assert_no_end_in("the audit", lines.as_bytes());
        assert_eq!(self.log.count("panicked"), 0, "{log}");
    }
}

/// However a test ends with its world, everything that the gateway put out is searched once more:
/// what came after the last look, and the worlds that are only killed.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let outputs = [
            ("the audit", self.record_lines().join("\n")),
            ("the log", self.log.text()),
            ("standard output", self.gateway.stdout.text()),
        ];
        for (what, output) in outputs {
            self.secrets.assert_none_in(what, output.as_bytes());
        }
    }
}
