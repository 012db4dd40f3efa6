//! Python for tests: the interpreter, scripts that are told what to do, and what is said when there
//! is none.
//!
//! `tests/python/requirements.txt` is what they need, in the Python that `TIDEGATE_TEST_PYTHON`
//! names, or in `python3`. Without it the tests say so and pass, unless `TIDEGATE_TEST_REQUIRE`
//! names them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use crate::harness::Lines;

/// The Python to use; without it, `python3`.
const PYTHON: &str = "TIDEGATE_TEST_PYTHON";

/// Words for what may not be skipped.
const REQUIRE: &str = "TIDEGATE_TEST_REQUIRE";

/// What wins over the authorities and proxies that a program asks for.
const ENVIRONMENT: [&str; 10] = [
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

/// Says something that the test runner does not swallow.
pub(crate) fn tell(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// A Python that can import these packages. None: the test is skipped, and said so, unless it is
/// required by `word`.
pub(crate) async fn python(word: &str, packages: &str) -> Option<PathBuf> {
    let python = std::env::var_os(PYTHON).map_or_else(|| "python3".into(), PathBuf::from);
    let import = Command::new(&python)
        .args(["-c", &format!("import {packages}")])
        .stderr(Stdio::null())
        .status();
    if import.await.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    let problem = format!(
        "{} cannot import {packages}; install tests/{{python,openapi,queries}}/requirements.txt and name the interpreter in {PYTHON}",
        python.display()
    );
    let required =
        std::env::var(REQUIRE).is_ok_and(|words| words.split(',').any(|named| named == word));
    assert!(!required, "{REQUIRE} asks for {word}, but {problem}");
    let thread = std::thread::current();
    tell(&format!(
        "skipped: {}: {problem}",
        thread.name().unwrap_or_default()
    ));
    None
}

/// A Python that is killed when dropped, without what wins over a program's own choices.
pub(crate) fn command(python: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-B", "-u"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for name in ENVIRONMENT {
        command.env_remove(name);
    }
    command
}

/// The path of a file below `tests/`.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// A running script: one JSON command a line, one JSON answer. Killed when dropped.
pub(crate) struct Script {
    _child: Child,
    stdin: ChildStdin,
    answers: Lines,
    errors: Lines,
    asked: usize,
}

impl Script {
    /// Starts a script below `tests/`, which trusts the authorities in `ca` alone.
    pub(crate) fn start(python: &Path, script: &str, ca: &Path, more: Option<String>) -> Self {
        let mut child = command(python)
            .arg(file(script))
            .arg("--ca")
            .arg(ca)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take().unwrap(),
            answers: Lines::of(child.stdout.take().unwrap()),
            errors: Lines::of(child.stderr.take().unwrap()),
            _child: child,
            asked: 0,
        }
    }

    /// Asks it, and waits for its answer.
    pub(crate) async fn ask(&mut self, mut command: Value) -> Value {
        self.asked += 1;
        command["id"] = self.asked.into();
        self.stdin
            .write_all(format!("{command}\n").as_bytes())
            .await
            .unwrap();
        let head = format!("{{\"id\": {},", self.asked);
        let line = self
            .answers
            .first("the script's answer", |line| line.starts_with(&head))
            .await;
        let line = line.unwrap_or_else(|| panic!("the script ended: {}", self.errors.text()));
        let answer: Value = serde_json::from_str(&line).unwrap();
        let raised = &answer["raised"];
        assert!(raised.is_null(), "{raised}: {}", self.errors.text());
        answer
    }
}
