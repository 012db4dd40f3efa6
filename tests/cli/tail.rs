//! `tail`: what is shown, and that nothing of it is lost when files are rotated.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{golden, root, run, tidegate};

const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
const RECORDS: &str = "tests/data/tail.jsonl";

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "not in time: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A running `tail`. Killed when dropped.
struct Tail {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    notes: Arc<Mutex<Vec<String>>>,
}

fn collect(output: impl std::io::Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let theirs = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            theirs.lock().unwrap().push(line);
        }
    });
    lines
}

impl Tail {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = tidegate(directory);
        command.arg("tail").args(arguments);
        command.stdin(Stdio::piped());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            lines: collect(child.stdout.take().unwrap()),
            notes: collect(child.stderr.take().unwrap()),
            child,
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The connectors shown, once there are so many.
    fn shown(&self, count: usize) -> Vec<String> {
        until(&format!("{count} lines"), || {
            (self.lines().len() >= count).then_some(())
        });
        let last = |line: String| line.rsplit(' ').next().unwrap().to_owned();
        self.lines().into_iter().map(last).collect()
    }

    fn noted(&self, part: &str) {
        until(part, || {
            let notes = self.notes.lock().unwrap();
            notes.iter().any(|note| note.contains(part)).then_some(())
        });
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        until("the end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A record whose connector is this.
fn record(connector: &str) -> String {
    format!(
        "{{\"time\":\"2026-11-01T08:00:00.5Z\",\"route\":\"token\",\"connector\":\"{connector}\",\
         \"decision\":\"allow\",\"reason\":\"same_tenant\",\"creator_tenant\":\"{CONTOSO}\",\
         \"sign_in_tenant\":\"{CONTOSO}\"}}\n"
    )
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn tail(arguments: &[&str]) -> crate::harness::Run {
    run(
        &root(),
        &[&["tail", "--no-follow", RECORDS], arguments].concat(),
    )
}

#[test]
fn records_are_a_line_each_for_people() {
    let shown = tail(&[]);
    assert_eq!((shown.exit, shown.stderr.as_str()), (0, ""));
    golden("tail.txt", &shown.stdout);
    golden("tail-color.txt", &tail(&["--color", "always"]).stdout);
}

#[test]
fn what_is_asked_for_is_shown_and_nothing_else() {
    let all = fs::read_to_string(root().join(RECORDS)).unwrap();
    let count = |arguments: &[&str]| tail(arguments).stdout.lines().count();
    assert_eq!(count(&[]), all.lines().count());
    assert_eq!(count(&["-n", "0"]), 0);
    assert_eq!(count(&["-n", "2"]), 2);
    assert_eq!(count(&["--since-start"]), all.lines().count());
    let table: [(&[&str], &[&str]); 7] = [
        (&["--decision", "block"], &["\"block\""]),
        (
            &["--decision", "would_block", "--decision", "pass_non_entra"],
            &["\"would_block\"", "\"pass_non_entra\""],
        ),
        (&["--decision", "error"], &["\"error\""]),
        (
            &["--connector", "sharepoint"],
            &["\"connector\":\"sharepoint\""],
        ),
        (
            &["--route", "azure-devops"],
            &["\"route\":\"azure-devops\""],
        ),
        (&["--tenant", CONTOSO], &[CONTOSO]),
        (
            &["--tenant", "contoso.com", "--config", "config/sidecar.toml"],
            &[CONTOSO],
        ),
    ];
    for (arguments, parts) in table {
        let expected: Vec<&str> = all
            .lines()
            .filter(|line| parts.iter().any(|part| line.contains(part)))
            .collect();
        let shown = tail(&[arguments, &["--json"]].concat());
        assert_eq!(
            shown.stdout.lines().collect::<Vec<_>>(),
            expected,
            "{arguments:?}"
        );
        assert!(!expected.is_empty(), "{arguments:?}");
    }
    // The last of those asked for, not those asked for of the last.
    let first = tail(&["-n", "1", "--route", "azure-devops", "--json"]).stdout;
    assert!(first.contains("azure-devops"), "{first}");
}

#[test]
fn a_hostile_record_moves_no_cursor() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("audit.jsonl");
    let evil = "\\u001b[2J\\u001b]0;owned\\u0007\\r\\n\\u009b31m\\u202e\u{9b}\u{202e}\u{7f}";
    append(&path, &record(evil));
    append(
        &path,
        &record("x")
            .replace("same_tenant", evil)
            .replace("allow", evil),
    );
    append(&path, &record(&"y".repeat(1 << 20)));
    append(
        &path,
        &format!(
            "{{\"time\":\"2026-11-01T08:00:00Z\",\"event\":\"{evil}\",\"caller\":{{\"name\":\"{evil}\"}}}}\n"
        ),
    );
    for more in [&[][..], &["--json"]] {
        let arguments = [
            &["tail", "--no-follow", "audit.jsonl", "--color", "never"],
            more,
        ]
        .concat();
        let shown = run(place.path(), &arguments);
        assert_eq!(shown.exit, 0, "{}", shown.stderr);
        assert_eq!(shown.stdout.lines().count(), 4);
        let hidden = |c: char| c != '\n' && (c.is_control() || "\u{202e}".contains(c));
        assert!(
            !shown.stdout.contains(hidden),
            "{}",
            shown.stdout.escape_debug()
        );
    }
    // Coloured, the only escapes are the colours' own.
    let shown = run(
        place.path(),
        &["tail", "--no-follow", "audit.jsonl", "--color", "always"],
    );
    for escape in shown.stdout.split('\u{1b}').skip(1) {
        let (inside, _) = escape.split_once('m').unwrap();
        assert!(
            inside
                .bytes()
                .all(|b| b == b'[' || b == b';' || b.is_ascii_digit()),
            "{inside}"
        );
    }
    assert!(shown.stdout.lines().all(|line| line.len() < 2000));
}

#[test]
fn a_line_that_is_no_record_is_passed_over_and_a_torn_one_waited_for() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("audit.jsonl");
    let whole = record("whole");
    let (start, end) = whole.split_at(40);
    append(&path, "not a record\n[1]\n{\"time\":\n{}\n\n");
    append(&path, &record("first"));
    append(&path, start);
    let torn = run(place.path(), &["tail", "--no-follow", "audit.jsonl"]);
    assert_eq!(torn.stdout.lines().count(), 1, "{}", torn.stdout);
    let tail = Tail::start(place.path(), &["audit.jsonl"]);
    assert_eq!(tail.shown(1), ["first"]);
    append(&path, end);
    assert_eq!(tail.shown(2), ["first", "whole"]);
    append(&path, "\u{fffd}\nno record either\n");
    append(&path, &record("last"));
    assert_eq!(tail.shown(3), ["first", "whole", "last"]);
    tail.noted("no audit records");
    // Without the end of its line, but whole.
    append(&path, record("end").trim_end());
    let whole = run(
        place.path(),
        &["tail", "--no-follow", "-n", "1", "audit.jsonl"],
    );
    assert!(whole.stdout.trim_end().ends_with("end"), "{}", whole.stdout);
}

#[test]
fn a_file_is_followed_by_its_name() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("audit.jsonl");
    let moved = place.path().join("audit.jsonl.1");
    let tail = Tail::start(place.path(), &["audit.jsonl"]);
    tail.noted("is waited for");
    append(&path, &record("appeared"));
    tail.shown(1);
    // Renamed; its writer goes on in it for a while, then in another.
    fs::rename(&path, &moved).unwrap();
    append(&moved, &record("late"));
    tail.shown(2);
    append(&path, &record("new"));
    tail.shown(3);
    append(&moved, &record("later"));
    append(&path, &record("newer"));
    tail.shown(5);
    // Copied and cut off.
    fs::copy(&path, &moved).unwrap();
    fs::write(&path, "").unwrap();
    append(&path, &record("cut"));
    tail.shown(6);
    // Cut off, and longer than before at the next look.
    fs::write(&path, record("a").repeat(20)).unwrap();
    tail.shown(26);
    // Removed, and made again.
    fs::remove_file(&path).unwrap();
    append(&path, &record("again"));
    let mut shown = tail.shown(27);
    shown[3..5].sort();
    let expected = ["appeared", "late", "new", "later", "newer", "cut"];
    assert_eq!(shown[..6], expected.map(str::to_owned));
    assert!(shown[6..26].iter().all(|connector| connector == "a"));
    assert_eq!(shown[26..], ["again"]);
}

#[test]
fn no_line_is_lost_or_shown_twice_however_often_the_file_is_rotated() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("audit.jsonl");
    append(&path, "");
    let tail = Tail::start(place.path(), &["--since-start", "audit.jsonl"]);
    let lines = 2000;
    for number in 0..lines {
        append(&path, &record(&format!("c{number}")));
        if number % 500 == 499 {
            tail.shown(number);
            fs::rename(&path, place.path().join(format!("{number}"))).unwrap();
        }
    }
    let expected: Vec<String> = (0..lines).map(|number| format!("c{number}")).collect();
    assert_eq!(tail.shown(lines), expected);
}

