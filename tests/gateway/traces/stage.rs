//! A collector that takes OTLP over HTTP, and the spans in what it was sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message;
use serde_json::{Value, json};
use tidegate_mock::tls::{Ca, install_crypto_provider};
use tidegate_mock::{MockService, Options, Reply, Request};

use crate::harness::{Policy, Setup, until};

/// Where it takes spans.
const PATH: &str = "/v1/traces";

/// A collector in the process of the test.
pub(super) struct Collector {
    server: MockService,
    pub(super) ca: Arc<Ca>,
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
        Self::start(Options::connection_service().plain()).await
    }

    /// Over HTTPS, with a certificate of an authority of its own.
    pub(super) async fn tls() -> Self {
        Self::start(Options::connection_service()).await
    }

    async fn start(options: Options) -> Self {
        install_crypto_provider();
        let ca = Arc::new(Ca::new().unwrap());
        let server = MockService::start(options.ca(Arc::clone(&ca))).await;
        let collector = Self {
            server: server.unwrap(),
            ca,
        };
        collector.answers(Reply::new(200, ""));
        collector
    }

    /// Answers like this from now on.
    pub(super) fn answers(&self, reply: Reply) {
        self.server.script(PATH, reply);
    }

    pub(super) fn url(&self) -> String {
        format!("{}{PATH}", self.server.url())
    }

    /// A gateway that tells this collector of everything.
    pub(super) fn setup(&self, policies: impl IntoIterator<Item = Policy>) -> Setup {
        let setup = Setup::new().set("traces.endpoint", self.url());
        policies.into_iter().fold(setup, Setup::policy)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.server.requests().all()
    }

    /// Every byte that it was sent, headers left out.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let requests = self.requests();
        requests
            .iter()
            .flat_map(|request| request.body.to_vec())
            .collect()
    }

    /// The spans so far.
    pub(super) fn spans(&self) -> Vec<Seen> {
        let mut spans = Vec::new();
        for request in self.requests() {
            assert_eq!(request.method, "POST");
            assert_eq!(request.target(), PATH);
            assert_eq!(
                request.header("content-type"),
                Some("application/x-protobuf")
            );
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

fn attributes(attributes: Vec<KeyValue>) -> BTreeMap<String, Value> {
    let count = attributes.len();
    let attributes: BTreeMap<String, Value> = attributes
        .into_iter()
        .map(|attribute| {
            (
                attribute.key,
                plain(attribute.value.unwrap().value.unwrap()),
            )
        })
        .collect();
    assert_eq!(attributes.len(), count, "one stands twice: {attributes:?}");
    attributes
}

fn plain(value: Any) -> Value {
    match value {
        Any::StringValue(text) => json!(text),
        Any::BoolValue(is) => json!(is),
        Any::IntValue(number) => json!(number),
        Any::ArrayValue(values) => {
            let values = values.values.into_iter();
            values.map(|value| plain(value.value.unwrap())).collect()
        }
        other @ (Any::BytesValue(_)
        | Any::DoubleValue(_)
        | Any::KvlistValue(_)
        | Any::StringValueStrindex(_)) => {
            panic!("{other:?}")
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A metric as it stands; 0 where there is none.
pub(super) fn metric(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}
