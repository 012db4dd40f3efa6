//! A Prometheus server that scrapes a gateway: every panel of the dashboard shows something, and
//! every alert rule is evaluated without a fault.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::deployed::{file, of_dashboard, of_rules, of_variables};
use super::{drive, everything, there_is};
use crate::harness::{Lines, World, until};

/// What a healthy gateway has nothing to show for: what it allows though nobody can tell the tenant.
/// And what only those have whose policies come from etcd.
const EMPTY: [&str; 3] = [
    "reason=~\"undetermined_.*\"",
    "tidegate_policy_cache_",
    "tidegate_policy_source_",
];

/// A running server. Killed when dropped.
struct Server {
    _child: Child,
    log: Lines,
    client: Client,
    url: String,
}

impl Server {
    async fn start(directory: &Path, target: SocketAddr) -> Self {
        let config = format!(
            "global: {{ scrape_interval: 200ms, evaluation_interval: 200ms }}\n\
             rule_files: [{:?}]\n\
             scrape_configs:\n  - job_name: tidegate\n    static_configs: [{{ targets: [{:?}] }}]\n",
            file("prometheus/alerts.yaml").display().to_string(),
            target.to_string(),
        );
        let path = directory.join("prometheus.yml");
        std::fs::write(&path, config).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("tsdb").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Lines::of(child.stderr.take().unwrap());
        let listens = |line: &str| line.contains("Listening on");
        let line = log.first("prometheus listens", listens).await;
        let line = line.unwrap_or_else(|| panic!("{}", log.text()));
        let address = line.split("address=").nth(1).expect(&line).trim();
        let client = Client::builder().no_proxy().build().unwrap();
        // It listens before it can be asked.
        let ready = format!("http://{address}/-/ready");
        until("prometheus is ready", async || {
            let answer = client.get(&ready).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        Self {
            _child: child,
            client,
            url: format!("http://{address}/api/v1"),
            log,
        }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.url), query).unwrap();
        let answer = self.client.get(url).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// What an expression is at the moment; fails where it is none.
    async fn query(&self, place: &str, expression: &str) -> Vec<Value> {
        let answer = self.get("/query", &[("query", expression)]).await;
        assert_eq!(answer["status"], "success", "{place}: {answer}");
        answer["data"]["result"].as_array().expect(place).clone()
    }
}

#[tokio::test]
async fn every_panel_shows_something_and_every_rule_is_evaluated() {
    if !there_is("prometheus").await {
        return;
    }
    let directory = TempDir::new().unwrap();
    let world = World::start(everything(&directory.path().join("secret"))).await;
    drive(&world).await;
    let server = Server::start(directory.path(), world.gateway.admin).await;
    for (place, expression) in [of_dashboard(), of_variables()].concat() {
        let empty =
            EMPTY.iter().any(|words| expression.contains(words)) || expression.contains("changes(");
        until(&place, async || {
            let result = server.query(&place, &expression).await;
            (empty || !result.is_empty()).then_some(())
        })
        .await;
    }
    for (place, expression) in of_rules() {
        server.query(&place, &expression).await;
    }
    let healthy = until("every rule evaluated", async || {
        let answer = server.get("/rules", &[]).await;
        let groups = answer["data"]["groups"].as_array()?.clone();
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap());
        let health: Vec<(Value, Value)> = rules
            .map(|rule| (rule["health"].clone(), rule["lastError"].clone()))
            .collect();
        let done = health.iter().all(|(health, _)| health != "unknown");
        (done && !health.is_empty()).then_some(health)
    })
    .await;
    assert_eq!(healthy.len(), of_rules().len());
    for (health, error) in healthy {
        assert_eq!(health, "ok", "{error}");
    }
    // What was counted is what the server counts.
    let blocks = "sum(tidegate_exchanges_total{decision=\"block\"})";
    let result = server.query("blocks", blocks).await;
    assert_eq!(result[0]["value"][1], "3", "{}", server.log.text());
    world.finish().await;
}
