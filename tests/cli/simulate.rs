//! `simulate`: records of the gateway's own form, decided again.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{golden, root, run, tidegate};

const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
const FABRIKAM: &str = "22222222-2222-4222-8222-222222222222";
const NORTHWIND: &str = "33333333-3333-4333-8333-333333333333";

const AUDIT: &str = "tests/data/audit.jsonl";
const CHANGED: &str = "tests/data/changed";

fn simulate(arguments: &[&str]) -> crate::harness::Run {
    let always = ["simulate", "--audit", AUDIT];
    run(&root(), &[&always, arguments].concat())
}

#[test]
fn what_would_end_otherwise_is_told_by_pair_and_connector() {
    let found = simulate(&["--policies", CHANGED, "--tolerate-unreadable"]);
    assert_eq!(found.exit, 4);
    golden("simulate/changed.txt", &found.transcript());
    let found = simulate(&["--policies", CHANGED, "--tolerate-unreadable", "--json"]);
    assert_eq!(found.exit, 4);
    golden("simulate/changed.json", &found.stdout);
}

#[test]
fn the_moment_the_mode_and_the_tenant_can_be_chosen() {
    let json = |arguments: &[&str]| -> Value {
        let found = simulate(&[&["--policies", CHANGED, "--json"], arguments].concat());
        serde_json::from_str(&found.stdout).unwrap()
    };
    let blocked = |report: &Value| report["newly_blocked"].as_u64().unwrap();
    let recorded = blocked(&json(&[]));
    // The entry had not expired on the first day.
    assert_eq!(
        blocked(&json(&["--at", "2026-11-30T00:00:00Z"])),
        recorded + 1
    );
    assert_eq!(blocked(&json(&["--at", "now"])), recorded + 1);
    assert_eq!(
        blocked(&json(&["--at", "2026-11-01T00:00:00Z"])),
        recorded - 2
    );

    let reported = json(&["--mode", "report-only"]);
    assert_eq!(blocked(&reported), 0);
    assert_eq!(reported["newly_reported"].as_u64().unwrap(), recorded);
    assert_eq!(blocked(&json(&["--mode", "enforce"])), recorded);

    let northwind = json(&["--tenant", NORTHWIND]);
    assert_eq!(northwind["replayed"], 3);
    let mut fabrikam = json(&["--tenant", "fabrikam.com"]);
    let told = fabrikam.as_object_mut().unwrap().remove("not_resolved");
    assert_eq!(
        told.unwrap(),
        json!([{ "domain": "fabrikam.com", "tenant": FABRIKAM, "policies": [CONTOSO] }])
    );
    assert_eq!(fabrikam, json(&["--tenant", FABRIKAM]));
    let found = simulate(&["--policies", CHANGED, "--tenant", "fabrikam.com"]);
    let sentence =
        format!("fabrikam.com is {FABRIKAM} as the policy of {CONTOSO} says; not resolved\n");
    assert!(found.stderr.starts_with(&sentence), "{}", found.stderr);

    // Nothing is known of the others, which counts as On here.
    assert!(blocked(&json(&["--absent", "on"])) >= recorded);
}

#[test]
fn what_changes_nothing_exits_0() {
    let directory = TempDir::new().unwrap();
    let record = fs::read_to_string(root().join(AUDIT)).unwrap();
    let first: Vec<_> = record
        .lines()
        .take(5)
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(directory.path().join("audit.jsonl"), first.concat()).unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    let arguments = [
        "simulate",
        "--policies",
        "policies",
        "--audit",
        "audit.jsonl",
    ];
    let found = run(directory.path(), &arguments);
    golden("simulate/nothing.txt", &found.transcript());
    assert_eq!(found.exit, 0);
}

