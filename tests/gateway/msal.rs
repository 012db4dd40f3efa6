//! MSAL for Python as a real client: through discovery at the gateway, every grant, allowed and
//! blocked; and the proof that the provider saw nobody but the gateway.
//!
//! Needs a Python with the package `msal`; without one these tests say so and pass, but for
//! `TIDEGATE_TEST_REQUIRE=msal` (see `python.rs`). `tests/msal/client.py` drives MSAL; everything is
//! judged here.

mod client;
mod stage;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_mock::Request;

use crate::harness::*;
use crate::python::tell;
use client::{Called, Msal, marks, python};
use stage::{Apart, App};

/// Longest time from a policy's change to its effect.
const PROPAGATION: Duration = Duration::from_secs(1);

const BOTH: [(&str, &str); 2] = [(CONTOSO, "outbound"), (FABRIKAM, "inbound")];

/// Everything that a client of Contoso does, each with a token of Fabrikam.
const GRANTS: [&str; 5] = [
    "client_credentials",
    "finish_code",
    "silent_refresh",
    "refresh_token",
    "on_behalf_of",
];

/// MSAL has a token of Fabrikam.
fn allowed(called: &Called) {
    let access = called.result["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{called:?}"));
    assert_eq!(tidegate_mock::jwt::claims(access).unwrap()["tid"], FABRIKAM);
    assert_eq!(
        called.record.as_ref().unwrap()["decision"],
        "allow",
        "{called:?}"
    );
}

/// MSAL reports the documented error and nothing else.
fn blocked(called: &Called, sides: &[(&str, &str)]) {
    let result = &called.result;
    let record = called.record.as_ref().unwrap();
    assert_eq!(record["decision"], "block", "{called:?}");
    assert_eq!(result["error"], "access_denied", "{called:?}");
    assert_eq!(result["suberror"], "blocked_by_tenant_isolation");
    assert_eq!(result["correlation_id"], record["correlation_id"]);
    for absent in ["access_token", "id_token", "refresh_token", "client_info"] {
        assert_eq!(result[absent], Value::Null);
    }
    let whose: Vec<String> = sides
        .iter()
        .map(|(tenant, direction)| format!("{direction} by the policy of tenant {tenant}"))
        .collect();
    let whom: Vec<String> = sides
        .iter()
        .map(|(tenant, _)| format!("tenant {tenant}"))
        .collect();
    let sentence = format!(
        "The connection to the {FABRIKAM} tenant has failed authorization due to a tenant isolation \
         configuration: a connection of tenant {CONTOSO} to tenant {FABRIKAM} is blocked by tenant \
         isolation, {}. Contact the administrator of {} to be added to the allowlist.",
        whose.join(" and "),
        whom.join(" and of ")
    );
    assert_eq!(result["error_description"], sentence);
}

/// Repeats a call until it comes out otherwise, and tells how long after `since` that was.
async fn until_changed(
    app: &mut App<'_>,
    grant: &str,
    decision: &str,
    since: Instant,
) -> (Called, Duration) {
    loop {
        let called = app.again(grant).await;
        if called.record.as_ref().unwrap()["decision"] == decision {
            return (called, since.elapsed());
        }
        assert!(
            since.elapsed() < DEADLINE,
            "still not {decision}: {called:?}"
        );
    }
}

/// Every grant at one authority: allowed, blocked, allowed again.
async fn every_grant(segment: &str) {
    let Some(python) = python().await else { return };
    let apart = Apart::start(Setup::new(), "localhost").await;
    apart.put(true);
    let world = &apart.world;
    let msal = Msal::start(world, &python, &apart.files.path().join("ca.pem"), None).await;
    let authority = format!("{}/{segment}", world.url());
    let (mut app, opened) = App::open(msal, &authority, json!({})).await;

    let concrete = segment == FABRIKAM || segment.contains('.');
    let named = if concrete { FABRIKAM } else { segment };
    assert_eq!(
        opened["token_endpoint"],
        format!("{}/{named}/oauth2/v2.0/token", world.url())
    );
    let device = format!("{}/{named}/oauth2/v2.0/devicecode", world.url());
    assert_eq!(opened["device_authorization_endpoint"], device);

    until_changed(&mut app, "client_credentials", "allow", Instant::now()).await;
    for grant in GRANTS {
        allowed(&app.call(grant).await);
    }
    apart.put(false);
    until_changed(&mut app, "client_credentials", "block", Instant::now()).await;
    // The second of the two files may take a moment longer.
    while app.again("client_credentials").await.record.unwrap()["blocked_by"]
        .as_array()
        .unwrap()
        .len()
        < 2
    {}
    for grant in GRANTS {
        let called = app.call(grant).await;
        blocked(&called, &BOTH);
        let early = called.record.unwrap()["early"] == true;
        assert_eq!(
            early, concrete,
            "the rule runs before the provider is asked where the path names a tenant"
        );
    }
    apart.put(true);
    until_changed(&mut app, "client_credentials", "allow", Instant::now()).await;
    let again = app.again("finish_code").await;
    if concrete {
        allowed(&again); // the blocked code was not burnt
    } else {
        assert_eq!(
            again.result["error"], "invalid_grant",
            "the provider's own error passes: {again:?}"
        );
    }
    for grant in GRANTS {
        allowed(&app.call(grant).await);
    }
    app.msal.only_the_gateway().await;
    drop(app);
    apart.world.finish().await;
}

