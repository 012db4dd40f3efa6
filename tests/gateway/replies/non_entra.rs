//! Providers that are not Entra: the documented gap, with one warning each time, or a wall.

use tidegate_mock::{AZURE_DEVOPS_ISSUER, Reply};

use super::{OUT, contoso_on, signed};
use crate::harness::{CONTOSO, Exchange, FABRIKAM, World};

const PATH: &str = "/oauth2/token";

/// An exchange at the Azure-DevOps-like service, as its documentation has it.
fn devops<'w>(world: &'w World, assertion: &str) -> Exchange<'w> {
    world
        .exchange(CONTOSO, CONTOSO)
        .path(PATH)
        .without("code")
        .without("code_verifier")
        .field("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
        .field("client_assertion", &world.secrets.canary())
        .field(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .field("assertion", assertion)
}

/// C20: relayed, with exactly one warning that names the connector and the provider, and a record.
#[tokio::test]
async fn azure_devops_passes_with_one_warning() {
    let world = World::start(contoso_on()).await;
    for count in 1..=3 {
        let outcome = devops(&world, &world.secrets.canary()).send().await;
        outcome
            .decided("pass_non_entra", "non_entra")
            .tenants(Some(CONTOSO), None);
        assert_eq!(outcome.answer.status, 200);
        let token = outcome.answer.json()["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        world.secrets.remember(&token);
        assert_eq!(
            tidegate_mock::jwt::claims(&token).unwrap()["iss"],
            AZURE_DEVOPS_ISSUER
        );
        let record = &outcome.record;
        assert_eq!(
            (&record["connector"], &record["route"]),
            (&"azure-devops".into(), &"azure-devops".into())
        );
        assert_eq!(record["blocked_by"], serde_json::json!([]));
        assert_eq!(outcome.answer.header("cache-control"), Some("no-store"));
        world.check(1).await;
        assert_eq!(world.warnings(), count, "{}", world.log.text());
    }
    let warning = world
        .log
        .all()
        .into_iter()
        .find(|line| line.contains(" WARN "))
        .unwrap();
    assert!(
        warning.contains("azure-devops") && warning.contains("not Entra's"),
        "{warning}"
    );
    world.finish().await;
}

/// The gap made a wall.
#[tokio::test]
async fn azure_devops_may_be_blocked() {
    let world = World::start(contoso_on().set("providers.azure-devops.non_entra", "block")).await;
    let outcome = devops(&world, &world.secrets.canary()).send().await;
    outcome.blocked("non_entra", &[]);
    world.check(1).await;
    assert_eq!(world.warnings(), 0);
    world.finish().await;
}

/// A genuine Entra token from such a provider is decided about as one.
#[tokio::test]
async fn a_genuine_entra_token_is_decided_about() {
    let world = World::start(contoso_on()).await;
    devops(&world, &format!("entra:{FABRIKAM}"))
        .send()
        .await
        .blocked("outbound_block", OUT);
    world.check(1).await;
    let outcome = devops(&world, &format!("entra:{CONTOSO}")).send().await;
    outcome
        .allowed("same_tenant")
        .tenants(Some(CONTOSO), Some(CONTOSO));
    world.check(1).await;
    // Its refresh token hides one: `for:` gives Azure DevOps' own with a foreign `tid`, which
    // counts for nothing.
    let outcome = devops(&world, &format!("for:{FABRIKAM}")).send().await;
    outcome.decided("pass_non_entra", "non_entra");
    world.check(1).await;
    // A claim to be Entra's that cannot be believed is not the documented gap.
    let mint = world.idp.mint();
    let odd = mint.access_token(FABRIKAM).claim("tid", CONTOSO).build();
    let body = tidegate_mock::TokenBody::v2().access_token(odd);
    world.remember_tokens(&body.to_vec());
    world.devops.script_once(PATH, body.reply());
    devops(&world, "x")
        .send()
        .await
        .blocked("undetermined_tenant_mismatch", &[]);
    world.check(1).await;
    assert_eq!(world.warnings(), 1, "{}", world.log.text());
    world.finish().await;
}

/// GitHub and others answer with a form, and take a code without a grant type.
#[tokio::test]
async fn a_form_reply_passes_like_any_other() {
    let world = World::start(contoso_on()).await;
    let token = world.secrets.canary();
    let form = format!("access_token=gho_{token}&scope=repo%2Cgist&token_type=bearer");
    let github = |body: String| {
        Reply::new(200, body).header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )
    };
    world.devops.script_once(PATH, github(form.clone()));
    let outcome = world
        .exchange(CONTOSO, CONTOSO)
        .path(PATH)
        .without("grant_type")
        .send()
        .await;
    outcome.decided("pass_non_entra", "non_entra");
    assert_eq!(outcome.answer.body, form);
    assert_eq!(outcome.record["grant_type"], "authorization_code");
    world.check(1).await;
    assert_eq!(world.warnings(), 1);

    // An error with status 200 holds no token: nothing to warn of.
    let error =
        "error=bad_verification_code&error_description=The+code+passed+is+incorrect+or+expired.";
    world.devops.script_once(PATH, github(error.to_owned()));
    let outcome = world.exchange(CONTOSO, CONTOSO).path(PATH).send().await;
    outcome.allowed("no_token");
    assert_eq!(outcome.answer.body, error);
    world.check(1).await;
    assert_eq!(world.warnings(), 1);

    // An Entra token in a form is one all the same.
    let foreign = world.idp.mint().access_token(FABRIKAM).build();
    world.remember_tokens(foreign.as_bytes());
    world.devops.script_once(
        PATH,
        github(format!("access_token={foreign}&token_type=bearer")),
    );
    world
        .exchange(CONTOSO, CONTOSO)
        .path(PATH)
        .send()
        .await
        .blocked("outbound_block", OUT);
    world.check(1).await;
    world.finish().await;
}

/// From Entra a form, or Azure DevOps' kind of token, is nothing that names a tenant.
#[tokio::test]
async fn entra_does_not_get_the_others_leave() {
    let world = World::start(contoso_on()).await;
    let form = format!("access_token={}&token_type=bearer", world.secrets.canary());
    world.next_reply(Reply::new(200, form));
    world
        .exchange(CONTOSO, CONTOSO)
        .send()
        .await
        .blocked("undetermined_opaque", &[]);
    world.check(1).await;
    let foreign = signed(&world.idp.mint(), FABRIKAM).to_vec();
    let foreign: serde_json::Value = serde_json::from_slice(&foreign).unwrap();
    let token = foreign["access_token"].as_str().unwrap();
    world.next_reply(Reply::new(200, format!("access_token={token}")));
    world
        .exchange(CONTOSO, CONTOSO)
        .send()
        .await
        .blocked("outbound_block", OUT);
    world.check(1).await;
    world.finish().await;
}
