//! `check`: every problem at once, and what a good configuration comes to.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{golden, root, run};

#[test]
fn every_problem_of_the_configuration_and_of_the_policies_is_told_at_once() {
    let bad = root().join("tests/data/bad");
    let found = run(&bad, &["check", "--config", "tidegate.toml"]);
    assert_eq!((found.exit, found.stdout.as_str()), (64, ""));
    golden("check-bad.txt", &found.transcript());

    let json = run(&bad, &["check", "--config", "tidegate.toml", "--json"]);
    assert_eq!((json.exit, json.stderr.as_str()), (64, ""));
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(problems.len(), found.stderr.lines().count() - 1);
    for (problem, line) in problems.iter().zip(found.stderr.lines()) {
        for member in ["file", "key", "found", "expected"] {
            assert!(
                line.contains(problem[member].as_str().unwrap()),
                "{member} in {line}"
            );
        }
    }
}

#[test]
fn a_good_configuration_is_summed_up_and_its_dangerous_choices_are_named() {
    let directory = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    let config = fs::read_to_string(root().join("tests/data/insecure.toml")).unwrap();
    write("tidegate.toml", &config);
    write("policies/notes.txt", "");
    write("policies/.hidden", "");
    let tenant = "11111111-1111-4111-8111-111111111111";
    let policy = format!(
        r#"{{"properties":{{"tenantId":"{tenant}","isDisabled":false,"reportOnly":true}}}}"#
    );
    write(&format!("policies/{tenant}.json"), &policy);

    let found = run(directory.path(), &["check"]);
    golden("check-insecure.txt", &found.transcript());

    let json = run(directory.path(), &["check", "--json"]);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.exit, &report["valid"]), (0, &Value::Bool(true)));
    assert_eq!(report["policies"]["count"], 1);
    assert_eq!(report["routes"][0]["name"], "devops");
    let warnings = report["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), found.stdout.matches("\nwarning: ").count());
}

#[test]
fn connection_routes_are_summed_up_with_where_their_tokens_come_from() {
    let directory = tempfile::TempDir::new().unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    let config = root().join("tests/data/connections.toml");
    fs::copy(config, directory.path().join("tidegate.toml")).unwrap();

    let found = run(directory.path(), &["check"]);
    golden("check-connection-routes.txt", &found.transcript());
    let json = run(directory.path(), &["check", "--json"]);
    assert_eq!((json.exit, json.stderr.as_str()), (0, ""));
    golden("check-connection-routes.json", &json.stdout);
}

#[test]
fn where_records_go_is_summed_up() {
    let directory = tempfile::TempDir::new().unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    let config = fs::read_to_string(root().join("tests/data/connections.toml")).unwrap();
    let check = |sections: &str| {
        let text = format!("{config}\n{sections}\n");
        fs::write(directory.path().join("tidegate.toml"), text).unwrap();
        let found = run(directory.path(), &["check"]);
        assert_eq!(found.exit, 0, "{}", found.transcript());
        let json = run(directory.path(), &["check", "--json"]);
        let told: Value = serde_json::from_str(&json.stdout).unwrap();
        (found.stdout, told)
    };

    let (text, told) = check("");
    let line = "\naudit records: to standard output, best-effort\n\n";
    assert!(text.contains(line), "{text}");
    let audit = json!({ "file": null, "mode": "best-effort" });
    assert_eq!((&told["audit"], told.get("events")), (&audit, None));

    let (text, told) = check(
        "[audit]\noutput = \"audit.jsonl\"\nmode = \"required\"\n\
         [events]\nkeep = \"36h\"\nmax_size = \"64MiB\"",
    );
    let lines = "\naudit records: to audit.jsonl, required\n\
                 events: in events.sqlite, kept for 36h, at most 64.0 MiB\n";
    assert!(text.contains(lines), "{text}");
    let audit = json!({ "file": "audit.jsonl", "mode": "required" });
    let events = json!({
        "file": "events.sqlite",
        "keep_seconds": 129_600,
        "max_size_bytes": 67_108_864,
    });
    assert_eq!((&told["audit"], &told["events"]), (&audit, &events));

    let (text, _) = check("[events]\n");
    assert!(
        text.contains(", kept for 400d, at most 512.0 MiB\n"),
        "{text}"
    );
}

#[test]
fn a_services_authorities_are_looked_at_as_a_providers_are() {
    let directory = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    // PEM around something that is no certificate.
    write(
        "ca.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let config = fs::read_to_string(root().join("tests/data/connections.toml")).unwrap();
    write(
        "tidegate.toml",
        &config.replace(
            "[services.connections]",
            "[services.connections]\nca = \"ca.pem\"",
        ),
    );
    let found = run(directory.path(), &["check"]);
    assert_eq!(found.exit, 64, "{}", found.transcript());
    let problem = "tidegate.toml: services.connections.ca: found ca.pem";
    assert!(found.stderr.contains(problem), "{}", found.stderr);
}

#[test]
fn a_key_that_belongs_to_another_certificate_is_a_problem() {
    let directory = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    let made = || rcgen::generate_simple_self_signed(vec!["gw.example".to_owned()]).unwrap();
    write("cert.pem", &made().cert.pem());
    write("key.pem", &made().signing_key.serialize_pem());
    write(
        "tidegate.toml",
        r#"
        [listen.tls]
        certificate = "cert.pem"
        key = "key.pem"
        [providers.entra]
        kind = "entra"
        [[routes]]
        name = "token"
        kind = "token"
        provider = "entra"
        path = "/{tenant}/oauth2/v2.0/token"
        creator = [{ header = "x-ms-client-tenant-id" }]
        "#,
    );
    let found = run(directory.path(), &["check"]);
    assert_eq!(found.exit, 64);
    assert!(
        found
            .stderr
            .contains("tidegate.toml: listen.tls: found cert.pem and key.pem: ")
    );
}
