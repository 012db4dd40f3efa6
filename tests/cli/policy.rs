//! `policy` on a directory: every command, what it prints, and what it leaves behind.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Run, golden, root, run, tidegate};

pub(crate) const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const FABRIKAM: &str = "22222222-2222-4222-8222-222222222222";
const NORTHWIND: &str = "33333333-3333-4333-8333-333333333333";

/// A directory of policies.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("policies")).unwrap();
        Self(directory)
    }

    fn file(&self, tenant: &str) -> PathBuf {
        self.0.path().join(format!("policies/{tenant}.json"))
    }

    fn read(&self, tenant: &str) -> Value {
        serde_json::from_slice(&fs::read(self.file(tenant)).unwrap()).unwrap()
    }

    fn write(&self, name: &str, content: &Value) {
        fs::write(self.0.path().join(name), content.to_string()).unwrap();
    }

    fn policy(&self, arguments: &[&str]) -> Run {
        let arguments = [&["policy"], arguments, &["--policies", "policies"]].concat();
        run(self.0.path(), &arguments)
    }

    /// The commands as they were typed, and what they printed.
    fn transcript(&self, commands: &[&[&str]]) -> String {
        let command = |arguments: &&[&str]| {
            let found = self.policy(arguments);
            format!(
                "$ tidegate policy {}\n{}\n",
                arguments.join(" "),
                steady(&found.transcript())
            )
        };
        commands.iter().map(command).collect()
    }
}

/// Versions are times.
pub(crate) fn steady(text: &str) -> String {
    let mut steady = String::new();
    for line in text.lines() {
        let (before, after) = match line.find("ersion") {
            Some(at) if line.bytes().filter(u8::is_ascii_digit).count() >= 16 => {
                let digits = |c: char| c.is_ascii_digit();
                let from = line[at..].find(digits).map_or(line.len(), |from| at + from);
                (&line[..from], line[from..].trim_start_matches(digits))
            }
            _ => (line, ""),
        };
        let version = if before.len() + after.len() < line.len() {
            "<time>"
        } else {
            ""
        };
        steady += &format!("{before}{version}{after}\n");
    }
    steady
}

fn document(tenant: &str, entries: &[Value]) -> Value {
    json!({ "properties": { "tenantId": tenant, "isDisabled": false, "allowedTenants": entries } })
}

fn entry(tenant: &str, inbound: bool, outbound: bool) -> Value {
    json!({ "tenantId": tenant, "direction": { "inbound": inbound, "outbound": outbound } })
}

#[test]
fn a_policy_is_made_widened_narrowed_and_shown() {
    let place = Place::new();
    let transcript = place.transcript(&[
        &["show", CONTOSO],
        &["allow", CONTOSO, FABRIKAM, "--inbound"],
        &["enable", CONTOSO, "--dry-run"],
        &["enable", CONTOSO],
        &["enable", CONTOSO],
        &["allow", CONTOSO, FABRIKAM, "--inbound"],
        &[
            "allow",
            CONTOSO,
            FABRIKAM,
            "--outbound",
            "--note",
            "CHG-4711",
        ],
        &[
            "allow",
            CONTOSO,
            "*",
            "--outbound",
            "--expires",
            "2999-01-31T18:00:00+01:00",
        ],
        &["show", CONTOSO],
        &["revoke", CONTOSO, FABRIKAM, "--outbound", "--dry-run"],
        &["revoke", CONTOSO, FABRIKAM, "--outbound"],
        &["revoke", CONTOSO, NORTHWIND],
        &["revoke", CONTOSO, "*"],
        &["disable", CONTOSO],
        &["show", CONTOSO],
        &["export", CONTOSO],
    ]);
    golden("policy/local.txt", &transcript);
}

#[test]
fn json_tells_the_same() {
    let place = Place::new();
    place.write("policies/old.json.txt", &json!({}));
    let old = json!({
        "tenantId": FABRIKAM,
        "tenantName": "Fabrikam\u{1b}[31m",
        "tenantDomain": "fabrikam.com",
        "expiresOn": "2001-01-01T00:00:00Z",
        "cloud": "public",
        "direction": { "inbound": true, "outbound": false }
    });
    place.write(
        &format!("policies/{CONTOSO}.json"),
        &document(CONTOSO, &[old]),
    );
    let transcript = place.transcript(&[
        &["show", CONTOSO],
        &["show", CONTOSO, "--json"],
        &[
            "allow",
            CONTOSO,
            FABRIKAM,
            "--inbound",
            "--json",
            "--dry-run",
        ],
        &["allow", CONTOSO, FABRIKAM, "--inbound", "--json"],
        &["revoke", CONTOSO, "Fabrikam.COM", "--json"],
    ]);
    golden("policy/json.txt", &transcript);
    // Microsoft's own members outlive an edit of something else.
    assert_eq!(
        place.read(CONTOSO)["properties"]["allowedTenants"],
        json!([])
    );
}

