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
    lines_with(dir.to_str().unwrap())
}

fn lines_with(word: &str) -> Vec<(String, String, serde_json::Value)> {
    let text = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    let lines = text.lines().filter(|line| line.contains(word));
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

#[test]
fn an_entry_that_expires_is_told_of_beforehand() {
    const PARTNER: &str = "77777777-7777-4777-8777-777777777777";
    let place = Place::new();
    let text = |end: &str| {
        format!(
            r#"{{"properties":{{"tenantId":"{CONTOSO}","allowedTenants":[{{"tenantId":"{PARTNER}","direction":{{"inbound":true}},"expiresOn":"{end}"}}]}}}}"#
        )
    };
    let now = std::time::SystemTime::now();
    let seconds = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let end = jiff::Timestamp::from_second(seconds as i64 + 3 * 86_400).unwrap();
    fs::write(place.file(), text(&end.to_string())).unwrap();
    let policies = place.open();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let announced = tokio::spawn(tidegate::policies::expiry::announce(policies));
        let start = Instant::now();
        while lines_with(PARTNER).is_empty() {
            assert!(start.elapsed() < DEADLINE);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        announced.abort();
    });
    let told = lines_with(PARTNER);
    let [(level, message, fields)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(level, "WARN");
    assert_eq!(message, "allowlist entry expires within seven days");
    assert_eq!(fields["policy.tenant"], CONTOSO);
    assert_eq!(fields["policy.entry"], PARTNER);
    assert_eq!(fields["policy.inbound"], true);
    assert_eq!(fields["policy.outbound"], false);
    assert_eq!(fields["policy.expires_on"], end.to_string());
}
