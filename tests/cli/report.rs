//! `report`: who connects where, in every form, and the policy that it recommends.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Run, golden, root, run};

const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
const FABRIKAM: &str = "22222222-2222-4222-8222-222222222222";
const NORTHWIND: &str = "33333333-3333-4333-8333-333333333333";

/// Labels that want to be markup, a formula, a cursor or another text than they are.
const HOSTILE: [&str; 8] = [
    "</td><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "\t=1",
    "a\r\nb,\"c\"",
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m",
    "\u{202e}txt.exe\u{2066}",
];

/// An exchange's record, as far as it matters here.
fn line(id: u128, time: &str, creator: Value, sign_in: Value, decision: &str) -> Value {
    json!({
        "time": time, "decision_id": uuid(id), "route": "token", "connector": "sql",
        "mode": "enforce", "decision": decision, "reason": "because",
        "creator_tenant": creator, "sign_in_tenant": sign_in, "app_id": null,
        "user_object_id": null,
    })
}

fn uuid(number: u128) -> String {
    let digits = format!("{number:032x}");
    let at = |from: usize, to: usize| &digits[from..to];
    let parts = [at(0, 8), at(8, 12), at(12, 16), at(16, 20), at(20, 32)];
    parts.join("-")
}

fn lines(records: &[Value]) -> String {
    records.iter().fold(String::new(), |mut text, record| {
        writeln!(text, "{record}").unwrap();
        text
    })
}

/// A directory with these audit records in `audit.jsonl`.
fn records(records: &[Value]) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("audit.jsonl"), lines(records)).unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    dir
}

fn report(dir: &Path, arguments: &[&str]) -> Run {
    let always = ["report", CONTOSO, "--audit", "audit.jsonl"];
    run(dir, &[&always, arguments].concat())
}

fn as_json(dir: &Path, arguments: &[&str]) -> Value {
    let found = report(dir, &[&["--format", "json"], arguments].concat());
    assert_eq!(found.exit, 0, "{}", found.stderr);
    serde_json::from_str(&found.stdout).unwrap()
}

#[test]
fn a_report_is_for_people_and_for_programs() {
    let of = |format: &str| {
        let arguments = [
            "report",
            "fabrikam.com",
            "--audit",
            "tests/data/audit.jsonl",
            "--policies",
            "tests/data/changed",
            "--until",
            "2026-12-01",
            "--format",
            format,
        ];
        run(&root(), &arguments)
    };
    // A line of these records cannot be read: the report is of the others, and says so.
    let table = of("table");
    assert_eq!(table.exit, 1);
    golden("report/table.txt", &table.transcript());
    golden("report/rows.csv", &of("csv").stdout);
    let mut whole: Value = serde_json::from_str(&of("json").stdout).unwrap();
    assert!(whole["made"].take().is_string());
    golden("report/report.json", &format!("{whole:#}\n"));
}