#[test]
fn a_document_is_put_only_where_it_was_meant_for() {
    let place = Place::new();
    place.write(
        "new.json",
        &document(CONTOSO, &[entry(FABRIKAM, true, false)]),
    );
    place.write("other.json", &document(FABRIKAM, &[]));
    place.write(
        "wrong.json",
        &document(CONTOSO, &[json!({ "tenantId": "*", "direction": 1 })]),
    );
    place.write(
        "domain.json",
        &document(CONTOSO, &[entry("fabrikam.com", true, false)]),
    );
    place.write(
        "policies/22222222-2222-4222-8222-222222222222.json",
        &json!({}),
    );
    let transcript = place.transcript(&[
        &["set", CONTOSO, "new.json", "--dry-run"],
        &[
            "set",
            CONTOSO,
            "new.json",
            "--if-match",
            "\"0123456789abcdef\"",
        ],
        &["set", CONTOSO, "new.json"],
        &["set", CONTOSO, "new.json"],
        &[
            "set",
            CONTOSO,
            "new.json",
            "--if-match",
            "\"0123456789abcdef\"",
        ],
        &["set", CONTOSO, "other.json"],
        &["set", CONTOSO, "wrong.json"],
        &["set", CONTOSO, "domain.json"],
        &["set", CONTOSO, "no-such-file.json"],
        &["set", CONTOSO, "-"],
        &["show", FABRIKAM],
        &["set", FABRIKAM, "other.json"],
        &["allow", CONTOSO, "fabrikam.com", "--inbound"],
        &["allow", CONTOSO, FABRIKAM],
        &[
            "allow",
            CONTOSO,
            FABRIKAM,
            "--inbound",
            "--expires",
            "2001-01-01T00:00:00Z",
        ],
        &[
            "allow",
            CONTOSO,
            FABRIKAM,
            "--inbound",
            "--expires",
            "2999-01-01",
        ],
        &["show", "fabrikam.com"],
        &["export", NORTHWIND],
    ]);
    golden("policy/faults.txt", &transcript);
    let expected = document(CONTOSO, &[entry(FABRIKAM, true, false)]);
    assert_eq!(place.read(CONTOSO), expected);
}

#[test]
fn what_was_put_is_exported_byte_for_byte() {
    let place = Place::new();
    let text = fs::read_to_string(root().join("tests/data/policies/powershell.json")).unwrap();
    let tenant = "11111111-1111-4111-8111-11111111111a";
    fs::write(place.0.path().join("given.json"), &text).unwrap();
    assert_eq!(place.policy(&["set", tenant, "given.json"]).exit, 0);
    assert_eq!(place.policy(&["export", tenant]).stdout, text);
}

#[test]
fn other_tools_policies_are_imported() {
    let place = Place::new();
    let data = root().join("tests/data/import");
    for name in ["terraform.tfstate", "powershell.json", "m365dsc.ps1"] {
        fs::copy(data.join(name), place.0.path().join(name)).unwrap();
    }
    let transcript = place.transcript(&[
        &["import", CONTOSO, "terraform.tfstate", "--dry-run"],
        &["import", CONTOSO, "terraform.tfstate"],
        &[
            "import",
            CONTOSO,
            "powershell.json",
            "--format",
            "powershell",
        ],
        &[
            "import",
            CONTOSO,
            "powershell.json",
            "--format",
            "terraform",
        ],
        &["import", CONTOSO, "m365dsc.ps1"],
        &["import", FABRIKAM, "powershell.json"],
    ]);
    golden("policy/import.txt", &transcript);
}

#[test]
fn diff_tells_what_would_change() {
    let place = Place::new();
    let on = |entries: &[Value]| document(CONTOSO, entries);
    let until = |mut entry: Value, end: &str| {
        entry["expiresOn"] = json!(end);
        entry
    };
    let named = json!({
        "tenantId": NORTHWIND,
        "tenantName": "Northwind",
        "direction": { "inbound": true, "outbound": true }
    });
    place.write(
        &format!("policies/{CONTOSO}.json"),
        &on(&[entry(FABRIKAM, true, true), named]),
    );
    place.write(
        &format!("policies/{FABRIKAM}.json"),
        &document(FABRIKAM, &[]),
    );
    place.write(
        "same.json",
        &on(&[entry(FABRIKAM, true, false), entry(NORTHWIND, true, true)]),
    );
    let changed = [
        until(entry(NORTHWIND, true, true), "2999-01-01T00:00:00Z"),
        entry("*", false, true),
    ];
    place.write("new.json", &on(&changed));
    fs::create_dir(place.0.path().join("new")).unwrap();
    place.write(
        &format!("new/{FABRIKAM}.json"),
        &document(FABRIKAM, &[entry("*", true, true)]),
    );
    let transcript = place.transcript(&[
        // Fabrikam blocks what the lost entry allowed anyway.
        &["diff", CONTOSO, "same.json"],
        &["diff", CONTOSO, "new.json"],
        &["diff", "new.json", "--json"],
        &["diff", FABRIKAM, "new"],
        &["diff", "new"],
        &["diff", FABRIKAM, "new.json"],
        &["diff", "no-such-file"],
    ]);
    golden("policy/diff.txt", &transcript);
}

