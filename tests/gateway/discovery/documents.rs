//! Metadata: every endpoint that could return a token is this gateway's.

use serde_json::Value;

use super::{V1, V2, host, naming};
use crate::harness::{CONTOSO, FABRIKAM, MICROSOFT, PERSONAL, Policy, Setup, World};

async fn document(world: &World, path: &str) -> Value {
    let answer = world.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// v1 and v2, a tenant by id and by domain, and the three shared authorities.
#[tokio::test]
async fn every_authoritys_metadata_is_led_here() {
    for public_url in [
        None,
        Some("https://gw.example"),
        Some("https://gw.example:8443"),
    ] {
        let setup = match public_url {
            None => Setup::new(),
            Some(url) => Setup::new().set("listen.public_url", url),
        };
        let world = World::start(setup).await;
        let base = public_url.unwrap_or(world.url());
        let provider = host(world.idp.url());
        for (segment, named) in [
            (CONTOSO, CONTOSO),
            ("contoso.com", CONTOSO),
            ("common", "common"),
            ("organizations", "organizations"),
            ("consumers", "consumers"),
        ] {
            for (version, token, keys) in [
                (
                    V1,
                    format!("/{named}/oauth2/token"),
                    "/common/discovery/keys".to_owned(),
                ),
                (
                    V2,
                    format!("/{named}/oauth2/v2.0/token"),
                    format!("/{named}/discovery/v2.0/keys"),
                ),
            ] {
                let document = document(&world, &format!("/{segment}{version}")).await;
                assert_eq!(document["token_endpoint"], format!("{base}{token}"));
                assert_eq!(
                    document["mtls_endpoint_aliases"]["token_endpoint"],
                    format!("{base}{token}")
                );
                assert_eq!(document["jwks_uri"], format!("{base}{keys}"));
                let device = document["device_authorization_endpoint"].as_str().unwrap();
                assert!(
                    device.starts_with(base) && device.ends_with("devicecode"),
                    "{device}"
                );
                // What stays with the provider returns no token.
                let stay = naming(&document, provider);
                let known = [
                    "authorization_endpoint",
                    "check_session_iframe",
                    "end_session_endpoint",
                    "userinfo_endpoint",
                ];
                assert!(
                    stay.iter().all(|name| known.contains(&name.as_str())),
                    "{stay:?}"
                );
                let issuer = document["issuer"].as_str().unwrap();
                let tenant = match named {
                    "common" | "organizations" => "{tenantid}",
                    "consumers" => PERSONAL,
                    tenant => tenant,
                };
                assert!(issuer.contains(tenant), "{issuer}");
                assert_eq!(
                    document["tenant_region_scope"].is_null(),
                    tenant != CONTOSO,
                    "the rest is as it was"
                );
            }
        }
        assert_eq!(world.idp.requests().token_posts(), 0);
        world.check(10).await;
        world.finish().await;
    }
}

/// Over HTTP/2 the authority is the host; over plain HTTP the scheme is `http`.
#[tokio::test]
async fn the_base_is_how_the_client_came() {
    let world = World::start(Setup::new()).await;
    let url = format!("{}/common{V2}", world.url());
    let document: Value = world
        .client(true)
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        document["token_endpoint"],
        format!("{}/common/oauth2/v2.0/token", world.url())
    );
    world.check(1).await;
    world.finish().await;

    let world = World::start(Setup::new().plain()).await;
    assert!(world.url().starts_with("http://"));
    let document: Value = world.get(&format!("/common{V2}")).await.json();
    assert_eq!(
        document["token_endpoint"],
        format!("{}/common/oauth2/v2.0/token", world.url())
    );
    world.check(1).await;
    world.finish().await;
}

/// Where the provider's own name leads to the gateway: the same name comes out, and the provider
/// is found where it is configured to be.
#[tokio::test]
async fn the_providers_own_name_may_lead_here() {
    let mut setup = Setup::new().microsofts_own();
    for route in [
        "token-v2",
        "token-v1",
        "discovery",
        "keys-v2",
        "keys-v1",
        "instance-discovery",
        "device-code",
    ] {
        setup = setup.on_route(route, "host", &format!("\"{MICROSOFT}\""));
    }
    let world = World::start(
        setup
            .policy(Policy::on(CONTOSO))
            .good(Some(CONTOSO), CONTOSO),
    )
    .await;
    let base = format!("https://{MICROSOFT}:{}", world.gateway.data.port());
    let get = async |url: String| world.client(false).get(url).send().await.unwrap();
    let document: Value = get(format!("{base}/{CONTOSO}{V2}"))
        .await
        .json()
        .await
        .unwrap();
    let token = document["token_endpoint"].as_str().unwrap();
    assert_eq!(token, format!("{base}/{CONTOSO}/oauth2/v2.0/token"));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "a"),
        ("client_secret", "b"),
        ("scope", "x/.default"),
    ];
    let answer = world
        .client(false)
        .post(token)
        .header("x-ms-client-tenant-id", CONTOSO)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(world.next_record().await["reason"], "same_tenant");
    assert_eq!(
        world.idp.requests().last().unwrap().header("host"),
        Some(MICROSOFT)
    );
    // Any other name has no route.
    let elsewhere = world.get(&format!("/{CONTOSO}{V2}")).await;
    elsewhere.is_refusal(404, "no_route");
    world
        .exchange(CONTOSO, CONTOSO)
        .send_unrecorded()
        .await
        .is_refusal(404, "no_route");
    assert_eq!(world.idp.requests().count(), 2);
    world.finish().await;
}

