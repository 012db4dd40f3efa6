//! `report` over the files of many gateways: each record once, whatever became of a file.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{CONTOSO, FABRIKAM, NORTHWIND, line, lines, uuid};
use crate::harness::{Run, run, tidegate};

/// Records of all gateways.
const RECORDS: usize = 300;

fn all() -> Vec<Value> {
    let pairs = [
        (json!(FABRIKAM), json!(CONTOSO)),
        (json!(CONTOSO), json!(NORTHWIND)),
        (json!(null), json!(CONTOSO)),
        (json!(NORTHWIND), json!(FABRIKAM)),
    ];
    let endings = ["allow", "block", "would_block", "pass_non_entra", "error"];
    (0..RECORDS)
        .map(|number| {
            let (creator, sign_in) = pairs[number % 4].clone();
            let time = format!("2026-10-{:02}T08:00:00Z", number % 28 + 1);
            let ending = endings[number % 5];
            let mut one = line(number as u128 + 1, &time, creator, sign_in, ending);
            one["user_object_id"] = json!(uuid(number as u128 % 9 + 1));
            one
        })
        .collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A directory with every record once in `all.jsonl`.
fn directory() -> (TempDir, Vec<Value>) {
    let (dir, all) = (TempDir::new().unwrap(), all());
    fs::write(dir.path().join("all.jsonl"), lines(&all)).unwrap();
    (dir, all)
}

fn of_files(dir: &Path, files: &[&str]) -> Run {
    let always = [
        "report",
        CONTOSO,
        "--format",
        "json",
        "--until",
        "2026-12-01",
        "--audit",
    ];
    run(dir, &[&always, files].concat())
}

/// The report, and what it warns of.
fn told(found: &Run) -> (Value, String) {
    let mut report: Value =
        serde_json::from_str(&found.stdout).unwrap_or_else(|_| panic!("{}", found.stderr));
    report["made"].take();
    let warnings = report["warnings"].take().to_string();
    (report, warnings)
}

#[test]
fn a_record_counts_once_in_however_many_files_it_stands() {
    let (dir, all) = directory();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    // A rotation that copied: what is compressed stands in the next file too, in part.
    put("one.jsonl.2.gz", &gzip(&lines(&all[..80])));
    put("one.jsonl.1", lines(&all[60..120]).as_bytes());
    // Compressed in parts, one after the other, and with an end of a line that is not ours.
    let parts = [
        gzip(&lines(&all[100..150])),
        gzip(&lines(&all[150..200]).replace('\n', "\r\n")),
    ];
    put("two.jsonl.gz", &parts.concat());
    // Shipped twice.
    put("three.jsonl", lines(&all[200..]).repeat(2).as_bytes());
    put("empty.jsonl", b"");
    put("empty.jsonl.gz", &gzip(""));
    let files = [
        "one.jsonl.2.gz",
        "one.jsonl.1",
        "two.jsonl.gz",
        "three.jsonl",
        "three.jsonl",
        "empty.jsonl",
        "empty.jsonl.gz",
    ];
    let (whole, several) = (
        of_files(dir.path(), &["all.jsonl"]),
        of_files(dir.path(), &files),
    );
    assert_eq!((whole.exit, several.exit), (0, 0), "{}", several.stderr);
    let (report, warnings) = told(&several);
    assert_eq!(report, told(&whole).0);
    assert!(warnings.contains("counted once: 340 records"), "{warnings}");
    assert_eq!(several.stderr, "", "no terminal, no progress");

    // The same through a pipe.
    let mut piped = tidegate(dir.path());
    piped
        .args([
            "report",
            CONTOSO,
            "--format",
            "json",
            "--until",
            "2026-12-01",
        ])
        .args(["--audit", "-"])
        .stdin(File::open(dir.path().join("two.jsonl.gz")).unwrap());
    let piped = piped.output().unwrap();
    let piped: Value = serde_json::from_slice(&piped.stdout).unwrap();
    let (named, _) = told(&of_files(dir.path(), &["two.jsonl.gz"]));
    assert_eq!(piped["rows"], named["rows"]);
    assert_ne!(piped["rows"], json!([]));
}

#[test]
fn a_damaged_file_costs_its_own_end_and_is_told() {
    let (dir, all) = directory();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    let whole = gzip(&lines(&all));
    put("cut.gz", &whole[..whole.len() / 2]);
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    put("damaged.gz", &damaged);
    put("tail.gz", &[&whole[..], b"not compressed"].concat());
    put("half.jsonl", lines(&all[..150]).as_bytes());
    for (file, at_least) in [
        ("cut.gz", 1),
        ("damaged.gz", 1),
        ("tail.gz", RECORDS as u64),
    ] {
        let found = of_files(dir.path(), &[file, "half.jsonl"]);
        assert_eq!(found.exit, 1, "{file}: {}", found.stderr);
        for says in [
            format!("{file}:"),
            "it cannot be read from here on".to_owned(),
            "the rest of 1 file cannot be read; the report is of the others".to_owned(),
        ] {
            assert!(found.stderr.contains(&says), "{file}: {}", found.stderr);
        }
        let (report, warnings) = told(&found);
        assert!(
            warnings.contains("what follows is missing here: 1 file"),
            "{warnings}"
        );
        // The others are counted, and what came before the damage.
        let (_, half) = told(&of_files(dir.path(), &["half.jsonl"]));
        assert_eq!(half, "[]");
        let counted = exchanges(&report);
        assert!(counted >= at_least.max(150), "{file}: {counted}");
    }
    put("nothing.gz", &whole[..8]);
    let found = of_files(dir.path(), &["nothing.gz"]);
    assert_eq!(found.exit, 1, "{}", found.stderr);
    assert_eq!(found.stdout, "");
    assert!(
        found.stderr.contains("no file can be read"),
        "{}",
        found.stderr
    );

    // A replay is of all records or of none.
    fs::create_dir(dir.path().join("policies")).unwrap();
    let replayed = run(
        dir.path(),
        &["simulate", "--policies", "policies", "--audit", "cut.gz"],
    );
    assert_eq!(replayed.exit, 1);
    assert!(
        replayed.stderr.starts_with("cut.gz: "),
        "{}",
        replayed.stderr
    );
}

/// Every exchange of a report, wherever it is counted.
fn exchanges(report: &Value) -> u64 {
    let of = |counts: &Value| -> u64 {
        let endings = [
            "allowed",
            "would_block",
            "blocked",
            "passed_non_entra",
            "errors",
        ];
        endings
            .iter()
            .filter_map(|name| counts[name].as_u64())
            .sum()
    };
    let others = &report["others"];
    let rest = ["no_token", "errors", "other_tenants"];
    let rest: u64 = rest.iter().filter_map(|name| others[name].as_u64()).sum();
    of(&report["inbound"]) + of(&report["outbound"]) + of(&others["same_tenant"]) + rest
}

#[test]
fn files_that_are_none_are_all_named_before_any_is_read() {
    let (dir, _) = directory();
    fs::create_dir(dir.path().join("lo\ngs")).unwrap();
    let found = of_files(
        dir.path(),
        &["all.jsonl", "missing.jsonl", "lo\ngs", "gone.gz"],
    );
    assert_eq!(found.exit, 1);
    assert_eq!(found.stdout, "");
    let told: Vec<_> = found.stderr.lines().collect();
    assert_eq!(
        told,
        [
            "missing.jsonl: No such file or directory (os error 2)",
            "lo\\ngs: is a directory; expected its files",
            "gone.gz: No such file or directory (os error 2)",
        ]
    );
}

/// On a terminal the progress is shown and wiped away; a pipe is waited for like a file.
#[test]
fn progress_is_shown_on_a_terminal() {
    let terminals = Command::new("script").arg("--version").output();
    if !terminals.is_ok_and(|output| output.status.success()) {
        drop(writeln!(
            io::stderr(),
            "skipped: there is no script (util-linux)"
        ));
        return;
    }
    let (dir, all) = directory();
    let pipe = dir.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let half = RECORDS / 2;
    fs::write(dir.path().join("half.jsonl"), lines(&all[..half])).unwrap();
    // `script` gives a program a terminal of its own.
    let inner = format!(
        "{} report {CONTOSO} --format json --until 2026-12-01 -o report.json --audit half.jsonl pipe",
        env!("CARGO_BIN_EXE_tidegate")
    );
    let mut shown = Command::new("script")
        .args(["-q", "-e", "-f", "-c", &inner, "/dev/null"])
        .current_dir(dir.path())
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut terminal = shown.stdout.take().unwrap();
    let (says, hears) = mpsc::channel();
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = terminal.read(&mut piece) {
            drop(says.send(piece[..length].to_vec()));
        }
    });
    let mut writer = File::options().write(true).open(&pipe).unwrap();
    writer.write_all(lines(&all[half..]).as_bytes()).unwrap();
    // The pipe is open: whatever is shown is shown while it reads.
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("file 2 of 2") {
        match hears.recv_timeout(Duration::from_secs(30)) {
            Ok(more) => seen.extend(more),
            Err(error) => {
                drop(writer);
                panic!("{error}: {}", String::from_utf8_lossy(&seen));
            }
        }
    }
    drop(writer);
    seen.extend(hears.iter().flatten());
    assert!(shown.wait().unwrap().success());
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.ends_with("\r\u{1b}[2K"), "it is wiped away: {seen:?}");

    let report: Value =
        serde_json::from_slice(&fs::read(dir.path().join("report.json")).unwrap()).unwrap();
    let (whole, _) = told(&of_files(dir.path(), &["all.jsonl"]));
    assert_eq!(report["rows"], whole["rows"]);
}
