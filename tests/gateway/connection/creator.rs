//! Who creates the connection (group A): the bearer token, alone or beside a trusted header.

use tidegate_mock::Seal;

use super::{OUT, contoso_on, isolated};
use crate::harness::connections::TOLD;
use crate::harness::{CONTOSO, Creation, FABRIKAM, NORTHWIND, PERSONAL, Policy, Setup, World};

const HEADER: &str = "x-ms-client-tenant-id";

/// A trusted header beside the bearer token.
fn both_sources() -> Setup {
    contoso_on().on_route(
        "create",
        "creator",
        r#"[{ header = "x-ms-client-tenant-id" }, { bearer = "authorization", audience = ["api://platform"] }]"#,
    )
}

/// A17: one header, one scheme, one token, one space.
#[tokio::test]
async fn the_header_stands_once_and_holds_one_token() {
    let world = isolated().await;
    let (own, foreign) = (
        world.creator(CONTOSO).build(),
        world.creator(FABRIKAM).build(),
    );
    let with = |values: &[&str]| {
        let creation = world.creation(CONTOSO, CONTOSO).without("authorization");
        values.iter().fold(creation, |creation, value| {
            creation.header("authorization", value)
        })
    };
    let bearer = format!("Bearer {own}");
    let refused = [
        with(&[&bearer, &bearer]),
        with(&[&bearer, &format!("Bearer {foreign}")]),
        with(&[&bearer, "Basic YTpi"]),
        with(&["Basic YTpi", &bearer]),
        with(&[&format!("Bearer {own}, Bearer {foreign}")]),
        with(&[&format!("Bearer {own},{foreign}")]),
        with(&[&format!("Bearer  {own}")]),
        with(&[&format!("Bearer\t{own}")]),
        with(&[&format!("Bearer {own} {foreign}")]),
        with(&[&format!("Bearer=\"{own}\"")]),
        with(&[&format!("Bearer{own}")]),
        with(&[&own]),
        with(&["Bearer"]),
        with(&["Bearer "]),
        with(&[""]),
    ];
    let refused = refused
        .iter()
        .flat_map(|creation| [creation.clone(), creation.clone().http2()]);
    for creation in refused {
        let outcome = creation.send().await;
        assert!(
            [400, 401].contains(&outcome.answer.status),
            "{:?}",
            outcome.answer
        );
        assert_eq!(outcome.record["decision"], "error");
        outcome.tenants(None, None);
        outcome.nothing_leaked();
        outcome.stayed_here();
        world.forwarded(0).await;
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let outcome = with(&[&format!("{scheme} {own}")]).send().await;
        outcome.created("same_tenant");
        assert_eq!(outcome.record["creator_source"], "bearer");
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// A18: other schemes, and none.
#[tokio::test]
async fn another_scheme_is_no_token() {
    let world = isolated().await;
    let creation = || world.creation(CONTOSO, CONTOSO).without("authorization");
    let secret = world.secrets.canary();
    let others = [
        creation(),
        creation().header("authorization", format!("Basic {secret}")),
        creation().header("authorization", format!("Negotiate {secret}")),
        creation().header("authorization", format!("DPoP {secret}")),
        creation().header("x-authorization", format!("Bearer {secret}")),
        creation().header("proxy-authorization", format!("Bearer {secret}")),
        creation().header("cookie", format!("authorization=Bearer {secret}")),
    ];
    for creation in others {
        let outcome = creation.send().await;
        outcome.refused(401, "creator_token_missing");
        let challenge = outcome.answer.header("www-authenticate");
        assert_eq!(challenge, Some(r#"Bearer realm="tidegate""#));
        outcome.tenants(None, None);
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// A18: a token in the query is never accepted, and never written down.
#[tokio::test]
async fn a_token_in_the_query_is_refused() {
    let world = isolated().await;
    let own = world.creator(CONTOSO).build();
    world.secrets.remember(&own);
    for name in ["access_token", "access%5Ftoken", "ACCESS_TOKEN"] {
        let path = format!("/connections/one?api-version=1&{name}={own}");
        let creation = || world.creation(CONTOSO, CONTOSO).path(&path);
        for creation in [creation().without("authorization"), creation()] {
            let outcome = creation.send().await;
            assert_eq!(outcome.answer.status, 401, "{:?}", outcome.answer);
            assert!(outcome.answer.header("www-authenticate").is_some());
            outcome.nothing_leaked();
            outcome.stayed_here();
            world.forwarded(0).await;
        }
    }
    world.finish().await;
}

/// A9: a trusted header and a verified bearer token that differ (400, as the specification has it).
#[tokio::test]
async fn sources_that_differ_are_refused() {
    let world = World::start(both_sources()).await;
    let with = |header: &str, bearer: &str| world.creation(bearer, CONTOSO).header(HEADER, header);
    let outcome = with(CONTOSO, CONTOSO).send().await;
    outcome
        .created("same_tenant")
        .tenants(Some(CONTOSO), Some(CONTOSO));
    world.forwarded(1).await;
    // A11: the same tenant, whatever the case of its letters.
    let outcome = with(&PERSONAL.to_uppercase(), PERSONAL).send().await;
    outcome.blocked("inbound_block", &[(CONTOSO, "inbound")]);
    world.forwarded(0).await;
    for (header, bearer) in [(CONTOSO, FABRIKAM), (FABRIKAM, CONTOSO)] {
        let outcome = with(header, bearer).send().await;
        outcome
            .refused(400, "creator_contradiction")
            .tenants(None, None);
        world.forwarded(0).await;
    }
    // The header is no way round the token.
    let alone = with(CONTOSO, CONTOSO).without("authorization").send().await;
    alone.refused(401, "creator_token_missing");
    world.forwarded(0).await;
    let bad = world.creator(CONTOSO).seal(Seal::BadSignature).build();
    let outcome = with(CONTOSO, CONTOSO).bearer(&bad).send().await;
    outcome.token_refused("creator_token_refused", "token_signature");
    world.forwarded(0).await;
    world.finish().await;
}

/// A13, A14: a header that is there and names no tenant, beside a good token.
#[tokio::test]
async fn a_header_that_names_no_tenant_is_malformed() {
    let setup = both_sources().policy(Policy::on(FABRIKAM).both("*"));
    let world = World::start(setup).await;
    for value in [
        "",
        " ",
        "common",
        "organizations",
        "consumers",
        "*",
        "00000000-0000-0000-0000-000000000000",
        "{11111111-1111-4111-8111-111111111111}",
        "contoso.com",
    ] {
        let creation = world.creation(CONTOSO, CONTOSO).header(HEADER, value);
        let outcome = creation.send().await;
        outcome.refused(400, "creator_malformed");
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// A13: a token of no tenant at all is none of anybody's, and matches no `*`.
#[tokio::test]
async fn a_token_of_no_tenant_is_refused() {
    let world = World::start(contoso_on().policy(Policy::on(CONTOSO).both("*"))).await;
    for tenant in [
        "common",
        "organizations",
        "*",
        "00000000-0000-0000-0000-000000000000",
        "{tenantid}",
    ] {
        let token = world.creator(tenant).build();
        let creation = world.creation(CONTOSO, CONTOSO).bearer(&token);
        let outcome = creation.send().await;
        assert_eq!(outcome.answer.status, 401, "{tenant}: {:?}", outcome.answer);
        outcome.stayed_here();
        world.forwarded(0).await;
        let token = world.sign_in(tenant).build();
        let creation = world.creation(CONTOSO, CONTOSO).json_token(&token);
        let outcome = creation.send().await;
        assert_eq!(outcome.answer.status, 401, "{tenant}: {:?}", outcome.answer);
        outcome.stayed_here();
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// A16: the path names the creator as well; it agrees, contradicts, or names nobody.
#[tokio::test]
async fn a_path_may_name_the_creator_too() {
    let route = r#"
        name = "by-path"
        kind = "connection"
        service = "connections"
        provider = "entra"
        path = "/tenants/{creator}/connections/{id}"
        creator = [{ path = "creator" }, { bearer = "authorization", audience = "api://platform" }]
        sign_in = [{ json = "/properties/token", audience = "api://sign-in" }]
    "#;
    let world = World::start(contoso_on().route(route)).await;
    let at = |segment: &str| -> Creation<'_> {
        world
            .creation(CONTOSO, FABRIKAM)
            .path(&format!("/tenants/{segment}/connections/one"))
    };
    at(CONTOSO).send().await.blocked("outbound_block", OUT);
    world.forwarded(0).await;
    let outcome = at(NORTHWIND).send().await;
    outcome.refused(400, "creator_contradiction");
    world.forwarded(0).await;
    at("common").send().await.refused(400, "creator_malformed");
    world.forwarded(0).await;
    world.finish().await;
}

/// The creator's token in a header of the platform's choice; the service's own authorization is
/// then its own business.
#[tokio::test]
async fn the_creators_token_may_stand_in_another_header() {
    let creator = r#"[{ bearer = "x-user-token", audience = ["api://platform"] }]"#;
    let setup = contoso_on().on_route("create", "creator", creator);
    let world = World::start(setup).await;
    let own = world.creator(CONTOSO).build();
    let creation = || {
        world
            .creation(FABRIKAM, CONTOSO)
            .without("authorization")
            .header("authorization", format!("Basic {}", world.secrets.canary()))
    };
    let outcome = creation()
        .header("x-user-token", format!("Bearer {own}"))
        .send()
        .await;
    outcome
        .created("same_tenant")
        .tenants(Some(CONTOSO), Some(CONTOSO));
    world.service.requests().clear();
    let outcome = creation().send().await;
    outcome.refused(401, "creator_token_missing");
    world.service.requests().clear();
    world.finish().await;
}

/// A step before anybody signs in: nothing is asked for but the creator.
#[tokio::test]
async fn a_step_before_anybody_signs_in() {
    let route = r#"
        name = "consent-link"
        kind = "connection"
        service = "connections"
        provider = "entra"
        path = "/connections/{id}/getConsentLink"
        methods = ["POST"]
        creator = [{ bearer = "authorization", audience = ["api://platform"] }]
        sign_in = "none"
    "#;
    let world = World::start(contoso_on().route(route)).await;
    let log = world.log.text();
    assert!(log.contains("routes[consent-link].sign_in"), "{log}");
    let creation = || {
        world
            .creation(CONTOSO, CONTOSO)
            .method(http::Method::POST)
            .path("/connections/one/getConsentLink")
            .json(r#"{"redirectUrl":"https://platform.example/done"}"#)
    };
    let outcome = creation().send().await;
    assert_eq!(outcome.answer.status, 200, "{:?}", outcome.answer);
    outcome.tenants(Some(CONTOSO), None);
    let request = outcome.arrived();
    assert_eq!(request.headers.get(TOLD[1]), None);
    world.forwarded(1).await;
    let outcome = creation().without("authorization").send().await;
    assert_eq!(outcome.answer.status, 401);
    outcome.stayed_here();
    world.forwarded(0).await;
    world.finish().await;
}