/// Paths that differ from the provider's, and a creator in the path: the client is led to the
/// routes it can use.
#[tokio::test]
async fn rewritten_paths_are_the_routes_own() {
    let setup = Setup::new()
        .policy(Policy::on(CONTOSO))
        .without_routes()
        .route(
            r#"
            name = "token"
            kind = "token"
            provider = "entra"
            path = "/of/{creator}/{tenant}/redeem"
            upstream_path = "/{tenant}/oauth2/v2.0/token"
            creator = [{ path = "creator" }]
            "#,
        )
        .route(
            r#"
            name = "metadata"
            kind = "discovery"
            provider = "entra"
            path = "/of/{creator}/{tenant}/v2.0/.well-known/openid-configuration"
            upstream_path = "/{tenant}/v2.0/.well-known/openid-configuration"
            "#,
        );
    let world = World::start(setup).await;
    let document = document(&world, &format!("/of/{FABRIKAM}/common{V2}")).await;
    let path = format!("/of/{FABRIKAM}/common/redeem");
    assert_eq!(document["token_endpoint"], format!("{}{path}", world.url()));
    let outcome = world.exchange(None, CONTOSO).path(&path).send().await;
    outcome
        .blocked("inbound_block", &[(CONTOSO, "inbound")])
        .tenants(Some(FABRIKAM), Some(CONTOSO));
    // No route leads to these: they stay, or lead to a 404 here.
    assert!(
        document["jwks_uri"]
            .as_str()
            .unwrap()
            .starts_with(world.idp.url())
    );
    let device = document["device_authorization_endpoint"].as_str().unwrap();
    let path = device.strip_prefix(world.url()).unwrap();
    world.get(path).await.is_refusal(404, "no_route");
    assert_eq!(world.idp.requests().count(), 2);
    world.finish().await;
}

/// The provider's errors pass; conditions and ranges do not reach it; its cookies and validators
/// do not reach the client.
#[tokio::test]
async fn errors_pass_and_conditions_do_not() {
    let world = World::start(Setup::new()).await;
    let answer = world.get(&format!("/nobody.example{V2}")).await;
    assert_eq!(
        (answer.status, answer.json()["error"].as_str()),
        (400, Some("invalid_tenant"))
    );
    world.check(1).await;

    let request = world
        .client(false)
        .get(format!("{}/common{V2}", world.url()));
    let request = request
        .header("if-none-match", "\"1\"")
        .header("if-modified-since", "Sat, 21 Nov 2026 00:00:00 GMT")
        .header("range", "bytes=0-1")
        .header("cookie", "fpc=1")
        .header("x-ms-client-tenant-id", CONTOSO);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for name in ["set-cookie", "etag", "alt-svc"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    // It names the host that this client named.
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let seen = world.idp.requests().last().unwrap();
    for name in [
        "if-none-match",
        "if-modified-since",
        "range",
        "cookie",
        "x-ms-client-tenant-id",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    world.check(1).await;
    world.finish().await;
}

/// HEAD gets the head of the same answer; any other method is refused.
#[tokio::test]
async fn head_is_get_without_a_body() {
    let world = World::start(Setup::new()).await;
    let path = format!("/common{V2}");
    let get = world.get(&path).await;
    let head = world.send(http::Method::HEAD, &path).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.header("content-type"), get.header("content-type"));
    let head = world
        .client(true)
        .head(format!("{}{path}", world.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(
        head.headers()["content-length"],
        get.header("content-length").unwrap()
    );
    assert!(head.bytes().await.unwrap().is_empty());
    world.check(3).await;
    for method in [
        http::Method::POST,
        http::Method::PUT,
        http::Method::OPTIONS,
        http::Method::DELETE,
    ] {
        let answer = world.send(method, &path).await;
        answer.is_refusal(405, "method");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        world.check(0).await;
    }
    world.finish().await;
}
