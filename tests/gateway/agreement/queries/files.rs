//! A gateway's lines, varied, over the files of three gateways.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::*;

/// When the first exchange is said to have ended; the others follow.
const BEGIN: &str = "2026-10-10T23:59:59.999999999Z";

/// Between two exchanges, about: they spread over six days.
const STEP: SignedDuration = SignedDuration::new(20 * 60, 123_456_789);

/// Labels that are hard to quote. A label of a header is ASCII; one of a configuration need not be.
const LABELS: [&str; 4] = [
    "réseau \"a\"",
    "back\\slash\tand 'quote'",
    "a=b,c",
    "\u{1b}[2J\u{202e}",
];

/// The files, and what is in them.
pub(super) struct Files {
    pub(super) paths: Vec<PathBuf>,
    /// Lines that cannot be read.
    pub(super) unreadable: usize,
    /// Records that stand there once more.
    pub(super) again: usize,
}

impl Files {
    /// Writes these lines, and others like them, below a directory.
    pub(super) fn of(text: &str, directory: &Path) -> Self {
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<String> = (0..)
            .zip(records)
            .map(|(n, line)| varied(n, line))
            .collect();
        // Of the middle: within every span.
        let (most, unreadable) = (lines.len(), unreadable(&lines[150]));
        let put = |name: &str, lines: &[String], is_compressed| {
            let path = directory.join(name);
            let text = lines.join("\n") + "\n";
            let mut file = GzEncoder::new(Vec::new(), Compression::fast());
            file.write_all(text.as_bytes()).unwrap();
            let packed = file.finish().unwrap();
            fs::write(
                &path,
                if is_compressed {
                    packed
                } else {
                    text.into_bytes()
                },
            )
            .unwrap();
            path
        };
        // What was rotated stands in the next file as well, in part; the third was shipped twice,
        // with ids in capitals.
        let (first, rest) = (&lines[..most * 6 / 10], &lines[most * 4 / 10..]);
        let third = [&lines[..50], &unreadable[..], &[event()]].concat();
        let shouted: Vec<String> = lines[10..40].iter().map(|line| shout(line)).collect();
        Self {
            paths: vec![
                put("one.jsonl.gz", first, true),
                put("two.jsonl", rest, false),
                put("three.jsonl", &[third, shouted].concat(), false),
            ],
            unreadable: unreadable.len(),
            again: first.len() + rest.len() - most + 50 + 30,
        }
    }
}

/// A record at another time, and some of them otherwise.
fn varied(number: i32, mut record: Value) -> String {
    let begin: Timestamp = BEGIN.parse().unwrap();
    record["time"] = json!(begin + STEP * number);
    if number % 7 == 0 {
        for id in [
            "creator_tenant",
            "sign_in_tenant",
            "app_id",
            "user_object_id",
        ] {
            record[id] = record[id].as_str().map(str::to_uppercase).into();
        }
    }
    if number % 5 == 0 {
        record["connector"] = json!(LABELS[number as usize / 5 % LABELS.len()]);
    }
    if number % 3 == 0 && record["sign_in_tenant"].is_string() {
        let account = number % 8;
        record["user_object_id"] = json!(format!("DDDDDDDD-0000-4000-8000-{account:012}"));
    }
    // Contoso's, and nobody knows with whom: the reply held no token, or there was none.
    let ending = match number % 20 {
        0 => Some(["allow", "no_token"]),
        10 => Some(["error", "upstream_connect"]),
        _ => None,
    };
    if let Some([decision, reason]) = ending {
        record["decision"] = json!(decision);
        record["reason"] = json!(reason);
        record["creator_tenant"] = json!(CONTOSO);
        record["sign_in_tenant"] = json!(null);
    }
    record.to_string()
}

/// The same record from a program that writes ids in capitals.
fn shout(line: &str) -> String {
    let mut record: Value = serde_json::from_str(line).unwrap();
    let id = record["decision_id"].as_str().unwrap().to_uppercase();
    record["decision_id"] = json!(id);
    record.to_string()
}

/// Lines that want to be records.
fn unreadable(line: &str) -> Vec<String> {
    let whole: Value = serde_json::from_str(line).unwrap();
    let with = |name: &str, value: Value| {
        let mut record = whole.clone();
        record[name] = value;
        record.to_string()
    };
    let without = |name: &str| {
        let mut record = whole.clone();
        record.as_object_mut().unwrap().remove(name);
        record.to_string()
    };
    let id = line.find("\"decision_id\"").unwrap();
    vec![
        line[..id + 60].to_owned(),
        with("decision", json!("allowed")),
        with("time", json!("2026-10-32T00:00:00Z")),
        with("decision_id", json!("none")),
        with("reason", json!(null)),
        without("creator_tenant"),
        without("sign_in_tenant"),
    ]
}

/// A record of something else than an exchange.
fn event() -> String {
    let about = json!({ "properties": { "tenantId": CONTOSO, "note": "\"decision_id\"" } });
    json!({ "time": BEGIN, "event": "policy_change", "tenant": CONTOSO, "after": about })
        .to_string()
}
