//! Lines as records, one by one.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::json;

use super::*;

const ID: &str = "01950000-0000-7000-8000-000000000001";

fn text_of(value: Option<AnyValue>) -> String {
    let Some(Any::StringValue(text)) = value.unwrap().value else {
        panic!("no text");
    };
    text
}

fn attributes_of(record: LogRecord) -> Vec<(String, String)> {
    let attributes = record.attributes.into_iter();
    attributes
        .map(|attribute| (attribute.key, text_of(attribute.value)))
        .collect()
}

#[test]
fn a_decision_is_a_record_that_holds_its_line() {
    let line = json!({
        "time": "2026-11-22T10:11:12.000000345Z", "decision_id": ID, "route": "a \"route\" \u{e9}",
        "connector": "\u{1f512}", "decision": "block", "reason": "outbound_block",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7",
        "duration_us": 17,
    });
    let line = line.to_string();
    let record = record(format!("{line}\n").as_bytes());
    assert_eq!(text_of(record.body.clone()), line);
    assert_eq!(record.time_unix_nano, 1_795_342_272_000_000_345);
    assert_eq!(record.observed_time_unix_nano, record.time_unix_nano);
    assert_eq!(record.event_name, "tidegate.decision");
    assert_eq!(
        (record.severity_number(), &*record.severity_text),
        (SeverityNumber::Warn, "WARN")
    );
    assert_eq!(
        record.trace_id,
        0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes()
    );
    assert_eq!(record.span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(record.flags, 1);
    let expected = [
        ("log.record.uid", ID),
        ("tidegate.decision_id", ID),
        ("tidegate.route", "a \"route\" \u{e9}"),
        ("tidegate.decision", "block"),
        ("tidegate.reason", "outbound_block"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(attributes_of(record), expected);
}

#[test]
fn what_was_asked_of_a_policy_is_a_record_of_its_own_name() {
    // A document may hold anything, as deep as it likes.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let line = format!(
        "{{\"time\":\"2026-11-22T10:11:12Z\",\"event\":\"policy_change\",\"request_id\":\"{ID}\",\
         \"outcome\":\"changed\",\"reason\":\"put\",\"before\":null,\
         \"after\":{{\"document\":{{\"decision\":\"block\",\"event\":1,\"deep\":{deep}}}}}}}"
    );
    let record = record(line.as_bytes());
    assert_eq!(record.event_name, "tidegate.policy_change");
    assert_eq!(record.severity_number(), SeverityNumber::Info);
    assert_eq!(
        (record.flags, record.trace_id.len(), record.span_id.len()),
        (0, 0, 0)
    );
    assert_eq!(text_of(record.body.clone()), line);
    let expected = [
        ("log.record.uid", ID),
        ("tidegate.outcome", "changed"),
        ("tidegate.reason", "put"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(attributes_of(record), expected);
}

#[test]
fn severities_follow_decisions_and_outcomes() {
    for (member, word, severity) in [
        ("decision", "allow", SeverityNumber::Info),
        ("decision", "block", SeverityNumber::Warn),
        ("decision", "would_block", SeverityNumber::Warn),
        ("decision", "pass_non_entra", SeverityNumber::Warn),
        ("decision", "error", SeverityNumber::Error),
        ("outcome", "changed", SeverityNumber::Info),
        ("outcome", "unchanged", SeverityNumber::Info),
        ("outcome", "created", SeverityNumber::Info),
        ("outcome", "refused", SeverityNumber::Warn),
        ("outcome", "error", SeverityNumber::Error),
        // What is not known is not waved through.
        ("decision", "something", SeverityNumber::Error),
    ] {
        let line = json!({"time": "2026-11-22T10:11:12Z", member: word});
        let record = record(line.to_string().as_bytes());
        assert_eq!(record.severity_number(), severity, "{word}");
        let text = severity.as_str_name().strip_prefix("SEVERITY_NUMBER_");
        assert_eq!(Some(&*record.severity_text), text);
    }
}

/// It never happens. If it does, the record arrives.
#[test]
fn what_is_not_understood_arrives_all_the_same() {
    for line in [
        &b""[..],
        b"{",
        b"null",
        b"{\"time\":\"yesterday\"}",
        b"\xff\xfe{}",
    ] {
        let record = record(line);
        assert_eq!(text_of(record.body.clone()), String::from_utf8_lossy(line));
        assert_eq!(record.severity_number(), SeverityNumber::Error);
        assert_eq!(attributes_of(record), []);
    }
}
