//! Receivers of webhooks, and what they were told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use standardwebhooks::Webhook;
use tempfile::TempDir;
use tidegate_mock::tls::{Ca, install_crypto_provider};
use tidegate_mock::{MockService, Options, Request};
use toml::Table;

use crate::harness::{Setup, World, until};

/// Signs messages: 32 bytes.
pub(super) const SECRET: &str = "whsec_Q2FuYXJ5LXNlY3JldC1vZi10aGVzZS10ZXN0cyEhISE=";

/// A receiver, with the files that its webhooks name.
pub(super) struct Receiver {
    pub(super) service: MockService,
    pub(super) files: TempDir,
}

/// One message, verified.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) timestamp: u64,
    pub(super) body: Value,
    pub(super) bytes: Vec<u8>,
}

impl Message {
    fn of(request: &Request) -> Self {
        let known = Webhook::new(SECRET).unwrap();
        known.verify(&request.body, &request.headers).unwrap();
        assert_eq!(request.method, http::Method::POST);
        assert_eq!(request.header("content-type"), Some("application/json"));
        let header = |name: &str| request.header(name).unwrap().to_owned();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["data"]["decision_id"], header("webhook-id"));
        let kind = format!("tidegate.{}", body["data"]["decision"].as_str().unwrap());
        assert_eq!(body["type"], kind);
        Self {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp").parse().unwrap(),
            body,
            bytes: request.body.to_vec(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.body["data"]["count"].as_u64().unwrap()
    }
}

impl Receiver {
    pub(super) async fn start() -> Self {
        install_crypto_provider();
        Self::with(Options::connection_service().ca(Arc::new(Ca::new().unwrap()))).await
    }

    pub(super) async fn with(options: Options) -> Self {
        let service = MockService::start(options).await.unwrap();
        let files = TempDir::new().unwrap();
        let path = |name: &str| files.path().join(name);
        std::fs::write(path("ca.pem"), service.ca_pem()).unwrap();
        std::fs::write(path("secret"), format!("{SECRET}\n")).unwrap();
        Self { service, files }
    }

    /// The configuration of a webhook whose path is its name.
    pub(super) fn webhook(&self, name: &str, more: &str) -> Table {
        let file = |name: &str| self.files.path().join(name).display().to_string();
        let text = format!(
            "name = {name:?}\nurl = \"{}/{name}\"\nsecret_file = {:?}\nca = {:?}\n{more}",
            self.service.url(),
            file("secret"),
            file("ca.pem"),
        );
        text.parse().unwrap()
    }

    /// What one webhook was told so far.
    pub(super) fn messages(&self, name: &str) -> Vec<Message> {
        let requests = self.service.requests().to(&format!("/{name}"));
        requests.iter().map(Message::of).collect()
    }

    /// The same, once there are so many.
    pub(super) async fn told(&self, name: &str, count: usize) -> Vec<Message> {
        until(&format!("{count} messages to {name}"), async || {
            Some(self.messages(name)).filter(|messages| messages.len() >= count)
        })
        .await
    }
}

/// A setup with these webhooks.
pub(super) fn with(setup: Setup, webhooks: impl IntoIterator<Item = Table>) -> Setup {
    let webhooks: Vec<toml::Value> = webhooks.into_iter().map(Into::into).collect();
    setup.set("webhooks", webhooks)
}

/// Samples of a webhook, once they are these: sent, failures, dropped, queue, stopped.
pub(super) async fn counted(world: &World, name: &str, expected: [u64; 5]) {
    const NAMES: [&str; 5] = [
        "sent_total",
        "failures_total",
        "dropped_total",
        "queue",
        "stopped",
    ];
    let expected: BTreeMap<&str, String> = NAMES
        .into_iter()
        .zip(expected.map(|count| count.to_string()))
        .collect();
    let mut last = BTreeMap::new();
    let asked = async || {
        let text = world.metrics().await;
        last = NAMES
            .into_iter()
            .map(|metric| {
                let start = format!("tidegate_webhook_{metric}{{webhook=\"{name}\"}} ");
                let line = text.lines().find_map(|line| line.strip_prefix(&start));
                (metric, line.unwrap_or("none").to_owned())
            })
            .collect();
        (last == expected).then_some(())
    };
    until(&format!("{name}: {expected:?}"), asked).await;
}

/// Nothing about a receiver is in any output but its name: not its path, not its secret.
pub(super) async fn checked(world: World) {
    world.secrets.remember(SECRET);
    world.secrets.remember("Canary-secret-of-these-tests!!!!");
    let (log, metrics) = (world.log.text(), world.metrics().await);
    for output in [log, metrics] {
        assert!(!output.contains("/hook-"), "{output}");
    }
    world.finish().await;
}
