//! A collector of traces, and the spans in what it was sent.

use std::collections::BTreeMap;
use std::ops::Deref;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message;
use serde_json::Value;
use tidegate_mock::Request;

use crate::harness::{Policy, Setup, until};
pub(super) use crate::otlp::metric;
use crate::otlp::{self, attributes, hex};

/// Where it takes spans.
const PATH: &str = "/v1/traces";

/// A collector in the process of the test.
pub(super) struct Collector(otlp::Collector);

impl Deref for Collector {
    type Target = otlp::Collector;

    fn deref(&self) -> &otlp::Collector {
        &self.0
    }
}

/// A span as tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) trace: String,
    pub(super) id: String,
    /// Empty at a root.
    pub(super) parent: String,
    /// Whether the parent is another process's, as the flags tell.
    pub(super) remote: bool,
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) times: (u64, u64),
    pub(super) attributes: BTreeMap<String, Value>,
    pub(super) error: Option<String>,
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

    /// A gateway that tells this collector of everything.
    pub(super) fn setup(&self, policies: impl IntoIterator<Item = Policy>) -> Setup {
        let setup = Setup::new().set("traces.endpoint", self.url());
        policies.into_iter().fold(setup, Setup::policy)
    }

    /// The spans so far.
    pub(super) fn spans(&self) -> Vec<Seen> {
        let mut spans = Vec::new();
        for request in self.requests() {
            let export = ExportTraceServiceRequest::decode(request.body).unwrap();
            for scope in export
                .resource_spans
                .into_iter()
                .flat_map(|r| r.scope_spans)
            {
                assert_eq!(scope.scope.unwrap().name, "tidegate");
                spans.extend(scope.spans.into_iter().map(Seen::of));
            }
        }
        spans
    }

    /// The attributes of who tells.
    pub(super) fn resource(&self) -> BTreeMap<String, Value> {
        let request = self.requests().remove(0);
        let export = ExportTraceServiceRequest::decode(request.body).unwrap();
        attributes(
            export.resource_spans[0]
                .resource
                .clone()
                .unwrap()
                .attributes,
        )
    }

    /// The spans of one exchange, its own first, the others as they began, once they are here.
    pub(super) async fn exchange(&self, record: &Value) -> Vec<Seen> {
        let id = &record["decision_id"];
        until("the spans of an exchange", async || {
            let spans = self.spans();
            let own = |span: &&Seen| span.attributes.get("tidegate.decision_id") == Some(id);
            let own = spans.iter().find(own)?.clone();
            let mut of_it = vec![own.clone()];
            of_it.extend(spans.into_iter().filter(|span| span.parent == own.id));
            of_it[1..].sort_by_key(|span| span.times);
            Some(of_it)
        })
        .await
    }
}

impl Seen {
    fn of(span: Span) -> Self {
        let status = span.status.clone().unwrap_or_default();
        assert_eq!(span.trace_state, "");
        Self {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            remote: span.flags & 0x200 != 0,
            kind: span.kind(),
            times: (span.start_time_unix_nano, span.end_time_unix_nano),
            attributes: attributes(span.attributes),
            error: (status.code() == StatusCode::Error).then_some(status.message),
            name: span.name,
        }
    }

    /// An attribute; null if there is none.
    pub(super) fn get(&self, name: &str) -> Value {
        self.attributes.get(name).cloned().unwrap_or_default()
    }
}

/// What came upstream of a trace: trace id, parent id, flags.
pub(super) fn traceparent(request: &Request) -> (String, String, String) {
    let mut values = request.headers.get_all("traceparent").iter();
    let only = values.next().unwrap().to_str().unwrap();
    assert!(values.next().is_none());
    let fields: Vec<&str> = only.split('-').collect();
    let [version, trace, parent, flags] = fields[..] else {
        panic!("{only}");
    };
    assert_eq!(version, "00");
    (trace.to_owned(), parent.to_owned(), flags.to_owned())
}
