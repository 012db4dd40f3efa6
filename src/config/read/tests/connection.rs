//! Connection routes, the services behind them, and the tokens that both need.

use http::HeaderName;

use super::*;
use crate::config::{
    Browsers, Connection, ErrorFormat, Place as Where, SignInSource, Tell, warnings,
};
use crate::core::token::presented::Pointer;

/// The least that a connection route says.
const CREATE: &str = r#"
[providers.entra]
kind = "entra"
[services.connections]
authority = "https://connections.internal"
[[routes]]
name = "create"
kind = "connection"
service = "connections"
provider = "entra"
path = "/connections/{id}"
creator = [{ bearer = "authorization", audience = "api://platform" }]
sign_in = [{ header = "x-sign-in-token", audience = "api://platform" }]
"#;

fn connection(config: &Config, index: usize) -> &Connection {
    let kind = &route(config, index).kind;
    let RouteKind::Connection(connection) = kind else {
        panic!("{kind:?}");
    };
    connection
}

fn header(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn source(place: Where, audience: &[&str]) -> SignInSource {
    SignInSource {
        place,
        audience: audience.iter().map(|aud| (*aud).to_owned()).collect(),
    }
}

#[test]
fn what_a_connection_route_does_not_say_has_the_documented_default() {
    let config = Place::new().good(CREATE);
    let (route, connection) = (route(&config, 0), connection(&config, 0));
    assert_eq!(route.kind.as_str(), "connection");
    assert_eq!(route.path, route.upstream_path);
    assert_eq!(connection.methods, [Method::POST, Method::PUT]);
    assert_eq!(connection.errors, ErrorFormat::OAuth);
    assert_eq!(connection.browsers, Browsers::Json);
    assert_eq!(connection.service.name, "connections");
    assert_eq!(connection.service.tell, Tell::default());
    assert_eq!(connection.verifiers, std::slice::from_ref(&route.provider));
    let place = Where::Header(header("x-sign-in-token"));
    assert_eq!(connection.sign_in, [source(place, &["api://platform"])]);
    let bearer = CreatorSource::Bearer {
        header: header("authorization"),
        audience: vec!["api://platform".to_owned()],
        provider: route.provider.clone(),
    };
    assert_eq!(route.creator, [bearer]);

    assert_eq!(route.provider.key_tenants, ["common"]);
    let verification = &config.verification;
    assert_eq!(verification.remembered_tokens, 10_000);
    let spans = [
        verification.leeway,
        verification.key_refresh,
        verification.key_cooldown,
        verification.key_max_age,
        verification.key_timeout,
    ];
    assert_eq!(spans, [60, 3600, 300, 86_400, 10].map(Duration::from_secs));
    assert_eq!(warnings(&config), []);
}

#[test]
fn everything_can_be_said_of_a_connection_route() {
    let place = Place::new();
    let config = place.good(
        r#"
        [verification]
        leeway = "0s"
        remembered_tokens = 0
        key_refresh = "24h"
        key_cooldown = "30s"
        key_max_age = "24h"
        key_timeout = "500ms"
        [providers.entra]
        kind = "entra"
        key_tenants = ["common", "11111111-1111-4111-8111-11111111111A", "contoso.com"]
        [providers.gov]
        kind = "entra"
        cloud = "us-gov"
        [providers.devops]
        kind = "other"
        authority = "https://app.vssps.visualstudio.com"
        [services.s]
        authority = "http://127.0.0.1:8080"
        connect = "localhost:8081"
        ca = "cert.pem"
        insecure_plaintext = true
        tell = { creator_tenant = "X-C", sign_in_tenant = "x-s", decision_id = "x-d" }
        [[routes]]
        name = "create"
        kind = "connection"
        service = "s"
        provider = "devops"
        host = "connections.example"
        path = "/t/{creator}/connections/{id}"
        upstream_path = "/v1/{creator}/{id}"
        methods = ["PATCH", "POST"]
        connector = "devops"
        creator = [
          { bearer = "x-creator", audience = ["a", "b"], provider = "gov" },
          { path = "creator" },
          { header = "x-ms-client-tenant-id" },
          { tenant = "11111111-1111-4111-8111-111111111111" },
        ]
        sign_in = [
          { header = "Authorization", audience = "a" },
          { form = "id_token", audience = ["a"] },
          { json = "/properties/a~1b~0/0", audience = ["b", "a"] },
        ]
        cookies = "relay"
        errors = "arm"
        browsers = "page"
        "#,
    );
    let (route, connection) = (route(&config, 0), connection(&config, 0));
    assert_eq!(config.verification.leeway, Duration::ZERO);
    assert_eq!(config.verification.remembered_tokens, 0);
    assert_eq!(connection.methods, [Method::PATCH, Method::POST]);
    assert_eq!(connection.errors, ErrorFormat::Arm);
    assert_eq!(connection.browsers, Browsers::Page);
    let told: Vec<&str> = connection
        .service
        .tell
        .names()
        .map(HeaderName::as_str)
        .collect();
    assert_eq!(told, ["x-c", "x-d", "x-s"]);
    let endpoint = &connection.service.endpoint;
    assert_eq!(endpoint.connect, Some(("localhost".to_owned(), 8081)));
    assert!(endpoint.ca.is_some());
    let pointer = Pointer::parse("/properties/a~1b~0/0").unwrap();
    assert_eq!(
        connection.sign_in,
        [
            source(Where::Header(header("authorization")), &["a"]),
            source(Where::Form("id_token".to_owned()), &["a"]),
            source(Where::Json(pointer), &["b", "a"]),
        ]
    );
    assert!(
        matches!(&route.creator[0], CreatorSource::Bearer { provider, .. } if provider.name == "gov")
    );
    let verifiers: Vec<_> = connection.verifiers.iter().map(|p| &*p.name).collect();
    assert_eq!(verifiers, ["entra", "gov"]);
    let entra = &connection.verifiers[0];
    let tenants = [
        "common",
        "11111111-1111-4111-8111-11111111111a",
        "contoso.com",
    ];
    assert_eq!(entra.key_tenants, tenants);
    let known: Vec<_> = config.providers().iter().map(|p| &*p.name).collect();
    assert_eq!(known, ["devops", "gov", "entra"]);
}

#[test]
fn a_step_before_anybody_signs_in_is_declared_and_warned_of() {
    let text = CREATE.replace(
        "[{ header = \"x-sign-in-token\", audience = \"api://platform\" }]",
        "\"none\"",
    );
    let config = Place::new().good(&text);
    assert!(connection(&config, 0).sign_in.is_empty());
    let keys: Vec<String> = warnings(&config).into_iter().map(|w| w.key).collect();
    assert_eq!(keys, ["routes[create].sign_in"]);
}

#[test]
fn the_creators_own_token_is_a_source_on_token_routes() {
    let tenant = "{ tenant = \"11111111-1111-4111-8111-111111111111\" }";
    let bearer = "{ bearer = \"authorization\", audience = \"api://platform\" }";
    let config = Place::new().good(&LEAST.replace(tenant, bearer));
    let token = route(&config, 0);
    assert!(
        matches!(&token.creator[..], [CreatorSource::Bearer { provider, .. }] if *provider == token.provider)
    );
    assert_eq!(token.verifiers().count(), 1);
}

#[test]
fn without_an_entra_provider_nothing_verifies_sign_in_tokens() {
    let text = CREATE
        .replace(
            "kind = \"entra\"",
            "kind = \"other\"\nauthority = \"https://sts.example\"",
        )
        .replace(
            "{ bearer = \"authorization\", audience = \"api://platform\" }",
            "{ header = \"x-ms-client-tenant-id\" }",
        );
    let config = Place::new().good(&text);
    assert!(connection(&config, 0).verifiers.is_empty());
}

#[test]
fn services_and_verification_that_weaken_the_gateway_are_warned_of() {
    let service = |authority: &str, more: &str| {
        format!("authority = \"{authority}\"\ninsecure_plaintext = true\n{more}")
    };
    let keys = |text: &str| -> Vec<String> {
        let config = Place::new().good(text);
        warnings(&config).into_iter().map(|w| w.key).collect()
    };
    let with = |service: String| {
        CREATE.replace("authority = \"https://connections.internal\"\n", &service)
    };
    let plain = "services.connections.insecure_plaintext";
    let table = [
        (service("http://127.0.0.1:8081", ""), vec![]),
        (service("http://[::1]:8081", ""), vec![]),
        (service("http://localhost:8081", ""), vec![]),
        (service("http://10.0.0.4", ""), vec![plain]),
        (service("http://connections.internal", ""), vec![plain]),
        (
            service(
                "http://connections.internal",
                "connect = \"127.0.0.1:80\"\n",
            ),
            vec![],
        ),
        (
            service("http://localhost", "connect = \"10.0.0.4:80\"\n"),
            vec![plain],
        ),
    ];
    for (service, expected) in table {
        assert_eq!(keys(&with(service.clone())), expected, "{service}");
    }

    let unused = "[services.z]\nauthority = \"https://z.internal\"\n";
    assert_eq!(keys(&format!("{unused}{CREATE}")), ["services.z"]);
    let cooldown = "[verification]\ninsecure_key_cooldown = true\nkey_cooldown = \"0s\"\n";
    assert_eq!(
        keys(&format!("{cooldown}{CREATE}")),
        ["verification.insecure_key_cooldown"]
    );
    let provider = service("http://10.0.0.9", "");
    let provider = CREATE.replace("kind = \"entra\"", &format!("kind = \"entra\"\n{provider}"));
    assert_eq!(keys(&provider), ["providers.entra.insecure_plaintext"; 2]);
}

#[test]
fn paths_that_differ_and_hosts_that_differ_are_routes_of_their_own() {
    let route = |name: &str, keys: &str| {
        format!(
            "[[routes]]\nname = \"{name}\"\nkind = \"connection\"\nservice = \"connections\"\n\
             provider = \"entra\"\ncreator = [{{ tenant = \"{TENANT}\" }}]\n{keys}\n"
        )
    };
    let signed = "sign_in = [{ header = \"x-a\", audience = \"a\" }]";
    let text = [
        CREATE.to_owned(),
        // Specific and signed in before, general and not: the first match wins.
        route(
            "step",
            "path = \"/connections/{id}/links\"\nsign_in = \"none\"",
        ),
        route(
            "other",
            &format!("path = \"/{{a}}/{{b}}/confirm\"\n{signed}"),
        ),
        route(
            "none",
            "host = \"a.example\"\npath = \"/connections/{id}/{step}\"\nsign_in = \"none\"",
        ),
        route(
            "host",
            &format!("host = \"b.example\"\npath = \"/{{a}}/{{b}}/redeem\"\n{signed}"),
        ),
    ];
    assert_eq!(Place::new().problems(&text.concat()), [""; 0]);
}