#[test]
fn of_many_at_once_nobodys_edit_is_lost() {
    const WRITERS: usize = 12;
    let place = Place::new();
    assert_eq!(place.policy(&["enable", CONTOSO]).exit, 0);
    let tenant = |index: usize| format!("{index:08x}-0000-4000-8000-000000000001");
    let start = |index: usize| -> Child {
        let mut command = tidegate(place.0.path());
        let other = tenant(index);
        command.args([
            "policy",
            "allow",
            CONTOSO,
            &other,
            "--inbound",
            "--policies",
            "policies",
        ]);
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let writers: Vec<_> = (1..=WRITERS).map(start).collect();
    let ends: Vec<_> = writers
        .into_iter()
        .map(|mut writer| writer.wait().unwrap().code())
        .collect();
    let policy = place.read(CONTOSO);
    let entries = policy["properties"]["allowedTenants"].as_array().unwrap();
    for (index, end) in (1..=WRITERS).zip(ends) {
        let is_there = entries
            .iter()
            .any(|entry| entry["tenantId"] == tenant(index));
        // One that never got through has said so; an edit that was reported stays.
        assert_eq!(is_there, end == Some(0), "{index}: {end:?}");
    }
}

/// Colours, a cursor's way, another direction of writing, another line.
const HOSTILE: &str = "a\u{1b}[2J\u{7f}\u{9b}31m\u{61c}\u{200e}\u{200f}\u{202e}\u{2066}\r\nexit 0";

#[test]
fn a_terminal_obeys_no_text_of_a_policy() {
    let place = Place::new();
    let mut hostile = entry(FABRIKAM, true, false);
    for member in ["tenantName", "note"] {
        hostile[member] = json!(HOSTILE);
    }
    hostile[HOSTILE] = json!(1);
    let mut broken = document(CONTOSO, &[hostile.clone()]);
    broken["properties"]["isDisabled"] = json!(HOSTILE);
    place.write("new.json", &document(CONTOSO, &[hostile.clone()]));
    place.write("broken.json", &broken);
    place.write("off.json", &document(CONTOSO, &[]));
    // What is stored may be broken as well, and is told of in a remark.
    place.write(&format!("policies/{CONTOSO}.json"), &broken);
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let commands: [&[&str]; 9] = [
        &["show", CONTOSO],
        &["set", CONTOSO, "broken.json"],
        &["set", CONTOSO, "new.json", "--dry-run", "--json"],
        &["set", CONTOSO, "new.json"],
        &["show", CONTOSO],
        &["show", CONTOSO, "--json"],
        &["diff", CONTOSO, "off.json"],
        &["diff", CONTOSO, "off.json", "--json"],
        &["revoke", CONTOSO, FABRIKAM, "--dry-run", "--json"],
    ];
    for arguments in commands {
        let found = place.policy(arguments);
        let printed = found.transcript();
        assert!(!printed.contains(hidden), "{arguments:?}: {printed:?}");
        let alone = printed.lines().filter(|line| *line == "exit 0").count();
        assert!(alone <= 1, "{arguments:?}: {printed}");
        // JSON still says what the document says.
        if arguments.contains(&"--json") {
            let report: Value = serde_json::from_str(&found.stdout).unwrap();
            let text = report.to_string();
            let given = Value::from(HOSTILE).to_string();
            assert!(text.contains(&given) || arguments[0] == "diff", "{text}");
        }
    }
    let config = "mode = \"\\u001b\\u009b\\u202e\\n\"\n\"key\\u001b\\u009b\\u202e\\n\" = 1\n";
    fs::write(place.0.path().join("bad\u{9b}"), config).unwrap();
    for (file, problems) in [
        ("bad\u{9b}", "3 problems"),
        ("no\u{1b}[2J\u{9b}", "1 problem"),
    ] {
        for json in [&[][..], &["--json"]] {
            let arguments = [&["check", "--config", file], json].concat();
            let printed = run(place.0.path(), &arguments).transcript();
            assert!(!printed.contains(hidden), "{printed:?}");
            assert!(printed.contains(problems), "{printed}");
        }
    }
    // Another program gets the bytes.
    let stored = fs::read_to_string(place.file(CONTOSO)).unwrap();
    assert_eq!(place.policy(&["export", CONTOSO]).stdout, stored);
}

#[test]
fn a_directory_that_somebody_else_fills_is_refused() {
    let place = Place::new();
    place.write("real.json", &document(CONTOSO, &[]));
    std::os::unix::fs::symlink("../real.json", place.file(CONTOSO)).unwrap();
    let found = place.policy(&["disable", CONTOSO]);
    assert_eq!((found.exit, found.stdout.as_str()), (64, ""));
    assert!(
        found.stderr.contains("managed elsewhere"),
        "{}",
        found.stderr
    );
}

#[test]
fn the_help_tells_what_is_not_recorded() {
    let help = run(&root(), &["policy", "--help"]).stdout;
    let told = "records of such changes are not written; through --server they are";
    assert!(help.contains(told), "{help}");
}
