//! Running named tests of the other test programs, and reading how they ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Failed,
    Passed,
    /// What it needs is not there; its own words.
    Skipped(String),
}

/// A test program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    FuzzCorpus,
    Gateway,
    Policies,
    Unit,
}

impl Program {
    /// The program and the test's name in it.
    pub(super) fn of(name: &str) -> (Self, &str) {
        match name.split_once('/') {
            None => (Self::Gateway, name),
            Some(("fuzz_corpus", test)) => (Self::FuzzCorpus, test),
            Some(("policies", test)) => (Self::Policies, test),
            Some(("unit", test)) => (Self::Unit, test),
            Some((other, _)) => panic!("no test program is called {other}"),
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::FuzzCorpus => "fuzz_corpus",
            Self::Gateway => "gateway",
            Self::Policies => "policies",
            Self::Unit => "tidegate",
        }
    }
}

/// The test programs, built like this one.
pub(crate) struct Programs(BTreeMap<Program, PathBuf>);

impl Programs {
    /// Builds them; nothing is done where they are up to date.
    pub(crate) async fn built() -> Self {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "--package", "tidegate", "--no-run", "--lib"]);
        cargo.args([
            "--test",
            "gateway",
            "--test",
            "policies",
            "--test",
            "fuzz_corpus",
        ]);
        cargo.arg("--message-format=json-render-diagnostics");
        cargo.arg("--profile").arg(profile());
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = output.kill_on_drop(true).output().await.unwrap();
        assert!(output.status.success(), "the test programs do not build");
        let messages = String::from_utf8(output.stdout).unwrap();
        let announced: Vec<(String, PathBuf)> = messages.lines().filter_map(executable).collect();
        let found = |program: Program| {
            let ours = announced.iter().find(|(name, _)| name == program.target());
            (program, ours.expect("cargo names each program").1.clone())
        };
        Self(
            [
                Program::FuzzCorpus,
                Program::Gateway,
                Program::Policies,
                Program::Unit,
            ]
            .map(found)
            .into(),
        )
    }

    /// The names of a program's tests.
    pub(super) async fn names(&self, program: Program) -> Vec<String> {
        let text = self.run(program, &["--list", "--format", "terse"]).await;
        let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
        names.map(str::to_owned).collect()
    }

    /// Runs these tests of a program, all at once.
    pub(crate) async fn ended(&self, program: Program, tests: &[&str]) -> BTreeMap<String, Ended> {
        let mut arguments = vec!["--exact"];
        arguments.extend(tests);
        let text = self.run(program, &arguments).await;
        let mut ended = BTreeMap::new();
        let results = text.lines().filter_map(|line| line.strip_prefix("test "));
        for (name, result) in results.filter_map(|line| line.split_once(" ... ")) {
            let how = if result == "ok" {
                Ended::Passed
            } else {
                Ended::Failed
            };
            ended.insert(name.to_owned(), how);
        }
        for (name, why) in skipped(&text) {
            ended.insert(name, Ended::Skipped(why));
        }
        if ended.values().any(|how| *how == Ended::Failed) {
            println!("{text}");
        }
        ended
    }

    async fn run(&self, program: Program, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.0[&program]);
        command
            .args(arguments)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.unwrap();
        // What is skipped is told on standard error, whatever is captured.
        let all = [output.stdout, b"\n".to_vec(), output.stderr].concat();
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// The profile that this program was built with: Cargo names a directory after it.
fn profile() -> OsString {
    let program = std::env::current_exe().unwrap();
    let name = program.ancestors().nth(2).and_then(Path::file_name);
    match name.expect("it is below a profile's directory") {
        // The only one of another name than its directory's.
        debug if debug == "debug" => "test".into(),
        other => other.into(),
    }
}

/// The test program that a line of cargo's messages announces.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let of_tests = message.get("profile")?.get("test")? == true;
    let name = message.get("target")?.get("name")?.as_str()?;
    let kind = message.get("target")?.get("kind")?.get(0)?;
    let file = message.get("executable")?.as_str()?;
    let ours = of_tests && kind != "bin";
    ours.then(|| (name.to_owned(), PathBuf::from(file)))
}

/// Tests that passed and told that they were skipped, and why.
fn skipped(text: &str) -> Vec<(String, String)> {
    let told = text
        .lines()
        .filter_map(|line| line.strip_prefix("skipped: "));
    let parts = told.filter_map(|line| line.split_once(": "));
    parts
        .map(|(test, why)| (test.to_owned(), why.to_owned()))
        .collect()
}
