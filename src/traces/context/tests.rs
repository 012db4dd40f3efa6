//! What is a sound context, in the order of the rules.

use super::*;

const TRACE: &str = "12345678901234567890123456789012";
const SPAN: &str = "1234567890123456";

fn headers(values: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn read(text: impl AsRef<[u8]>) -> Option<Parent> {
    parent(&headers(&[("traceparent", text.as_ref())]))
}

#[test]
fn a_sound_parent_is_read() {
    for (text, sampled) in [
        (format!("00-{TRACE}-{SPAN}-00"), false),
        (format!("00-{TRACE}-{SPAN}-01"), true),
        // Flags that are not known are not read.
        (format!("00-{TRACE}-{SPAN}-02"), false),
        (format!("00-{TRACE}-{SPAN}-03"), true),
        (format!("00-{TRACE}-{SPAN}-fe"), false),
        (format!("00-{TRACE}-{SPAN}-ff"), true),
        // Of a later version, what is known of it.
        (format!("01-{TRACE}-{SPAN}-01"), true),
        (format!("cc-{TRACE}-{SPAN}-01"), true),
        (
            format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            true,
        ),
        (format!("fe-{TRACE}-{SPAN}-00-"), false),
        // White space around a header's value is not of it.
        (format!(" 00-{TRACE}-{SPAN}-01\t"), true),
    ] {
        let parent = read(&text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(parent.trace.to_string(), TRACE);
        assert_eq!(parent.span.to_string(), SPAN);
        assert_eq!(parent.sampled, sampled, "{text}");
    }
}

#[test]
fn anything_else_is_none() {
    let zeros = "0".repeat(32);
    for text in [
        String::new(),
        "00".to_owned(),
        format!("00-{TRACE}"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-"),
        format!("00-{TRACE}-{SPAN}-0"),
        format!("00-{TRACE}-{SPAN}-.0"),
        format!("00-{TRACE}-{SPAN}-0."),
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{TRACE}-{SPAN}-01."),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
        format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!(".0-{TRACE}-{SPAN}-01"),
        format!("-{TRACE}-{SPAN}-01"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-{}-01", &zeros[..16]),
        format!("00-.{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}0-{SPAN}-01"),
        format!("00-{TRACE}-{}-01", &SPAN[1..]),
        format!("00-{TRACE}-{SPAN}0-01"),
        format!("00-{TRACE}-.{}-01", &SPAN[1..]),
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00-{}-{SPAN}-01", TRACE.replace('1', "A")),
        format!("00-{TRACE}-{}-01", SPAN.replace('1', "A")),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("0A-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        format!("\"00-{TRACE}-{SPAN}-01\""),
        "0".repeat(30_000),
        "-".repeat(30_000),
    ] {
        assert_eq!(read(&text), None, "{text}");
    }
    assert_eq!(read(b"00-\xff\xfe-\x80-01"), None);
    // Two, even if they are the same.
    let text = format!("00-{TRACE}-{SPAN}-01");
    let twice = [
        ("traceparent", text.as_bytes()),
        ("traceparent", text.as_bytes()),
    ];
    assert_eq!(parent(&headers(&twice)), None);
    assert_eq!(parent(&headers(&[])), None);
}

#[test]
fn a_state_travels_whole_or_not_at_all() {
    let longest = format!("{}={}", "a".repeat(256), "b".repeat(256));
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("k{n}=v")).collect();
        members.join(",")
    };
    let table: [(&[&str], bool); 19] = [
        (&[], true),
        (&[""], true),
        (&["foo=1"], true),
        (&["foo=1", "bar=2"], true),
        (&["foo=1 \t , \t bar=2, ,"], true),
        (&["t61rcwkgmze@vendor=a:b;c/d e"], true),
        (&["foo="], true),
        (&[&longest], true),
        (&[&members(32)], true),
        (&[&members(33)], false),
        (&[&members(20), &members(13)], false),
        (&["foo"], false),
        (&["=1"], false),
        (&["foo==1"], false),
        (&["FOO=1"], false),
        (&["foo =1"], false),
        (&["foo=1=2"], false),
        (&["foo=1\tbar"], false),
        (&["foo=\u{e9}"], false),
    ];
    for (values, travels) in table {
        let values: Vec<_> = values
            .iter()
            .map(|value| ("tracestate", value.as_bytes()))
            .collect();
        assert_eq!(has_sound_state(&headers(&values)), travels, "{values:?}");
    }
}

#[test]
fn a_named_parent_is_read_again() {
    let named = read(format!("cc-{TRACE}-{SPAN}-01-more")).unwrap();
    for state in [true, false] {
        let mut sent = headers(&[
            ("traceparent", b"one"),
            ("traceparent", b"two"),
            ("tracestate", b"foo=1"),
            ("tracestate", b"bar=2"),
        ]);
        name_parent(&mut sent, named, state);
        assert_eq!(parent(&sent), Some(named));
        let kept = sent.get_all("tracestate").iter().count();
        assert_eq!(kept, if state { 2 } else { 0 });
    }
}
