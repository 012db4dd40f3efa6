//! What arrives: every record exactly once, as the audit file has it, and what is read out of it.

use std::collections::BTreeSet;
use std::time::SystemTime;

use http::Method;
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_mock::Reply;

use super::stage::{Collector, Seen, counted, exchanges, lines, setup, to};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, NORTHWIND, Policy, Setup, World, until};
use crate::policy_api::{Office, path};

/// Decisions of every kind, and what is asked of policies: as many records.
async fn everything(office: &Office) -> usize {
    let world = &office.world;
    let before = world.records().len();
    let allowed = world
        .exchange(CONTOSO, CONTOSO)
        .header("x-connector-name", "a \"quoted\" \\ one</script>")
        .send();
    allowed.await.allowed("same_tenant");
    let blocked = world.exchange(CONTOSO, FABRIKAM).send().await;
    blocked.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    let would = world.exchange(NORTHWIND, FABRIKAM).send().await;
    would.would_block("outbound_block");
    let passed = world
        .exchange(CONTOSO, CONTOSO)
        .path("/oauth2/token")
        .without("code")
        .field("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
        .field("client_assertion", &world.secrets.canary())
        .field("assertion", &world.secrets.canary())
        .send();
    passed.await.decided("pass_non_entra", "non_entra");
    let refused = world.exchange("no tenant", CONTOSO).send().await;
    assert_eq!(refused.record["decision"], "error");
    world.next_reply(Reply::reset());
    let lost = world.exchange(CONTOSO, CONTOSO).send().await;
    assert_eq!(lost.record["decision"], "error");
    let early = format!("/{FABRIKAM}/oauth2/v2.0/token");
    let early = world.exchange(CONTOSO, FABRIKAM).path(&early).send().await;
    assert_eq!(early.record["early"], true);
    // A document of several lines, with members of others' that hold anything.
    let document = format!(
        "{{\r\n  \"properties\": {{\"tenantId\": \"{FABRIKAM}\", \"isDisabled\": true,\n\
         \"allowedTenants\": [], \"decision\": \"\\u0000 \u{2028} \\n\"}}\n}}\n"
    );
    office.must_put(FABRIKAM, &document).await;
    let answer = office.ask(Method::GET, &path(CONTOSO)).send().await;
    assert_eq!(answer.status, 401);
    world.next_record().await;
    world.records().len() - before
}

fn nanoseconds(record: &Value) -> u64 {
    let time: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
    time.as_nanosecond().try_into().unwrap()
}

#[tokio::test]
async fn every_record_arrives_once_as_the_audit_file_has_it() {
    let collector = Collector::tls().await;
    let directory = TempDir::new().unwrap();
    let ca = collector.write_ca(&directory.path().join("collector.pem"));
    let setup = setup(&collector)
        .set("audit.otlp.ca", ca)
        .policy(Policy::on(CONTOSO))
        .policy(Policy::on(NORTHWIND).report_only());
    let began = SystemTime::now();
    let office = Office::with(setup).await;
    let mut count = everything(&office).await;
    until("the first arrive", async || {
        (collector.bodies().len() >= count).then_some(())
    })
    .await;
    // Some of it in a batch of its own, some of it at the end.
    count += everything(&office).await;
    count += everything(&office).await;
    let file = office.world.directory.path().join("audit.jsonl");
    let kept = directory.path().join("kept.jsonl");
    std::fs::hard_link(&file, &kept).unwrap();
    office.world.finish().await;
    let text = std::fs::read_to_string(kept).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let records = collector.records();
    let bodies: Vec<&str> = records.iter().map(|seen| &*seen.body).collect();
    assert_eq!(bodies, lines, "byte for byte, in order, once");
    assert_eq!(lines.len(), count);
    let mut kinds = BTreeSet::new();
    for seen in &records {
        let record = seen.record();
        assert_eq!(seen.times, [nanoseconds(&record); 2]);
        let since = began.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert!(u128::from(seen.times[0]) > since.as_nanos());
        kinds.insert(is_as_its_line(seen, &record));
    }
    let all = [
        "allow",
        "block",
        "error",
        "pass_non_entra",
        "policy_change",
        "policy_read",
        "would_block",
    ];
    assert_eq!(kinds.iter().map(|kind| &**kind).collect::<Vec<_>>(), all);
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "tidegate");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["service.instance.id"].as_str().unwrap().len(), 36);
    assert_eq!(resource.len(), 3);
}

/// What stands beside the body is what the line says; tells the decision or the event.
fn is_as_its_line(seen: &Seen, record: &Value) -> String {
    assert_eq!((&*seen.span, seen.flags), ("", 0), "there are no traces");
    let Some(event) = record.get("event") else {
        let decision = record["decision"].as_str().unwrap();
        let (number, word) = match decision {
            "allow" => (SeverityNumber::Info, "INFO"),
            "error" => (SeverityNumber::Error, "ERROR"),
            _ => (SeverityNumber::Warn, "WARN"),
        };
        assert_eq!(seen.severity, (number as i32, word.to_owned()));
        assert_eq!(seen.event, "tidegate.decision");
        let expected = json!({
            "log.record.uid": record["decision_id"],
            "tidegate.decision": decision,
            "tidegate.decision_id": record["decision_id"],
            "tidegate.reason": record["reason"],
            "tidegate.route": record["route"],
        });
        assert_eq!(json!(seen.attributes), expected);
        return decision.to_owned();
    };
    let refused = record["outcome"] == "refused";
    let word = if refused { "WARN" } else { "INFO" };
    assert_eq!(seen.severity.1, word);
    let event = event.as_str().unwrap();
    assert_eq!(seen.event, format!("tidegate.{event}"));
    let expected = json!({
        "log.record.uid": record["request_id"],
        "tidegate.outcome": record["outcome"],
        "tidegate.reason": record["reason"],
    });
    assert_eq!(json!(seen.attributes), expected);
    event.to_owned()
}

