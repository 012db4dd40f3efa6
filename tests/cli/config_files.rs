//! The files of `config/`: each loads, passes `check`, and is what its first lines say.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tidegate::config::{
    self, Browsers, Config, Connection, Connector, Cookies, CreatorSource, ErrorFormat, Place,
    PolicySource, Route, RouteKind,
};
use tidegate::core::isolation::{OnNotEntra, Provider};
use tidegate::core::tenant::TenantId;

use crate::harness::{golden, root, run};

const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
const FABRIKAM: &str = "22222222-2222-4222-8222-222222222222";

/// A copy of `config/` beside certificates, which are not in the repository.
fn copy() -> TempDir {
    let place = TempDir::new().unwrap();
    let (config, certs) = (place.path().join("config"), place.path().join("certs"));
    fs::create_dir_all(config.join("policies")).unwrap();
    fs::create_dir(&certs).unwrap();
    for directory in ["config", "config/policies"] {
        for file in fs::read_dir(root().join(directory)).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                fs::copy(
                    file.path(),
                    place.path().join(directory).join(file.file_name()),
                )
                .unwrap();
            }
        }
    }
    let made = rcgen::generate_simple_self_signed(vec!["tidegate.internal".to_owned()]).unwrap();
    for file in [
        certs.join("gateway.pem"),
        certs.join("ca.pem"),
        config.join("mock-ca.pem"),
        certs.join("etcd-ca.pem"),
        certs.join("etcd-client.pem"),
    ] {
        fs::write(file, made.cert.pem()).unwrap();
    }
    for file in ["gateway.key", "etcd-client.key"] {
        fs::write(certs.join(file), made.signing_key.serialize_pem()).unwrap();
    }
    place
}

fn load(place: &TempDir, name: &str) -> Config {
    let file = place.path().join("config").join(name);
    config::load(&file).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"))
}

fn names(place: &Path) -> Vec<String> {
    let files = fs::read_dir(place.join("config")).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    names
}

#[test]
fn each_file_loads_and_passes_check() {
    let place = copy();
    let names = names(place.path());
    assert_eq!(
        names,
        [
            "azure-devops.toml",
            "connections.toml",
            "consent-redirect.toml",
            "fleet.toml",
            "gateway.toml",
            "logic-apps.toml",
            "mock.toml",
            "power-apps.toml",
            "sidecar.toml"
        ]
    );
    for name in &names {
        load(&place, name);
        let found = run(
            place.path(),
            &["check", "--config", &format!("config/{name}")],
        );
        assert_eq!(found.exit, 0, "{name}: {}", found.transcript());
        assert_eq!(found.stderr, "", "{name}");
        golden(
            &format!("check-{}.txt", name.trim_end_matches(".toml")),
            &found.stdout,
        );
    }
}

#[test]
fn the_sidecar_serves_one_tenant_on_loopback() {
    let config = load(&copy(), "sidecar.toml");
    assert!(config.listen.address.ip().is_loopback() && config.listen.tls.is_none());
    let own = CreatorSource::Fixed(TenantId::parse(CONTOSO).unwrap());
    let tokens: Vec<_> = config
        .routes
        .iter()
        .filter(|r| r.kind == RouteKind::Token)
        .collect();
    assert_eq!(tokens.len(), 2);
    assert!(tokens.iter().all(|route| route.creator == [own.clone()]));
    let discovery = config
        .routes
        .iter()
        .filter(|r| r.kind == RouteKind::Discovery)
        .count();
    assert_eq!(discovery, 3);
}

#[test]
fn the_gateway_believes_only_the_platforms_certificate() {
    let config = load(&copy(), "gateway.toml");
    assert!(config.listen.tls.as_ref().unwrap().client_ca.is_some());
    assert!(config.trust.peers.is_empty());
    assert_eq!(config.trust.client_certificates, ["platform.internal"]);
    let token = &config.routes[0];
    assert!(matches!(&token.creator[..], [CreatorSource::Header(_)]));
    assert!(matches!(&token.connector, Connector::Header(_)));
}

/// Every key of `[policies.etcd]` is there, or in a comment that could be one.
#[test]
fn a_gateway_of_a_fleet_is_told_where_etcd_is_and_how_old_policies_may_be() {
    let place = copy();
    let config = load(&place, "fleet.toml");
    let PolicySource::Etcd(etcd) = &config.policies.source else {
        panic!("not from etcd");
    };
    assert_eq!(etcd.endpoints.len(), 3);
    let is_tls = |uri: &http::Uri| uri.scheme_str() == Some("https");
    assert!(etcd.endpoints.iter().all(is_tls));
    assert!(etcd.ca.is_some() && etcd.certificate.is_some());
    assert_eq!(etcd.max_age, Some(Duration::from_secs(24 * 3600)));

    let file = place.path().join("config/fleet.toml");
    let text = fs::read_to_string(&file).unwrap();
    let mut told = String::new();
    for line in text.lines() {
        let commented = ["prefix", "user", "password_file"];
        let is = |key: &&str| line.starts_with(&format!("# {key} = "));
        let line = if commented.iter().any(is) {
            line.trim_start_matches("# ")
        } else {
            line
        };
        told.push_str(line);
        told.push('\n');
    }
    fs::write(&file, told).unwrap();
    fs::write(place.path().join("config/etcd-password"), "password\n").unwrap();
    let whole = load(&place, "fleet.toml");
    let PolicySource::Etcd(whole) = &whole.policies.source else {
        panic!("not from etcd");
    };
    assert_eq!(whole.prefix, etcd.prefix, "the default");
    assert_eq!(whole.user.as_ref().unwrap().name, "tidegate");
}

