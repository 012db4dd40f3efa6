//! The gateway itself, as probes, clients and readers of its records meet it.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

use super::harness::{CONTOSO, Cluster, FABRIKAM, document, etcd, tenant, until};

/// A gateway's process that serves Contoso.
struct Gateway {
    child: Child,
    data: String,
    admin: String,
    client: reqwest::Client,
    runtime: Runtime,
    records: PathBuf,
    /// Records there are, if all are written.
    asked: Cell<usize>,
    _lines: Receiver<String>,
}

impl Gateway {
    fn start(cluster: &Cluster, more: &str) -> Self {
        let place = cluster.place.path();
        let records = place.join("audit.jsonl");
        let endpoints = cluster.settings().endpoints;
        let endpoint = |uri: &http::Uri| format!("\"http://{}\"", uri.authority().unwrap());
        let endpoints: Vec<_> = endpoints.iter().map(endpoint).collect();
        let config = format!(
            r#"
            listen.address = "127.0.0.1:0"
            admin.address = "127.0.0.1:0"
            audit.output = "audit.jsonl"
            log.format = "json"

            [policies.etcd]
            endpoints = [{}]
            cache = "policies.sqlite"
            gateway = "gateway-0"
            {more}

            [providers.entra]
            kind = "entra"
            authority = "https://127.0.0.1:1"

            [[routes]]
            name = "token"
            kind = "token"
            provider = "entra"
            path = "/{{tenant}}/oauth2/v2.0/token"
            creator = [{{ tenant = "{CONTOSO}" }}]
            "#,
            endpoints.join(", ")
        );
        fs::write(place.join("tidegate.toml"), config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["serve", "--config", "tidegate.toml"])
            .current_dir(place)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (lines, told) = channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                println!("{line}");
                drop(lines.send(line));
            }
        });
        let (mut data, mut admin) = (None, None);
        while data.is_none() || admin.is_none() {
            let line = told.recv_timeout(Duration::from_secs(60)).unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            let line = line.get("fields").unwrap_or(&line).clone();
            if line["message"] == "listening" {
                let address = Some(format!("http://{}", line["address"].as_str().unwrap()));
                if line["listener"] == "admin" {
                    admin = address;
                } else {
                    data = address;
                }
            }
        }
        Self {
            child,
            data: data.unwrap(),
            admin: admin.unwrap(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            asked: Cell::new(lines_of(&records).len()),
            records,
            _lines: told,
        }
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.runtime.block_on(async {
            let answer = self
                .client
                .get(format!("{}{path}", self.admin))
                .send()
                .await
                .unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }

    /// What a token request for Fabrikam gets.
    fn exchange(&self) -> u16 {
        self.asked.set(self.asked.get() + 1);
        let url = format!("{}/{FABRIKAM}/oauth2/v2.0/token", self.data);
        let body = "grant_type=authorization_code&code=c";
        let form = "application/x-www-form-urlencoded";
        self.runtime.block_on(async {
            let request = self
                .client
                .post(url)
                .header("content-type", form)
                .body(body);
            request.send().await.unwrap().status().as_u16()
        })
    }

    fn last_record(&self) -> Value {
        until("it is written", || {
            lines_of(&self.records).len() >= self.asked.get()
        });
        serde_json::from_str(lines_of(&self.records).last().unwrap()).unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The whole lines of a file.
fn lines_of(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(str::to_owned).collect()
}

fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn it_decides_by_what_etcd_says_and_says_how_fresh_that_is() {
    if !etcd() {
        return;
    }
    let mut cluster = Cluster::start(1);
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    cluster.kill(0);

    // Neither etcd nor a cache: not ready, and nothing is decided. Nobody was asked.
    let gateway = Gateway::start(&cluster, "");
    assert_eq!(gateway.get("/livez").0, 200);
    assert_eq!(
        gateway.get("/readyz"),
        (503, "not ready\npolicies: none yet\n".to_owned())
    );
    assert_eq!(gateway.exchange(), 503);
    let record = gateway.last_record();
    assert_eq!(
        (&record["reason"], &record["forwarded"]),
        (&"policy_unreadable".into(), &false.into())
    );
    assert_eq!(record["policy_source"], Value::Null);
    let metrics = gateway.get("/metrics").1;
    assert_eq!(
        metric(&metrics, "tidegate_policy_source_connected"),
        Some(0.0)
    );
    assert_eq!(metric(&metrics, "tidegate_policy_source_age_seconds"), None);

    // etcd comes.
    cluster.start_all();
    until("it is ready", || gateway.get("/readyz").0 == 200);
    assert_eq!(gateway.exchange(), 403);
    let record = gateway.last_record();
    assert_eq!(
        record["policy_versions"][0]["version"],
        revision.to_string()
    );
    let told = |record: &Value| {
        record["policy_source"]["revision"]
            .as_str()
            .unwrap()
            .parse::<u64>()
    };
    assert!(told(&record).unwrap() >= revision, "{record}");
    assert!(
        record["policy_source"]["age_ms"].as_u64().unwrap() < 60_000,
        "{record}"
    );
    let ready = gateway.get("/readyz").1;
    assert!(ready.starts_with("ready\npolicies: revision "), "{ready}");
    let metrics = gateway.get("/metrics").1;
    assert_eq!(
        metric(&metrics, "tidegate_policy_source_connected"),
        Some(1.0)
    );
    assert!(metric(&metrics, "tidegate_policy_source_revision").unwrap() >= 2.0);

    // Off: the provider is asked, who is not there.
    let off = cluster.put(
        tenant(CONTOSO),
        &document(CONTOSO, 0).replace("false", "true"),
    );
    until("it is Off", || gateway.exchange() == 502);
    let on = cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    assert!(on > off);
    until("it is On", || gateway.exchange() == 403);

    // Killed, and started without etcd: what it enforced, it enforces.
    until("it is kept", || {
        let kept = metric(&gateway.get("/metrics").1, "tidegate_policy_cache_revision");
        kept.unwrap_or(0.0) >= on as f64
    });
    gateway.kill();
    cluster.kill(0);
    let gateway = Gateway::start(&cluster, "");
    assert_eq!(gateway.get("/readyz").0, 200);
    assert_eq!(gateway.exchange(), 403);
    let record = gateway.last_record();
    assert_eq!(record["policy_versions"][0]["version"], on.to_string());
    assert!(told(&record).unwrap() >= on, "{record}");
}

#[test]
fn check_tells_of_the_cluster_without_asking_it() {
    let place = tempfile::tempdir().unwrap();
    let config =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sidecar.toml"));
    let config = config.unwrap().replace(
        "directory = \"policies\"",
        "etcd.endpoints = [\"http://etcd-0.internal:2379\"]\netcd.cache = \"policies.sqlite\"\n\
         etcd.gateway = \"gateway-0\"\netcd.insecure_plaintext = true\n#",
    );
    fs::write(place.path().join("tidegate.toml"), config).unwrap();
    let check = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["check", "--config", "tidegate.toml"])
            .args(more)
            .current_dir(place.path())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        told
    };
    let told = check(&[]);
    for expected in [
        "policies: below /tidegate/ in etcd (http://etcd-0.internal:2379), as gateway-0, last known \
         in policies.sqlite; a tenant without one counts as off\n",
        "warning: policies.etcd.insecure_plaintext: whoever is on the way to etcd can change policies",
        "warning: policies.etcd.max_age: none: policies are enforced however long ago",
    ] {
        assert!(told.contains(expected), "{expected:?} in {told}");
    }
    let told: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    let policies = &told["policies"];
    assert_eq!(
        policies["etcd"]["endpoints"][0],
        "http://etcd-0.internal:2379"
    );
    assert_eq!(policies["etcd"]["max_age_seconds"], Value::Null);
    assert_eq!(
        (policies.get("directory"), policies.get("count")),
        (None, None)
    );
}
