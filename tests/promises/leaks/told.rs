//! Everybody who is told of exchanges besides the audit and the log: the store of events, receivers
//! of webhooks, a collector of traces and of logs, readers of reports (program and API) and of `tail`.
//!
//! What they are configured with (a signing secret, a receiver's path, a collector's key, the operator's
//! token) is a secret as well. An account is named to nobody who has no part in it: never in a report,
//! a trace or a metric, and to a tenant's own receiver only where it signed in.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tidegate_mock::tls::install_crypto_provider;
use tidegate_mock::{MockService, Options, Reply, jwt};
use toml::Table;

use crate::harness::{CONTOSO, FABRIKAM, Secrets, Setup, World, until};

const REPORTS: &str = "/governance/crossTenantConnectionReports";

/// What each of them was told, and what must not be in it.
pub(super) struct Told {
    receiver: MockService,
    collector: MockService,
    files: TempDir,
    operator: String,
    /// What they are configured with.
    hidden: Vec<String>,
}

/// What was looked at.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) bytes: usize,
    /// By name, and how many bytes: none may be empty.
    pub(super) outputs: Vec<(String, usize)>,
    /// Records of what was asked of the API.
    pub(super) records: usize,
    /// Accounts that signed in.
    accounts: BTreeSet<String>,
}

impl Told {
    pub(super) async fn start() -> Self {
        install_crypto_provider();
        let server = async || {
            let options = Options::connection_service().plain();
            MockService::start(options).await.unwrap()
        };
        let files = TempDir::new().unwrap();
        let hidden: Vec<String> = (0..4).map(|_| jwt::random(40)).collect();
        let file =
            |name: &str, text: String| std::fs::write(files.path().join(name), text).unwrap();
        file("secret", hidden[0].clone());
        file(
            "headers",
            format!("authorization: Bearer {0}\nx-api-key: {0}\n", hidden[2]),
        );
        file("operator", hidden[3].clone());
        let collector = server().await;
        collector.script("/v1/traces", Reply::new(200, ""));
        collector.script("/v1/logs", Reply::new(200, ""));
        Self {
            receiver: server().await,
            collector,
            files,
            operator: hidden[3].clone(),
            hidden,
        }
    }

    /// Tells all of them of everything.
    pub(super) fn setup(&self, setup: Setup) -> Setup {
        let path = |name: &str| self.files.path().join(name).display().to_string();
        let (url, hidden) = (self.receiver.url(), &self.hidden[1]);
        let webhook = |name: &str, tenants: &str| -> Table {
            let text = format!(
                "name = {name:?}\nurl = \"{url}/{name}/{hidden}?sig={hidden}\"\n\
                 secret_file = {:?}\ntenants = {tenants}\nwindow = \"1s\"\n\
                 decisions = [\"block\", \"would_block\", \"pass_non_entra\"]",
                path("secret")
            );
            text.parse().unwrap()
        };
        let webhooks = [
            webhook("operator", "\"*\""),
            webhook("contoso", &format!("[{CONTOSO:?}]")),
        ];
        setup
            .set("audit.output", "audit.jsonl")
            .set("events.file", "events.sqlite")
            .set(
                "traces.endpoint",
                format!("{}/v1/traces", self.collector.url()),
            )
            .set("traces.headers_file", path("headers"))
            .set(
                "audit.otlp.endpoint",
                format!("{}/v1/logs", self.collector.url()),
            )
            .set("audit.otlp.headers_file", path("headers"))
            .set("webhooks", webhooks.map(toml::Value::from).to_vec())
            .set("admin.policies.operator_token_file", path("operator"))
    }

    /// From now on what they are configured with is looked for as well.
    pub(super) fn remember(&self, secrets: &Secrets) {
        for secret in &self.hidden {
            secrets.remember(secret);
        }
    }

    /// Looks at what is on the disk, and at what readers of it are shown.
    pub(super) async fn shown(&self, world: &World) -> Looked {
        let mut looked = Looked::default();
        let records = world.records();
        let accounts = records
            .iter()
            .filter_map(|record| record["user_object_id"].as_str());
        looked.accounts = accounts.map(str::to_owned).collect();
        stored(world, records.len()).await;
        let here = world.directory.path();
        for name in ["events.sqlite", "events.sqlite-wal", "events.sqlite-shm"] {
            let bytes = std::fs::read(here.join(name)).unwrap_or_default();
            looked.at(name, &bytes, &world.secrets);
        }
        for tenant in [CONTOSO, FABRIKAM] {
            for format in ["table", "json", "csv", "html"] {
                let audit = here.join("audit.jsonl");
                for from in [&["--audit", audit.to_str().unwrap()][..], &[]] {
                    let ask = [&["report", tenant, "--format", format, "-o", "-"], from].concat();
                    let text = run(world, &ask);
                    looked.anonymous(&format!("report {format}"), &text, &world.secrets);
                }
            }
        }
        for more in [&["--json"][..], &["--color", "always"]] {
            let ask = [&["tail", "--since-start", "--no-follow"], more].concat();
            looked.at("tail", &run(world, &ask), &world.secrets);
        }
        self.reported(world, &mut looked).await;
        let metrics = world.metrics().await;
        looked.anonymous("metrics", metrics.as_bytes(), &world.secrets);
        looked
    }

