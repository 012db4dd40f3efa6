//! What a collector is never told, and what nobody is told of the collector (group G of the
//! adversarial cases).

use serde_json::json;
use tidegate_mock::{Preset, Reply};

use super::stage::Collector;
use crate::harness::{COMMON, CONTOSO, FABRIKAM, Policy, Setup, World};
use crate::otlp::shows_its_headers;

/// No token, code, secret or account is in anything that is exported, whatever is exchanged and
/// however it ends.
#[tokio::test]
async fn no_secret_and_no_account_is_exported() {
    let collector = Collector::plain().await;
    let setup = Setup::connections()
        .policy(Policy::on(FABRIKAM))
        .set("traces.endpoint", collector.url());
    let world = World::start(setup).await;
    let mut accounts = Vec::new();
    let secret = || world.secrets.canary();
    for preset in [Preset::Signed, Preset::Opaque] {
        world.next_body(&world.idp.mint().body(&preset, CONTOSO));
        let outcome = world
            .exchange(CONTOSO, CONTOSO)
            .path(&format!("{COMMON}?code={}", secret()))
            .header("authorization", format!("Basic {}", secret()))
            .header("cookie", secret())
            .header("tracestate", format!("vendor={}", secret().to_lowercase()))
            .header(
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            )
            .header("baggage", format!("token={}", secret()))
            .header("user-agent", secret())
            .field("refresh_token", &secret())
            .send()
            .await;
        accounts.extend(outcome.record["user_object_id"].as_str().map(str::to_owned));
        collector.exchange(&outcome.record).await;
    }
    // A token in place of a context, and in the names that records do hold.
    world.next_body(&world.idp.mint().body(&Preset::Signed, FABRIKAM));
    let outcome = world
        .exchange(CONTOSO, FABRIKAM)
        .header("traceparent", format!("00-{}-{}-01", secret(), secret()))
        .header("client-request-id", format!("{} ", "x".repeat(65)))
        .field("grant_type", &secret())
        .send()
        .await;
    outcome.blocked("inbound_block", &[(FABRIKAM, "inbound")]);
    accounts.extend(outcome.record["user_object_id"].as_str().map(str::to_owned));
    let error = json!({"error": "invalid_grant", "error_description": secret()});
    world.next_reply(Reply::json(400, &error));
    world.exchange(CONTOSO, CONTOSO).send().await;
    world.next_reply(Reply::reset());
    world.exchange(CONTOSO, CONTOSO).send().await;
    let created = world.creation(CONTOSO, CONTOSO).send().await;
    created.created("same_tenant");
    accounts.extend(created.record["user_object_id"].as_str().map(str::to_owned));
    let bearer = secret();
    let refused = world
        .creation(CONTOSO, CONTOSO)
        .bearer(&bearer)
        .send()
        .await;
    collector.exchange(&refused.record).await;

    assert!(accounts.len() >= 2, "{accounts:?}");
    let secrets = world.secrets.clone();
    world.finish().await;
    let bytes = collector.bytes();
    secrets.assert_none_in("an export", &bytes);
    secrets.assert_no_end_in("an export", &bytes);
    for account in accounts {
        secrets.remember(&account);
        assert!(
            memchr::memmem::find(&bytes, account.as_bytes()).is_none(),
            "{account}"
        );
    }
    assert!(collector.spans().len() > 12);
}

/// The headers that a collector asks for reach it over TLS that an authority of its own vouches
/// for, and nobody else: not the log at any level, not metrics, not the provider.
#[tokio::test]
async fn headers_of_a_file_reach_the_collector_and_nobody_else() {
    let collector = Collector::tls().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let key = format!("Kq{}", tidegate_mock::jwt::random(30));
    std::fs::write(path("collector.pem"), collector.ca.pem()).unwrap();
    let headers = format!("# the collector's\nx-api-key: {key}\nAuthorization: Bearer {key}\n");
    std::fs::write(path("headers"), headers).unwrap();
    let setup = collector
        .setup([])
        .set("traces.ca", path("collector.pem"))
        .set("traces.headers_file", path("headers"))
        .set("traces.service_name", "gateway of Contoso");
    let world = World::start(setup).await;
    world.secrets.remember(&key);
    let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
    collector.exchange(&outcome.record).await;
    assert_eq!(collector.resource()["service.name"], "gateway of Contoso");
    for request in collector.requests() {
        shows_its_headers(&request, &key);
    }
    // A collector that refuses them, and says so in its own words.
    collector.answers(Reply::new(401, format!("no such key: {key}")));
    let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
    collector.exchange(&outcome.record).await;
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
