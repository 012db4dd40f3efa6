//! The documented form of answers, byte for byte, in `tests/golden/answers/`.

use std::path::PathBuf;

use super::Answer;

/// Set to write golden files anew instead of comparing with them.
const UPDATE: &str = "TIDEGATE_UPDATE_GOLDEN";

/// Compares an answer (status, the headers that matter, body) with `tests/golden/answers/<name>`.
pub(crate) fn golden(name: &str, answer: &Answer) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/answers")
        .join(name);
    let actual = masked(answer);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        actual, expected,
        "{name} differs; {UPDATE}=1 writes it anew"
    );
}

/// An answer with what differs from run to run masked.
fn masked(answer: &Answer) -> String {
    let mut text = format!("{}\n", answer.status);
    let mut names: Vec<&str> = answer
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        for value in answer.headers.get_all(name) {
            let value = match name {
                // Whether it is closed depends on how much of the request was read.
                "connection" => continue,
                "date" => "<date>",
                "allow" => "<methods>",
                "content-length" => "<length>",
                _ => value.to_str().unwrap(),
            };
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    text.push('\n');
    let mut body = answer.text();
    let json = answer.json();
    for (member, mask) in [("timestamp", "<timestamp>"), ("trace_id", "<trace id>")] {
        if let Some(value) = json[member].as_str().filter(|value| !value.is_empty()) {
            body = body.replace(value, mask);
        }
    }
    text.push_str(&body);
    text.push('\n');
    text
}
