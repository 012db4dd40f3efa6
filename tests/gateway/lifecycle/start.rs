//! What a gateway is told before it serves.

use std::process::Stdio;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use toml::Table;

use crate::harness::{Lines, Setup, World};

/// A service manager may reload what it has just started. SIGHUP ends a process that does not
/// expect it, and systemd takes that for an end in order, after which nothing is started again.
#[tokio::test]
async fn a_reload_during_the_start_does_not_end_it() {
    let world = World::start(Setup::new()).await;
    let directory = world.directory.path();
    // The start waits for somebody to read this.
    let records = directory.join("records");
    rustix::fs::mkfifoat(CWD, &records, Mode::RWXU).unwrap();
    let mut config: Table = std::fs::read_to_string(world.config())
        .unwrap()
        .parse()
        .unwrap();
    let audit: Table = "output = \"records\"".parse().unwrap();
    config.insert("audit".to_owned(), audit.into());
    let file = directory.join("waits.toml");
    std::fs::write(&file, config.to_string()).unwrap();

    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["serve", "--config"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let log = Lines::of(child.stderr.take().unwrap());
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    let loaded = |line: &str| line.contains("policies loaded");
    log.first("policies loaded", loaded).await.unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let _reader = rustix::fs::open(records, flags, Mode::empty()).unwrap();
    let listening = |line: &str| line.contains("listening") && line.contains("\"data\"");
    let listens = log.first("listening", listening).await;
    assert!(listens.is_some(), "{}", log.text());
    // What it was told is done once it can be.
    let reloaded = |line: &str| line.contains("policies reloaded");
    assert!(log.first("reloaded", reloaded).await.is_some());
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    world.finish().await;
}
