//! What a good file becomes, and that a bad one is told of everything at once.

mod admin;
mod connection;
mod logs;
mod problems;
mod traces;
mod webhooks;

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use tempfile::TempDir;

use super::*;
use crate::config::{Connector, Cookies, CreatorSource, Network, Route, RouteKind};
use crate::core::isolation::{OnNotEntra, OnUndetermined, Provider};
use crate::core::tenant::TenantId;
use crate::core::token::issuer::{Cloud, Issuers, Match};

const TENANT: &str = "11111111-1111-4111-8111-111111111111";

/// The least that a configuration says.
const LEAST: &str = r#"
[providers.entra]
kind = "entra"

[[routes]]
name = "token"
kind = "token"
provider = "entra"
path = "/{tenant}/oauth2/v2.0/token"
creator = [{ tenant = "11111111-1111-4111-8111-111111111111" }]
"#;

/// A directory with what a configuration may name: policies and PEM files.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        let names = vec!["gateway.example".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        fs::create_dir(place.0.path().join("policies")).unwrap();
        for (name, text) in [
            ("cert.pem", made.cert.pem()),
            ("key.pem", made.signing_key.serialize_pem()),
            ("empty.pem", String::new()),
        ] {
            fs::write(place.0.path().join(name), text).unwrap();
        }
        place
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("tidegate.toml")
    }

    fn parse(&self, text: &str) -> Result<Config, Vec<Problem>> {
        parse(text, &self.file())
    }

    fn good(&self, text: &str) -> Config {
        self.parse(text)
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    /// The problems, with this file's and this directory's path left out.
    fn problems(&self, text: &str) -> Vec<String> {
        let file = format!("{}: ", self.file().display());
        let here = format!("{}/", self.0.path().display());
        let plain =
            |p: Problem| format!("=> {}", p.to_string().replace(&file, "").replace(&here, ""));
        self.parse(text)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(plain)
            .collect()
    }
}

fn route(config: &Config, index: usize) -> &Route {
    &config.routes[index]
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let place = Place::new();
    let config = place.good(LEAST);
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(config.mode, Mode::Enforce);
    assert_eq!(config.listen.address, address("127.0.0.1:8443"));
    assert_eq!(
        config.listen.workers,
        std::thread::available_parallelism().unwrap().get()
    );
    assert!(config.listen.public_url.is_none() && config.listen.tls.is_none());
    assert_eq!(config.admin.address, address("127.0.0.1:9443"));
    assert_eq!(
        config.policies.directory().unwrap(),
        place.0.path().join("policies")
    );
    assert_eq!(config.policies.absent, Isolation::Off);
    assert_eq!(config.audit.output, AuditOutput::Stdout);
    assert_eq!(config.audit.mode, AuditMode::BestEffort);
    assert_eq!(
        (config.log.format, config.log.level.as_str()),
        (LogFormat::Text, "info")
    );

    let limits = &config.limits;
    let sizes = [limits.request_body, limits.reply_body, limits.header_bytes];
    assert_eq!(sizes, [128 << 10, 1 << 20, 32 << 10]);
    assert_eq!([limits.connections, limits.in_flight], [4096, 1024]);
    let spans = [
        limits.handshake_timeout,
        limits.header_timeout,
        limits.body_timeout,
        limits.connect_timeout,
        limits.upstream_timeout,
        limits.drain_timeout,
    ];
    assert_eq!(spans, [10, 10, 15, 5, 30, 20].map(Duration::from_secs));

    let loopback = |peer: &str| {
        config
            .trust
            .peers
            .iter()
            .any(|n| n.contains(peer.parse().unwrap()))
    };
    assert!(loopback("127.0.0.1") && loopback("127.9.9.9") && loopback("::1"));
    assert!(!loopback("10.0.0.1") && !loopback("::2"));
    assert!(config.trust.client_certificates.is_empty());

    let token = route(&config, 0);
    assert_eq!((&*token.name, token.kind.as_str()), ("token", "token"));
    assert_eq!((&token.host, token.cookies), (&None, Cookies::Strip));
    assert_eq!(token.path, token.upstream_path);
    assert_eq!(token.connector, Connector::None);
    assert_eq!(
        token.creator,
        [CreatorSource::Fixed(TenantId::parse(TENANT).unwrap())]
    );
    assert_eq!(token.provider.kind, Provider::Entra);
    assert_eq!(token.provider.undetermined, OnUndetermined::Block);
    assert_eq!(
        token.provider.endpoint.authority,
        "https://login.microsoftonline.com/"
    );
}