/// A record names the trace that its exchange belongs to, and the span if that is told of.
#[tokio::test]
async fn a_record_leads_to_its_span() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let logs = Collector::plain().await;
    let traces = crate::otlp::Collector::plain("/v1/traces").await;
    let setup = setup(&logs)
        .set("traces.endpoint", traces.url())
        .set("traces.sample", 0);
    let world = World::start(setup).await;
    for flags in ["01", "00", ""] {
        let mut exchange = world.exchange(CONTOSO, CONTOSO);
        if !flags.is_empty() {
            let parent = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            exchange = exchange.header("traceparent", parent);
        }
        exchange.send().await.allowed("same_tenant");
    }
    world.finish().await;
    let [sampled, unsampled, own] = &logs.records()[..] else {
        panic!("three: {:?}", logs.records());
    };
    assert_eq!((&*sampled.trace, sampled.flags), (TRACE, 1));
    assert_eq!(sampled.record()["span_id"], *sampled.span);
    assert_ne!(sampled.span, "00f067aa0ba902b7", "its own, not its parent");
    let spans = traces.bytes();
    let span = u64::from_str_radix(&sampled.span, 16)
        .unwrap()
        .to_be_bytes();
    assert!(memchr::memmem::find(&spans, &span).is_some());
    assert_eq!(
        (&*unsampled.trace, &*unsampled.span, unsampled.flags),
        (TRACE, "", 0)
    );
    assert_eq!((own.trace.len(), &*own.span, own.flags), (32, "", 0));
    for seen in [unsampled, own] {
        assert_eq!(seen.record().get("span_id"), None);
        assert_eq!(seen.record()["trace_id"], *seen.trace);
    }
    // Both tell that it was the same process.
    let instance = logs.resource()["service.instance.id"].clone();
    let instance = instance.as_str().unwrap();
    assert!(memchr::memmem::find(&spans, instance.as_bytes()).is_some());
}

/// Without traces a record names the trace that the client did.
#[tokio::test]
async fn without_traces_the_clients_trace_is_named() {
    let collector = Collector::plain().await;
    let world = World::start(setup(&collector)).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let with = world
        .exchange(CONTOSO, CONTOSO)
        .header("traceparent", parent);
    with.send().await.allowed("same_tenant");
    exchanges(&world, 1).await;
    world.finish().await;
    let records = collector.records();
    let traces: Vec<&str> = records.iter().map(|seen| &*seen.trace).collect();
    assert_eq!(traces, ["4bf92f3577b34da6a3ce929d0e0e4736", ""]);
    assert!(
        records
            .iter()
            .all(|seen| seen.span.is_empty() && seen.flags == 0)
    );
}

/// Many at once, over both protocols: more than a batch.
#[tokio::test]
async fn many_records_arrive_in_batches() {
    let collector = Collector::plain().await;
    let world = World::start(setup(&collector)).await;
    let some = || async {
        for number in 0..75 {
            let exchange = world.exchange(CONTOSO, CONTOSO).path(COMMON);
            let exchange = if number % 2 == 0 {
                exchange.http2()
            } else {
                exchange
            };
            assert_eq!(exchange.send_unrecorded().await.status, 200);
        }
    };
    tokio::join!(
        some(),
        some(),
        some(),
        some(),
        some(),
        some(),
        some(),
        some()
    );
    for _ in 0..600 {
        world.next_record().await;
    }
    counted(&world, [600, 0, 0, 0]).await;
    assert!(
        world
            .metrics()
            .await
            .contains("\ntidegate_log_records_queue 0\n")
    );
    let lines = lines(&world);
    assert_eq!(collector.bodies(), lines);
    assert_eq!(lines.len(), 600);
    world.finish().await;
}

/// A disk that takes nothing does not keep records from the collector.
#[tokio::test]
async fn records_that_the_disk_does_not_take_arrive() {
    if !std::path::Path::new("/dev/full").exists() {
        println!("skipped: this system has no /dev/full");
        return;
    }
    let collector = Collector::plain().await;
    let setup = to(Setup::new(), collector.url()).set("audit.output", "/dev/full");
    let mut world = World::start(setup).await;
    for _ in 0..3 {
        let answer = world.exchange(CONTOSO, CONTOSO).send_unrecorded().await;
        assert_eq!(answer.status, 200);
    }
    until("arrived", async || {
        (collector.records().len() == 3).then_some(())
    })
    .await;
    let metrics = world.metrics().await;
    assert!(
        metrics.contains("tidegate_audit_records_dropped_total 3"),
        "{metrics}"
    );
    world.signal(rustix::process::Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));
}
