//! `check` of a configuration with `[traces]`: where they go is told, what the collector asks for
//! is not.

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
    write("tidegate.toml", &format!("{config}\n[traces]\n{section}\n"));
    write("headers", headers);
    let found = run(directory.path(), &[&["check"], arguments].concat());
    assert!(!found.transcript().contains(KEY), "{}", found.transcript());
    found
}

#[test]
fn where_traces_go_is_summed_up() {
    let section = "endpoint = \"https://collector.internal:4318/v1/traces\"\nsample = 0.1\n\
                   headers_file = \"headers\"";
    let headers = format!("x-api-key: {KEY}\n");
    let found = check(section, &headers, &[]);
    let told = "\ntraces: to https://collector.internal:4318/v1/traces as tidegate; of those that \
                begin here a share of 0.1\n";
    assert_eq!(found.exit, 0, "{}", found.stderr);
    assert!(found.stdout.contains(told), "{}", found.stdout);

    let json = check(section, &headers, &["--json"]);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    let expected = json!({
        "endpoint": "https://collector.internal:4318/v1/traces",
        "sample": 0.1,
        "service_name": "tidegate",
    });
    assert_eq!(report["traces"], expected);
}

#[test]
fn plain_http_to_a_collector_elsewhere_is_warned_of() {
    let section = "endpoint = \"http://collector.internal:4318/v1/traces\"\n\
                   insecure_plaintext = true";
    let found = check(section, "", &[]);
    let told = "\nwarning: traces.insecure_plaintext: ";
    assert!(found.stdout.contains(told), "{}", found.stdout);
}

#[test]
fn a_file_of_headers_is_not_quoted() {
    for (headers, why) in [
        (format!("x-api-key {KEY}"), "whose line 1 is not"),
        (
            format!("{KEY}: a\n{KEY}: b"),
            "whose line 2 sets a header that is set already",
        ),
        (format!("x-api-key: {KEY}\u{7}"), "whose line 1 is not"),
    ] {
        let section = "endpoint = \"https://c.internal/v1/traces\"\nheaders_file = \"headers\"";
        let found = check(section, &headers, &[]);
        assert_eq!(found.exit, 64);
        assert!(found.stderr.contains(why), "{}", found.stderr);
    }
}