#[test]
fn azure_devops_is_no_entra_provider() {
    let config = load(&copy(), "azure-devops.toml");
    assert_eq!(
        config.routes[0].provider.kind,
        Provider::Other(OnNotEntra::Pass)
    );
    assert_eq!(config.routes[1].provider.kind, Provider::Entra);
}

#[test]
fn the_mock_is_reached_on_this_machine() {
    let config = load(&copy(), "mock.toml");
    for provider in config.providers() {
        assert_eq!(provider.endpoint.authority.host(), Some("localhost"));
        assert!(provider.endpoint.ca.is_some());
    }
}

/// Each connection route of a file.
fn connections(config: &Config) -> Vec<(&Route, &Connection)> {
    config
        .routes
        .iter()
        .filter_map(|route| match &route.kind {
            RouteKind::Connection(connection) => Some((&**route, connection)),
            RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => None,
        })
        .collect()
}

fn creator_is_the_bearer(route: &Route) -> bool {
    matches!(&route.creator[..], [CreatorSource::Bearer { header, .. }] if header == "authorization")
}

#[test]
fn logic_apps_connections_are_created_with_resource_managers_own_calls() {
    let config = load(&copy(), "logic-apps.toml");
    let connections = connections(&config);
    let group = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/My.Group_1";
    let connection = format!("{group}/providers/Microsoft.Web/connections/office365-1");
    let calls = [
        ("POST", format!("{connection}/listConsentLinks"), false),
        ("POST", format!("{connection}/confirmConsentCode"), true),
        ("PUT", connection.clone(), true),
    ];
    assert_eq!(connections.len(), calls.len());
    for ((route, own), (method, path, signed_in)) in connections.iter().zip(calls) {
        assert!(route.path.matches(&path).is_some(), "{path}");
        assert_eq!(own.methods, [method], "{path}");
        assert_eq!(own.sign_in.is_empty(), !signed_in, "{path}");
        assert_eq!(own.errors, ErrorFormat::Arm);
        assert_eq!(
            own.service.endpoint.authority,
            "https://management.azure.com/"
        );
        assert!(creator_is_the_bearer(route));
    }
}

#[test]
fn power_apps_connections_are_given_accounts_with_the_api_hubs_own_calls() {
    let config = load(&copy(), "power-apps.toml");
    let connections = connections(&config);
    let connection = "/providers/Microsoft.PowerApps/apis/shared_office365/connections/0a1b2c";
    let calls = [
        "getConsentLink",
        "confirmConsentCode",
        "createoboconnection",
    ];
    assert_eq!(connections.len(), calls.len());
    for ((route, own), call) in connections.iter().zip(calls) {
        assert!(
            route
                .path
                .matches(&format!("{connection}/{call}"))
                .is_some()
        );
        assert_eq!(own.methods, ["POST"]);
        assert_eq!(own.errors, ErrorFormat::ApiHub);
        let on_behalf = call == "createoboconnection";
        assert_eq!(creator_is_the_bearer(route), !on_behalf, "{call}");
        assert_eq!(own.sign_in.is_empty(), call == "getConsentLink");
    }
    let place = &connections[2].1.sign_in[0].place;
    assert!(matches!(place, Place::Header(header) if header == "authorization"));
}

#[test]
fn browsers_come_back_to_a_creator_that_they_cannot_choose() {
    let config = load(&copy(), "consent-redirect.toml");
    let own = CreatorSource::Fixed(TenantId::parse(CONTOSO).unwrap());
    assert!(
        config
            .routes
            .iter()
            .all(|route| route.creator == [own.clone()])
    );
    let connections = connections(&config);
    let [(route, redirect)] = connections[..] else {
        panic!("one redirect");
    };
    assert!(
        matches!(&redirect.sign_in[..], [source] if source.place == Place::Form("id_token".into()))
    );
    assert_eq!(
        (redirect.browsers, route.cookies),
        (Browsers::Page, Cookies::Relay)
    );
}

#[test]
fn a_service_of_ones_own_is_told_who_creates_and_who_signed_in() {
    let config = load(&copy(), "connections.toml");
    let connections = connections(&config);
    let [(route, create)] = connections[..] else {
        panic!("one route");
    };
    assert!(creator_is_the_bearer(route));
    assert_eq!(create.service.tell.names().count(), 3);
    let places: Vec<bool> = create
        .sign_in
        .iter()
        .map(|source| matches!(source.place, Place::Json(_)))
        .collect();
    assert_eq!(places, [true, false]);
}

#[test]
fn the_example_policies_let_contoso_into_fabrikam_and_nobody_back() {
    let policies = ["explain", "--policies", "config/policies"];
    let exit = |creator, sign_in| {
        let pair = ["--creator", creator, "--sign-in", sign_in];
        run(&root(), &[&policies[..], &pair].concat()).exit
    };
    assert_eq!(exit(CONTOSO, FABRIKAM), 0);
    assert_eq!(exit("contoso.com", "fabrikam.com"), 0);
    assert_eq!(exit(FABRIKAM, CONTOSO), 3);
}
