//! `check` of a configuration with `[audit.otlp]`: where records go is told, what the collector asks
//! for is not.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Run, root, run};

const KEY: &str = "Kq7canary0of0the0collector";

/// `check` of an example with this section.
fn check(section: &str, headers: &str, arguments: &[&str]) -> Run {
    let directory = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    let config = fs::read_to_string(root().join("config/sidecar.toml")).unwrap();
    let config = format!("{config}\n[audit.otlp]\n{section}\n");
    write("tidegate.toml", &config);
    write("headers", headers);
    write("ca.pem", "nothing");
    let found = run(directory.path(), &[&["check"], arguments].concat());
    assert!(!found.transcript().contains(KEY), "{}", found.transcript());
    found
}

#[test]
fn where_records_go_is_summed_up() {
    let section = "endpoint = \"https://collector.internal:4318/v1/logs\"\n\
                   headers_file = \"headers\"\nretry_for = \"1h\"";
    let headers = format!("x-api-key: {KEY}\n");
    let found = check(section, &headers, &[]);
    let told = "\naudit records: to standard output, best-effort; as OTLP logs to \
                https://collector.internal:4318/v1/logs as tidegate, best-effort\n";
    assert_eq!(found.exit, 0, "{}", found.stderr);
    assert!(found.stdout.contains(told), "{}", found.stdout);

    let json = check(section, &headers, &["--json"]);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    let expected = json!({
        "file": null,
        "mode": "best-effort",
        "otlp": {
            "endpoint": "https://collector.internal:4318/v1/logs",
            "service_name": "tidegate",
            "retry_for_seconds": 3600,
        },
    });
    assert_eq!(report["audit"], expected);
}

#[test]
fn plain_http_to_a_collector_elsewhere_is_warned_of() {
    let section = "endpoint = \"http://collector.internal:4318/v1/logs\"\n\
                   insecure_plaintext = true";
    let found = check(section, "", &[]);
    let told = "\nwarning: audit.otlp.insecure_plaintext: ";
    assert!(found.stdout.contains(told), "{}", found.stdout);
}

#[test]
fn files_that_cannot_be_used_are_told_of_and_not_quoted() {
    for (key, headers, why) in [
        (
            "headers_file = \"headers\"",
            format!("x-api-key {KEY}"),
            "whose line 1 is not",
        ),
        (
            "headers_file = \"headers\"",
            format!("{KEY}: a\n{KEY}: b"),
            "whose line 2 sets a header that is set already",
        ),
        ("ca = \"ca.pem\"", String::new(), "audit.otlp.ca: "),
        ("ca = \"absent.pem\"", String::new(), "which does not exist"),
    ] {
        let section = format!("endpoint = \"https://c.internal/v1/logs\"\n{key}");
        let found = check(&section, &headers, &[]);
        assert_eq!(found.exit, 64);
        assert!(found.stderr.contains(why), "{}", found.stderr);
    }
}
