//! What a collector is never told, and what nobody is told of the collector (group G of the
//! adversarial cases).

use serde_json::json;
use tempfile::TempDir;
use tidegate_mock::{Preset, Reply};

use super::stage::{Collector, exchanges, setup, to};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, Policy, Setup, World, until};
use crate::otlp::shows_its_headers;

/// No token, code or secret is in anything that is exported, whatever is exchanged and however it
/// ends.
#[tokio::test]
async fn no_secret_is_exported() {
    let collector = Collector::plain().await;
    let setup = to(Setup::connections(), collector.url()).policy(Policy::on(FABRIKAM));
    let world = World::start(setup).await;
    let secret = || world.secrets.canary();
    for preset in [Preset::Signed, Preset::Opaque] {
        world.next_body(&world.idp.mint().body(&preset, CONTOSO));
        let exchange = world
            .exchange(CONTOSO, CONTOSO)
            .path(&format!("{COMMON}?code={}", secret()))
            .header("authorization", format!("Basic {}", secret()))
            .header("cookie", secret())
            .header("traceparent", format!("00-{0}-{0}-01", secret()))
            .header("tracestate", format!("vendor={}", secret()))
            .header("baggage", format!("token={}", secret()))
            .header("user-agent", secret())
            .field("refresh_token", &secret());
        exchange.send().await;
    }
    world.next_body(&world.idp.mint().body(&Preset::Signed, FABRIKAM));
    let blocked = world
        .exchange(CONTOSO, FABRIKAM)
        .header("client-request-id", format!("{0}{0}", secret()))
        .field("grant_type", &secret())
        .send()
        .await;
    blocked.blocked("inbound_block", &[(FABRIKAM, "inbound")]);
    let error = json!({"error": "invalid_grant", "error_description": secret()});
    world.next_reply(Reply::json(400, &error));
    world.exchange(CONTOSO, CONTOSO).send().await;
    world.next_reply(Reply::reset());
    world.exchange(CONTOSO, CONTOSO).send().await;
    world
        .creation(CONTOSO, CONTOSO)
        .send()
        .await
        .created("same_tenant");
    let bearer = secret();
    world
        .creation(CONTOSO, CONTOSO)
        .bearer(&bearer)
        .send()
        .await;
    let secrets = world.secrets.clone();
    let count = world.records().len();
    world.finish().await;
    assert_eq!(collector.records().len(), count);
    let bytes = collector.bytes();
    secrets.assert_none_in("an export", &bytes);
    secrets.assert_no_end_in("an export", &bytes);
}

/// The headers that a collector asks for reach it over TLS that an authority of its own vouches
/// for, and nobody else: not the log at any level, not metrics, not the provider.
#[tokio::test]
async fn headers_of_a_file_reach_the_collector_and_nobody_else() {
    let collector = Collector::tls().await;
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let key = format!("Kq{}", tidegate_mock::jwt::random(30));
    let headers = format!("# the collector's\nx-api-key: {key}\nAuthorization: Bearer {key}\n");
    std::fs::write(path("headers"), headers).unwrap();
    let setup = setup(&collector)
        .set("audit.otlp.ca", collector.write_ca(&path("collector.pem")))
        .set(
            "audit.otlp.headers_file",
            path("headers").display().to_string(),
        )
        .set("audit.otlp.service_name", "gateway of Contoso");
    let world = World::start(setup).await;
    world.secrets.remember(&key);
    // Of those that refuse them, one says so in its own words.
    collector.answers_once(Reply::new(401, format!("no such key: {key}")));
    exchanges(&world, 1).await;
    until("refused", async || {
        (collector.requests().len() == 1).then_some(())
    })
    .await;
    exchanges(&world, 1).await;
    until("taken", async || {
        (collector.requests().len() == 2).then_some(())
    })
    .await;
    assert_eq!(collector.resource()["service.name"], "gateway of Contoso");
    for request in collector.requests() {
        shows_its_headers(&request, &key);
    }
    let provider: Vec<u8> = world
        .idp
        .requests()
        .all()
        .iter()
        .flat_map(|request| format!("{request:?}").into_bytes())
        .collect();
    assert!(memchr::memmem::find(&provider, key.as_bytes()).is_none());
    world.finish().await;
}
