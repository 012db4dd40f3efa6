//! A collector that takes OTLP over HTTP, in the process of the test.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::{Value, json};
use tidegate_mock::tls::{Ca, install_crypto_provider};
use tidegate_mock::{MockService, Options, Reply, Request};

/// Takes one signal, at one path.
pub(crate) struct Collector {
    server: MockService,
    pub(crate) ca: Arc<Ca>,
    path: &'static str,
}

impl Collector {
    /// Over plain HTTP.
    pub(crate) async fn plain(path: &'static str) -> Self {
        Self::start(path, Options::connection_service().plain()).await
    }

    /// Over HTTPS, with a certificate of an authority of its own.
    pub(crate) async fn tls(path: &'static str) -> Self {
        Self::start(path, Options::connection_service()).await
    }

    async fn start(path: &'static str, options: Options) -> Self {
        install_crypto_provider();
        let ca = Arc::new(Ca::new().unwrap());
        let server = MockService::start(options.ca(Arc::clone(&ca))).await;
        let collector = Self {
            server: server.unwrap(),
            ca,
            path,
        };
        collector.answers(Reply::new(200, ""));
        collector
    }

    /// Answers like this from now on.
    pub(crate) fn answers(&self, reply: Reply) {
        self.server.script(self.path, reply);
    }

    /// Answers the next request like this.
    pub(crate) fn answers_once(&self, reply: Reply) {
        self.server.script_once(self.path, reply);
    }

    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.server.url(), self.path)
    }

    /// Writes its authority's certificate to a file.
    pub(crate) fn write_ca(&self, file: &Path) -> String {
        std::fs::write(file, self.ca.pem()).unwrap();
        file.display().to_string()
    }

    /// The requests so far, each as OTLP over HTTP has it.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let requests = self.server.requests().all();
        for request in &requests {
            assert_eq!(request.method, "POST");
            assert_eq!(request.target(), self.path);
            let content = request.header("content-type");
            assert_eq!(content, Some("application/x-protobuf"));
        }
        requests
    }

    /// Every byte that it was sent, headers left out.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let requests = self.requests();
        requests
            .iter()
            .flat_map(|request| request.body.to_vec())
            .collect()
    }
}

/// Attributes by their keys, none of which stands twice.
pub(crate) fn attributes(attributes: Vec<KeyValue>) -> BTreeMap<String, Value> {
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

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A metric as it stands; 0 where there is none.
pub(crate) fn metric(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

/// Holds a request's headers against those of a file of headers with this key, and no others but
/// what HTTP needs.
pub(crate) fn shows_its_headers(request: &Request, key: &str) {
    assert_eq!(request.header("x-api-key"), Some(key));
    let bearer = format!("Bearer {key}");
    assert_eq!(request.header("authorization"), Some(&*bearer));
    let names = request.headers.keys();
    let mut names: Vec<&str> = names.map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let sent = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-api-key",
    ];
    assert_eq!(names, sent);
    let agent = request.header("user-agent").unwrap();
    assert!(agent.starts_with("tidegate/"), "{agent}");
}
