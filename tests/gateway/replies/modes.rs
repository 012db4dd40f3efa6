//! Report-only, for the whole gateway and for one side; and `undetermined = "allow"`.

use serde_json::json;
use tidegate_mock::{Preset, Reply, TokenBody};

use super::{contoso_on, given, given_body, signed};
use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL, Policy, Setup, World};

/// Everything is evaluated and recorded, nothing is withheld.
#[tokio::test]
async fn a_report_only_gateway_withholds_nothing() {
    let world = World::start(contoso_on().set("mode", "report-only")).await;
    let mint = world.idp.mint();
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome
        .would_block("outbound_block")
        .has_tokens_of(FABRIKAM)
        .tenants(Some(CONTOSO), Some(FABRIKAM));
    assert_eq!(outcome.record["mode"], "report-only");
    assert_eq!(outcome.record["blocked_by"][0]["tenant"], CONTOSO);
    world.check(1).await;

    let path = format!("/{FABRIKAM}/oauth2/v2.0/token");
    let outcome = world.exchange(CONTOSO, FABRIKAM).path(&path).send().await;
    outcome
        .would_block("outbound_block")
        .has_tokens_of(FABRIKAM);
    world.check(1).await;

    let opaque = mint.body(&Preset::Opaque, CONTOSO);
    let both = TokenBody::v2()
        .access_token(mint.access_token(CONTOSO).build())
        .id_token(mint.id_token(FABRIKAM).build());
    for (body, reason) in [
        (opaque, "undetermined_opaque"),
        (both, "undetermined_disagreement"),
    ] {
        let outcome = given_body(&world, &body).await;
        outcome.would_block(reason);
        assert_eq!(outcome.answer.body, body.to_vec());
        world.check(1).await;
    }
    let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
    outcome.allowed("same_tenant");
    world.check(1).await;
    world.finish().await;
}

/// What cannot be inspected arrived whole, and is passed on as it came.
#[tokio::test]
async fn a_report_only_gateway_passes_what_it_cannot_read() {
    let world = World::start(contoso_on().set("mode", "report-only")).await;
    let text = signed(&world.idp.mint(), FABRIKAM).to_vec();
    for reply in [
        Reply::json_bytes(200, [b"[", &text[..], b"]"].concat()),
        Reply::new(200, "<html>please sign in</html>").header("content-type", "text/html"),
        Reply::json_bytes(200, text.clone()).header("content-encoding", "br"),
        Reply::json_bytes(200, text.clone()).header("content-encoding", "gzip"),
    ] {
        let sent = reply.bytes().to_vec();
        let outcome = given(&world, reply).await;
        outcome.would_block("undetermined_unreadable");
        assert_eq!(outcome.answer.body, sent);
        world.check(1).await;
    }
    world.finish().await;
}

/// A side's own policy is report-only: its block is recorded; the other side's still blocks, and
/// the answer names only that one.
#[tokio::test]
async fn a_report_only_side_blocks_nothing_and_excuses_nobody() {
    let setup = Setup::new()
        .policy(Policy::on(CONTOSO).report_only())
        .policy(Policy::on(FABRIKAM))
        .policy(Policy::off(NORTHWIND));
    let world = World::start(setup).await;
    let outcome = world.exchange(CONTOSO, NORTHWIND).send().await;
    outcome
        .would_block("outbound_block")
        .has_tokens_of(NORTHWIND);
    assert_eq!(outcome.record["blocked_by"][0]["mode"], "report-only");
    assert_eq!(outcome.record["mode"], "enforce");
    world.check(1).await;

    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.decided("block", "both_block").nothing_leaked();
    assert_eq!(outcome.answer.status, 403);
    let modes: Vec<_> = outcome.record["blocked_by"]
        .as_array()
        .unwrap()
        .iter()
        .map(|side| side["mode"].clone())
        .collect();
    assert_eq!(modes, ["report-only", "enforce"]);
    let json = outcome.answer.json();
    let told = json["error_description"].as_str().unwrap();
    assert!(
        told.contains(&format!("inbound by the policy of tenant {FABRIKAM}")),
        "{told}"
    );
    assert!(!told.contains("outbound"), "{told}");
    assert_eq!(json["error_codes"], json!([500_213]));
    world.check(1).await;

    world
        .exchange(FABRIKAM, CONTOSO)
        .send()
        .await
        .decided("block", "both_block");
    world.check(1).await;
    world
        .exchange(None, CONTOSO)
        .send()
        .await
        .would_block("without_client_tenant_blocked");
    world.check(1).await;
    world.finish().await;
}

/// `undetermined = "allow"`: one warning each time, which names it; a tenant that a token does name
/// is still evaluated.
#[tokio::test]
async fn undetermined_may_be_allowed_by_name() {
    let world = World::start(contoso_on().set("providers.entra.undetermined", "allow")).await;
    let mint = world.idp.mint();
    let before = world.warnings();
    for (count, body) in [
        (1, mint.body(&Preset::Opaque, CONTOSO)),
        (2, mint.body(&Preset::JweShaped, CONTOSO)),
        (3, TokenBody::v2()),
    ] {
        let outcome = given_body(&world, &body).await;
        assert!(
            outcome.record["reason"]
                .as_str()
                .unwrap()
                .starts_with("undetermined_")
        );
        outcome.allowed(outcome.record["reason"].as_str().unwrap());
        assert_eq!(outcome.answer.body, body.to_vec());
        assert_eq!(world.warnings(), before + count, "{}", world.log.text());
        assert_eq!(
            world
                .log
                .count(r#"undetermined = \"allow\""#)
                .max(world.log.count(r#"undetermined = "allow""#)),
            count
        );
        world.check(1).await;
    }
    for foreign in [FABRIKAM, PERSONAL] {
        let both = TokenBody::v2()
            .access_token(mint.access_token(CONTOSO).build())
            .id_token(mint.id_token(foreign).build());
        let outcome = given_body(&world, &both).await;
        outcome.decided("block", "outbound_block").nothing_leaked();
        assert_eq!(outcome.answer.status, 403);
        world.check(1).await;
    }
    // What cannot be read at all is no undetermined tenant: it is withheld.
    given(&world, Reply::json_bytes(200, "[]"))
        .await
        .refused(502, "upstream_unreadable");
    world.check(1).await;
    world.finish().await;
}
