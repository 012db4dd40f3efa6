//! What the operator is told: each problem once, its mending once, and neither in a loop.

use super::*;

use std::io;
use std::sync::{Mutex, Once};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static START: Once = Once::new();

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the log lines of this process.
pub(crate) fn capture() {
    START.call_once(|| {
        tracing_subscriber::fmt()
            .json()
            .with_writer(|| Lines)
            .init()
    });
}

/// The lines that name something in a directory: level, message, and all fields.
fn lines(dir: &Path) -> Vec<(String, String, serde_json::Value)> {
    let text = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    let lines = text
        .lines()
        .filter(|line| line.contains(dir.to_str().unwrap()));
    lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (
                text(&line["level"]),
                text(&line["fields"]["message"]),
                line["fields"].clone(),
            )
        })
        .collect()
}

#[test]
fn a_problem_is_told_once_and_so_is_its_mending() {
    let place = Place::new();
    let policies = place.open();
    fs::write(
        place.file(),
        policy(CONTOSO, Blocked).replace("false", "\"no\""),
    )
    .unwrap();
    until("told", || policies.stats().problems == 1);
    for _ in 0..3 {
        let reloads = policies.stats().reloads;
        policies.reload();
        until("looked at again", || policies.stats().reloads > reloads);
    }
    fs::write(place.file(), policy(CONTOSO, Allowed)).unwrap();
    until("mended", || policies.stats().problems == 0);
    drop(policies);

    let told = |message: &str| -> Vec<_> {
        lines(&place.dir)
            .into_iter()
            .filter(|(_, told, _)| told == message)
            .collect()
    };
    // A moment between cutting short and writing may have been seen too, and is its own problem.
    let refused: Vec<_> = told("policy refused")
        .into_iter()
        .filter(|line| line.2["policy.key"] != "")
        .collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    let (level, _, fields) = &refused[0];
    assert_eq!(level, "ERROR");
    assert_eq!(fields["policy.file"], place.file().to_str().unwrap());
    assert_eq!(fields["policy.key"], "properties.isDisabled");
    assert_eq!(fields["found"], "the text \"no\"");
    assert_eq!(fields["expected"], "true or false, without quotes");
    assert_eq!(fields["policy.in_force"], "last_good");
    assert_eq!(told("policy problem mended").len(), 1);
}
