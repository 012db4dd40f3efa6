//! The audit file while it is rotated, and `tail` beside it: no record is lost, none is shown twice.

use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::harness::*;

const FILE: &str = "audit.jsonl";

fn setup() -> Setup {
    let policy = Policy::on(CONTOSO);
    Setup::new().set("audit.output", FILE).policy(policy)
}

/// `tail` of the gateway's configuration.
struct Tail {
    _child: Child,
    lines: Lines,
}

impl Tail {
    async fn start(world: &World, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["tail", "--config"])
            .arg(world.config())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        Self {
            _child: child,
            lines,
        }
    }

    /// The decision ids shown, once there are so many.
    async fn shown(&self, count: usize) -> Vec<String> {
        until(&format!("{count} records shown"), async || {
            (self.lines.len() >= count).then_some(())
        })
        .await;
        let id = |line: &String| {
            let record: Value = serde_json::from_str(line).expect(line);
            record["decision_id"].as_str().unwrap().to_owned()
        };
        self.lines.all().iter().map(id).collect()
    }
}

/// An exchange, and its decision id, as the answer has it.
async fn exchange(world: &World) -> String {
    let answer = world.exchange(CONTOSO, FABRIKAM).send_unrecorded().await;
    assert_eq!(answer.status, 403);
    answer.json()["trace_id"].as_str().unwrap().to_owned()
}

fn ids(files: &[PathBuf]) -> Vec<String> {
    let text: String = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap_or_default())
        .collect();
    let id = |line: &str| {
        let record: Value = serde_json::from_str(line).expect(line);
        record["decision_id"].as_str().unwrap().to_owned()
    };
    text.lines().map(id).collect()
}

async fn written(files: &[PathBuf], count: usize) -> Vec<String> {
    until(&format!("{count} records"), async || {
        Some(ids(files)).filter(|ids| ids.len() >= count)
    })
    .await
}

/// Renamed again and again while exchanges go on: every record is in one of the files, whole, and
/// `tail` shows each once, in order.
#[tokio::test]
async fn no_record_is_lost_or_shown_twice_when_the_file_is_renamed() {
    let mut world = World::start(setup()).await;
    let file = world.directory.path().join(FILE);
    let tail = Tail::start(&world, &["--json", "--since-start"]).await;
    let mut expected = Vec::new();
    let mut files = Vec::new();
    for number in 0..5 {
        for _ in 0..20 {
            expected.push(exchange(&world).await);
        }
        let moved = file.with_extension(format!("{number}"));
        until("the file", async || file.exists().then_some(())).await;
        std::fs::rename(&file, &moved).unwrap();
        files.push(moved);
        if number % 2 == 0 {
            // With a word to the gateway, as postrotate scripts have it, and without.
            world.signal(Signal::HUP);
            until("a new file", async || file.exists().then_some(())).await;
        }
    }
    expected.push(exchange(&world).await);
    files.push(file);
    assert_eq!(written(&files, expected.len()).await, expected);
    assert_eq!(tail.shown(expected.len()).await, expected);
    world.signal(Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));
    assert_eq!(ids(&files), expected);
}

/// Copied and cut off.
#[tokio::test]
async fn a_file_that_is_cut_off_goes_on_from_its_start() {
    let mut world = World::start(setup()).await;
    let file = world.directory.path().join(FILE);
    let tail = Tail::start(&world, &["--json"]).await;
    let first = exchange(&world).await;
    assert_eq!(tail.shown(1).await, std::slice::from_ref(&first));
    std::fs::copy(&file, file.with_extension("1")).unwrap();
    std::fs::write(&file, "").unwrap();
    let second = exchange(&world).await;
    let kept = written(std::slice::from_ref(&file), 1).await;
    assert_eq!(kept, std::slice::from_ref(&second));
    assert_eq!(tail.shown(2).await, [first, second]);
    world.signal(Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));
}

/// Removed while exchanges go on: what was in it is gone, what comes is not.
#[tokio::test]
async fn a_file_that_is_removed_is_begun_again() {
    let mut world = World::start(setup()).await;
    let file = world.directory.path().join(FILE);
    for _ in 0..10 {
        exchange(&world).await;
        until("the file", async || file.exists().then_some(())).await;
        std::fs::remove_file(&file).unwrap();
        let next = exchange(&world).await;
        until("the record", async || {
            let ids = ids(std::slice::from_ref(&file));
            ids.contains(&next).then_some(())
        })
        .await;
    }
    assert_eq!(world.log.count("records cannot be written"), 0);
    world.signal(Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));
}

/// A file that was moved to where no other can be opened: records go on in it; one that was
/// removed as well loses them, which is counted and told.
#[tokio::test]
async fn a_file_that_cannot_be_begun_again_is_told_of() {
    let directory = tempfile::TempDir::new().unwrap();
    let (here, there) = (
        directory.path().join("here"),
        directory.path().join("there"),
    );
    std::fs::create_dir(&here).unwrap();
    let output = here.join("audit.jsonl").display().to_string();
    let mut world = World::start(setup().set("audit.output", output)).await;
    let first = exchange(&world).await;
    written(&[here.join("audit.jsonl")], 1).await;
    std::fs::rename(&here, &there).unwrap();
    let moved = there.join("audit.jsonl");
    let second = exchange(&world).await;
    assert_eq!(
        written(std::slice::from_ref(&moved), 2).await,
        [first, second]
    );
    until("a warning", async || {
        (world.log.count("no new one can be begun") == 1).then_some(())
    })
    .await;
    std::fs::remove_file(&moved).unwrap();
    exchange(&world).await;
    until("an alarm", async || {
        let metrics = world.metrics().await;
        metrics
            .contains("tidegate_audit_records_dropped_total 1")
            .then_some(())
    })
    .await;
    std::fs::create_dir(&here).unwrap();
    let last = exchange(&world).await;
    assert_eq!(written(&[here.join("audit.jsonl")], 1).await, [last]);
    world.signal(Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));
}

/// What `tail` shows of a gateway's own records: one line each, filtered, events as well.
#[tokio::test]
async fn tail_shows_what_the_gateway_records() {
    let mut world = World::start(setup()).await;
    let tail = Tail::start(&world, &["--decision", "block", "--tenant", FABRIKAM]).await;
    world.exchange(CONTOSO, NORTHWIND).send_unrecorded().await;
    world.exchange(FABRIKAM, FABRIKAM).send_unrecorded().await;
    let blocked = world.exchange(CONTOSO, FABRIKAM);
    blocked
        .header("x-connector-name", "files")
        .send_unrecorded()
        .await;
    let line = tail.lines.at(0).await;
    let expected =
        format!("block           {CONTOSO} -> {FABRIKAM}  outbound_block  token-v2      files");
    assert!(line.ends_with(&expected), "{line}");
    assert_eq!(tail.lines.len(), 1);
    world.signal(Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));
}