#[test]
fn everything_can_be_said() {
    let place = Place::new();
    let config = place.good(&format!(
        r#"
        mode = "report-only"
        [listen]
        address = "0.0.0.0:0"
        workers = 2
        public_url = "https://gw.example:8443"
        tls = {{ certificate = "cert.pem", key = "key.pem", client_ca = "cert.pem" }}
        [admin]
        address = "0.0.0.0:0"
        insecure_remote = true
        [policies]
        directory = "."
        absent = "on"
        [audit]
        output = "audit.jsonl"
        [log]
        format = "json"
        level = "debug"
        [limits]
        request_body = "64 KiB"
        connect_timeout = "1m 30s"
        upstream_timeout = "PT2M"
        [trust]
        peers = ["loopback", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32"]
        client_certificates = ["platform.internal", "spiffe://example/platform"]
        [providers.devops]
        kind = "other"
        authority = "https://app.vssps.visualstudio.com"
        connect = "[2001:db8::4]:443"
        non_entra = "block"
        undetermined = "allow"
        ca = "cert.pem"
        [[routes]]
        name = "devops"
        kind = "token"
        provider = "devops"
        host = "login.example"
        path = "/t/{{creator}}/devops"
        upstream_path = "/oauth2/token"
        connector_header = "x-connector-name"
        creator = [{{ header = "x-ms-client-tenant-id" }}, {{ path = "creator" }}]
        cookies = "relay"
        [[routes]]
        name = "logout"
        kind = "relay"
        provider = "entra"
        path = "/{{tenant}}/oauth2/v2.0/logout"
        connector = "office365"
        methods = ["POST", "GET"]
        {LEAST}"#
    ));
    assert_eq!(config.mode, Mode::ReportOnly);
    let tls = config.listen.tls.as_ref().unwrap();
    assert_eq!(
        tls.client_ca.as_ref().unwrap(),
        &place.0.path().join("cert.pem")
    );
    assert_eq!(config.policies.absent, Isolation::On);
    assert_eq!(
        config.audit.output,
        AuditOutput::File(place.0.path().join("audit.jsonl"))
    );
    assert_eq!(
        (config.log.format, config.log.level.as_str()),
        (LogFormat::Json, "debug")
    );
    assert_eq!(config.limits.request_body, 64 << 10);
    assert_eq!(config.limits.connect_timeout, Duration::from_secs(90));
    assert_eq!(config.trust.peers.len(), 5);
    let devops = route(&config, 0);
    assert_eq!(devops.provider.kind, Provider::Other(OnNotEntra::Block));
    assert_eq!(devops.provider.undetermined, OnUndetermined::Allow);
    assert_eq!(
        devops.provider.endpoint.connect,
        Some(("2001:db8::4".to_owned(), 443))
    );
    assert_eq!(devops.host.as_deref(), Some("login.example"));
    assert_eq!(devops.upstream_path.to_string(), "/oauth2/token");
    assert!(matches!(&devops.connector, Connector::Header(name) if name == "x-connector-name"));
    assert_eq!(devops.creator[1], CreatorSource::Path("creator".to_owned()));
    assert_eq!(devops.cookies, Cookies::Relay);
    let methods = vec![Method::POST, Method::GET, Method::HEAD];
    assert_eq!(route(&config, 1).kind, RouteKind::Relay { methods });
}

#[test]
fn a_discovery_route_without_a_path_takes_both_documented_ones() {
    let discovery = "[[routes]]\nname = \"meta\"\nkind = \"discovery\"\nprovider = \"entra\"\n";
    let config = Place::new().good(&format!("{discovery}{LEAST}"));
    let paths: Vec<String> = config
        .routes
        .iter()
        .map(|route| route.path.to_string())
        .collect();
    assert_eq!(
        paths[..2],
        [
            "/{tenant}/v2.0/.well-known/openid-configuration",
            "/{tenant}/.well-known/openid-configuration"
        ]
    );
    assert_eq!(&*route(&config, 1).name, "meta");
}

#[test]
fn issuers_follow_the_cloud_the_authority_or_the_operator() {
    let issuers = |keys: &str| -> Issuers {
        let text = LEAST.replace("kind = \"entra\"", &format!("kind = \"entra\"\n{keys}"));
        route(&Place::new().good(&text), 0).provider.issuers.clone()
    };
    let public = Issuers::of_clouds(&[Cloud::Public]);
    let custom = "authority = \"https://localhost:8444\"";
    assert_eq!(issuers(""), public);
    assert_eq!(
        issuers("cloud = \"china\""),
        Issuers::of_clouds(&[Cloud::China])
    );
    assert_eq!(issuers(&format!("cloud = \"public\"\n{custom}")), public);
    let own = [
        "https://localhost:8444/{tenantid}/v2.0",
        "https://sts.windows.net/{tenantid}/",
    ];
    assert_eq!(issuers(custom), Issuers::new(own).unwrap());
    let listed = "issuers = [\"https://id.example/{tenantid}\"]";
    let only = Issuers::new(["https://id.example/{tenantid}"]).unwrap();
    assert_eq!(issuers(&format!("cloud = \"us-gov\"\n{listed}")), only);
}

#[test]
fn a_provider_that_is_not_entra_knows_every_issuer() {
    let other = "[providers.a]\nkind = \"other\"\nauthority = \"https://sts.example\"\n\
                 [providers.z]\nkind = \"entra\"\nissuers = [\"https://id.example/{tenantid}\"]\n";
    let text = format!(
        "{other}{}",
        LEAST.replace("provider = \"entra\"", "provider = \"a\"")
    );
    let config = Place::new().good(&text);
    let known = [
        "https://id.example/{}",
        "https://login.microsoftonline.us/{}/v2.0",
        "https://sts.chinacloudapi.cn/{}/",
    ];
    for issuer in known.map(|template| template.replace("{}", TENANT)) {
        let found = route(&config, 0).provider.issuers.find(Some(&issuer));
        assert_eq!(
            found,
            Match::Tenant(TenantId::parse(TENANT).unwrap()),
            "{issuer}"
        );
    }
}

#[test]
fn networks_hold_what_they_say() {
    let table = [
        ("10.1.0.0/16", "10.1.255.255", true),
        ("10.1.0.0/16", "10.2.0.0", false),
        ("10.1.0.0/16", "::ffff:10.1.2.3", true),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "::1", false),
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.6", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
    ];
    for (text, peer, expected) in table {
        let networks: Vec<Network> = network::networks(&text.into()).unwrap();
        let found = networks
            .iter()
            .any(|network| network.contains(peer.parse().unwrap()));
        assert_eq!(found, expected, "{peer} in {text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_of_its_own() {
    let place = Place::new();
    let problems = load(&place.file()).unwrap_err();
    assert_eq!(problems[0].found, "a file which does not exist");
    fs::write(place.file(), b"mode = \"\xff\"").unwrap();
    assert_eq!(
        load(&place.file()).unwrap_err()[0].found,
        "a file that is not UTF-8"
    );
    fs::write(place.file(), LEAST).unwrap();
    assert!(load(&place.file()).is_ok());
}
