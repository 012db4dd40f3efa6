//! `cargo fleet-demo`, but shorter.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::harness::etcd;

/// Two kills: of the member that leads, and of another one.
const FLIPS: usize = 10;

const GATEWAYS: usize = 5;

/// The demo's program, built if it is not there.
fn demo() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_tidegate")).with_file_name("demo");
    if !beside.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "tidegate-mock"])
            .args(["--bin", "demo"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success());
    }
    beside
}

/// Runs it: whether it succeeded, what it printed, what it complained of.
fn played(path: Option<&Path>) -> (Option<i32>, String, String) {
    let mut command = Command::new(demo());
    command
        .args(["fleet", "--flips", &FLIPS.to_string(), "--gateway"])
        .arg(env!("CARGO_BIN_EXE_tidegate"));
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn flips_under_load_while_members_are_killed_fail_nothing_and_decide_nothing_wrong() {
    if !etcd() {
        return;
    }
    let (exit, told, wrong) = played(None);
    println!("{told}{wrong}");
    assert_eq!(exit, Some(0));
    let value = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    assert_eq!(value("flips of the policy"), Some("10"));
    assert_eq!(
        value("members of etcd killed"),
        Some("2, one at a time: 1 leading, 1 not")
    );
    let samples = format!("{0} of {0}", FLIPS * GATEWAYS);
    assert!(told.contains(&samples), "{samples}");
    assert_eq!(value("failed requests"), Some("0"));
    assert_eq!(value("wrong decisions"), Some("0"));
    let exchanges: usize = value("exchanges").unwrap().parse().unwrap();
    assert!(exchanges >= FLIPS * GATEWAYS, "{exchanges}");
}

#[test]
fn without_etcd_it_says_what_is_missing() {
    let nothing = tempfile::tempdir().unwrap();
    let (exit, told, wrong) = played(Some(nothing.path()));
    assert_eq!((exit, told.as_str()), (Some(2), ""));
    assert!(
        wrong.starts_with("The demo could not be played: etcd cannot be run"),
        "{wrong}"
    );
    assert!(wrong.contains("Debian: etcd-server"), "{wrong}");
}
