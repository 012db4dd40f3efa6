//! What passes, passes byte for byte.

use serde_json::json;
use tidegate_mock::Reply;

use super::{contoso_on, given, given_body, isolated, signed};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, World};

/// C45: odd white space, unknown members, numbers in every spelling, sizes up to the cap.
#[tokio::test]
async fn an_allowed_reply_is_byte_identical() {
    let world = World::start(contoso_on().set("limits.reply_body", "64KiB")).await;
    let mint = world.idp.mint();
    let token = mint.access_token(CONTOSO).build();
    let mut bodies = vec![
        format!(
            " \r\n\t{{ \"access_token\" :\n\n\"{token}\"\t,\"n\":1.0E+2,\"z\":0.10,\
             \"u\":\"\\u00e9\u{e9}\\/\" }} \n"
        ),
        format!(
            "{{\"unknown\":{{\"deep\":[1,[2,{{}}]],\"null\":null,\"yes\":true}},\
             \"access_token\":\"{token}\"}}"
        ),
        format!(
            "{{\"\":\"\",\"access_token\":\"{token}\",\"big\":123456789012345678901234567890}}"
        ),
    ];
    for length in [4096, 64 * 1024 - 1] {
        let start = format!("{{\"access_token\":\"{token}\",\"pad\":\"");
        bodies.push(format!(
            "{start}{}\"}}",
            "p".repeat(length - start.len() - 2)
        ));
        assert_eq!(bodies.last().unwrap().len(), length);
    }
    for body in bodies {
        for http2 in [false, true] {
            world.next_reply(Reply::json_bytes(200, body.clone()));
            let exchange = world.exchange(CONTOSO, CONTOSO);
            let outcome = if http2 { exchange.http2() } else { exchange }.send().await;
            outcome.allowed("same_tenant");
            assert_eq!(outcome.answer.text(), body);
            assert_eq!(
                outcome.answer.header("cache-control"),
                Some("no-store"),
                "added"
            );
            world.check(1).await;
        }
    }
    world.finish().await;
}

/// The provider's own `cache-control` stays if it says the same, and is replaced if not.
#[tokio::test]
async fn a_token_reply_is_never_stored() {
    let world = isolated().await;
    let body = signed(&world.idp.mint(), CONTOSO).to_vec();
    for (sent, received) in [
        ("no-store, no-cache", "no-store, no-cache"),
        ("No-Store", "No-Store"),
        ("max-age=3600, public", "no-store"),
        ("no-cache", "no-store"),
    ] {
        let outcome = given(
            &world,
            Reply::json_bytes(200, body.clone()).header("cache-control", sent),
        )
        .await;
        outcome.allowed("same_tenant");
        assert_eq!(outcome.answer.header("cache-control"), Some(received));
        world.check(1).await;
    }
    world.finish().await;
}

/// C28: errors pass unchanged and are no blocks.
#[tokio::test]
async fn errors_pass_unchanged() {
    let world = isolated().await;
    let claims = json!({ "access_token": { "capolids": { "essential": true, "values": ["x"] } } })
        .to_string();
    for (status, body) in [
        (
            400,
            json!({ "error": "invalid_grant", "error_description": "x", "error_codes": [70008] }),
        ),
        (400, json!({ "error": "authorization_pending" })),
        (
            400,
            json!({ "error": "interaction_required", "suberror": "x", "claims": claims }),
        ),
        (
            401,
            json!({ "error": "invalid_client", "correlation_id": "c", "trace_id": "t" }),
        ),
        (429, json!({ "error": "temporarily_unavailable" })),
        (500, json!({ "error": "server_error" })),
        (503, json!({})),
    ] {
        let reply = Reply::json(status, &body)
            .header("retry-after", "7")
            .header("x-ms-request-id", "r-1");
        let outcome = given(&world, reply).await;
        outcome.allowed("no_token").tenants(Some(CONTOSO), None);
        assert_eq!(outcome.answer.status, status);
        assert_eq!(outcome.answer.text(), body.to_string());
        assert_eq!(outcome.answer.header("retry-after"), Some("7"));
        assert_eq!(outcome.answer.header("x-ms-request-id"), Some("r-1"));
        assert_eq!(outcome.record["token_kind"], "none");
        world.check(1).await;
    }
    // Without a body there is no token either.
    let outcome = given(&world, Reply::new(502, "")).await;
    outcome.allowed("no_token");
    assert_eq!(outcome.answer.status, 502);
    world.check(1).await;
    world.finish().await;
}

/// The request travels as it is: client authentication, form and query untouched.
#[tokio::test]
async fn the_request_travels_untouched() {
    let world = isolated().await;
    let (basic, proof) = (
        format!("Basic {}", world.secrets.canary()),
        world.secrets.canary(),
    );
    let form = "grant_type=authorization_code&code=for%3acontoso.com&&client_id=a%20b+c\
                &scope=x%2Fy&empty=&client_assertion=%65yJ";
    let exchange = world
        .exchange(CONTOSO, CONTOSO)
        .path(&format!("{COMMON}?client-request-id=1&x=%2e%2e&y="))
        .header("authorization", &basic)
        .header("dpop", &proof)
        .header("x-client-sku", "MSAL.Python")
        .header("user-agent", "probe/1")
        .body(form);
    exchange.send().await.allowed("same_tenant");
    let seen = world.idp.requests().last().unwrap();
    assert_eq!(seen.text(), form);
    assert_eq!(
        seen.target(),
        format!("{COMMON}?client-request-id=1&x=%2e%2e&y=")
    );
    assert_eq!(seen.version, http::Version::HTTP_11);
    for (name, value) in [
        ("authorization", basic.as_str()),
        ("dpop", &proof),
        ("x-client-sku", "MSAL.Python"),
        ("user-agent", "probe/1"),
        ("host", world.idp.url().trim_start_matches("https://")),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", &form.len().to_string()),
    ] {
        assert_eq!(
            seen.headers.get_all(name).iter().collect::<Vec<_>>(),
            [value],
            "{name}"
        );
    }
    world.check(1).await;
    world.finish().await;
}

