//! What a creator may be: none, one that all sources agree on, a tenant id and nothing else.

use super::{HEADER, contoso_lets_fabrikam_in, not_forwarded};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, NORTHWIND, Outcome, Policy, Setup, World};

/// A8: no creator anywhere is a legacy connection.
#[tokio::test]
async fn a_legacy_connection_is_the_sign_in_tenants_choice() {
    let setup = Setup::new()
        .policy(Policy::on(CONTOSO))
        .policy(Policy::on(FABRIKAM).allowing_legacy())
        .policy(Policy::off(NORTHWIND));
    let world = World::start(setup).await;
    let outcome = world.exchange(None, CONTOSO).send().await;
    outcome.blocked("without_client_tenant_blocked", &[(CONTOSO, "inbound")]);
    assert_eq!(world.warnings(), 0);
    world.check(1).await;
    for (count, sign_in) in [(1, FABRIKAM), (2, NORTHWIND)] {
        let outcome = world.exchange(None, sign_in).send().await;
        outcome
            .allowed("without_client_tenant_allowed")
            .has_tokens_of(sign_in);
        world.check(1).await;
        assert_eq!(world.warnings(), count, "{}", world.log.text());
    }
    world.finish().await;
}

/// A9: sources that contradict each other, pairwise.
#[tokio::test]
async fn contradicting_sources_are_refused_and_recorded() {
    let setup = contoso_lets_fabrikam_in()
        .route(&format!(
            r#"
            name = "three"
            kind = "token"
            provider = "entra"
            path = "/by/{{creator}}/{{tenant}}/token"
            upstream_path = "/{{tenant}}/oauth2/v2.0/token"
            creator = [
                {{ tenant = "{CONTOSO}" }}, {{ header = "{HEADER}" }}, {{ path = "creator" }},
            ]
            "#
        ))
        .route(&format!(
            r#"
            name = "two"
            kind = "token"
            provider = "entra"
            path = "/for/{{creator}}/{{tenant}}/token"
            upstream_path = "/{{tenant}}/oauth2/v2.0/token"
            creator = [{{ header = "{HEADER}" }}, {{ path = "creator" }}]
            "#
        ));
    let world = World::start(setup).await;
    let send = async |path: String, header: Option<&str>| -> Outcome {
        world.exchange(header, CONTOSO).path(&path).send().await
    };
    for (path, header) in [
        (format!("/by/{CONTOSO}/common/token"), Some(FABRIKAM)),
        (format!("/by/{FABRIKAM}/common/token"), Some(CONTOSO)),
        (format!("/by/{FABRIKAM}/common/token"), None),
        (format!("/for/{FABRIKAM}/common/token"), Some(CONTOSO)),
    ] {
        send(path, header)
            .await
            .refused(400, "creator_contradiction")
            .tenants(None, None);
        world.check(0).await;
    }
    let outcome = send(
        format!("/by/{}/common/token", CONTOSO.to_uppercase()),
        Some(CONTOSO),
    )
    .await;
    outcome.allowed("same_tenant").has_tokens_of(CONTOSO);
    assert_eq!(outcome.record["creator_source"], "fixed");
    not_forwarded(&world);
    assert_eq!(world.idp.requests().last().unwrap().path, COMMON);
    world.check(1).await;
    let outcome = send(format!("/for/{FABRIKAM}/common/token"), None).await;
    outcome
        .allowed("both_allow")
        .tenants(Some(FABRIKAM), Some(CONTOSO));
    assert_eq!(outcome.record["creator_source"], "path");
    world.check(1).await;
    world.finish().await;
}

