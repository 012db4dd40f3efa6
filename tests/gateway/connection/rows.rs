//! Every row of the documented table on a connection route, with the creator's bearer token and a
//! sign-in token in the body.

use serde_json::json;

use crate::harness::{CONTOSO, Created, Creation, FABRIKAM, PERSONAL, Setup, World};
use crate::oracle::{self, Sides};
use crate::rows::documented;

/// The connection route for a platform that names the creator in a trusted header.
const BY_HEADER: &str = r#"
name = "create-by-header"
kind = "connection"
service = "connections"
provider = "entra"
path = "/legacy/{id}"
creator = [{ header = "x-ms-client-tenant-id" }]
sign_in = [{ json = "/properties/token", audience = "api://sign-in" }]
errors = "oauth"
"#;

#[tokio::test]
async fn every_documented_row_over_both_protocols() {
    for situation in documented() {
        let setup = situation
            .policies
            .iter()
            .cloned()
            .fold(Setup::connections().route(BY_HEADER), Setup::policy);
        let world = World::start(setup).await;
        for (creator, sign_in, sides) in &situation.rows {
            let told = oracle::blocking(&oracle::policies(&situation.policies), *creator, sign_in);
            assert_eq!(&told, sides, "the oracle on {}", situation.name);
            for http2 in [false, true] {
                row(&world, *creator, sign_in, sides, http2).await;
            }
        }
        world.finish().await;
    }
}

async fn row(world: &World, creator: Option<&str>, sign_in: &str, sides: &Sides<'_>, http2: bool) {
    let creation = match creator {
        Some(creator) => world.creation(creator, sign_in),
        // A legacy connection has no creator to show a token; only a platform can bring it.
        None => world
            .creation(CONTOSO, sign_in)
            .without("authorization")
            .path("/legacy/one"),
    };
    let creation = creation.header("client-request-id", "row-1");
    let outcome = over(creation, http2).send().await;
    let reason = oracle::reason(creator, sign_in, sides);
    outcome.tenants(creator, Some(sign_in));
    if sides.is_empty() {
        outcome.created(reason);
    } else {
        outcome.blocked(reason, sides);
        assert_eq!(outcome.answer.json()["correlation_id"], "row-1");
    }
    recorded(&outcome, creator.is_some(), sign_in);
    world.forwarded(u64::from(sides.is_empty())).await;
}

fn over(creation: Creation<'_>, http2: bool) -> Creation<'_> {
    if http2 { creation.http2() } else { creation }
}

/// The members of a record that tell where its facts are from.
fn recorded(outcome: &Created<'_>, by_bearer: bool, sign_in: &str) {
    let record = &outcome.record;
    let (source, route) = if by_bearer {
        ("bearer", "create")
    } else {
        ("none", "create-by-header")
    };
    assert_eq!(record["creator_source"], source, "{record}");
    assert_eq!(record["route"], route);
    assert_eq!(record["correlation_id"], "row-1");
    assert_eq!(record["mode"], "enforce");
    assert_eq!(record["grant_type"], json!(null));
    assert_eq!(record["token_kind"], "entra");
    assert_eq!(record["verified"], "signature");
    let issuer = format!("https://login.microsoftonline.com/{sign_in}/v2.0");
    assert_eq!(record["issuer"], issuer);
}

/// The record names the application and the user that the sign-in token names, of both versions.
#[tokio::test]
async fn the_record_names_application_and_user() {
    let world = World::start(Setup::connections()).await;
    let client = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
    for version in [tidegate_mock::Version::V1, tidegate_mock::Version::V2] {
        let access = world
            .idp
            .mint()
            .access_token(FABRIKAM)
            .version(version)
            .client(client)
            .audience("api://sign-in");
        let outcome = world
            .creation(CONTOSO, FABRIKAM)
            .json_token(&access.build())
            .header("x-connector-name", "sharepoint")
            .send()
            .await;
        outcome
            .created("both_allow")
            .tenants(Some(CONTOSO), Some(FABRIKAM));
        let claims = access.claims();
        assert_eq!(outcome.record["app_id"], client);
        assert_eq!(outcome.record["connector"], "sharepoint");
        assert_eq!(outcome.record["user_object_id"], claims["oid"]);
        assert_eq!(outcome.record["issuer"], claims["iss"]);
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// A guest is of the tenant that the token is of, on either side.
#[tokio::test]
async fn a_guest_is_of_the_tenant_signed_in_to() {
    let world = super::isolated().await;
    let guest = world.sign_in(CONTOSO).user("guest@fabrikam.com", FABRIKAM);
    let creation = world.creation(CONTOSO, CONTOSO).json_token(&guest.build());
    creation.send().await.created("same_tenant");
    world.forwarded(1).await;
    let guest = world.creator(CONTOSO).user("guest@fabrikam.com", FABRIKAM);
    let creation = world.creation(CONTOSO, FABRIKAM).bearer(&guest.build());
    let outcome = creation.send().await;
    outcome.blocked("outbound_block", super::OUT);
    world.forwarded(0).await;
    world.finish().await;
}

/// A policy that changes decides about the next connection; verified tokens that are remembered
/// carry no verdict.
#[tokio::test]
async fn a_policy_that_changes_decides_about_tokens_seen_before() {
    let world = super::isolated().await;
    let creator = world.creator(CONTOSO).build();
    let sign_in = world.sign_in(FABRIKAM).build();
    let again = || {
        world
            .creation(CONTOSO, FABRIKAM)
            .bearer(&creator)
            .json_token(&sign_in)
            .send()
    };
    again().await.blocked("outbound_block", super::OUT);
    world.forwarded(0).await;
    world.put(&crate::harness::Policy::off(CONTOSO));
    crate::harness::until("the policy acts", async || {
        let outcome = again().await;
        world.service.requests().clear();
        (outcome.answer.status == 201).then_some(())
    })
    .await;
    world.put(&crate::harness::Policy::on(CONTOSO));
    crate::harness::until("the policy acts again", async || {
        let outcome = again().await;
        world.service.requests().clear();
        (outcome.answer.status == 403).then_some(())
    })
    .await;
    world.forwarded(0).await;
    world.finish().await;
}

/// Report-only records what would be blocked and forwards it; it does not make a token believed.
#[tokio::test]
async fn report_only_softens_decisions_and_no_verification() {
    let world = World::start(super::contoso_on().set("mode", "report-only")).await;
    let outcome = world.creation(CONTOSO, FABRIKAM).send().await;
    outcome.would_block("outbound_block");
    outcome.arrived();
    world.service.requests().clear();
    let bad = world
        .sign_in(PERSONAL)
        .seal(tidegate_mock::Seal::BadSignature)
        .build();
    let outcome = world.creation(CONTOSO, CONTOSO).json_token(&bad).send();
    assert_eq!(outcome.await.answer.status, 401);
    world.forwarded(0).await;
    world.finish().await;
}
