//! The queries of `deploy/queries` in real engines, against `tidegate report` over the same lines: what
//! a gateway wrote, spread over the files of three and varied as other gateways and damage would.
//!
//! The engines need `tests/queries/requirements.txt` (word `queries`); Microsoft's own analyser of KQL
//! is an npm package (word `kusto`).

mod expected;
mod files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use self::expected::{Parts, told};
use self::files::Files;
use super::{drive, written};
use crate::harness::*;
use crate::python::{command, file, python, tell};

/// Each query, its engine, and to how many nanoseconds that engine knows a time.
const QUERIES: [(&str, &str, i128); 3] = [
    ("clickhouse", "clickhouse.sql", 1),
    ("duckdb", "duckdb.sql", 1),
    ("kusto", "kusto.kql", 1000),
];

/// From when until when: everything, and a part of it.
const SPANS: [[&str; 2]; 2] = [
    ["2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"],
    ["2026-10-12T06:00:00Z", "2026-10-14T18:30:00Z"],
];

const EXCHANGES: usize = 400;

fn query(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/queries")
        .join(name)
}

#[tokio::test]
async fn queries_tell_what_the_report_tells() {
    let Some(python) = python("queries", "chdb, duckdb, duckdb_kql").await else {
        return;
    };
    let mut setup = Setup::connections()
        .set("audit.output", "audit.jsonl")
        .policy(Policy::on(CONTOSO).outbound(FABRIKAM).inbound(NORTHWIND))
        .policy(Policy::on(NORTHWIND).report_only())
        .policy(Policy::off(FABRIKAM));
    setup.under = ["env", "RUST_LOG=info"].map(str::to_owned).to_vec();
    let mut world = World::start(setup).await;
    drive::all(&world, EXCHANGES).await;
    let audit = world.directory.path().join("audit.jsonl");
    written(&audit, EXCHANGES).await.have_every_kind();
    let files = Files::of(
        &std::fs::read_to_string(&audit).unwrap(),
        world.directory.path(),
    );
    world.signal(rustix::process::Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));

    let mut cases = Vec::new();
    for tenant in [CONTOSO, FABRIKAM, NORTHWIND, PERSONAL] {
        for [since, until] in SPANS {
            cases.push([tenant, since, until]);
        }
    }
    let reports: Vec<Value> = cases.iter().map(|case| report(*case, &files)).collect();
    everything_is_there(&reports, &files);
    for (engine, name, grain) in QUERIES {
        let answers = answers(&python, engine, &query(name), &cases, &files).await;
        assert_eq!(answers.len(), cases.len(), "{engine}");
        for ((case, report), rows) in cases.iter().zip(&reports).zip(&answers) {
            let expected = Parts::of(report, files.unreadable, grain);
            same(
                &told(rows, grain),
                &expected.0,
                &format!("{engine} {case:?}"),
            );
        }
    }
}