#[tokio::test]
async fn every_grant_at_a_tenant() {
    every_grant(FABRIKAM).await;
}

#[tokio::test]
async fn every_grant_at_a_domain() {
    every_grant("fabrikam.com").await;
}

#[tokio::test]
async fn every_grant_at_common() {
    every_grant("common").await;
}

#[tokio::test]
async fn every_grant_at_organizations() {
    every_grant("organizations").await;
}

#[tokio::test]
async fn a_changed_policy_acts_within_a_second() {
    let Some(python) = python().await else { return };
    for segment in [FABRIKAM, "common"] {
        let apart = Apart::start(Setup::new().policy(Policy::on(CONTOSO)), "localhost").await;
        let world = &apart.world;
        let msal = Msal::start(world, &python, &apart.files.path().join("ca.pem"), None).await;
        let (mut app, _) = App::open(msal, &format!("{}/{segment}", world.url()), json!({})).await;
        blocked(
            &app.call("client_credentials").await,
            &[(CONTOSO, "outbound")],
        );

        let changed = Instant::now();
        world.put(&Policy::on(CONTOSO).outbound(FABRIKAM));
        let (called, open) = until_changed(&mut app, "client_credentials", "allow", changed).await;
        allowed(&called);
        allowed(&app.call("finish_code").await);

        // The documented runtime impact: an existing connection stops at its next refresh.
        let changed = Instant::now();
        world.put(&Policy::on(CONTOSO));
        let (called, closed) = until_changed(&mut app, "silent_refresh", "block", changed).await;
        blocked(&called, &[(CONTOSO, "outbound")]);

        tell(&format!(
            "MSAL at {segment}: allowed {open:.3?} after the policy file's change; an existing \
             connection blocked {closed:.3?} after the next"
        ));
        assert!(
            open < PROPAGATION && closed < PROPAGATION,
            "{open:?}, {closed:?}"
        );
        app.msal.only_the_gateway().await;
        drop(app);
        apart.world.finish().await;
    }
}

/// The other way into the path: the provider's own host name resolves to the gateway. Nothing in
/// MSAL is set up for it, not even its instance discovery.
#[tokio::test]
async fn a_provider_host_that_resolves_to_the_gateway() {
    const HOST: &str = "login.microsoftonline.com";
    let Some(python) = python().await else { return };
    let setup = Setup::new().entra(|mut options| {
        options.public_url = Some(format!("https://{HOST}"));
        options
    });
    let apart = Apart::start(setup, HOST).await;
    apart.put(true);
    let world = &apart.world;
    let resolve = format!("{HOST}={}", world.gateway.data);
    let msal = Msal::start(
        world,
        &python,
        &apart.files.path().join("ca.pem"),
        Some(&resolve),
    )
    .await;
    let options = json!({ "instance_discovery": true });
    let (mut app, opened) =
        App::open(msal, &format!("https://{HOST}/organizations"), options).await;
    assert_eq!(
        opened["token_endpoint"],
        format!("https://{HOST}/organizations/oauth2/v2.0/token")
    );

    until_changed(&mut app, "client_credentials", "allow", Instant::now()).await;
    for grant in GRANTS {
        allowed(&app.call(grant).await);
    }
    world.put(&Policy::on(FABRIKAM));
    until_changed(&mut app, "client_credentials", "block", Instant::now()).await;
    for grant in GRANTS {
        blocked(&app.call(grant).await, &[(FABRIKAM, "inbound")]);
    }
    // A refresh that failed makes MSAL ask for the host's other names, here too.
    assert!(world.idp.requests().count_to("/common/discovery/instance") > 0);
    app.msal.only_the_gateway().await;
    drop(app);
    apart.world.finish().await;
}

/// The proof can fail: of a client that goes round the gateway, every witness tells.
#[tokio::test]
async fn the_witnesses_tell_of_a_client_that_goes_round() {
    let Some(python) = python().await else { return };
    let apart = Apart::start(Setup::new().policy(Policy::on(CONTOSO)), "localhost").await;
    let world = &apart.world;
    let mut msal = Msal::start(world, &python, &world.ca_file(), None).await;
    let authority = format!("{}/{FABRIKAM}", world.idp.url());
    msal.open("app", &authority, json!({})).await;
    let command =
        json!({ "do": "client_credentials", "app": "app", "scopes": ["api://own/.default"] });
    let answer = msal.ask(command).await;
    assert!(answer["result"]["access_token"].is_string(), "{answer}");

    let provider = world.idp.address().to_string();
    assert!(msal.connections().await.contains(&provider));
    let posts = world.idp.requests().matching(Request::is_token_post);
    assert_eq!(posts.len(), 1);
    assert!(marks(&posts[0]).is_msal(), "{:?}", posts[0]);
    assert!(world.records().is_empty());
    drop(msal);
    apart.world.finish().await;
}
