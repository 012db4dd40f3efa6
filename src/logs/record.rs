//! A line of the audit as a log record, and a batch of them as a request.
//!
//! | a record's | is the line's |
//! |---|---|
//! | body | all of it, byte for byte, as a string |
//! | time, observed time | `time` |
//! | event name | `tidegate.decision`; without a decision `tidegate.` and `event` |
//! | severity | INFO: `allow`; WARN: `block`, `would_block`, `pass_non_entra`; ERROR: `error`; of requests about policies and reports INFO: done, WARN: `refused`, ERROR: `error` |
//! | trace id, span id, flags | `trace_id`; `span_id`, which stands there if the span is sampled |
//! | `log.record.uid` | `decision_id` or `request_id` |
//! | `tidegate.decision_id`, `tidegate.route`, `tidegate.decision`, `tidegate.outcome`, `tidegate.reason` | the member of that name |
//!
//! Invariant: a record holds nothing that its line does not.

use bytes::Bytes;
use jiff::Timestamp;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use prost::Message;
use serde::Deserialize;

use super::queue::Batch;
use crate::otlp;

/// What all requests have in common: who tells.
pub(super) struct Envelope {
    resource: Resource,
    scope: InstrumentationScope,
}

impl Envelope {
    pub(super) fn of(service_name: &str) -> Self {
        let resource = otlp::resource(service_name);
        Self {
            resource: Resource {
                attributes: ResourceAttributesWithSchema::from(&resource).attributes.0,
                ..Resource::default()
            },
            scope: InstrumentationScope::from((otlp::scope(), None)),
        }
    }

    /// A request that holds a batch.
    pub(super) fn export(&self, batch: &Batch) -> Bytes {
        let lines = batch.lines.split_inclusive(|byte| *byte == b'\n');
        let logs = ResourceLogs {
            resource: Some(self.resource.clone()),
            scope_logs: vec![ScopeLogs {
                scope: Some(self.scope.clone()),
                log_records: lines.map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![logs],
        };
        request.encode_to_vec().into()
    }
}

/// What is read out of a line. Decisions have no `event`; other lines have no `decision`.
#[derive(Default, Deserialize)]
struct Line {
    time: Timestamp,
    event: Option<String>,
    decision_id: Option<String>,
    request_id: Option<String>,
    route: Option<String>,
    decision: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    trace_id: Option<String>,
    span_id: Option<String>,
}

/// A line as a record.
fn record(line: &[u8]) -> LogRecord {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    // What is not understood still arrives, as its body.
    let read: Line = serde_json::from_slice(line).unwrap_or_default();
    let time = u64::try_from(read.time.as_nanosecond()).unwrap_or_default();
    let (severity, word) = read.severity();
    let trace = |id: &str| TraceId::from_hex(id).ok();
    let trace_id = read.trace_id.as_deref().and_then(trace);
    let span = |id: &str| SpanId::from_hex(id).ok();
    let span_id = read.span_id.as_deref().and_then(span);
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time,
        severity_number: severity.into(),
        severity_text: word.to_owned(),
        event_name: read.event_name(),
        flags: u32::from(span_id.is_some()),
        trace_id: trace_id.map_or_else(Vec::new, |id| id.to_bytes().to_vec()),
        span_id: span_id.map_or_else(Vec::new, |id| id.to_bytes().to_vec()),
        body: Some(text(String::from_utf8_lossy(line).into_owned())),
        attributes: read.into_attributes(),
        dropped_attributes_count: 0,
    }
}

impl Line {
    fn severity(&self) -> (SeverityNumber, &'static str) {
        match self.decision.as_deref().or(self.outcome.as_deref()) {
            Some("allow" | "changed" | "created" | "unchanged") => (SeverityNumber::Info, "INFO"),
            Some("block" | "pass_non_entra" | "refused" | "would_block") => {
                (SeverityNumber::Warn, "WARN")
            }
            // Meant by an operator, and worth a look.
            None if self.event.as_deref() == Some("history_accepted") => {
                (SeverityNumber::Warn, "WARN")
            }
            _ => (SeverityNumber::Error, "ERROR"),
        }
    }

    fn event_name(&self) -> String {
        format!("tidegate.{}", self.event.as_deref().unwrap_or("decision"))
    }

    fn into_attributes(self) -> Vec<KeyValue> {
        let id = self.decision_id.clone().or(self.request_id);
        let attributes = [
            ("log.record.uid", id),
            ("tidegate.decision_id", self.decision_id),
            ("tidegate.route", self.route),
            ("tidegate.decision", self.decision),
            ("tidegate.outcome", self.outcome),
            ("tidegate.reason", self.reason),
        ];
        let there = attributes
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        there
            .map(|(key, value)| KeyValue {
                key: key.to_owned(),
                value: Some(text(value)),
                ..KeyValue::default()
            })
            .collect()
    }
}

const fn text(text: String) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(text)),
    }
}

#[cfg(test)]
mod tests;
