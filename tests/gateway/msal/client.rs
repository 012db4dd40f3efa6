//! MSAL for Python in a process of its own, driven by `tests/msal/client.py`, and what there is to
//! say about where its requests went.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tidegate_mock::Request;

use crate::harness::*;
use crate::python::{self, Script};

/// A running MSAL. Killed when dropped.
pub(super) struct Msal<'w> {
    world: &'w World,
    script: Script,
    /// The records of its exchanges, in order.
    records: Vec<Value>,
    /// What a browser brought back from the authorize endpoint.
    pub(super) browsed: HashMap<String, String>,
}

/// What came of one call.
#[derive(Debug)]
pub(super) struct Called {
    /// What MSAL returned.
    pub(super) result: Value,
    /// The gateway's record of the exchange, if it made one.
    pub(super) record: Option<Value>,
}

/// A Python that has MSAL. None: the test is skipped, and said so.
pub(super) async fn python() -> Option<PathBuf> {
    python::python("msal", "msal").await
}

impl<'w> Msal<'w> {
    /// Starts MSAL: it trusts one authority, and may have a host's name resolved to an address.
    pub(super) async fn start(
        world: &'w World,
        python: &Path,
        ca: &Path,
        resolve: Option<&str>,
    ) -> Self {
        let resolve = resolve.map(|resolve| format!("--resolve={resolve}"));
        Self {
            world,
            script: Script::start(python, "msal/client.py", ca, resolve),
            records: Vec::new(),
            browsed: HashMap::new(),
        }
    }

    pub(super) fn world(&self) -> &'w World {
        self.world
    }

    /// Asks the script.
    pub(super) async fn ask(&mut self, command: Value) -> Value {
        self.script.ask(command).await
    }

    /// Calls MSAL, and takes the record of each exchange it made: one each, by the correlation id
    /// that MSAL chose, with the status that MSAL received.
    pub(super) async fn call(&mut self, mut command: Value, app: &str, call: &str) -> Called {
        command["app"] = app.into();
        command["do"] = call.into();
        let answer = self.ask(command).await;
        self.remember(&answer["result"]);
        let mut record = None;
        for sent in exchanges(&answer) {
            let written = self.world.next_record().await;
            assert_eq!(written["correlation_id"], sent["correlation_id"]);
            assert_eq!(written["status"], sent["status"], "{written}");
            self.records.push(written.clone());
            assert_eq!(
                record.replace(written),
                None,
                "one call, one exchange: {answer}"
            );
        }
        Called {
            result: answer["result"].clone(),
            record,
        }
    }

    /// Opens an application with a token cache of its own.
    pub(super) async fn open(&mut self, app: &str, authority: &str, mut options: Value) -> Value {
        options["authority"] = authority.into();
        options["creator"] = CONTOSO.into();
        options["credential"] = self.world.secrets.canary().into();
        options["client_id"] = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa".into();
        self.call(options, app, "open").await.result
    }

    /// What the client got is secret: no output of the gateway may hold it.
    fn remember(&self, result: &Value) {
        for name in ["access_token", "id_token", "refresh_token", "code_verifier"] {
            self.world
                .secrets
                .remember(result[name].as_str().unwrap_or_default());
        }
    }

    /// Every address that MSAL's process connected to.
    pub(super) async fn connections(&mut self) -> Vec<String> {
        let answer = self.ask(json!({ "do": "connections" })).await;
        let addresses = answer["connections"].as_array().unwrap();
        addresses
            .iter()
            .map(|address| address.as_str().unwrap().to_owned())
            .collect()
    }

    /// The proof that the provider saw only the gateway, from both ends:
    /// - MSAL's process connected to nothing else;
    /// - the provider's token requests are the exchanges that the gateway recorded as forwarded,
    ///   one for one, by the correlation ids that MSAL chose;
    /// - each of the provider's requests bears the gateway's marks, and the platform's header, which
    ///   MSAL sends with everything, on none.
    pub(super) async fn only_the_gateway(&mut self) {
        let gateway = self.world.gateway.data.to_string();
        let connections = self.connections().await;
        assert!(!connections.is_empty());
        assert!(
            connections.iter().all(|address| *address == gateway),
            "{connections:?}"
        );

        let log = self.world.idp.requests();
        let mut arrived: Vec<Option<String>> = log
            .matching(Request::is_token_post)
            .iter()
            .map(|post| post.header("client-request-id").map(str::to_owned))
            .collect();
        let mut forwarded: Vec<Option<String>> = self
            .records
            .iter()
            .filter(|record| !record["upstream_status"].is_null())
            .map(|record| record["correlation_id"].as_str().map(str::to_owned))
            .collect();
        arrived.sort();
        forwarded.sort();
        assert!(!forwarded.is_empty());
        assert_eq!(arrived, forwarded);

        let of_a_browser = |request: &Request| request.path.ends_with("/authorize");
        for request in log.matching(|request| !of_a_browser(request)) {
            assert!(marks(&request).is_gateway(), "{request:?}");
        }
    }
}

/// The requests among `sent` that are exchanges.
fn exchanges(answer: &Value) -> Vec<Value> {
    let sent = answer["sent"].as_array().unwrap();
    let is_exchange = |sent: &&Value| sent["url"].as_str().unwrap().ends_with("/token");
    sent.iter().filter(is_exchange).cloned().collect()
}

/// What tells the gateway's requests from MSAL's own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// The gateway reads replies, so it asks for plain ones; MSAL asks for gzip.
    plain_asked: bool,
    /// MSAL sends the creator tenant with everything; the gateway passes it on to nobody.
    creator_named: bool,
}

impl Marks {
    /// All marks are the gateway's.
    pub(super) fn is_gateway(&self) -> bool {
        self.plain_asked && !self.creator_named
    }

    /// All marks are MSAL's.
    pub(super) fn is_msal(&self) -> bool {
        !self.plain_asked && self.creator_named
    }
}

pub(super) fn marks(request: &Request) -> Marks {
    Marks {
        plain_asked: request.header("accept-encoding") == Some("identity"),
        creator_named: request.header("x-ms-client-tenant-id").is_some(),
    }
}
