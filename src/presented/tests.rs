//! What a request presents: media types, and every place.

use http::{HeaderValue, Request};

use super::*;
use crate::core::token::presented::Pointer;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn source(place: Place) -> SignInSource {
    SignInSource {
        place,
        audience: vec!["app".to_owned()],
    }
}

fn header(name: &'static str) -> SignInSource {
    source(Place::Header(HeaderName::from_static(name)))
}

fn form() -> SignInSource {
    source(Place::Form("id_token".to_owned()))
}

fn json() -> SignInSource {
    source(Place::Json(Pointer::parse("/token").unwrap()))
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn the_media_type_tells_how_a_body_is_read() {
    use Reading::{Form, Json};
    let both = [json(), form()];
    for (value, expected) in [
        (JSON, Some(Json)),
        ("Application/JSON; Charset=UTF-8", Some(Json)),
        (
            "application/json;charset=\"utf-8\"; odata=minimal",
            Some(Json),
        ),
        ("application/vnd.api+json", Some(Json)),
        (FORM, Some(Form)),
        (
            "application/x-www-form-urlencoded; charset=utf-8",
            Some(Form),
        ),
        ("", None),
        ("text/json", None),
        ("text/plain", None),
        ("application/jsonp", None),
        ("application/json, text/plain", None),
        ("application/json; charset=utf-16", None),
        ("application/json; charset=utf-8; charset=utf-7", None),
        ("application/json; charset", None),
        ("application/x-www-form-urlencoded; charset=ibm037", None),
        ("multipart/form-data; boundary=x", None),
        ("application/json\u{e9}", None),
    ] {
        let found = Reading::of(&both, &headers(&[("content-type", value)]), false);
        assert_eq!(found, expected.ok_or(Refusal::MediaType), "{value}");
    }
    let twice = headers(&[("content-type", JSON), ("content-type", JSON)]);
    assert_eq!(Reading::of(&both, &twice, false), Err(Refusal::MediaType));
    let coded = headers(&[("content-type", JSON), ("content-encoding", "identity")]);
    assert_eq!(Reading::of(&both, &coded, false), Err(Refusal::MediaType));
}

#[test]
fn only_a_body_with_a_place_in_it_needs_a_media_type() {
    use Reading::{Form, Json, Unread};
    let of = |sources: &[SignInSource], value: &str, empty| {
        let value: &[_] = &[("content-type", value)];
        let headers = headers(if value[0].1.is_empty() { &[] } else { value });
        Reading::of(sources, &headers, empty)
    };
    let refused = Err(Refusal::MediaType);
    assert_eq!(of(&[], "text/plain", false), Ok(Unread));
    assert_eq!(of(&[header("x-token")], "text/plain", false), Ok(Unread));
    assert_eq!(of(&[json()], JSON, false), Ok(Json));
    assert_eq!(of(&[json()], FORM, false), refused);
    assert_eq!(of(&[form()], FORM, false), Ok(Form));
    assert_eq!(of(&[form()], JSON, false), refused);
    assert_eq!(of(&[json()], "", false), refused);
    assert_eq!(of(&[json()], "", true), Ok(Unread));
    assert_eq!(of(&[json()], "text/plain", true), refused);
}

/// The tokens that these sources find.
fn found(
    sources: &[SignInSource],
    uri: &str,
    pairs: &[(&'static str, &str)],
    reading: Reading,
    body: &str,
) -> Result<Vec<String>, Refusal> {
    let (mut head, ()) = Request::builder().uri(uri).body(()).unwrap().into_parts();
    head.headers = headers(pairs);
    let tokens = tokens(sources, &head, reading, body.as_bytes())?;
    Ok(tokens
        .into_iter()
        .map(|token| token.text.into_owned())
        .collect())
}

#[test]
fn every_place_that_is_present_is_read() {
    let sources = [header("authorization"), header("x-token"), form(), json()];
    let in_headers = [("authorization", "Bearer a"), ("x-token", "b")];
    let read = |pairs: &[_], reading, body| found(&sources, "/p?q=1", pairs, reading, body);
    let texts = |texts: &[&str]| Ok(texts.iter().map(|&text| text.to_owned()).collect());
    assert_eq!(read(&[], Reading::Unread, ""), texts(&[]));
    assert_eq!(read(&in_headers, Reading::Unread, "?"), texts(&["a", "b"]));
    assert_eq!(
        read(&in_headers, Reading::Form, "id_token=c"),
        texts(&["a", "b", "c"])
    );
    assert_eq!(
        read(&in_headers, Reading::Json, r#"{"token":"d"}"#),
        texts(&["a", "b", "d"])
    );
    assert_eq!(read(&[], Reading::Form, "code=c"), texts(&[]));
    assert_eq!(read(&[], Reading::Json, "{}"), texts(&[]));
}

/// A target, headers, how the body is read, the body, and the refusal that follows.
type Row<'a> = (
    &'a str,
    &'a [(&'static str, &'a str)],
    Reading,
    &'a str,
    Refusal,
);

#[test]
fn a_place_that_holds_no_token_is_refused() {
    let sources = [header("authorization"), header("x-token"), form(), json()];
    let (form, json, unread) = (Reading::Form, Reading::Json, Reading::Unread);
    let table: [Row<'_>; 16] = [
        (
            "/p",
            &[("x-token", "")],
            unread,
            "",
            Refusal::SignInMalformed,
        ),
        (
            "/p",
            &[("x-token", "a b")],
            unread,
            "",
            Refusal::SignInMalformed,
        ),
        (
            "/p",
            &[("x-token", "a,b")],
            unread,
            "",
            Refusal::SignInMalformed,
        ),
        (
            "/p",
            &[("x-token", "\u{e9}")],
            unread,
            "",
            Refusal::SignInMalformed,
        ),
        (
            "/p",
            &[("x-token", "a"), ("x-token", "a")],
            unread,
            "",
            Refusal::SignInMalformed,
        ),
        (
            "/p",
            &[("authorization", "Bearer  a")],
            unread,
            "",
            Refusal::SignInMalformed,
        ),
        ("/p", &[], form, "id_token=", Refusal::SignInMalformed),
        (
            "/p",
            &[],
            form,
            "id_token=a&id_token=a",
            Refusal::SignInMalformed,
        ),
        ("/p", &[], form, "ID_TOKEN=a", Refusal::SignInMalformed),
        ("/p", &[], form, "id_token=a&b=%", Refusal::Form),
        (
            "/p?id_token=b",
            &[],
            form,
            "id_token=a",
            Refusal::SignInMalformed,
        ),
        (
            "/p?ID%5FTOKEN=b",
            &[],
            json,
            r#"{"token":"a"}"#,
            Refusal::SignInMalformed,
        ),
        ("/p", &[], json, r#"{"token":""}"#, Refusal::SignInMalformed),
        ("/p", &[], json, r#"{"token":1}"#, Refusal::SignInMalformed),
        (
            "/p",
            &[],
            json,
            r#"{"Token":"a"}"#,
            Refusal::SignInMalformed,
        ),
        (
            "/p",
            &[],
            json,
            r#"{"token":"a","token":"a"}"#,
            Refusal::JsonBody,
        ),
    ];
    for (uri, pairs, reading, body, expected) in table {
        let refused = found(&sources, uri, pairs, reading, body);
        assert_eq!(refused, Err(expected), "{uri} {pairs:?} {body}");
    }
}

#[test]
fn a_query_is_searched_in_any_spelling() {
    let named = |uri: &str| {
        let (head, ()) = Request::builder().uri(uri).body(()).unwrap().into_parts();
        in_query(&head, "access_token")
    };
    assert!(named("/p?access_token=a"));
    assert!(named("/p?a=1&Access%5Ftoken=b"));
    assert!(!named("/p?a=access_token"));
    assert!(!named("/p"));
}

#[test]
fn a_token_of_another_scheme_is_not_passed_over() {
    let sources = [source(Place::Header(http::header::AUTHORIZATION)), json()];
    for scheme in ["Basic", "DPoP", "Token", "JWT", "PoP", "MSAuth1.0"] {
        let (head, ()) = Request::builder()
            .header("authorization", format!("{scheme} a.b.c"))
            .header("content-type", JSON)
            .body(())
            .unwrap()
            .into_parts();
        let found = tokens(&sources, &head, Reading::Json, br#"{"token":"d.e.f"}"#);
        assert_eq!(found.err(), Some(Refusal::SignInMalformed), "{scheme}");
    }
}

/// Django, for one, reads the whole body as UTF-7 then, and finds other members in it.
#[test]
fn a_text_encoding_spelled_otherwise_is_refused() {
    for parameter in [
        "charset*=utf-8''utf-7",
        "charset*0=utf-7",
        "charset*0*=utf-8''utf-7",
        "x=1 charset=utf-7",
        "xcharset=utf-16",
        "\"charset\"=utf-7",
        "charset",
        "charset=",
        "charset =utf-7",
        "charset=\"utf-7",
        "charset=utf-8 charset=utf-7",
        "x=\"a",
        "=utf-7",
        "",
    ] {
        for (media_type, source) in [
            ("application/x-www-form-urlencoded", form()),
            (JSON, json()),
        ] {
            let value = format!("{media_type}; {parameter}");
            let headers = headers(&[("content-type", &value)]);
            let found = Reading::of(&[source], &headers, false);
            assert_eq!(found, Err(Refusal::MediaType), "{value}");
        }
    }
    for parameter in [
        "odata.metadata=minimal",
        "charset=UTF-8",
        "charset=\"utf-8\"; v=2",
    ] {
        let value = format!("{JSON};{parameter}");
        let found = Reading::of(&[json()], &headers(&[("content-type", &value)]), false);
        assert_eq!(found, Ok(Reading::Json), "{value}");
    }
}