    /// The API of reports, to the operator, and to those who are not.
    async fn reported(&self, world: &World, looked: &mut Looked) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}{REPORTS}?tenantId={CONTOSO}", world.gateway.admin);
        let asked = [
            (http::Method::POST, self.operator.clone(), 202),
            (http::Method::GET, self.operator.clone(), 200),
            (http::Method::POST, world.secrets.canary(), 401),
            (http::Method::GET, world.sign_in(CONTOSO).build(), 401),
        ];
        for (method, bearer, status) in asked {
            let request = client.request(method, &url).bearer_auth(bearer);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status);
            let bytes = answer.bytes().await.unwrap();
            looked.anonymous("the API", &bytes, &world.secrets);
        }
        // Of the report that was made, and of both refusals.
        looked.records = 3;
        for _ in 0..looked.records {
            world.next_record().await;
        }
    }

    /// Looks at what left the gateway, when it has ended.
    pub(super) fn sent(&self, secrets: &Secrets, looked: &mut Looked) {
        let bodies = |server: &MockService, path: &str| -> Vec<Vec<u8>> {
            let requests = server.requests().all();
            let to = requests
                .into_iter()
                .filter(|one| one.path.starts_with(path));
            to.map(|one| one.body.to_vec()).collect()
        };
        let spans = bodies(&self.collector, "/v1/traces").concat();
        looked.anonymous("spans", &spans, secrets);
        // As the audit, they name accounts.
        let logs = bodies(&self.collector, "/v1/logs").concat();
        looked.at("logs", &logs, secrets);
        let operator = bodies(&self.receiver, "/operator").concat();
        looked.at("the operator's webhook", &operator, secrets);
        // Who is looked for is found where it has a place.
        let named =
            |account: &String| memchr::memmem::find(&operator, account.as_bytes()).is_some();
        assert!(
            looked.accounts.iter().any(named),
            "the operator is told of accounts"
        );
        for body in bodies(&self.receiver, "/contoso") {
            let message: Value = serde_json::from_slice(&body).unwrap();
            if message["data"]["sign_in_tenant"] == CONTOSO {
                looked.at("a tenant's webhook", &body, secrets);
            } else {
                looked.anonymous("a tenant's webhook", &body, secrets);
            }
        }
    }
}

impl Looked {
    /// Searches an output for secrets.
    fn at(&mut self, what: &str, output: &[u8], secrets: &Secrets) {
        secrets.assert_none_in(what, output);
        secrets.assert_no_end_in(what, output);
        self.bytes += output.len();
        match self.outputs.iter_mut().find(|(name, _)| name == what) {
            Some((_, bytes)) => *bytes += output.len(),
            None => self.outputs.push((what.to_owned(), output.len())),
        }
    }

    /// The same, and for accounts, as text and as bytes.
    fn anonymous(&mut self, what: &str, output: &[u8], secrets: &Secrets) {
        self.at(what, output, secrets);
        for account in &self.accounts {
            let id: uuid::Uuid = account.parse().unwrap();
            let spelled = [
                id.hyphenated().to_string(),
                id.simple().to_string(),
                id.hyphenated().to_string().to_uppercase(),
            ];
            let spelled = spelled
                .iter()
                .map(String::as_bytes)
                .chain([&id.as_bytes()[..]]);
            for spelling in spelled {
                assert!(
                    memchr::memmem::find(output, spelling).is_none(),
                    "{what} names {account}"
                );
            }
        }
    }

    pub(super) fn accounts(&self) -> usize {
        self.accounts.len()
    }

    pub(super) fn has_all(&self) -> bool {
        self.outputs.len() >= 12 && self.outputs.iter().all(|(_, bytes)| *bytes > 0)
    }
}

/// Waits until the store holds so many exchanges.
async fn stored(world: &World, exchanges: usize) {
    let file = world.directory.path().join("events.sqlite");
    let exchanges = i64::try_from(exchanges).unwrap();
    until("the store has them", async || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = rusqlite::Connection::open_with_flags(&file, flags).ok()?;
        let sql = "SELECT ifnull(sum(count), 0) FROM tallies";
        let count: i64 = connection.query_row(sql, [], |row| row.get(0)).ok()?;
        (count >= exchanges).then_some(())
    })
    .await;
}

/// What the program prints, beside a running gateway.
fn run(world: &World, arguments: &[&str]) -> Vec<u8> {
    let config = world.config();
    let output = Command::new(Path::new(env!("CARGO_BIN_EXE_tidegate")))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    assert!(!output.stdout.is_empty(), "{arguments:?}");
    [output.stdout, output.stderr].concat()
}