/// The model against a second way of counting.
#[test]
fn sums_agree_with_the_lines() {
    let tenants = [
        json!(null),
        json!(CONTOSO),
        json!(FABRIKAM),
        json!(NORTHWIND),
    ];
    let decisions = ["allow", "block", "would_block", "pass_non_entra", "error"];
    let mut all = Vec::new();
    let mut random = 1_u64;
    for number in 0..3000_u128 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let pick = |shift: u32, of: usize| usize::try_from(random >> shift).unwrap() % of;
        let time = format!("2026-10-{:02}T{:02}:00:00Z", pick(33, 31) + 1, pick(37, 24));
        let (creator, sign_in) = (tenants[pick(41, 4)].clone(), tenants[pick(47, 4)].clone());
        let mut one = line(number, &time, creator, sign_in, decisions[pick(53, 5)]);
        one["user_object_id"] = json!(uuid(pick(29, 40) as u128 + 1));
        one["connector"] = json!(HOSTILE[pick(25, 8)]);
        one["reason"] = json!(["no_token", "because"][pick(21, 2)]);
        all.push(one);
    }
    let dir = records(&all);
    let whole = as_json(dir.path(), &[]);
    let count = |of: &dyn Fn(&Value) -> bool| all.iter().filter(|one| of(one)).count() as u64;
    let is = |one: &Value, member: &str, tenant: &str| one[member] == tenant;
    let rows = whole["rows"].as_array().unwrap();
    for (direction, own, other) in [
        ("inbound", "sign_in_tenant", "creator_tenant"),
        ("outbound", "creator_tenant", "sign_in_tenant"),
    ] {
        let mut users = BTreeSet::new();
        for (decision, counter) in decisions.iter().zip([
            "allowed",
            "blocked",
            "would_block",
            "passed_non_entra",
            "errors",
        ]) {
            let expected = |one: &Value| {
                let nobody = one[other].is_null();
                let nothing =
                    *decision == "error" || *decision == "allow" && one["reason"] == "no_token";
                one["decision"] == *decision
                    && is(one, own, CONTOSO)
                    && !is(one, other, CONTOSO)
                    && !(nobody && nothing)
            };
            users.extend(
                all.iter()
                    .filter(|one| expected(one))
                    .map(|one| one["user_object_id"].to_string()),
            );
            assert_eq!(
                whole[direction][counter],
                count(&expected),
                "{direction} {decision}"
            );
            let of_rows = rows.iter().filter(|row| row["direction"] == direction);
            let sum: u64 = of_rows.map(|row| row[counter].as_u64().unwrap()).sum();
            assert_eq!(sum, count(&expected), "rows, {direction} {decision}");
            let days = whole["days"].as_array().unwrap().iter();
            let sum: u64 = days
                .map(|day| day[direction][counter].as_u64().unwrap())
                .sum();
            assert_eq!(sum, count(&expected), "days, {direction} {decision}");
        }
        assert_eq!(whole[direction]["users"], users.len(), "{direction}");
        assert_eq!(whole[direction]["tenants"], 2, "{direction}");
    }
    let others = &whole["others"];
    let same =
        |one: &Value| is(one, "creator_tenant", CONTOSO) && is(one, "sign_in_tenant", CONTOSO);
    let within: u64 = others["same_tenant"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(within, count(&same));
    let elsewhere =
        |one: &Value| !is(one, "creator_tenant", CONTOSO) && !is(one, "sign_in_tenant", CONTOSO);
    assert_eq!(others["other_tenants"], count(&elsewhere));
    let in_rows: u64 = rows
        .iter()
        .flat_map(|row| {
            decisions
                .iter()
                .zip([
                    "allowed",
                    "blocked",
                    "would_block",
                    "passed_non_entra",
                    "errors",
                ])
                .map(|(_, counter)| row[counter].as_u64().unwrap())
        })
        .sum();
    let rest = others["no_token"].as_u64().unwrap() + others["errors"].as_u64().unwrap();
    assert_eq!(in_rows + within + count(&elsewhere) + rest, 3000);

    // Given twice, cut to a time: each record counts once, or is said not to.
    let again = as_json(
        dir.path(),
        &["--audit", "audit.jsonl", "--since", "2026-10-11"],
    );
    let early = |one: &Value| one["time"].as_str().unwrap() < "2026-10-11";
    let warnings = again["warnings"].to_string();
    assert!(
        warnings.contains("counted once: 3000 records"),
        "{warnings}"
    );
    assert!(
        warnings.contains(&format!("not counted: {} exchanges", count(&early))),
        "{warnings}"
    );
    let late = |one: &Value| !early(one) && elsewhere(one);
    assert_eq!(again["others"]["other_tenants"], count(&late));
    // A direction is a choice of rows.
    let inbound = as_json(dir.path(), &["--direction", "inbound"]);
    assert!(
        inbound["rows"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["direction"] == "inbound")
    );
    assert_eq!(inbound["outbound"], whole["outbound"]);
    assert_eq!(inbound["recommendation"], whole["recommendation"]);
}