/// A11: one spelling of a tenant id in header, token, path and policy; upper case is the same.
#[tokio::test]
async fn only_the_dashed_form_is_a_tenant_id() {
    let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let upper = id.to_uppercase();
    let mut policy = Policy::on(id);
    policy = policy
        .with("tenantId", upper.as_str())
        .outbound(&CONTOSO.to_uppercase());
    let world = World::start(Setup::new().policy(policy)).await;

    let outcome = world.exchange(upper.as_str(), id).send().await;
    outcome.allowed("same_tenant").tenants(Some(id), Some(id));
    world.check(1).await;
    let outcome = world.exchange(upper.as_str(), CONTOSO).send().await;
    outcome
        .allowed("both_allow")
        .tenants(Some(id), Some(CONTOSO));
    world.check(1).await;
    let outcome = world
        .exchange(id, id)
        .path(&format!("/{upper}/oauth2/v2.0/token"))
        .send()
        .await;
    outcome.allowed("same_tenant");
    world.check(1).await;
    let mint = world.idp.mint();
    let token = mint.access_token(id).claim("tid", upper.as_str()).build();
    world.next_body(&tidegate_mock::TokenBody::v2().access_token(token));
    world.exchange(id, id).send().await.allowed("same_tenant");
    world.check(1).await;

    let undashed = id.replace('-', "");
    for odd in [
        format!("{{{id}}}"),
        format!("({id})"),
        undashed,
        format!("urn:uuid:{id}"),
    ] {
        let outcome = world.exchange(odd.as_str(), id).send().await;
        outcome
            .refused(400, "creator_malformed")
            .tenants(None, None);
        world.check(0).await;
        let token = mint.access_token(id).claim("tid", odd.as_str()).build();
        world.next_body(&tidegate_mock::TokenBody::v2().access_token(token));
        world
            .exchange(id, id)
            .send()
            .await
            .blocked("undetermined_malformed", &[]);
        world.check(1).await;
    }
    world.finish().await;
}

/// A13: names that stand for many tenants, nobody or a wildcard.
#[tokio::test]
async fn aliases_are_no_creators() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO).both("*"))).await;
    let nil = "00000000-0000-0000-0000-000000000000";
    for alias in [
        "common",
        "organizations",
        "consumers",
        "Common",
        nil,
        "*",
        "contoso.com",
        "null",
        "0",
    ] {
        let outcome = world.exchange(alias, CONTOSO).send().await;
        outcome
            .refused(400, "creator_malformed")
            .tenants(None, None);
        world.check(0).await;
    }
    world.finish().await;
}

/// A16: a form parameter twice, or in a spelling that some parser folds.
#[tokio::test]
async fn parameters_stand_once_and_under_their_own_name() {
    let world = World::start(Setup::new()).await;
    let form = world.exchange(None, CONTOSO).form_text();
    for more in [
        format!("tenant={CONTOSO}&tenant={FABRIKAM}"),
        format!("tenant={CONTOSO}&ten%61nt={FABRIKAM}"),
        format!("tenant[]={CONTOSO}"),
        format!("TENANT={CONTOSO}"),
        format!("tenant={CONTOSO}&Tenant={CONTOSO}"),
        "grant_type=refresh_token".to_owned(),
        "client%5Fid=other".to_owned(),
    ] {
        let exchange = world
            .exchange(CONTOSO, CONTOSO)
            .body(format!("{form}&{more}"));
        exchange.send().await.refused(400, "form_malformed");
        world.check(0).await;
    }
    let exchange = world
        .exchange(CONTOSO, CONTOSO)
        .body(format!("{form}&ten%61nt={CONTOSO}"));
    exchange.send().await.allowed("same_tenant");
    assert!(
        world
            .idp
            .requests()
            .last()
            .unwrap()
            .text()
            .ends_with(&format!("&ten%61nt={CONTOSO}"))
    );
    world.check(1).await;
    world.finish().await;
}

/// The connector's name is a label: bounded, and without a say in anything.
#[tokio::test]
async fn the_connector_is_a_label() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    let long = "x".repeat(1000);
    for (sent, recorded) in [
        ("office365", "office365"),
        ("\"}\\u0000{", "\"}\\u0000{"),
        (long.as_str(), &long[..128]),
    ] {
        let outcome = world
            .exchange(CONTOSO, FABRIKAM)
            .header("x-connector-name", sent)
            .send()
            .await;
        outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
        assert_eq!(outcome.record["connector"], recorded);
        world.check(1).await;
    }
    world.finish().await;
}
