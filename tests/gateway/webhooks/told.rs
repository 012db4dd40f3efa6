//! Who is told of what.

use serde_json::{Value, json};

use super::stage::{Receiver, checked, counted, with};
use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, Policy, Setup, World};

fn tenants(ids: &[&str]) -> String {
    format!("tenants = {ids:?}")
}

/// Both tenants and the operator are told of a block, nobody else; of the user only the tenant
/// whose account it is, and the operator.
#[tokio::test]
async fn a_block_is_told_to_both_tenants_and_to_the_operator() {
    let receiver = Receiver::start().await;
    let webhooks = [
        receiver.webhook("hook-contoso", &tenants(&[CONTOSO])),
        receiver.webhook("hook-fabrikam", &tenants(&[FABRIKAM])),
        receiver.webhook("hook-northwind", &tenants(&[NORTHWIND])),
        receiver.webhook("hook-all", "tenants = \"*\""),
    ];
    let setup = Setup::new().policy(Policy::on(CONTOSO));
    let world = World::start(with(setup, webhooks)).await;
    let allowed = world.exchange(CONTOSO, CONTOSO).send().await;
    allowed.allowed("same_tenant");
    let outcome = world
        .exchange(CONTOSO, FABRIKAM)
        .header("x-connector-name", "share\"point\u{e9}")
        .send()
        .await;
    outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    let record = &outcome.record;
    for (name, knows_user) in [
        ("hook-contoso", false),
        ("hook-fabrikam", true),
        ("hook-all", true),
    ] {
        let [message] = &receiver.told(name, 1).await[..] else {
            panic!("more than one message");
        };
        let user = record["user_object_id"].clone();
        assert!(user.is_string());
        let user = if knows_user { user } else { Value::Null };
        let data = json!({
            "decision_id": record["decision_id"],
            "decision": "block",
            "reason": "outbound_block",
            "directions": ["outbound"],
            "creator_tenant": CONTOSO,
            "sign_in_tenant": FABRIKAM,
            "route": "token-v2",
            "connector": record["connector"],
            "app_id": record["app_id"],
            "user_object_id": user,
            "count": 1,
            "first": message.body["timestamp"],
            "last": message.body["timestamp"],
            "various": [],
        });
        assert_eq!(message.body["data"], data, "{name}");
        let text = String::from_utf8_lossy(&message.bytes);
        assert!(!text.contains(NORTHWIND), "{text}");
        world.secrets.assert_none_in("a message", &message.bytes);
        counted(&world, name, [1, 0, 0, 0, 0]).await;
    }
    counted(&world, "hook-northwind", [0; 5]).await;
    assert!(receiver.messages("hook-northwind").is_empty());
    world.check(2).await;
    checked(world).await;
    assert_eq!(receiver.service.requests().count(), 3);
}

/// A token that is not Entra's names no tenant: its creator's tenant is told, and the operator.
#[tokio::test]
async fn a_pass_of_what_is_not_entras_is_told_to_the_creators_tenant_and_the_operator() {
    let receiver = Receiver::start().await;
    let webhooks = [
        receiver.webhook("hook-contoso", &tenants(&[CONTOSO])),
        receiver.webhook("hook-fabrikam", &tenants(&[FABRIKAM])),
        receiver.webhook("hook-all", "tenants = [\"*\"]"),
        receiver.webhook("hook-blocks", "tenants = \"*\"\ndecisions = [\"block\"]"),
    ];
    let setup = Setup::new().policy(Policy::on(CONTOSO));
    let world = World::start(with(setup, webhooks)).await;
    let outcome = world
        .exchange(CONTOSO, CONTOSO)
        .path("/oauth2/token")
        .without("code")
        .field("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
        .field("client_assertion", &world.secrets.canary())
        .field(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .field("assertion", &world.secrets.canary())
        .send()
        .await;
    outcome.decided("pass_non_entra", "non_entra");
    world.remember_tokens(&outcome.answer.body);
    for name in ["hook-contoso", "hook-all"] {
        let [message] = &receiver.told(name, 1).await[..] else {
            panic!("more than one message");
        };
        let data = &message.body["data"];
        assert_eq!(data["decision_id"], outcome.record["decision_id"]);
        assert_eq!(data["creator_tenant"], CONTOSO);
        assert_eq!(data["sign_in_tenant"], Value::Null);
        assert_eq!(data["connector"], "azure-devops");
        assert_eq!(data["directions"], json!([]));
        world.secrets.assert_none_in("a message", &message.bytes);
    }
    for name in ["hook-fabrikam", "hook-blocks"] {
        counted(&world, name, [0; 5]).await;
    }
    checked(world).await;
    assert_eq!(receiver.service.requests().count(), 2);
}

/// What would be blocked is told only to those who ask for it.
#[tokio::test]
async fn what_would_be_blocked_is_told_if_asked_for() {
    let receiver = Receiver::start().await;
    let would = format!("{}\ndecisions = [\"would_block\"]", tenants(&[FABRIKAM]));
    let webhooks = [
        receiver.webhook("hook-would", &would),
        receiver.webhook("hook-default", "tenants = \"*\""),
    ];
    let setup = Setup::new()
        .set("mode", "report-only")
        .policy(Policy::on(CONTOSO))
        .policy(Policy::on(FABRIKAM));
    let world = World::start(with(setup, webhooks)).await;
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.would_block("both_block");
    let message = receiver.told("hook-would", 1).await.remove(0);
    assert_eq!(message.body["type"], "tidegate.would_block");
    let directions = &message.body["data"]["directions"];
    assert_eq!(directions, &json!(["outbound", "inbound"]));
    // A legacy connection names no creator.
    let outcome = world.exchange(None, FABRIKAM).send().await;
    outcome.would_block("without_client_tenant_blocked");
    let message = receiver.told("hook-would", 2).await.remove(1);
    assert_eq!(message.body["data"]["creator_tenant"], Value::Null);
    assert_eq!(message.body["data"]["directions"], json!(["inbound"]));
    counted(&world, "hook-default", [0; 5]).await;
    checked(world).await;
}
