//! Runs the program and holds its output against golden files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Set to write golden files anew instead of comparing with them.
const UPDATE: &str = "TIDEGATE_UPDATE_GOLDEN";

/// The program, not started; no configuration reaches it by accident.
pub(crate) fn tidegate(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command
        .current_dir(directory)
        .env_remove("TIDEGATE_CONFIG")
        .stdin(Stdio::null());
    command
}

/// What a finished run printed, and its exit code.
pub(crate) struct Run {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Everything in one text, for golden files.
    pub(crate) fn transcript(&self) -> String {
        format!("{}{}exit {}\n", self.stdout, self.stderr, self.exit)
    }
}

pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Run {
    let Output {
        status,
        stdout,
        stderr,
    } = tidegate(directory).args(arguments).output().unwrap();
    Run {
        exit: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares with `tests/golden/<name>`.
pub(crate) fn golden(name: &str, actual: &str) {
    let file = root().join("tests/golden").join(name);
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&file, actual).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        actual, expected,
        "{name} differs; {UPDATE}=1 writes it anew"
    );
}
