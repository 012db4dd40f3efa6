//! Metrics as others read them: the parser of `prometheus_client`, and `promtool`, which also reads
//! the alert rules and runs their tests.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::deployed::file;
use super::{drive, everything, there_is};
use crate::harness::World;
use crate::python::{self, python};

/// Runs a program on a text.
async fn run(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who refuses early need not read it all.
    drop(stdin.write_all(input.as_bytes()).await);
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

/// What a program said; it must have ended well.
fn good(output: &Output) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    said
}

async fn world(directory: &TempDir) -> World {
    let world = World::start(everything(&directory.path().join("secret"))).await;
    drive(&world).await;
    world
}

/// OpenMetrics is strict: order, names, units, the end mark. The reference parser finds as many
/// samples as there are lines.
#[tokio::test]
async fn the_reference_parser_understands_every_line() {
    let Some(python) = python("openmetrics", "prometheus_client").await else {
        return;
    };
    let directory = TempDir::new().unwrap();
    let world = world(&directory).await;
    let text = world.openmetrics().await.text();
    let parse = || {
        let mut command = python::command(&python);
        command.arg(python::file("metrics/parse.py"));
        command
    };
    let output = run(parse(), &text).await;
    let understood: Value = serde_json::from_str(&good(&output)).unwrap();
    let mut names = BTreeSet::new();
    let mut samples = 0;
    for family in understood.as_array().unwrap() {
        let [name, kind, unit, help] = [0, 1, 2, 3].map(|part| family[part].as_str().unwrap());
        assert!(
            name.starts_with("tidegate_") && names.insert(name),
            "{name}"
        );
        assert_ne!(kind, "unknown", "{name}");
        assert!(unit.is_empty() || name.ends_with(unit), "{name}");
        assert!(help.len() > 10, "{name}");
        samples += family[4].as_array().unwrap().len();
    }
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(samples, lines);
    // The parser is strict: a text that is cut off is refused.
    let cut = text.strip_suffix("# EOF\n").unwrap();
    assert!(!run(parse(), cut).await.status.success());
    world.finish().await;
}

/// `promtool` reads the older text format, and has opinions about names.
#[tokio::test]
async fn promtool_has_nothing_against_them() {
    if !there_is("promtool").await {
        return;
    }
    let directory = TempDir::new().unwrap();
    let world = world(&directory).await;
    let check = || {
        let mut command = Command::new("promtool");
        command.args(["check", "metrics"]);
        command
    };
    let said = good(&run(check(), &world.metrics().await).await);
    assert_eq!(said, "", "its advice");
    let bad = "tidegate_exchanges 1\n# TYPE tidegate_exchanges counter\n";
    assert!(!run(check(), bad).await.status.success());
    world.finish().await;
}

#[tokio::test]
async fn promtool_accepts_the_alert_rules_and_their_tests_pass() {
    if !there_is("promtool").await {
        return;
    }
    for (command, name) in [("check", "alerts.yaml"), ("test", "alerts.test.yaml")] {
        let mut promtool = Command::new("promtool");
        promtool
            .args([command, "rules", name])
            .current_dir(file("prometheus"));
        let said = good(&run(promtool, "").await);
        assert!(said.contains("SUCCESS"), "{said}");
    }
}
