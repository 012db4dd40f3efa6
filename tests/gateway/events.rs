//! The store of decision events, and audit records that are required, under the real gateway.

use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::harness::{Policy, Setup, World};

mod full;
mod kept;
mod killed;

/// One number out of a store.
fn number(store: &Path, sql: &str) -> i64 {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The sum of all tallies.
fn sum(store: &Path) -> i64 {
    number(store, "SELECT coalesce(sum(count), 0) FROM tallies")
}

/// Whole records in a file of audit lines.
fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|record: &Value| record["decision_id"].is_string())
        .collect()
}

/// A small file system of its own; none where the user may not mount one.
struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    fn new(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(directory.path())
            .status();
        if done.is_ok_and(|status| status.success()) {
            return Some(Self { directory });
        }
        println!("skipped: no file system may be mounted");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut filler = std::fs::File::create(self.path("filler")).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.path("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mounted = self.directory.path();
        let _ = Command::new("umount").arg("-l").arg(mounted).status();
    }
}

/// Records and events in these files.
fn setup(lines: &Path, store: &Path, mode: &str) -> Setup {
    Setup::new()
        .set("audit.output", lines.to_str().unwrap())
        .set("audit.mode", mode)
        .set("events.file", store.to_str().unwrap())
        .policy(Policy::on(crate::harness::CONTOSO))
}

/// Ends the gateway well.
async fn end(world: &mut World) {
    world.signal(rustix::process::Signal::TERM);
    assert_eq!(
        world.gateway.ended().await.code(),
        Some(0),
        "{}",
        world.log.text()
    );
    assert_eq!(world.log.count("panicked"), 0);
}
