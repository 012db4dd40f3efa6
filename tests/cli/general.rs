//! What holds for every command: exit codes, where the configuration comes from, and output that
//! nobody reads to its end.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{root, run, tidegate};

const GOOD: &str = r#"
[listen]
address = "127.0.0.1:0"
workers = 1
[admin]
address = "127.0.0.1:0"
[providers.entra]
kind = "entra"
[[routes]]
name = "token"
kind = "token"
provider = "entra"
path = "/{tenant}/oauth2/v2.0/token"
creator = [{ header = "x-ms-client-tenant-id" }]
"#;

fn place(config: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    fs::write(directory.path().join("tidegate.toml"), config).unwrap();
    directory
}

#[test]
fn wrong_usage_exits_64_and_help_exits_0() {
    let table: [(&[&str], i32); 9] = [
        (&[], 64),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["version"], 0),
        (&["serve", "--bogus"], 64),
        (&["explain"], 64),
        (
            &[
                "explain",
                "--sign-in",
                "x",
                "--config",
                "a",
                "--policies",
                "b",
            ],
            64,
        ),
        (&["completions", "tcsh"], 64),
        (&["completions", "fish"], 0),
    ];
    for (arguments, exit) in table {
        assert_eq!(run(&root(), arguments).exit, exit, "{arguments:?}");
    }
    let version = run(&root(), &["version"]).stdout;
    assert!(version.starts_with(concat!("tidegate ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn every_command_has_examples_in_its_help() {
    let policy = [
        "allow", "diff", "disable", "enable", "export", "import", "revoke", "set", "show",
    ];
    let policy = policy.iter().map(|command| vec!["policy", command]);
    let others = [
        "check",
        "completions",
        "explain",
        "policy",
        "resolve",
        "serve",
        "simulate",
        "tail",
    ];
    for command in others.iter().map(|command| vec![*command]).chain(policy) {
        let help = run(&root(), &[&command[..], &["--help"]].concat()).stdout;
        assert!(
            help.contains("Examples:\n  tidegate") || help.contains(" tidegate "),
            "{help}"
        );
    }
}

#[test]
fn the_configuration_is_the_named_one_then_the_variables_then_the_directorys() {
    let directory = place("mode = 1");
    let checked = |arguments: &[&str], variable: Option<&str>| {
        let mut command = tidegate(directory.path());
        if let Some(value) = variable {
            command.env("TIDEGATE_CONFIG", value);
        }
        String::from_utf8(
            command
                .arg("check")
                .args(arguments)
                .output()
                .unwrap()
                .stderr,
        )
        .unwrap()
    };
    assert!(checked(&[], None).starts_with("tidegate.toml: mode: found 1"));
    assert!(checked(&[], Some("")).starts_with("tidegate.toml: mode: found 1"));
    assert!(checked(&[], Some("a.toml")).starts_with("a.toml: found a file which does not exist"));
    assert!(checked(&["--config", "b.toml"], Some("a.toml")).starts_with("b.toml: found"));
}

#[test]
fn no_configuration_at_all_names_what_was_searched() {
    if Path::new("/etc/tidegate/tidegate.toml").exists() {
        return;
    }
    let directory = TempDir::new().unwrap();
    for command in [&["check"][..], &["serve"], &["explain", "--sign-in", "x"]] {
        let found = run(directory.path(), command);
        assert_eq!((found.exit, found.stdout.as_str()), (64, ""));
        for searched in [
            "--config",
            "TIDEGATE_CONFIG",
            " tidegate.toml",
            "/etc/tidegate/",
        ] {
            assert!(found.stderr.contains(searched), "{}", found.stderr);
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let mut child = tidegate(&root())
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn serve_starts_on_nothing_that_is_wrong() {
    let directory = place(&GOOD.replace("\"entra\"\npath", "\"entar\"\npath"));
    let found = run(directory.path(), &["serve"]);
    assert_eq!((found.exit, found.stdout.as_str()), (64, ""));
    assert!(
        found.stderr.contains("routes[0].provider: found \"entar\""),
        "{}",
        found.stderr
    );

    let directory = place(GOOD);
    let policy = "policies/11111111-1111-4111-8111-111111111111.json";
    fs::write(directory.path().join(policy), "{}").unwrap();
    let found = run(directory.path(), &["serve"]);
    assert_eq!((found.exit, found.stdout.as_str()), (64, ""));
    assert!(found.stderr.contains(policy), "{}", found.stderr);
    assert!(!found.stderr.contains("listening"), "{}", found.stderr);
}

#[test]
fn serve_ends_well_when_told_to() {
    let directory = place(GOOD);
    let mut command = tidegate(directory.path());
    let mut child = command.arg("serve").stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let listening = log
        .by_ref()
        .find(|line| line.contains("listener=\"admin\""))
        .unwrap();
    let (_, address) = listening.split_once("address=").unwrap();
    assert!(is_ready(address.trim()), "not ready at {address}");
    let told = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(told.success());
    assert_eq!(
        child.wait().unwrap().code(),
        Some(0),
        "{:?}",
        log.collect::<Vec<_>>()
    );
}

fn is_ready(address: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    (0..100).any(|_| {
        let ready = ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"));
        if !ready {
            thread::sleep(Duration::from_millis(50));
        }
        ready
    })
}