#[test]
fn what_the_records_do_not_tell_is_no_nothing() {
    let records = fs::read_to_string(root().join(AUDIT)).unwrap();
    let line = |with: &str| {
        let found = records.lines().find(|line| line.contains(with));
        format!("{}\n", found.unwrap())
    };
    let (same, error) = (line("same_tenant"), line("upstream_deadline"));
    let (unreadable, torn) = (line("policy_unreadable"), "{\"time\":\"2026");
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    let simulate = |records: &str, arguments: &[&str]| {
        fs::write(directory.path().join("audit"), records).unwrap();
        let always = ["simulate", "--policies", "policies", "--audit", "audit"];
        run(directory.path(), &[&always, arguments].concat())
    };
    let tolerant = &["--tolerate-unreadable"][..];
    let other = &["--tenant", NORTHWIND][..];
    let none = "no exchange could be decided again, so nothing is known\n";
    let lines = "1 line cannot be read; --tolerate-unreadable goes by the others\n";
    let garbled = format!("garbled\n{same}");
    let table: [(String, &[&str], i32, &str); 11] = [
        (same.clone(), &[], 0, ""),
        (format!("{same}{torn}"), &[], 0, ""),
        (format!("{same}{torn}\n"), &[], 1, lines),
        (format!("{torn}\n{same}"), tolerant, 0, ""),
        (garbled.clone(), &[], 1, lines),
        (garbled, tolerant, 0, ""),
        (String::new(), &[], 1, none),
        (torn.to_owned(), tolerant, 1, none),
        (error, &[], 1, none),
        (unreadable.clone(), &[], 1, none),
        (same.clone(), other, 1, none),
    ];
    for (records, arguments, exit, told) in table {
        let found = simulate(&records, arguments);
        let whole = found.transcript();
        assert_eq!(
            (found.exit, &*found.stderr),
            (exit, told),
            "{records}: {whole}"
        );
    }
    let found = simulate(&(same + &unreadable), &[]);
    assert_eq!(found.exit, 0);
    let named = "1 exchange that met a policy nobody could read (policy_unreadable)";
    assert!(found.stdout.contains(named), "{}", found.stdout);
}

#[test]
fn a_later_policy_stands_for_an_earlier_one() {
    let off = format!(r#"{{"properties":{{"tenantId":"{CONTOSO}","isDisabled":true}}}}"#);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("off.json");
    fs::write(&file, off).unwrap();
    let found = simulate(&[
        "--policies",
        CHANGED,
        "--policies",
        file.to_str().unwrap(),
        "--json",
    ]);
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(report["newly_blocked"], 0);
    assert_eq!(report["newly_allowed"], 1);
}

#[test]
fn what_is_no_audit_or_no_policy_is_told() {
    let table: [(&[&str], i32, &str); 6] = [
        (
            &["--policies", CHANGED, "--audit", "Cargo.toml"],
            64,
            "no line is an audit record: Cargo.toml:1:",
        ),
        (
            &["--policies", CHANGED, "--audit", "no-such-file"],
            1,
            "no-such-file: ",
        ),
        (
            &["--policies", "no-such-file", "--audit", AUDIT],
            64,
            "no-such-file: ",
        ),
        (
            &["--policies", "tests/data/bad/policies", "--audit", AUDIT],
            64,
            "problem",
        ),
        (
            &["--policies", CHANGED, "--audit", AUDIT, "--at", "tomorrow"],
            64,
            "recorded",
        ),
        (
            &[
                "--policies",
                CHANGED,
                "--audit",
                AUDIT,
                "--tenant",
                "nobody.example",
            ],
            64,
            "--tenant: ",
        ),
    ];
    for (arguments, exit, told) in table {
        let found = run(&root(), &[&["simulate"], arguments].concat());
        assert_eq!(
            (found.exit, found.stdout.as_str()),
            (exit, ""),
            "{arguments:?}"
        );
        assert!(found.stderr.contains(told), "{}", found.stderr);
    }
}

/// Records without end must not fill the memory.
#[cfg(target_os = "linux")]
#[test]
fn a_large_file_is_read_in_bounded_memory() {
    const RECORDS: usize = 100_000;
    const MOST_KIB: u64 = 64 * 1024;
    let mut child = tidegate(&root())
        .args(["simulate", "--policies", CHANGED, "--audit", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let records = fs::read_to_string(root().join(AUDIT)).unwrap();
    let record = records.lines().nth(1).unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let some = format!("{record}\n").repeat(1000);
    for _ in 0..RECORDS / 1000 {
        pipe.write_all(some.as_bytes()).unwrap();
    }
    // All but what the pipe and a buffer hold has been read by now.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    drop(pipe);
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    child.wait().unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["replayed"], RECORDS);
    assert!(
        peak < MOST_KIB,
        "{peak} KiB for {} MiB",
        (some.len() * RECORDS / 1000) >> 20
    );
}
