//! The creator's verified bearer token on token routes: it tells who creates, and stays here.

use tidegate_mock::Seal;

use super::OUT;
use crate::harness::connections::{BEARER, PLATFORM};
use crate::harness::{CONTOSO, Exchange, FABRIKAM, NORTHWIND, Outcome, Policy, Setup, World};

const HEADER: &str = "x-ms-client-tenant-id";

async fn world(sources: &str) -> World {
    let setup = Setup::new()
        .on_route("token-v2", "creator", sources)
        .policy(Policy::on(CONTOSO));
    World::start(setup).await
}

/// The bearer token, or else the trusted header.
async fn either() -> World {
    world(&format!("[{BEARER}, {{ header = \"{HEADER}\" }}]")).await
}

fn bearer<'w>(world: &'w World, creator: &str) -> Exchange<'w> {
    let token = world.creator(creator).build();
    world.secrets.remember_end(token.as_bytes());
    world
        .exchange(None, CONTOSO)
        .header("authorization", format!("Bearer {token}"))
}

/// Whether the provider saw an authorization header, and which.
fn authorization(world: &World) -> Option<String> {
    let request = world.idp.requests().last().unwrap();
    request.header("authorization").map(str::to_owned)
}

#[tokio::test]
async fn it_tells_who_creates_and_stays_here() {
    let world = either().await;
    for http2 in [false, true] {
        let exchange = |creator| {
            let exchange = bearer(&world, creator);
            if http2 { exchange.http2() } else { exchange }
        };
        let outcome = exchange(CONTOSO).send().await;
        outcome
            .allowed("same_tenant")
            .has_tokens_of(CONTOSO)
            .tenants(Some(CONTOSO), Some(CONTOSO));
        assert_eq!(outcome.record["creator_source"], "bearer");
        // What this record says of tokens is about the reply's.
        assert_eq!(outcome.record["verified"], "tls");
        assert_eq!(authorization(&world), None);
        world.check(1).await;

        let outcome = exchange(FABRIKAM).send().await;
        outcome.blocked("inbound_block", &[(CONTOSO, "inbound")]);
        assert_eq!(outcome.record["creator_source"], "bearer");
        assert_eq!(authorization(&world), None);
        world.check(1).await;
    }
    world.finish().await;
}

/// A path that names the tenant is decided about before the provider is asked.
#[tokio::test]
async fn it_decides_early_as_well() {
    let world = either().await;
    let path = format!("/{FABRIKAM}/oauth2/v2.0/token");
    let outcome = bearer(&world, CONTOSO).path(&path).send().await;
    outcome.blocked("outbound_block", OUT);
    world.check(0).await;
    world.finish().await;
}

/// Basic is client authentication and travels on, untouched; the creator is told elsewhere.
#[tokio::test]
async fn client_authentication_travels_on() {
    let world = either().await;
    let basic = format!("Basic {}", world.secrets.canary());
    let outcome = world
        .exchange(CONTOSO, CONTOSO)
        .header("authorization", &basic)
        .send()
        .await;
    outcome.allowed("same_tenant");
    assert_eq!(outcome.record["creator_source"], "header");
    assert_eq!(authorization(&world), Some(basic));
    world.check(1).await;
    // And where nobody else is told, it is a connection without a client tenant id.
    let basic = format!("Basic {}", world.secrets.canary());
    let outcome = world
        .exchange(None, CONTOSO)
        .header("authorization", &basic)
        .send()
        .await;
    outcome
        .blocked("without_client_tenant_blocked", &[(CONTOSO, "inbound")])
        .tenants(None, Some(CONTOSO));
    world.check(1).await;
    world.finish().await;
}

/// A sidecar serves one tenant: its fixed tenant and the token must agree as well.
#[tokio::test]
async fn a_fixed_tenant_that_contradicts_it_is_refused() {
    let world = world(&format!("[{{ tenant = \"{NORTHWIND}\" }}, {BEARER}]")).await;
    let outcome = bearer(&world, NORTHWIND).send().await;
    outcome.blocked("inbound_block", &[(CONTOSO, "inbound")]);
    world.check(1).await;
    for creator in [CONTOSO, FABRIKAM] {
        let outcome = bearer(&world, creator).send().await;
        outcome.refused(400, "creator_contradiction");
        world.check(0).await;
    }
    world.finish().await;
}

