//! A collector of logs, and the records in what it was sent.

use std::collections::BTreeMap;
use std::ops::Deref;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use serde_json::Value;
use tidegate_mock::Request;

use crate::harness::{CONTOSO, Setup, World, until};
use crate::otlp::{self, attributes, hex, metric};

/// Where it takes records.
pub(super) const PATH: &str = "/v1/logs";

/// The audit file, in a world's directory.
pub(super) const FILE: &str = "audit.jsonl";

/// A collector in the process of the test.
pub(super) struct Collector(otlp::Collector);

/// A record as tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) body: String,
    pub(super) event: String,
    pub(super) severity: (i32, String),
    pub(super) trace: String,
    pub(super) span: String,
    pub(super) flags: u32,
    pub(super) times: [u64; 2],
    pub(super) attributes: BTreeMap<String, Value>,
}

impl Deref for Collector {
    type Target = otlp::Collector;

    fn deref(&self) -> &otlp::Collector {
        &self.0
    }
}

impl Collector {
    /// Over plain HTTP.
    pub(super) async fn plain() -> Self {
        Self(otlp::Collector::plain(PATH).await)
    }

    /// Over HTTPS, with a certificate of an authority of its own.
    pub(super) async fn tls() -> Self {
        Self(otlp::Collector::tls(PATH).await)
    }

    /// The records so far, in the order in which they came.
    pub(super) fn records(&self) -> Vec<Seen> {
        self.requests().into_iter().flat_map(records).collect()
    }

    /// Their bodies.
    pub(super) fn bodies(&self) -> Vec<String> {
        self.records().into_iter().map(|seen| seen.body).collect()
    }

    /// The attributes of who tells.
    pub(super) fn resource(&self) -> BTreeMap<String, Value> {
        let export = decoded(self.requests().remove(0));
        attributes(export.resource_logs[0].resource.clone().unwrap().attributes)
    }
}

/// Has a gateway give its records to this address, and keep them in a file.
pub(super) fn to(setup: Setup, endpoint: String) -> Setup {
    setup
        .set("audit.output", FILE)
        .set("audit.otlp.endpoint", endpoint)
}

/// A gateway that does so.
pub(super) fn setup(collector: &Collector) -> Setup {
    to(Setup::new(), collector.url())
}

fn decoded(request: Request) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest::decode(request.body).unwrap()
}

/// The records of one request.
pub(super) fn records(request: Request) -> Vec<Seen> {
    let logs = decoded(request).resource_logs;
    let [logs] = &logs[..] else {
        panic!("one resource: {logs:?}");
    };
    let [scope] = &logs.scope_logs[..] else {
        panic!("one scope: {logs:?}");
    };
    assert_eq!(scope.scope.as_ref().unwrap().name, "tidegate");
    scope.log_records.iter().cloned().map(Seen::of).collect()
}

impl Seen {
    fn of(record: LogRecord) -> Self {
        let Some(Any::StringValue(body)) = record.body.unwrap().value else {
            panic!("a body that is no text");
        };
        Self {
            body,
            event: record.event_name,
            severity: (record.severity_number, record.severity_text),
            trace: hex(&record.trace_id),
            span: hex(&record.span_id),
            flags: record.flags,
            times: [record.time_unix_nano, record.observed_time_unix_nano],
            attributes: attributes(record.attributes),
        }
    }

    /// The audit's record.
    pub(super) fn record(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The lines of a world's audit file.
pub(super) fn lines(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.directory.path().join(FILE)).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

/// Exchanges within one tenant.
pub(super) async fn exchanges(world: &World, count: usize) {
    for _ in 0..count {
        let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
        outcome.allowed("same_tenant");
    }
}

/// What is counted: exported, rejected, delivery, queue_full.
pub(super) async fn counts(world: &World) -> [u64; 4] {
    let text = world.metrics().await;
    let dropped = |reason: &str| {
        let name = format!("tidegate_log_records_dropped_total{{reason=\"{reason}\"}}");
        metric(&text, &name)
    };
    [
        metric(&text, "tidegate_log_records_exported_total"),
        dropped("rejected"),
        dropped("delivery"),
        dropped("queue_full"),
    ]
}

/// Waits until it is counted so.
pub(super) async fn counted(world: &World, expected: [u64; 4]) {
    let last = std::cell::Cell::new([0; 4]);
    until(&format!("counts of {expected:?}"), async || {
        last.set(counts(world).await);
        (last.get() == expected).then_some(())
    })
    .await;
}
