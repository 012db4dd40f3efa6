//! Programs that tests need and that may not be there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Python to use; without it, `python3`.
const PYTHON: &str = "TIDEGATE_TEST_PYTHON";

/// Words for what may not be skipped.
const REQUIRE: &str = "TIDEGATE_TEST_REQUIRE";

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file below `deploy/`.
pub(crate) fn deployed(name: &str) -> PathBuf {
    root().join("deploy").join(name)
}

/// Says that a test is skipped, unless it is required by `word`.
fn skip(word: &str, problem: &str) {
    let words = std::env::var(REQUIRE).unwrap_or_default();
    let required = words.split(',').any(|named| named == word);
    assert!(!required, "{REQUIRE} asks for {word}, but {problem}");
    drop(writeln!(std::io::stderr(), "skipped: {problem}"));
}

fn works(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A Python that can import these packages of `tests/deploy/requirements.txt`. None: the test is
/// skipped.
pub(crate) fn python(packages: &str) -> Option<Command> {
    let python = std::env::var_os(PYTHON).map_or_else(|| "python3".into(), PathBuf::from);
    if works(Command::new(&python).args(["-c", &format!("import {packages}")])) {
        let mut command = Command::new(python);
        command.arg("-B");
        return Some(command);
    }
    let python = python.display();
    let problem = format!(
        "{python} cannot import {packages}; install tests/deploy/requirements.txt and name the interpreter in {PYTHON}"
    );
    skip("deploy", &problem);
    None
}

/// Whether these programs are there. If not, the test is skipped.
pub(crate) fn programs(word: &str, probes: &[(&str, &str)]) -> bool {
    let missing = probes
        .iter()
        .find(|(program, argument)| !works(Command::new(program).arg(argument)));
    if let Some((program, _)) = missing {
        skip(word, &format!("there is no {program}"));
    }
    missing.is_none()
}

/// What a command prints, which succeeds.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out
}
