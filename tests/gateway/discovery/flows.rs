//! What clients do with what they read.

use serde_json::Value;
use tidegate_mock::tenants;

use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL, Policy, Setup, World};

/// D1 without a library: a client that knows nothing but the gateway's authority URL. Every token
/// request at the provider is one that the gateway recorded.
#[tokio::test]
async fn a_client_that_follows_discovery_stays_here() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    for (tenant, version) in [(CONTOSO, "/v2.0"), (CONTOSO, ""), (FABRIKAM, "/v2.0")] {
        let url = format!(
            "{}/{tenant}{version}/.well-known/openid-configuration",
            world.url()
        );
        let document: Value = world
            .client(true)
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let endpoint = document["token_endpoint"].as_str().unwrap();
        let path = endpoint
            .strip_prefix(world.url())
            .expect("the gateway's own");
        let outcome = world
            .exchange(CONTOSO, tenant)
            .path(path)
            .field("grant_type", "client_credentials")
            .field("scope", "https://graph.microsoft.com/.default")
            .send()
            .await;
        if tenant == CONTOSO {
            outcome.allowed("same_tenant").has_tokens_of(CONTOSO);
            let keys = document["jwks_uri"]
                .as_str()
                .unwrap()
                .strip_prefix(world.url())
                .unwrap();
            assert!(
                !world.get(keys).await.json()["keys"]
                    .as_array()
                    .unwrap()
                    .is_empty()
            );
        } else {
            outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
        }
    }
    let posts = world
        .idp
        .requests()
        .matching(tidegate_mock::Request::is_token_post);
    assert_eq!(posts.len(), 2);
    world.check(7).await;
    world.finish().await;
}

/// D4: the device flow. Pending passes as it is; the tokens are decided about.
#[tokio::test]
async fn the_device_flow_is_decided_at_its_end() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    for (user, tenant) in [
        ("alice@contoso.com", CONTOSO),
        ("bob@fabrikam.com", FABRIKAM),
    ] {
        let form = [
            ("client_id", "app"),
            ("scope", "openid User.Read"),
            ("login_hint", user),
        ];
        let url = format!("{}/common/oauth2/v2.0/devicecode", world.url());
        let started: Value = world
            .client(false)
            .post(url)
            .form(&form)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let code = started["device_code"].as_str().unwrap();
        world.secrets.remember(code);
        let poll = || {
            world
                .exchange(CONTOSO, tenant)
                .without("code")
                .field("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
                .field("device_code", code)
        };
        let pending = poll().send().await;
        pending.allowed("no_token");
        assert_eq!(
            (pending.answer.status, &pending.answer.json()["error"]),
            (400, &"authorization_pending".into())
        );
        let done = poll().send().await;
        if tenant == CONTOSO {
            done.allowed("same_tenant").has_tokens_of(CONTOSO);
        } else {
            done.blocked("outbound_block", &[(CONTOSO, "outbound")]);
        }
        world.check(3).await;
    }
    world.finish().await;
}

/// D5: every spelling of a token path is inspected or is no route; none passes uninspected.
#[tokio::test]
async fn no_token_path_escapes() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    let out: &[(&str, &str)] = &[(CONTOSO, "outbound")];
    for path in [
        "/common/oauth2/token",
        "/common/oauth2/v2.0/token",
        "/organizations/oauth2/v2.0/token",
        "/organizations/oauth2/token",
        "/COMMON/OAuth2/V2.0/Token",
        "/common/oauth2/v2.0/token?p=B2C_1_signin",
        "/common/oauth2/v2.0/token?client-request-id=1",
        "/common/oauth2/v2.0/token?",
        "/common/oauth2/v2.0/token?/x",
        "/common/oauth2/v2.0/token?x=/../..",
    ] {
        world
            .exchange(CONTOSO, FABRIKAM)
            .path(path)
            .send()
            .await
            .blocked("outbound_block", out);
        world.check(1).await;
        world
            .exchange(CONTOSO, CONTOSO)
            .path(path)
            .send()
            .await
            .allowed("same_tenant");
        world.check(1).await;
    }
    let outcome = world
        .exchange(CONTOSO, PERSONAL)
        .path("/consumers/oauth2/v2.0/token")
        .send()
        .await;
    outcome.blocked("outbound_block", out);
    world.check(0).await;
    for path in [
        "/common/oauth2/v2.0/token/",
        "/common/oauth2/token/",
        "/common/oauth2/v2.0/token/x",
        "/common/B2C_1_signin/oauth2/v2.0/token",
        "/tfp/common/B2C_1_signin/oauth2/v2.0/token",
        "/common/oauth2/v2.1/token",
        "/common/oauth2/v2.0/tokens",
        "/common/oauth2/v2.0",
        "/oauth2/v2.0/token",
        "/common/login",
        "/common/GetCredentialType",
        "/common/oauth2/nativeclient",
        "/common/userrealm/alice@contoso.com",
        "/kerberos",
        "/",
    ] {
        let answer = world
            .exchange(CONTOSO, FABRIKAM)
            .path(path)
            .send_unrecorded()
            .await;
        answer.is_refusal(404, "no_route");
        world.check(0).await;
        world.get(path).await.is_refusal(404, "no_route");
        world.check(0).await;
    }
    world.finish().await;
}

/// A refresh follows the same way: a policy change stops an existing connection there, and the
/// sign-in tenant is the token's, not the path's.
#[tokio::test]
async fn a_refresh_is_decided_anew() {
    let world = World::start(Setup::new()).await;
    let scope = "openid profile offline_access User.Read";
    let first = world
        .exchange(CONTOSO, FABRIKAM)
        .field("scope", scope)
        .send()
        .await;
    first.allowed("both_allow").has_tokens_of(FABRIKAM);
    let refresh = first.answer.json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    world.secrets.remember(&refresh);
    let again = || {
        world
            .exchange(CONTOSO, FABRIKAM)
            .without("code")
            .field("grant_type", "refresh_token")
            .field("refresh_token", &refresh)
    };
    again()
        .send()
        .await
        .allowed("both_allow")
        .has_tokens_of(FABRIKAM);
    world.put(&Policy::on(CONTOSO));
    crate::harness::until("the refresh is blocked", async || {
        let outcome = again().send().await;
        (outcome.answer.status == 403).then(|| {
            outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
        })
    })
    .await;
    assert_eq!(tenants::NORTHWIND, NORTHWIND);
    world.finish().await;
}
