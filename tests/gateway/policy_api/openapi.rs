//! The description of the API: it says what is there, and a tester that reads it finds nothing wrong.
//!
//! The second needs a Python with the package `schemathesis`; without one it says so and passes, but
//! for `TIDEGATE_TEST_REQUIRE=openapi` (see `python.rs`).

use std::process::Stdio;

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::harness::*;
use crate::python::{command, file, python};

fn description() -> Value {
    let text = include_str!("../../../src/admin/openapi.json");
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn it_describes_what_is_served() {
    let office = Office::open().await;
    let answer = office.ask(Method::GET, "/openapi.json").send().await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let described = answer.json();
    assert_eq!(described, description());
    assert_eq!(described["openapi"], "3.1.0");

    let paths = described["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 3);
    for (template, item) in paths {
        let target = template.replace("{tenantId}", CONTOSO);
        let target = target.replace("{reportId}", "019a0000-0000-7000-8000-000000000001");
        for method in [
            "get", "put", "post", "patch", "delete", "head", "options", "trace",
        ] {
            let ask = office.ask(method.to_uppercase().parse().unwrap(), &target);
            let answer = ask.bearer(&office.token(CONTOSO, &[]).build()).send().await;
            if item[method].is_null() {
                assert_eq!(answer.status, 405, "{method} {target}");
                if method == "post" && template.contains("{reportId}") {
                    office.world.next_record().await;
                }
            } else {
                assert_eq!(answer.status, 403, "{method} {target}");
                office.world.next_record().await;
            }
        }
    }
    // Every status that is answered somewhere in these tests is described.
    let policy = paths.iter().find(|(path, _)| path.contains("Policy"));
    let put = &policy.unwrap().1["put"]["responses"];
    for status in [
        "200", "400", "401", "403", "408", "412", "413", "415", "503",
    ] {
        assert!(put[status].is_object(), "{status}");
    }
    // And so is every code by which a client tells what may have been written.
    let unavailable = put["503"]["description"].as_str().unwrap();
    for code in ["ServiceUnavailable", "AuditUnavailable", "OutcomeUnknown"] {
        assert!(unavailable.contains(code), "{code}: {unavailable}");
    }
    office.world.finish().await;
}

/// The examples of the schema are documents: what it allows and forbids is what the API does.
#[tokio::test]
async fn schemathesis_finds_no_failure() {
    let Some(python) = python("openapi", "schemathesis").await else {
        return;
    };
    let setup = Setup::new()
        .set("audit.output", "audit.jsonl")
        .set("events.file", "events.sqlite");
    let office = Office::with(setup).await;
    let world = &office.world;
    let child = command(&python)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(file("openapi/schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/openapi.json", office.url()))
        .arg("--tls-verify")
        .arg(world.ca_file())
        .args([
            "--header",
            &format!("Authorization: Bearer {}", office.operator),
        ])
        .args(["--no-color", "--continue-on-failure"])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", file("openapi"))
        .current_dir(world.directory.path())
        .stdout(Stdio::piped())
        .output();
    let output = child.await.unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}\n{errors}");

    // It was let in, and has written and read policies.
    let metrics = world.metrics().await;
    for done in [
        r#"method="put",status="200""#,
        r#"method="get",status="200""#,
        r#"method="post",status="202""#,
    ] {
        assert!(metrics.contains(done), "{done} in {metrics}\n{report}");
    }
    assert!(!metrics.contains(r#"status="500""#));
    assert!(world.gateway.is_alive());
    // Each attempt to change a policy, and each refused one to read one, left its record.
    let records = world.records();
    assert!(records.iter().all(|record| record["event"] != json!(null)));
    world.nothing_leaked().await;
}
