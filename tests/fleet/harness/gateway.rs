//! The gateway's own process, which serves Contoso.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tidegate::config::Etcd;
use tokio::runtime::Runtime;

use super::{CONTOSO, Cluster, FABRIKAM, until};

/// How it is started.
#[derive(Default)]
pub struct Start<'s> {
    /// Whose endpoints; the cluster's own otherwise.
    pub etcd: Option<Etcd>,
    /// More lines of `[policies.etcd]`.
    pub more: &'s str,
    /// More of its environment.
    pub variables: Vec<(String, String)>,
}

/// A gateway's process that serves Contoso.
pub struct Gateway {
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
    pub fn start(cluster: &Cluster, how: &Start) -> Self {
        let place = cluster.place.path();
        let records = place.join("audit.jsonl");
        let endpoints = how
            .etcd
            .clone()
            .unwrap_or_else(|| cluster.settings())
            .endpoints;
        let more = how.more;
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
            .envs(how.variables.iter().cloned())
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
            asked: Cell::new(self::records(&records, &Value::Null).len()),
            records,
            _lines: told,
        }
    }

    pub fn get(&self, path: &str) -> (u16, String) {
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
    pub fn exchange(&self) -> u16 {
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

    pub fn last_record(&self) -> Value {
        let exchanges = || records(&self.records, &Value::Null);
        until("it is written", || exchanges().len() >= self.asked.get());
        exchanges().pop().unwrap()
    }

    /// Every record of this event.
    pub fn records(&self, event: &str) -> Vec<Value> {
        records(&self.records, &event.into())
    }

    /// Runs a command with this gateway's configuration: its exit code, and what it said.
    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(arguments)
            .args(["--config", "tidegate.toml"])
            .current_dir(self.records.parent().unwrap())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(said).unwrap(),
        )
    }

    pub fn metric(&self, name: &str) -> Option<f64> {
        metric(&self.get("/metrics").1, name)
    }

    /// Tells it to end, and waits until it has.
    pub fn end(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    pub fn kill(mut self) {
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

/// The whole records in a file that are of this event; none: of exchanges.
fn records(file: &Path, event: &Value) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["event"] == *event)
        .collect()
}

pub fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}
