//! Messages in the eyes of the Standard Webhooks' Python library.
//!
//! Needs a Python with the package `standardwebhooks`; without one this test says so and passes, but
//! for `TIDEGATE_TEST_REQUIRE=webhooks` (see `python.rs`).

use serde_json::json;

use super::stage::{Receiver, SECRET, checked, with};
use crate::harness::{CONTOSO, FABRIKAM, Policy, Setup, World};
use crate::python::{Script, python};

#[tokio::test]
async fn pythons_library_verifies_a_message() {
    let Some(python) = python("webhooks", "standardwebhooks").await else {
        return;
    };
    let receiver = Receiver::start().await;
    // Two secrets, as while one replaces the other; the receiver knows the second.
    let secrets = format!("an-older-secret-of-this-test\n{SECRET}\n");
    std::fs::write(receiver.files.path().join("secret"), secrets).unwrap();
    let webhook = receiver.webhook("hook-soc", "tenants = \"*\"");
    let world = World::start(with(Setup::new().policy(Policy::on(CONTOSO)), [webhook])).await;
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    receiver.told("hook-soc", 1).await;
    let request = receiver.service.requests().last().unwrap();
    let header = |name: &str| request.header(name).unwrap().to_owned();
    let ask = |secret: &str, body: String| {
        json!({
            "secret": secret,
            "body": body,
            "headers": {
                "webhook-id": header("webhook-id"),
                "webhook-timestamp": header("webhook-timestamp"),
                "webhook-signature": header("webhook-signature"),
            },
        })
    };
    let ca = receiver.files.path().join("ca.pem");
    let mut script = Script::start(&python, "webhooks/verify.py", &ca, None);
    let verified = script.ask(ask(SECRET, request.text())).await;
    assert_eq!(verified["verified"]["data"]["sign_in_tenant"], FABRIKAM);
    let forged = request.text().replace(FABRIKAM, CONTOSO);
    assert!(script.ask(ask(SECRET, forged)).await["refused"].is_string());
    let other = "whsec_QW5vdGhlciBzZWNyZXQgb2YgdGhpcyB0ZXN0Lg==";
    assert!(script.ask(ask(other, request.text())).await["refused"].is_string());
    checked(world).await;
}
