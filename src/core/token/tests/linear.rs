//! Inspection costs what the reply is long: no text, however made, is read over and over.
//!
//! Counted, not timed: the bytes handed over as tokens are bounded by the bytes of the text. The
//! texts are long enough for anything quadratic not to end.

use super::super::jwt::find_within;
use super::*;

const MEBIBYTE: usize = 1 << 20;

fn filled(piece: &str) -> String {
    piece.repeat(MEBIBYTE / piece.len())
}

/// How many tokens are found in a text, and how many bytes they have together.
fn handed_over(text: &str) -> (usize, usize) {
    let (mut tokens, mut bytes) = (0, 0);
    find_within(text, |token, _| {
        tokens += 1;
        bytes += token.len();
    });
    (tokens, bytes)
}

#[test]
fn a_mebibyte_of_anything_is_read_in_proportion() {
    let head = b64(r#"{"alg":"none"}"#);
    let sealed_head = b64(r#"{"alg":"dir","enc":"x"}"#);
    let tiny = format!("{head}.e30.");
    for (piece, tokens_at_most) in [
        ("e.e.e.e.".to_owned(), 0),
        (".".to_owned(), 0),
        ("e".to_owned(), 0),
        ("eyJ".to_owned(), 0),
        ("eyJ.".to_owned(), 0),
        ("eyJhbGciOi.".to_owned(), 0),
        ("access_token=".to_owned(), 0),
        ("id_token=x".to_owned(), 0),
        (format!("{tiny} "), MEBIBYTE / tiny.len()),
        (tiny.clone(), MEBIBYTE / tiny.len()),
        (format!("{head}."), MEBIBYTE / head.len()),
        (format!("{sealed_head}."), MEBIBYTE / sealed_head.len()),
        (head.clone(), 0),
    ] {
        let text = filled(&piece);
        let (tokens, bytes) = handed_over(&text);
        assert!(tokens <= tokens_at_most, "{tokens} tokens in {piece}");
        assert!(bytes <= 5 * text.len(), "{bytes} bytes in {piece}");
        read(format!(r#"{{"access_token":"{text}"}}"#)).unwrap();
    }
}

#[test]
fn a_mebibyte_of_members_is_read_in_proportion() {
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("\"{n}\":{n}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let body = members(60_000);
    read(&body).unwrap();
    let tokens = read(format!(r#"{{"access_token":"{}"}}"#, jwt(RS256, &body))).unwrap();
    assert_eq!(tokens.not_entra, Some(NotEntra::ForeignIssuer));
    let tokens = read(format!(
        r#"{{"access_token":"{}"}}"#,
        jwt(&body, v2_claims(B))
    ))
    .unwrap();
    assert_eq!(tokens.untrusted, Some(Untrusted::Malformed));
    let form: Vec<String> = (0..60_000).map(|n| format!("{n}={n}")).collect();
    read(form.join("&")).unwrap();
    let list = vec![format!("\"{}\"", v2(A)); 1_000].join(",");
    let tokens = read(format!(r#"{{"x":[{list}]}}"#)).unwrap();
    assert_eq!(tokens.tenants, [tenant(A)]);
}

/// A token in a token's payload, over and over: each level is a third shorter, and read once.
#[test]
fn tokens_within_tokens_are_read_in_proportion() {
    for (segments, after) in [(2, ""), (3, ".x"), (4, ".x.y"), (5, ".x.y.z")] {
        let mut token = v2(B);
        while token.len() < MEBIBYTE / 2 {
            token = format!("{}.{}{after}", b64(RS256), b64(token));
        }
        let tokens = read(format!(r#"{{"access_token":"{token}"}}"#)).unwrap();
        assert_eq!(
            tokens.untrusted,
            Some(Untrusted::Malformed),
            "{segments} segments"
        );
    }
}