/// What the command makes of the files.
fn report([tenant, since, until]: [&str; 3], files: &Files) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["report", tenant, "--format", "json"])
        .args(["--since", since, "--until", until, "--audit"])
        .args(&files.paths)
        .env_remove("TIDEGATE_CONFIG")
        .output()
        .unwrap();
    let Output { status, stderr, .. } = &output;
    let log = String::from_utf8_lossy(stderr);
    // Some lines are damaged.
    assert_eq!(status.code(), Some(1), "{log}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Nothing is compared that is not there, and the report knows of every line.
fn everything_is_there(reports: &[Value], files: &Files) {
    let whole = &reports[0];
    for part in ["no_token", "errors", "other_tenants"] {
        assert_ne!(whole["others"][part], 0, "{part}");
    }
    assert_ne!(whole["others"]["same_tenant"]["allowed"], 0);
    assert!(
        whole["days"].as_array().unwrap().len() >= 5,
        "{}",
        whole["days"]
    );
    let warnings = whole["warnings"].to_string();
    for says in [
        format!(
            "Cannot be read, and missing here: {} lines",
            files.unreadable
        ),
        format!("counted once: {} records", files.again),
    ] {
        assert!(warnings.contains(&says), "{says}: {warnings}");
    }
    let rows = |number: usize| reports[number]["rows"].as_array().unwrap().len();
    assert!(
        rows(0) > 20 && rows(1) > 5 && rows(1) < rows(0),
        "{} {}",
        rows(0),
        rows(1)
    );
}

/// What an engine answers, of each case.
async fn answers(
    python: &Path,
    engine: &str,
    query: &Path,
    cases: &[[&str; 3]],
    files: &Files,
) -> Vec<Vec<BTreeMap<String, String>>> {
    let mut child = command(python)
        .arg(file("queries/run.py"))
        .args([Path::new(engine), query])
        .args(&files.paths)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked: String = cases
        .iter()
        .map(|[tenant, since, until]| {
            json!({ "tenant": tenant, "since": since, "until": until }).to_string() + "\n"
        })
        .collect();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(asked.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{engine}: {log}");
    let answers = std::str::from_utf8(&output.stdout).unwrap().lines();
    answers
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn same(found: &BTreeMap<String, String>, expected: &BTreeMap<String, String>, what: &str) {
    for (key, row) in expected {
        assert_eq!(found.get(key), Some(row), "{what}: {key}");
    }
    let more: Vec<_> = found
        .keys()
        .filter(|key| !expected.contains_key(*key))
        .collect();
    assert!(more.is_empty(), "{what}: {more:?}");
}

/// The tables that a query may begin with, as their makers declare them.
const TABLES: [&str; 3] = [
    "OTELLogs(Timestamp:datetime, ObservedTimestamp:datetime, TraceID:string, SpanID:string, \
     SeverityText:string, SeverityNumber:int, Body:string, ResourceAttributes:dynamic, \
     LogsAttributes:dynamic)",
    "OTelLogs(TimeGenerated:datetime, Body:string, Attributes:dynamic)",
    "Tidegate_CL(TimeGenerated:datetime, RawData:string)",
];

/// Microsoft's own parser and analyser of the language finds nothing wrong with the query, whichever
/// of its tables it begins with.
#[test]
fn kql_is_what_microsoft_takes_for_kql() {
    let text = std::fs::read_to_string(query("kusto.kql")).unwrap();
    let begins =
        |line: &&str| line.starts_with("let lines = ") || line.starts_with("// let lines = ");
    let begins: Vec<&str> = text.lines().filter(begins).collect();
    assert_eq!(begins.len(), TABLES.len());
    let directory = tempfile::tempdir().unwrap();
    let varied = directory.path().join("varied.kql");
    for (table, begin) in TABLES.iter().zip(&begins) {
        let with = begin.trim_start_matches("// ");
        let other = text.replace(begins[0], "").replace(begin, with);
        let other = if *begin == begins[0] {
            text.clone()
        } else {
            other
        };
        std::fs::write(&varied, other).unwrap();
        let Some(said) = analysed(&varied, table) else {
            return;
        };
        assert_eq!(said["problems"], json!([]), "{table}");
        let columns = said["result"].as_array().unwrap();
        assert_eq!((columns.len(), &columns[0]), (17, &json!("part:string")));
    }
    // It would find something.
    std::fs::write(&varied, text.replace("countif(", "countiff(")).unwrap();
    let said = analysed(&varied, TABLES[0]).unwrap();
    assert!(said["problems"].to_string().contains("countiff"), "{said}");
}

/// What the analyser says. None: it is not there, and the test is skipped.
fn analysed(query: &Path, table: &str) -> Option<Value> {
    let modules = std::env::var_os("TIDEGATE_TEST_KUSTO")
        .map_or_else(|| file("queries/node_modules"), PathBuf::from);
    let output = Command::new("node")
        .arg(file("queries/check.js"))
        .args([query.as_os_str(), table.as_ref()])
        .env("NODE_PATH", &modules)
        .output();
    let there = modules.join("@kusto/language-service-next").is_dir();
    if let (true, Ok(output)) = (there, output) {
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        return Some(serde_json::from_slice(&output.stdout).unwrap());
    }
    let problem = "there is no node, or TIDEGATE_TEST_KUSTO names no node_modules with what \
                   tests/queries/package-lock.json pins";
    let words = std::env::var("TIDEGATE_TEST_REQUIRE").unwrap_or_default();
    let required = words.split(',').any(|word| word == "kusto");
    assert!(
        !required,
        "TIDEGATE_TEST_REQUIRE asks for kusto, but {problem}"
    );
    tell(&format!(
        "skipped: kql_is_what_microsoft_takes_for_kql: {problem}"
    ));
    None
}
