//! What stands under a pointer: a table, and what serde_json finds there.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn at(pointer: &str, body: &str) -> Result<Option<String>, Misread> {
    let pointer = Pointer::parse(pointer).unwrap();
    text_at(body.as_bytes(), &pointer).map(|text| text.map(Cow::into_owned))
}

#[test]
fn a_text_is_found_where_the_pointer_points() {
    let table = [
        ("/token", r#"{"token":"t"}"#, Some("t")),
        (
            "/token",
            " {\"a\":[1,{}],\n\"token\":\"t\"} \r\n",
            Some("t"),
        ),
        ("/token", r#"{"\u0074oken":"a\u002eb"}"#, Some("a.b")),
        ("/token", r#"{"token":""}"#, Some("")),
        ("/p/token", r#"{"p":{"token":"t"},"token":1}"#, Some("t")),
        ("/p/0/token", r#"{"p":[{"token":"t"}]}"#, Some("t")),
        ("/p/1", r#"{"p":["a","b"]}"#, Some("b")),
        ("/p/0", r#"{"p":{"0":"zero"}}"#, Some("zero")),
        ("/a~1b/m~0n", r#"{"a/b":{"m~n":"t"}}"#, Some("t")),
        ("/", r#"{"":"t"}"#, Some("t")),
        ("/p/01", r#"{"p":["a","b"]}"#, None),
        ("/p/-", r#"{"p":["a","b"]}"#, None),
        ("/p/2", r#"{"p":["a","b"]}"#, None),
        ("/p/token", r#"{"p":"token"}"#, None),
        ("/p/token", r#"{"p":null}"#, None),
        ("/token", r#"{"p":{"token":"t","Token2":1}}"#, None),
        ("/token", "{}", None),
    ];
    for (pointer, body, expected) in table {
        assert_eq!(at(pointer, body), Ok(expected.map(str::to_owned)), "{body}");
    }
}

#[test]
fn a_place_that_holds_no_text_or_is_respelled_is_an_error() {
    for body in [
        r#"{"p":{"token":null}}"#,
        r#"{"p":{"token":true}}"#,
        r#"{"p":{"token":-1}}"#,
        r#"{"p":{"token":1}}"#,
        r#"{"p":{"token":1.5}}"#,
        r#"{"p":{"token":["t"]}}"#,
        r#"{"p":{"token":{"t":"t"}}}"#,
        r#"{"p":{"Token":"t"}}"#,
        r#"{"P":{"token":"t"}}"#,
        r#"{"P":1}"#,
        r#"{"p":{"to\u212aen":"t"}}"#,
        "{\"p\":{\"to\u{212a}en\":\"t\"}}",
    ] {
        assert_eq!(at("/p/token", body), Err(Misread::Place), "{body}");
    }
}

#[test]
fn a_body_that_two_parsers_read_differently_is_an_error() {
    for body in [
        "",
        " ",
        "null",
        "[]",
        r#"["t"]"#,
        r#"[{"token":"t"}]"#,
        r#""token""#,
        "token=t",
        r#"{"token":"t"#,
        r#"{"token":"t"}}"#,
        r#"{"token":"t"} {"token":"u"}"#,
        r#"{"token":"t"}x"#,
        "\u{feff}{\"token\":\"t\"}",
        r#"{"token":"t",}"#,
        r#"{"token":"t"/**/}"#,
        r#"{'token':'t'}"#,
        r#"{"token":"t","token":"t"}"#,
        r#"{"token":"t","token":"u"}"#,
        r#"{"token":"t","\u0074oken":"u"}"#,
        r#"{"token":"t","Token":"u"}"#,
        r#"{"Token":"u","token":"t"}"#,
        r#"{"token":"t","other":1,"Other":2}"#,
        r#"{"token":"t","deep":[{"a":{"b":1,"B":2}}]}"#,
        r#"{"token":"t","s":"\ud800"}"#,
        r#"{"token":"\ud800"}"#,
        r#"{"token":"t","n":1e999}"#,
        r#"{"token":"t","n":01}"#,
    ] {
        assert_eq!(at("/token", body), Err(Misread::Body), "{body}");
    }
    let pointer = Pointer::parse("/token").unwrap();
    for body in [&b"{\"token\":\"\xff\"}"[..], b"{\0\"\0t\0"] {
        assert_eq!(text_at(body, &pointer), Err(Misread::Body));
    }
    let deep = format!(
        r#"{{"token":"t","d":{}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    assert_eq!(at("/token", &deep), Err(Misread::Body));
}

/// Any JSON, with names that often meet.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ab.\"\\\\é]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abA0~/]{0,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_found_is_what_serde_json_finds(
        body in json(),
        pointer in "(/[abA01]{0,2}){1,3}",
    ) {
        let text = body.to_string();
        let found = text_at(text.as_bytes(), &Pointer::parse(&pointer).unwrap());
        let theirs = body.pointer(&pointer);
        match found {
            Ok(Some(found)) => prop_assert_eq!(theirs.and_then(Value::as_str), Some(&*found)),
            Ok(None) => prop_assert_eq!(theirs, None),
            Err(Misread::Place) => prop_assert!(theirs.is_none_or(|value| !value.is_string())),
            Err(Misread::Body) => {}
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let pointer = Pointer::parse("/a/0").unwrap();
        let _ = text_at(&body, &pointer);
    }

    #[test]
    fn nothing_like_json_makes_it_panic(body in "[{}\\[\\]\",:a0\\\\u ]{0,40}") {
        let pointer = Pointer::parse("/a/0").unwrap();
        if let Ok(found) = text_at(body.as_bytes(), &pointer) {
            let theirs: Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(theirs.pointer("/a/0").and_then(Value::as_str), found.as_deref());
        }
    }
}
