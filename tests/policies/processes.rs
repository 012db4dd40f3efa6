//! Several processes in one directory, and processes that are killed while they write.
//!
//! The processes are this test binary once more: [`writer`] is what they run.

use super::*;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use tidegate::policies::write::{Expect, WriteError, put_in};
use tidegate::policies::{directory, read_stored};

/// What a process is to do, and where. Without it the test [`writer`] does nothing.
const TASK: &str = "TIDEGATE_TEST_WRITER";
const PLACE: &str = "TIDEGATE_TEST_WRITER_DIRECTORY";

/// A policy that holds a number, and is as long as it says.
fn numbered(n: u64) -> String {
    let long = "x".repeat((n % 40 * 997) as usize);
    format!(
        r#"{{"properties":{{"tenantId":"{CONTOSO}","isDisabled":false,"allowedTenants":[{{"tenantId":"*","direction":{{"inbound":false,"outbound":true}},"note":"{n} {long}"}}]}}}}"#
    )
}

/// The number in such a policy; the text must be exactly that policy.
fn number(text: &[u8]) -> u64 {
    let text = std::str::from_utf8(text).unwrap();
    let (_, rest) = text.split_once(r#""note":""#).unwrap();
    let n = rest.split_once(' ').unwrap().0.parse().unwrap();
    assert_eq!(text, numbered(n), "torn");
    n
}

fn start(task: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::writer", "--nocapture"])
        .env(TASK, task)
        .env(PLACE, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The lines that a process wrote of its puts: number and version.
fn lines(output: impl std::io::Read) -> Vec<(u64, u64)> {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    let puts = lines.filter_map(|line| {
        let (number, version) = line.strip_prefix("put ")?.split_once(' ')?;
        Some((number.parse().unwrap(), version.parse().unwrap()))
    });
    puts.collect()
}

/// Not a test: what the processes of the tests below run.
#[test]
fn writer() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let dir = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let most = match task.as_str() {
        "count to 30" => 30,
        "count" => u64::MAX,
        _ => panic!("no such task: {task}"),
    };
    for _ in 0..most {
        let written = loop {
            let stored = read_stored(&dir, tenant(CONTOSO)).unwrap().unwrap();
            let next = number(&stored.bytes) + 1;
            let expect = Expect::Match(stored.etag);
            match put_in(&dir, tenant(CONTOSO), numbered(next).as_bytes(), &expect) {
                Ok(written) => break (next, written.version),
                Err(WriteError::Changed { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        };
        let mut out = std::io::stdout();
        out.write_all(format!("\nput {} {}\n", written.0, written.1).as_bytes())
            .unwrap();
        out.flush().unwrap();
    }
}

/// Files of writers in a directory.
fn leftovers(dir: &Path) -> usize {
    fs::read_dir(dir)
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".tmp")
        })
        .count()
}

#[test]
fn a_writer_killed_at_any_moment_leaves_a_whole_policy() {
    let place = Place::new();
    fs::write(place.file(), numbered(0)).unwrap();
    let policies = place.open();
    let (mut last, mut version, mut left, mut puts) = (0, 0, 0, 0);
    for round in 0..200_u64 {
        let mut child = start("count", &place.dir);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("put ") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "it writes");
        }
        // Not a fixed time: another moment of its work each round.
        thread::park_timeout(Duration::from_micros(round * 7919 % 4001));
        child.kill().unwrap();
        child.wait().unwrap();
        left += leftovers(&place.dir);

        let mut acknowledged = lines(format!("{line}\n").as_bytes());
        acknowledged.extend(lines(output));
        puts += acknowledged.len();
        let stored = read_stored(&place.dir, tenant(CONTOSO)).unwrap().unwrap();
        let now = number(&stored.bytes);
        let told = acknowledged.iter().map(|(number, _)| *number).max();
        assert!(now >= told.unwrap() && now > last, "a put was lost");
        for (_, given) in acknowledged {
            assert!(given > version, "versions go up");
            version = given;
        }
        assert!(stored.version.0 >= version);
        directory::load(&place.dir).unwrap();
        assert_eq!(policies.stats().problems, 0);
        assert_eq!(contoso(&policies), Allowed);
        last = now;
    }
    println!("200 writers killed: {puts} puts, {left} temporary files left");
    assert!(left > 0, "none was killed while it wrote");

    let next = numbered(last + 1);
    let put = policies.put_blocking(tenant(CONTOSO), next.as_bytes(), &Expect::Any);
    assert!(put.unwrap().version.0 > version);
    assert_eq!(leftovers(&place.dir), 0);
}

#[test]
fn of_several_processes_none_loses_an_update() {
    let place = Place::new();
    fs::write(place.file(), numbered(0)).unwrap();
    let policies = place.open();
    let processes: Vec<_> = (0..6).map(|_| start("count to 30", &place.dir)).collect();
    let mut puts = Vec::new();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        puts.extend(lines(output.stdout.as_slice()));
    }
    puts.sort_unstable();
    let numbers: Vec<_> = puts.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=180).collect::<Vec<_>>());
    assert!(puts.is_sorted_by(|one, other| one.1 < other.1), "{puts:?}");
    let stored = read_stored(&place.dir, tenant(CONTOSO)).unwrap().unwrap();
    assert_eq!(number(&stored.bytes), 180);
    until("the gateway has the last version", || {
        in_force(&policies) == Some(stored.version.0)
    });
    assert_eq!(puts.last().unwrap().1, stored.version.0);
}

#[test]
fn two_gateways_on_one_directory_give_one_version() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    for n in 0..10 {
        fs::write(place.file(), numbered(n)).unwrap();
        until("both have it", || {
            let versions = (in_force(&one), in_force(&other));
            let stored = read_stored(&place.dir, tenant(CONTOSO)).unwrap().unwrap();
            versions == (Some(stored.version.0), Some(stored.version.0))
                && number(&stored.bytes) == n
        });
        let put = one.put_blocking(tenant(CONTOSO), numbered(n + 100).as_bytes(), &Expect::Any);
        let version = put.unwrap().version.0;
        assert_eq!(in_force(&one), Some(version));
        until("the other has it", || in_force(&other) == Some(version));
    }
}