/// What would tell the provider, in the client's words, who the client is or which path it meant;
/// and names that a server could take for others.
#[tokio::test]
async fn claims_about_the_client_stay() {
    let world = isolated().await;
    let names = [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-http-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x_client_sku",
        "content_length",
    ];
    for http2 in [false, true] {
        let exchange = world.exchange(CONTOSO, CONTOSO);
        let exchange = names
            .iter()
            .fold(exchange, |exchange, name| exchange.header(name, "1"));
        let exchange = if http2 { exchange.http2() } else { exchange };
        exchange.send().await.allowed("same_tenant");
        let seen = world.idp.requests().last().unwrap();
        for name in names {
            assert_eq!(seen.header(name), None, "{name}");
        }
        world.check(1).await;
    }
    world.finish().await;
}

/// Headers of one connection stay on it, in both directions, and so does another way round.
#[tokio::test]
async fn hop_by_hop_headers_stay() {
    let world = isolated().await;
    let form = world.exchange(None, CONTOSO).form_text();
    let mut raw = world.raw().await;
    raw.send(format!(
        "POST {COMMON} HTTP/1.1\r\nhost: {}\r\nx-ms-client-tenant-id: {CONTOSO}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
         connection: keep-alive, x-secret-hop\r\nx-secret-hop: 1\r\nkeep-alive: timeout=5\r\n\
         te: trailers\r\ntrailer: x\r\nproxy-authorization: Basic x\r\n\
         proxy-connection: keep-alive\r\nupgrade: h2c\r\n\r\n{form}",
        world.host(),
        form.len()
    ))
    .await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    world.next_record().await;
    let seen = world.idp.requests().last().unwrap();
    for name in [
        "x-secret-hop",
        "keep-alive",
        "te",
        "trailer",
        "proxy-authorization",
        "proxy-connection",
        "upgrade",
        "transfer-encoding",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    world.check(1).await;

    let reply = signed(&world.idp.mint(), CONTOSO)
        .reply()
        .header("connection", "x-other-hop")
        .header("x-other-hop", "1")
        .header("alt-svc", "h3=\":443\"")
        .header("keep-alive", "timeout=5")
        .header("upgrade", "h2c")
        .header("x-kept", "1");
    let outcome = given(&world, reply).await;
    outcome.allowed("same_tenant");
    for name in [
        "x-other-hop",
        "alt-svc",
        "keep-alive",
        "upgrade",
        "set-cookie",
    ] {
        assert_eq!(outcome.answer.header(name), None, "{name}");
    }
    assert_eq!(outcome.answer.header("x-kept"), Some("1"));
    world.check(1).await;
    world.finish().await;
}

/// E30: cookies travel only where a route says so.
#[tokio::test]
async fn cookies_travel_where_configured() {
    let setup = contoso_on().on_route("token-v1", "cookies", "\"relay\"");
    let world = World::start(setup).await;
    for (path, relayed) in [(COMMON, false), ("/common/oauth2/token", true)] {
        let exchange = world
            .exchange(CONTOSO, CONTOSO)
            .path(path)
            .header("cookie", "fpc=1");
        let outcome = exchange.send().await;
        outcome.allowed("same_tenant");
        assert_eq!(
            world
                .idp
                .requests()
                .last()
                .unwrap()
                .header("cookie")
                .is_some(),
            relayed
        );
        let cookies = outcome.answer.headers.get_all("set-cookie").iter().count();
        assert_eq!(cookies > 0, relayed, "{path}");
        world.check(1).await;
    }
    world.finish().await;
}

/// D7: every grant's reply is inspected the same.
#[tokio::test]
async fn every_grant_is_inspected() {
    let world = isolated().await;
    let mint = world.idp.mint();
    for (grant, recorded) in [
        ("authorization_code", "authorization_code"),
        ("refresh_token", "refresh_token"),
        ("client_credentials", "client_credentials"),
        ("password", "password"),
        (
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ),
        (
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:device_code",
        ),
        (
            "urn:ietf:params:oauth:grant-type:saml2-bearer",
            "urn:ietf:params:oauth:grant-type:saml2-bearer",
        ),
        (
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("something_new", "other"),
        ("Refresh_Token", "other"),
    ] {
        for (tenant, blocked) in [(CONTOSO, false), (FABRIKAM, true)] {
            world.next_body(&signed(&mint, tenant));
            let exchange = world
                .exchange(CONTOSO, tenant)
                .field("grant_type", grant)
                .field("refresh_token", &world.secrets.canary())
                .field("assertion", &world.secrets.canary())
                .field("subject_token", &world.secrets.canary())
                .field("device_code", &world.secrets.canary())
                .field("password", &world.secrets.canary());
            let outcome = exchange.send().await;
            if blocked {
                outcome.blocked("outbound_block", super::OUT);
            } else {
                outcome.allowed("same_tenant");
            }
            assert_eq!(outcome.record["grant_type"], recorded);
            world.check(1).await;
        }
    }
    let outcome = given_body(&world, &signed(&mint, CONTOSO)).await;
    assert_eq!(outcome.record["grant_type"], "authorization_code");
    world.finish().await;
}