/// A header that contradicts the token is 400; one that agrees is nothing new.
#[tokio::test]
async fn a_header_that_contradicts_it_is_refused() {
    let world = either().await;
    let outcome = bearer(&world, CONTOSO).header(HEADER, CONTOSO).send().await;
    outcome.allowed("same_tenant");
    assert_eq!(authorization(&world), None);
    world.check(1).await;
    for (creator, header) in [(CONTOSO, FABRIKAM), (FABRIKAM, CONTOSO)] {
        let outcome = bearer(&world, creator).header(HEADER, header).send().await;
        outcome
            .refused(400, "creator_contradiction")
            .tenants(None, None);
        world.check(0).await;
    }
    let outcome = bearer(&world, CONTOSO).header(HEADER, "").send().await;
    outcome.refused(400, "creator_malformed");
    world.check(0).await;
    world.finish().await;
}

fn refused(outcome: &Outcome, inside: &str) {
    outcome.decided("error", inside).tenants(None, None);
    assert_eq!(outcome.answer.status, 401, "{:?}", outcome.answer);
    assert_eq!(
        outcome.answer.json()["suberror"],
        "creator_token_refused",
        "{:?}",
        outcome.answer
    );
    assert_eq!(
        outcome.answer.header("www-authenticate"),
        Some(r#"Bearer realm="tidegate", error="invalid_token""#)
    );
    outcome.answer.is_our_own();
    outcome.nothing_leaked();
}

/// A bearer token that is not believed is refused, whatever else names the creator.
#[tokio::test]
async fn a_token_that_is_not_believed_is_refused() {
    let world = either().await;
    let good = || world.creator(CONTOSO);
    let tokens = [
        (good().seal(Seal::BadSignature), "token_signature"),
        (good().seal(Seal::Unsigned), "token_algorithm"),
        (good().expires_in(-61), "token_expired"),
        (good().audience("api://other"), "token_audience"),
        (good().claim("tid", NORTHWIND), "token_tenant_mismatch"),
    ];
    for (token, inside) in tokens {
        for header in [None, Some(CONTOSO)] {
            let outcome = world
                .exchange(header, CONTOSO)
                .header("authorization", format!("Bearer {}", token.build()))
                .send()
                .await;
            refused(&outcome, inside);
            world.check(0).await;
        }
    }
    world.finish().await;
}

/// A17 on a token route.
#[tokio::test]
async fn the_header_stands_once() {
    let world = either().await;
    let token = world.creator(CONTOSO).build();
    let exchange = || world.exchange(None, CONTOSO);
    let doubtful = [
        exchange()
            .header("authorization", format!("Bearer {token}"))
            .header("authorization", format!("Bearer {token}")),
        exchange()
            .header("authorization", "Basic YTpi")
            .header("authorization", format!("Bearer {token}")),
        exchange().header("authorization", format!("Bearer {token}, Bearer {token}")),
        exchange().header("authorization", format!("Bearer  {token}")),
        exchange().header("authorization", "Bearer"),
    ];
    for exchange in doubtful {
        let outcome = exchange.send().await;
        assert!(
            [400, 401].contains(&outcome.answer.status),
            "{:?}",
            outcome.answer
        );
        outcome.tenants(None, None);
        world.check(0).await;
    }
    let lower = exchange().header("authorization", format!("bearer {token}"));
    lower.send().await.allowed("same_tenant");
    assert_eq!(authorization(&world), None);
    world.check(1).await;
    world.finish().await;
}

/// On a route to a provider that is not Entra, the source says whose token it is.
#[tokio::test]
async fn another_providers_route_verifies_it_with_entras_keys() {
    let source = format!(
        r#"[{{ bearer = "authorization", audience = ["{PLATFORM}"], provider = "entra" }}]"#
    );
    let setup = Setup::new()
        .on_route("azure-devops", "creator", &source)
        .policy(Policy::on(CONTOSO));
    let world = World::start(setup).await;
    let send = async |token: String| {
        world
            .exchange(None, CONTOSO)
            .path("/oauth2/token")
            .without("code")
            .without("code_verifier")
            .field("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .field("client_assertion", &world.secrets.canary())
            .field(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )
            .field("assertion", &world.secrets.canary())
            .header("authorization", format!("Bearer {token}"))
            .send()
            .await
    };
    let outcome = send(world.creator(CONTOSO).build()).await;
    outcome
        .decided("pass_non_entra", "non_entra")
        .tenants(Some(CONTOSO), None);
    assert_eq!(outcome.record["creator_source"], "bearer");
    let request = world.devops.requests().last().unwrap();
    assert_eq!(request.header("authorization"), None);
    let passed = outcome.answer.json()["access_token"]
        .as_str()
        .map(str::to_owned);
    world.secrets.remember(&passed.unwrap());
    world.check(1).await;
    let bad = world.creator(CONTOSO).seal(Seal::BadSignature).build();
    refused(&send(bad).await, "token_signature");
    world.check(0).await;
    world.finish().await;
}