#[test]
fn hostile_labels_are_texts_in_every_form() {
    let all: Vec<_> = HOSTILE
        .iter()
        .enumerate()
        .map(|(number, label)| {
            let mut one = line(
                number as u128 + 1,
                "2026-10-01T08:00:00Z",
                json!(FABRIKAM),
                json!(CONTOSO),
                "allow",
            );
            one["connector"] = json!(label);
            one
        })
        .collect();
    let dir = records(&all);
    // Names out of policies are as hostile.
    let policy = json!({ "properties": { "tenantId": NORTHWIND, "isDisabled": true, "allowedTenants": [
        { "tenantId": FABRIKAM, "tenantName": format!("{}{}", HOSTILE[0], HOSTILE[7]), "direction": { "inbound": true } },
        { "tenantId": CONTOSO, "tenantName": HOSTILE[6], "direction": { "inbound": true } },
    ] } });
    fs::write(
        dir.path().join(format!("policies/{NORTHWIND}.json")),
        policy.to_string(),
    )
    .unwrap();
    let of = |format: &str| {
        let found = report(dir.path(), &["--policies", "policies", "--format", format]);
        assert_eq!(found.exit, 0, "{}", found.stderr);
        let hidden = |c: char| {
            c.is_control() && c != '\n'
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let text: String = found
            .stdout
            .chars()
            .filter(|c| !(format == "csv" && *c == '\r'))
            .collect();
        assert!(!text.contains(hidden), "{format}: {text:?}");
        found.stdout
    };
    let table = of("table");
    assert!(
        table.contains(r"\u{1b}[2J") && table.contains(r"\u{202e}txt.exe"),
        "{table}"
    );

    let whole: Value = serde_json::from_str(&of("json")).unwrap();
    let told: BTreeSet<_> = whole["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["connector"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, HOSTILE.map(str::to_owned).into());

    let text = of("csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), HOSTILE.len());
    for row in &rows {
        for cell in row {
            let first = cell.chars().next();
            let number = cell.parse::<f64>().is_ok();
            assert!(
                number || !matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r')),
                "{cell:?}"
            );
        }
    }

    let page = of("html");
    for markup in [
        "<script",
        "<img",
        "onerror=alert(1)>",
        "javascript:",
        "http://",
        "https://",
        "src=",
        "@import",
        "url(",
    ] {
        let text = page
            .replace("http://www.w3.org/2000/svg", "")
            .replace("src=x onerror", "");
        assert!(!text.contains(markup), "{markup}");
    }
    assert!(
        page.contains("&#60;/td&#62;&#60;script&#62;alert(1)"),
        "{page}"
    );
    // Its policy names its one style, and nothing else.
    let style = page
        .split_once("<style>")
        .unwrap()
        .1
        .split_once("</style>")
        .unwrap()
        .0;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
    let policy = format!(
        "default-src &#39;none&#39;; style-src &#39;sha256-{}&#39;; base-uri",
        hash
    );
    assert!(page.contains(&policy), "{policy}");
    assert!(!page.contains(" style="));
}

/// A tenant's exchanges while isolation was Off, and what became of them under what the report says.
#[test]
fn what_is_recommended_is_imported_and_blocks_nothing_that_ran() {
    let partners: Vec<_> = (2..9)
        .map(|digit| CONTOSO.replace('1', &digit.to_string()))
        .collect();
    let mut all = Vec::new();
    for (number, partner) in partners.iter().enumerate() {
        let id = number as u128 * 10;
        let time = format!("2026-10-{:02}T08:00:00Z", number + 1);
        let inbound = |id, decision| line(id, &time, json!(partner), json!(CONTOSO), decision);
        let outbound = |id, decision| line(id, &time, json!(CONTOSO), json!(partner), decision);
        match number % 4 {
            0 => all.push(inbound(id, "allow")),
            1 => all.push(outbound(id, "allow")),
            2 => all.extend([
                inbound(id, "allow"),
                outbound(id + 1, "would_block"),
                inbound(id + 2, "block"),
            ]),
            _ => all.push(inbound(id, "block")),
        }
    }
    all.push(line(
        900,
        "2026-10-09T08:00:00Z",
        json!(null),
        json!(CONTOSO),
        "allow",
    ));
    all.push(line(
        901,
        "2026-10-09T08:00:00Z",
        json!(CONTOSO),
        json!(CONTOSO),
        "allow",
    ));
    all.push(line(
        902,
        "2026-10-09T08:00:00Z",
        json!(CONTOSO),
        json!(null),
        "pass_non_entra",
    ));
    let dir = records(&all);
    let policies = |arguments: &[&str]| {
        run(
            dir.path(),
            &[arguments, &["--policies", "policies"]].concat(),
        )
    };
    let today = json!({ "properties": { "tenantId": CONTOSO, "isDisabled": true, "allowedTenants": [
        { "tenantId": partners[0], "tenantName": "Fabrikam", "note": "CHG-1", "direction": { "inbound": false, "outbound": true } },
        { "tenantId": partners[1], "expiresOn": "2026-01-01T00:00:00Z", "direction": { "inbound": true, "outbound": true } },
    ] } });
    let file = dir.path().join(format!("policies/{CONTOSO}.json"));
    fs::write(&file, today.to_string()).unwrap();

    let found = report(
        dir.path(),
        &["--policies", "policies", "--recommend", "recommended.json"],
    );
    assert_eq!(found.exit, 0, "{}", found.stderr);
    assert!(
        found
            .stderr
            .contains("connections without a client tenant id"),
        "{}",
        found.stderr
    );
    assert!(
        found.stderr.contains("were blocked too"),
        "{}",
        found.stderr
    );
    let before = policies(&["policy", "show", CONTOSO]);
    assert!(before.stdout.contains("Off"), "{}", before.stdout);
    let imported = policies(&["policy", "import", CONTOSO, "recommended.json"]);
    assert_eq!(imported.exit, 0, "{}{}", imported.stdout, imported.stderr);
    let stored: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(stored["properties"]["isDisabled"], false);
    assert_eq!(stored["properties"]["allowedTenants"][0]["note"], "CHG-1");
    assert_eq!(
        stored["properties"]["allowedTenants"]
            .as_array()
            .unwrap()
            .len(),
        7
    );

    for at in ["recorded", "now"] {
        let arguments = [
            "simulate",
            "--policies",
            "policies",
            "--audit",
            "audit.jsonl",
            "--at",
            at,
            "--json",
        ];
        let replayed = run(dir.path(), &arguments);
        let replayed: Value = serde_json::from_str(&replayed.stdout).unwrap();
        assert_eq!(replayed["newly_blocked"], 0, "{replayed}");
        assert!(replayed["replayed"].as_u64().unwrap() > 10);
    }
    // The same is in each form, and alone on standard output.
    let recommended: Value =
        serde_json::from_slice(&fs::read(dir.path().join("recommended.json")).unwrap()).unwrap();
    fs::write(&file, today.to_string()).unwrap();
    let whole = as_json(dir.path(), &["--policies", "policies"]);
    assert_eq!(whole["recommendation"]["policy"], recommended);
    let alone = report(dir.path(), &["--policies", "policies", "--recommend", "-"]);
    assert_eq!(
        serde_json::from_str::<Value>(&alone.stdout).unwrap(),
        recommended
    );
    let page = report(dir.path(), &["--policies", "policies", "--format", "html"]).stdout;
    let shown = page
        .split_once("The policy as JSON\"><code>")
        .unwrap()
        .1
        .split_once("</code>")
        .unwrap()
        .0;
    let shown = shown.replace("&#34;", "\"");
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), recommended);
    let table = report(dir.path(), &["--policies", "policies"]).stdout;
    let shown = table.split_once("writes it):\n").unwrap().1;
    assert_eq!(serde_json::from_str::<Value>(shown).unwrap(), recommended);
    assert!(
        table.contains(
            "to turn isolation On without breaking what runs today, allow these tenants:"
        )
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let dir = records(&[line(
        1,
        "2026-10-01T08:00:00Z",
        json!(FABRIKAM),
        json!(CONTOSO),
        "allow",
    )]);
    fs::write(dir.path().join("prose.txt"), "hello\nworld\n").unwrap();
    let mut torn = fs::read_to_string(dir.path().join("audit.jsonl")).unwrap();
    torn += &torn.clone()[..40];
    fs::write(dir.path().join("torn.jsonl"), torn).unwrap();
    let of = |arguments: &[&str]| run(dir.path(), &[&["report"], arguments].concat());
    for (arguments, exit, says) in [
        (
            &["contoso.com", "--audit", "audit.jsonl"][..],
            64,
            "no policy names a domain",
        ),
        (
            &[CONTOSO],
            64,
            "--store names a store of events, --audit audit records",
        ),
        (
            &[CONTOSO, "--store", "missing.sqlite"],
            1,
            "missing.sqlite does not exist",
        ),
        (
            &[CONTOSO, "--store", "prose.txt"],
            1,
            "is not a store of decision events",
        ),
        (
            &[CONTOSO, "--audit", "missing.jsonl"],
            1,
            "missing.jsonl: No such file",
        ),
        (
            &[CONTOSO, "--audit", "prose.txt"],
            64,
            "no line is an audit record",
        ),
        (
            &[CONTOSO, "--audit", "torn.jsonl"],
            0,
            "torn.jsonl:2: the file ends in the middle of it",
        ),
        (
            &[CONTOSO, "--audit", "audit.jsonl", "--since", "yesterday"],
            64,
            "--since: expected a time ago",
        ),
        (
            &[
                CONTOSO,
                "--audit",
                "audit.jsonl",
                "--since",
                "1d",
                "--until",
                "2d",
            ],
            64,
            "--since: expected a time before --until",
        ),
        (
            &[
                CONTOSO,
                "--audit",
                "audit.jsonl",
                "-o",
                "no/such/report.txt",
            ],
            1,
            "no/such/report.txt: No such file",
        ),
        (
            &[
                CONTOSO,
                "--audit",
                "audit.jsonl",
                "--recommend",
                "/dev/full",
            ],
            1,
            "/dev/full: No space left",
        ),
        (
            &[
                CONTOSO,
                "--audit",
                "audit.jsonl",
                "--format",
                "html",
                "-o",
                "/dev/full",
            ],
            1,
            "/dev/full: No space left",
        ),
    ] {
        if arguments.contains(&"/dev/full") && !Path::new("/dev/full").exists() {
            continue;
        }
        let found = of(arguments);
        assert_eq!(found.exit, exit, "{arguments:?}: {}", found.stderr);
        assert!(
            found.stderr.contains(says),
            "{arguments:?}: {}",
            found.stderr
        );
    }
}

/// A store with the tables that the gateway makes, and these events, each a tally of its own.
fn store(dir: &Path) -> PathBuf {
    let file = dir.join("events.sqlite");
    let events = tidegate::config::Events {
        file: file.clone(),
        keep: std::time::Duration::from_secs(86_400 * 4000),
        max_size: 1 << 30,
    };
    let output = tidegate::config::AuditOutput::File(dir.join("none.jsonl"));
    let audit = tidegate::config::Audit {
        output,
        mode: tidegate::config::AuditMode::BestEffort,
    };
    drop(tidegate::events::Events::start(&events, &audit, Default::default()).unwrap());
    file
}

#[test]
fn a_store_says_the_same_as_the_records_it_was_made_of() {
    let id = |text: &str| {
        u128::from_str_radix(&text.replace('-', ""), 16)
            .unwrap()
            .to_be_bytes()
    };
    let mut all = Vec::new();
    let pairs = [
        (FABRIKAM, CONTOSO),
        (CONTOSO, NORTHWIND),
        (CONTOSO, CONTOSO),
        (NORTHWIND, FABRIKAM),
    ];
    for number in 0..400_usize {
        let (creator, sign_in) = pairs[number % 4];
        let time = format!("2026-10-{:02}T{:02}:00:00Z", number % 28 + 1, number % 24);
        let decision = ["allow", "block", "would_block"][number % 3];
        let mut one = line(
            number as u128 + 1,
            &time,
            json!(creator),
            json!(sign_in),
            decision,
        );
        one["user_object_id"] = json!(uuid(number as u128 % 7 + 1));
        one["connector"] = json!(HOSTILE[number % 8]);
        all.push(one);
    }
    all.push(line(
        990,
        "2026-10-01T00:00:00Z",
        json!(null),
        json!(CONTOSO),
        "allow",
    ));
    let dir = records(&all);
    let file = store(dir.path());
    let mut connection = Connection::open(&file).unwrap();
    let whole = connection.transaction().unwrap();
    let mut subjects: BTreeMap<String, i64> = BTreeMap::new();
    for one in &all {
        let blob = |member: &str| one[member].as_str().map(id);
        let key = format!(
            "{}{}{}",
            one["creator_tenant"], one["sign_in_tenant"], one["connector"]
        );
        let next = subjects.len() as i64 + 1;
        let subject = *subjects.entry(key).or_insert(next);
        whole.execute("INSERT OR IGNORE INTO subjects (id, creator, sign_in, connector, app, route) VALUES (?1, ?2, ?3, ?4, NULL, 'token')",
            rusqlite::params![subject, blob("creator_tenant"), blob("sign_in_tenant"), one["connector"].as_str()]).unwrap();
        let time = one["time"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap();
        whole.execute("INSERT INTO tallies VALUES (?1, 3600, ?2, ?3, 'because', 1, ?4, ?4) ON CONFLICT DO UPDATE SET count = count + 1",
            rusqlite::params![subject, time.as_second(), one["decision"].as_str(), time.as_millisecond()]).unwrap();
        if let Some(user) = blob("user_object_id") {
            whole.execute("INSERT INTO users VALUES (?1, ?2, ?3, ?3, 1) ON CONFLICT DO UPDATE SET last = max(last, excluded.last), first = min(first, excluded.first)",
                rusqlite::params![subject, user, time.as_millisecond()]).unwrap();
        }
    }
    whole.execute("INSERT INTO gaps VALUES (1790850000000, 1790850001000, 3, 'killed'), (1790860000000, 1790860001000, NULL, 'queue_full')", []).unwrap();
    whole.commit().unwrap();
    drop(connection);

    let of_store = |arguments: &[&str]| -> Value {
        let always = [
            "report",
            CONTOSO,
            "--format",
            "json",
            "--store",
            "events.sqlite",
        ];
        let found = run(dir.path(), &[&always, arguments].concat());
        assert_eq!(found.exit, 0, "{}", found.stderr);
        serde_json::from_str(&found.stdout).unwrap()
    };
    for window in [
        &["--since", "all"][..],
        &["--since", "2026-10-08", "--until", "2026-10-21"],
    ] {
        let (mut store, mut lines) = (of_store(window), as_json(dir.path(), window));
        if window.len() == 2 {
            assert_eq!(
                store["gaps"][0],
                json!({ "start": "2026-10-01T10:20:00Z", "end": "2026-10-01T10:20:01Z", "lost": 3, "why": "killed" })
            );
            assert!(
                store["warnings"]
                    .to_string()
                    .contains("Records were lost 2 times within this time: at least 3 exchanges"),
                "{}",
                store["warnings"]
            );
        }
        for changing in ["made", "until", "warnings", "gaps"] {
            store[changing].take();
            lines[changing].take();
        }
        assert_eq!(store, lines);
    }
    // Of a store, the last 30 days are shown unless more is asked for.
    assert!(of_store(&[])["since"].is_string());
    // A tally across the edge is counted, and said.
    let edge = Connection::open(&file).unwrap();
    edge.execute(
        "UPDATE tallies SET grain = 86400, last = last + 80000000",
        [],
    )
    .unwrap();
    drop(edge);
    let told = of_store(&["--since", "2026-10-08", "--until", "2026-10-21"]);
    assert!(
        told["warnings"]
            .to_string()
            .contains("across the begin or the end"),
        "{}",
        told["warnings"]
    );
    // What no gateway writes is said, not passed over.
    let odd = Connection::open(&file).unwrap();
    odd.execute("UPDATE tallies SET decision = 'maybe'", [])
        .unwrap();
    drop(odd);
    let found = run(
        dir.path(),
        &[
            "report",
            CONTOSO,
            "--store",
            "events.sqlite",
            "--since",
            "all",
        ],
    );
    assert_eq!(found.exit, 1);
    assert!(
        found
            .stderr
            .contains("events.sqlite: it holds a strange decision"),
        "{}",
        found.stderr
    );
}
