//! The same rule before the provider is asked, where the path names the tenant: no token is minted
//! and no code is burnt for a connection that is blocked anyway.

use tidegate_mock::Reply;

use super::{OUT, contoso_on, isolated, signed};
use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL, Policy, Setup, World, until};

/// Nothing goes to the provider, whether a GUID or an alias of one tenant names it.
#[tokio::test]
async fn a_path_that_names_a_blocked_tenant_is_blocked_before() {
    let world = isolated().await;
    let upper = FABRIKAM.to_uppercase();
    for (segment, tenant) in [
        (FABRIKAM, FABRIKAM),
        (upper.as_str(), FABRIKAM),
        ("consumers", PERSONAL),
        ("Consumers", PERSONAL),
    ] {
        for path in [
            format!("/{segment}/oauth2/v2.0/token"),
            format!("/{segment}/oauth2/token"),
        ] {
            let outcome = world.exchange(CONTOSO, tenant).path(&path).send().await;
            outcome
                .blocked("outbound_block", OUT)
                .tenants(Some(CONTOSO), Some(tenant));
            assert_eq!(outcome.record["early"], true);
            assert_eq!(outcome.record["upstream_status"], serde_json::Value::Null);
            world.check(0).await;
        }
    }
    world.finish().await;
}

/// A domain is resolved at the provider's metadata, once; the token endpoint hears nothing.
#[tokio::test]
async fn a_path_that_names_a_blocked_domain_is_blocked_before() {
    let world = World::start(contoso_on().set("listen.workers", 1)).await;
    for (domain, requests) in [
        ("fabrikam.com", 1),
        ("FABRIKAM.com", 0),
        ("fabrikam.onmicrosoft.com", 1),
    ] {
        let path = format!("/{domain}/oauth2/v2.0/token");
        let outcome = world.exchange(CONTOSO, FABRIKAM).path(&path).send().await;
        outcome
            .blocked("outbound_block", OUT)
            .tenants(Some(CONTOSO), Some(FABRIKAM));
        assert_eq!(world.idp.requests().token_posts(), 0);
        world.check(requests).await;
    }
    world.finish().await;
}

/// What cannot be resolved is the reply's to decide; so is what the provider answers otherwise than
/// the path says.
#[tokio::test]
async fn the_reply_stays_the_authority() {
    let world = isolated().await;
    // Unknown at the provider: its error passes.
    let exchange = world
        .exchange(CONTOSO, FABRIKAM)
        .path("/nobody.example/oauth2/v2.0/token");
    let outcome = exchange.send().await;
    outcome.allowed("no_token");
    assert_eq!(outcome.answer.status, 400);
    assert_eq!(outcome.record["early"], false);
    world.check(2).await;

    // Allowed by the path, foreign in the reply.
    let path = format!("/{CONTOSO}/oauth2/v2.0/token");
    world
        .idp
        .script_once(path.clone(), signed(&world.idp.mint(), FABRIKAM).reply());
    let outcome = world.exchange(CONTOSO, CONTOSO).path(&path).send().await;
    outcome.blocked("outbound_block", OUT);
    assert_eq!(outcome.record["early"], false);
    world.check(1).await;

    // Shared authorities say nothing.
    for (segment, sign_in) in [
        ("common", FABRIKAM),
        ("organizations", FABRIKAM),
        ("Organizations", FABRIKAM),
    ] {
        let path = format!("/{segment}/oauth2/v2.0/token");
        world
            .exchange(CONTOSO, sign_in)
            .path(&path)
            .send()
            .await
            .blocked("outbound_block", OUT);
        world.check(1).await;
        world
            .exchange(CONTOSO, CONTOSO)
            .path(&path)
            .send()
            .await
            .allowed("same_tenant");
        world.check(1).await;
    }
    world.finish().await;
}

/// A domain that answered with an error, or with metadata of no tenant, is not remembered as
/// anything it is not: the reply still decides.
#[tokio::test]
async fn a_domain_that_cannot_be_resolved_is_decided_by_the_reply() {
    let world = isolated().await;
    let metadata = "/fabrikam.com/v2.0/.well-known/openid-configuration";
    let foreign = serde_json::json!({ "issuer": "https://idp.example/x" });
    for reply in [
        Reply::new(500, "oops"),
        Reply::json(200, &foreign),
        Reply::redirect(302, "https://x.test/"),
        Reply::reset(),
    ] {
        let fresh = isolated().await;
        fresh.idp.script_once(metadata, reply);
        let exchange = fresh
            .exchange(CONTOSO, FABRIKAM)
            .path("/fabrikam.com/oauth2/v2.0/token");
        let outcome = exchange.send().await;
        outcome.blocked("outbound_block", OUT);
        assert_eq!(outcome.record["early"], false);
        fresh.check(2).await;
        fresh.finish().await;
    }
    world.finish().await;
}

/// Early or not, a legacy connection and a report-only side are treated alike.
#[tokio::test]
async fn the_early_check_is_the_same_rule() {
    let setup = Setup::new()
        .policy(Policy::on(CONTOSO))
        .policy(Policy::on(FABRIKAM).report_only())
        .policy(Policy::on(NORTHWIND).allowing_legacy());
    let world = World::start(setup).await;
    let path = |tenant: &str| format!("/{tenant}/oauth2/v2.0/token");
    let outcome = world
        .exchange(None, CONTOSO)
        .path(&path(CONTOSO))
        .send()
        .await;
    outcome.blocked("without_client_tenant_blocked", &[(CONTOSO, "inbound")]);
    world.check(0).await;
    let outcome = world
        .exchange(None, NORTHWIND)
        .path(&path(NORTHWIND))
        .send()
        .await;
    outcome.allowed("without_client_tenant_allowed");
    world.check(1).await;
    let outcome = world
        .exchange(NORTHWIND, FABRIKAM)
        .path(&path(FABRIKAM))
        .send()
        .await;
    outcome.decided("block", "both_block");
    world.check(0).await;
    let outcome = world
        .exchange(PERSONAL, FABRIKAM)
        .path(&path(FABRIKAM))
        .send()
        .await;
    outcome.would_block("inbound_block").has_tokens_of(FABRIKAM);
    world.check(1).await;
    world.finish().await;
}

/// A policy that cannot be read is a 503 before the provider is asked, and after.
#[tokio::test]
async fn an_unreadable_policy_is_a_503() {
    let world = World::start(Setup::new()).await;
    std::fs::write(
        world.policies().join(format!("{FABRIKAM}.json")),
        "{ broken",
    )
    .unwrap();
    until("noticed", async || {
        world
            .metrics()
            .await
            .contains("tidegate_policies_unreadable 1")
            .then_some(())
    })
    .await;
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.refused(503, "policy_unreadable");
    assert_eq!(outcome.record["upstream_status"], 200);
    world.check(1).await;
    let early = world
        .exchange(CONTOSO, FABRIKAM)
        .path(&format!("/{FABRIKAM}/oauth2/v2.0/token"));
    early.send().await.refused(503, "policy_unreadable");
    world.check(0).await;
    let outbound = world.exchange(FABRIKAM, CONTOSO).http2().send().await;
    outbound.refused(503, "policy_unreadable");
    world.check(1).await;
    world
        .exchange(FABRIKAM, FABRIKAM)
        .send()
        .await
        .allowed("same_tenant");
    world.check(1).await;
    world.finish().await;
}