#[test]
fn it_ends_well_when_told_to_and_when_nobody_reads() {
    let place = TempDir::new().unwrap();
    append(&place.path().join("audit.jsonl"), &record("one"));
    for signal in [Signal::INT, Signal::TERM] {
        let mut tail = Tail::start(place.path(), &["audit.jsonl"]);
        tail.shown(1);
        tail.signal(signal);
        assert_eq!(tail.ended().code(), Some(0));
    }
    // Nobody reads, and nothing more is written either.
    let mut child = tidegate(place.path())
        .args(["tail", "audit.jsonl"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    let status = until("the end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn standard_input_is_shown_as_it_comes() {
    let mut tail = Tail::start(&root(), &["-", "--connector", "yes"]);
    let mut input = tail.child.stdin.take().unwrap();
    write!(
        input,
        "Nov 01 a log line\n{}{}",
        record("no"),
        record("yes")
    )
    .unwrap();
    assert_eq!(tail.shown(1), ["yes"]);
    input
        .write_all(record("yes").trim_end().as_bytes())
        .unwrap();
    drop(input);
    assert_eq!(tail.ended().code(), Some(0));
    assert_eq!(tail.shown(2), ["yes", "yes"]);
    assert_eq!(tail.lines().len(), 2);
}

#[test]
fn a_file_that_is_not_there_is_told_of_where_it_is_not_waited_for() {
    let place = TempDir::new().unwrap();
    let told = run(place.path(), &["tail", "--no-follow", "absent.jsonl"]);
    assert_eq!((told.exit, told.stdout.as_str()), (1, ""));
    assert!(told.stderr.starts_with("absent.jsonl: "), "{}", told.stderr);
    assert!(!told.stderr.contains("waited for"), "{}", told.stderr);
}

#[test]
fn mistakes_are_told() {
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("policies")).unwrap();
    let config = "[providers.entra]\nkind = \"entra\"\n[[routes]]\nname = \"token\"\n\
                  kind = \"token\"\nprovider = \"entra\"\npath = \"/t\"\n\
                  creator = [{ tenant = \"11111111-1111-4111-8111-111111111111\" }]\n";
    fs::write(place.path().join("tidegate.toml"), config).unwrap();
    let table: [(&[&str], &str); 5] = [
        (&[], "journalctl"),
        (&["policies"], "a directory"),
        (&["x", "--tenant", "contoso"], "contoso"),
        (&["x", "--tenant", "contoso.com"], "no policy names"),
        (&["x", "--decision", "deny"], "would_block"),
    ];
    for (arguments, part) in table {
        let told = run(place.path(), &[&["tail"], arguments].concat());
        assert_eq!(told.exit, 64, "{arguments:?}");
        assert!(told.stderr.contains(part), "{arguments:?}: {}", told.stderr);
    }
}
