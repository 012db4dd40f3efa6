//! Metrics, and what is made of them: the dashboard and the alert rules in `deploy/`, held against
//! a gateway that runs, and read by the programs that operators use.
//!
//! `promtool` and `prometheus` (Debian's package `prometheus`) and the Python package
//! `prometheus_client` are used where they are there. Without them their tests say so and pass,
//! unless `TIDEGATE_TEST_REQUIRE` names them (`promtool`, `prometheus`, `openmetrics`).

mod deployed;
mod expressions;
mod parsers;
mod series;
mod server;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use http::Method;
use tokio::process::Command;
use toml::Value;

use crate::harness::connections::PATH;
use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, Policy, Setup, World};
use crate::python::tell;

/// A gateway with everything that has metrics: both kinds of routes, verified tokens, a store of
/// events, a webhook, collectors, certificates. Whom it tells is not there.
fn everything(secret: &std::path::Path) -> Setup {
    std::fs::write(secret, "0123456789abcdef0123456789abcdef").unwrap();
    let webhook: toml::Table = format!(
        "name = \"soc\"\nurl = \"https://127.0.0.1:9/\"\nca = \"ca.pem\"\nsecret_file = {:?}\n\
         tenants = \"*\"",
        secret.display().to_string()
    )
    .parse()
    .unwrap();
    Setup::connections()
        .policy(Policy::on(CONTOSO))
        .set("events.file", "events.sqlite")
        .set("audit.output", "stdout")
        .set("audit.otlp.endpoint", "https://127.0.0.1:9/v1/logs")
        .set("audit.otlp.ca", "ca.pem")
        .set("traces.endpoint", "https://127.0.0.1:9/v1/traces")
        .set("traces.ca", "ca.pem")
        .set("providers.entra.client_certificate", "gateway.pem")
        .set("providers.entra.client_key", "gateway.key")
        .set("webhooks", Value::Array(vec![Value::Table(webhook)]))
}

/// A bit of everything that is counted.
async fn drive(world: &World) {
    for _ in 0..3 {
        let same = world.exchange(CONTOSO, CONTOSO).send().await;
        same.allowed("same_tenant");
        let across = world.exchange(CONTOSO, FABRIKAM).send().await;
        across.decided("block", "outbound_block");
        let bad = world.exchange(CONTOSO, CONTOSO).body("x=%").send().await;
        bad.refused(400, "form_malformed");
        let devops = world.exchange(NORTHWIND, NORTHWIND).path("/oauth2/token");
        let devops = devops
            .without("code")
            .without("code_verifier")
            .field("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .field("client_assertion", &world.secrets.canary())
            .field(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )
            .field("assertion", &world.secrets.canary());
        let passed = devops.send().await;
        passed.decided("pass_non_entra", "non_entra");
        let created = world.creation(NORTHWIND, NORTHWIND).send().await;
        created.created("same_tenant");
        world.service.requests().clear();
        world.get("/nowhere").await.is_refusal(404, "no_route");
        world.send(Method::GET, PATH).await;
        world.next_record().await;
    }
    let base = "/providers/PowerPlatform.Governance/v1/tenants";
    let policy = format!("{base}/{CONTOSO}/tenantIsolationPolicy?api-version=2020-06-01");
    assert_eq!(world.admin(&policy).await.0, 403);
    world.next_record().await;
}

/// Every metric's label names, by the names that expressions use.
fn labels(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect(line);
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let metric = metrics.entry(name.to_owned()).or_default();
        for label in labels.trim_end_matches('}').split("\",") {
            if let Some((label, _)) = label.split_once("=\"") {
                metric.insert(label.to_owned());
            }
        }
    }
    metrics
}

/// Whether a program is there. No: its test is skipped, and said so, unless it is required.
async fn there_is(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if asked.await.is_ok_and(|status| status.success()) {
        return true;
    }
    let words = std::env::var("TIDEGATE_TEST_REQUIRE").unwrap_or_default();
    assert!(
        words.split(',').all(|word| word != program),
        "TIDEGATE_TEST_REQUIRE asks for {program}, which is not there"
    );
    tell(&format!("skipped: there is no {program}"));
    false
}
