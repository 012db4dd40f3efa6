//! Where in a reply a token can stand, and replies that cannot be read at all.

use super::replies::{says, unreadable};
use super::*;
use Undetermined::Opaque;
use Untrusted::Malformed;

#[test]
fn a_token_with_escapes_in_it_counts() {
    let token = v2(B);
    let dot = |escape: &str| token.replace('.', escape);
    for body in [
        format!(r#"{{"x":"{{\"t\":\"{}\"}}"}}"#, dot(r"\\u002e")),
        format!(
            r#"{{"x":"[\"{}\"]"}}"#,
            token.replacen("ey", r"\\u0065y", 1)
        ),
        format!(r#"{{"url":"https://x.example/#id={}"}}"#, dot("%2E")),
        format!(r#"{{"html":"<a href='?t={}'>"}}"#, dot("&#46;")),
        format!(r#"{{"html":"<a href='?t={}'>"}}"#, dot("&#x2e;")),
        format!(r#"{{"x":"{}"}}"#, dot("%25252e")),
    ] {
        assert_eq!(read(&body).unwrap().tenants, [tenant(B)], "{body}");
    }
}

#[test]
fn whatever_character_stands_before_a_token_it_counts() {
    for before in [
        "",
        ".",
        " ",
        "+",
        "\u{7f}",
        "\u{e9}",
        "\u{20ac}",
        "\u{1f600}",
    ] {
        let body = format!(r#"{{"x":"{before}{}"}}"#, v2(B));
        assert_eq!(read(&body).unwrap().tenants, [tenant(B)], "{before:?}");
    }
}

#[test]
fn the_shortest_header_there_is_makes_a_token() {
    let token = jwt(r#"{"alg":0}"#, v2_claims(B));
    for text in [token.clone(), format!("token_{token}")] {
        let tokens = read(format!(r#"{{"x":"{text}"}}"#)).unwrap();
        assert!(!tokens.is_empty(), "{text}");
    }
}

/// Lax parsers of base64 take the last byte of a whole quantum too.
#[test]
fn what_starts_like_claims_up_to_its_last_byte_is_no_opaque_token() {
    let claims = br#"{"ab":"#;
    assert_eq!(claims.len() % 3, 0);
    let body = format!(r#"{{"access_token":"1.{}"}}"#, b64(claims));
    assert_eq!(read(&body).unwrap().untrusted, Some(Malformed));
}

/// Where a token is expected a whole one is one: nobody reads its claims as a header, nor its
/// signature as claims.
#[test]
fn what_a_whole_token_is_made_of_is_no_other_token() {
    for pad in ["", "x", "xx", "xxx"] {
        let alg = format!(r#"{{"alg":"none{pad}","#);
        let claims = v2_claims(A).replacen('{', &alg, 1);
        let token = [b64(RS256), b64(claims), b64(v2_claims(B))].join(".");
        let tokens = read(format!(r#"{{"access_token":"{token}"}}"#)).unwrap();
        assert_eq!(
            (tokens.tenants.as_slice(), tokens.untrusted),
            (&[tenant(A)][..], None),
            "{pad}"
        );
    }
}

/// Random bytes that happen to start with a brace and to hold a quote and a colon are no claims.
#[test]
fn an_opaque_token_of_two_parts_is_opaque() {
    let mut bytes = vec![b'{', 0x9f, 0x01];
    bytes.extend_from_slice(b"\":");
    bytes.extend([0xf3; 40]);
    let refresh = format!("1.{}", b64(bytes));
    let body = format!(
        r#"{{"access_token":"{}","refresh_token":"{refresh}"}}"#,
        v2(A)
    );
    let tokens = read(&body).unwrap();
    assert_eq!(
        (tokens.tenants.as_slice(), tokens.untrusted),
        (&[tenant(A)][..], None)
    );
}

#[test]
fn a_token_anywhere_counts() {
    let token = v2(B);
    for body in [
        format!(r#"{{"unknown":"{token}"}}"#),
        format!(r#"{{"data":{{"authed_user":{{"access_token":"{token}"}}}}}}"#),
        format!(r#"{{"tokens":[[1,["{token}"]]]}}"#),
        format!(r#"{{"{token}":1}}"#),
        format!(r#"{{"x":{{"a {token}":null}}}}"#),
        format!(r#"{{"url":"https://app.example/cb#access_token={token}&state=1"}}"#),
        format!(r#"{{"url":"https://x.example/?u=https%3A%2F%2Fapp%23id_token%3D{token}%26x"}}"#),
        format!(r#"{{"claims":"{{\"id_token\":\"{token}\"}}"}}"#),
        format!(r#"{{"claims":"{{\"x\":\"\\n{token}\"}}"}}"#),
        format!(r#"{{"html":"<input value='{token}'>"}}"#),
        format!(r#"{{"x":"Bearer {token}"}}"#),
        format!(r#"{{"x":"a.b.{token}.c.d"}}"#),
        format!(r#"{{"x":"prefix_{token}"}}"#),
        format!(r#"{{"x":"{}.{token}"}}"#, b64(RS256)),
        format!(r#"{{"x":"{token},{token}"}}"#),
        format!(
            r#"{{"x":"see {}"}}"#,
            jwt(r#" { "alg": "RS256" }"#, v2_claims(B))
        ),
        format!(r#"{{"x":"(v1:{token})."}}"#),
        format!(r#"{{"access_token":"","x":"{token}"}}"#),
        format!(r#"{{"access_token":null,"x":"{token}"}}"#),
        format!(r#"{{"access_token":"<p>{token}</p>"}}"#),
        format!(
            r#"{{"x":"{}.{}."}}"#,
            b64(r#"{"alg":"none"}"#),
            b64(v2_claims(B))
        ),
    ] {
        let tokens = read(&body).unwrap();
        assert_eq!(tokens.tenants, [tenant(B)], "{body}");
        assert!(!matches!(
            SignIn::of(&tokens, Outcome::Failure, Provider::Entra),
            SignIn::NoToken
        ));
    }
}

#[test]
fn an_encrypted_token_anywhere_counts() {
    for text in [jwe(), format!("see {}!", jwe()), format!("{}.more", jwe())] {
        let tokens = read(format!(r#"{{"x":"{text}"}}"#)).unwrap();
        assert_eq!(tokens.not_entra, Some(NotEntra::Encrypted), "{text}");
        assert!(!tokens.in_token_field);
    }
}

#[test]
fn other_texts_count_too() {
    let location = format!("https://app.example/#id_token={}&state=x", v2(B));
    let tokens = inspect(b"{}", [location.as_str()], &issuers()).unwrap();
    assert_eq!(Says::of(&tokens), Says::tenant(B));
    let html = format!(
        "<input type=\"hidden\" name=\"id_token\" value=\"{}\">",
        v2(B)
    );
    let tokens = super::super::reply::inspect_text(&html, &issuers());
    assert_eq!(tokens.tenants, [tenant(B)]);
}

#[test]
fn a_token_field_that_holds_no_text_is_suspect() {
    let malformed = Says::untrusted(Malformed, &[]);
    for field in ["access_token", "id_token", "refresh_token", "Access_Token"] {
        for value in [
            "1",
            "-1",
            "0.5",
            "true",
            "false",
            "[]",
            "{}",
            r#"["x"]"#,
            r#"{"a":1}"#,
        ] {
            says(value, format!(r#"{{"{field}":{value}}}"#), &malformed);
        }
        let inner = format!(r#"{{"{field}":["{}"]}}"#, v2(B));
        says("in a list", inner, &Says::untrusted(Malformed, &[B]));
        says("null", format!(r#"{{"{field}":null}}"#), &Says::nothing());
        says("empty", format!(r#"{{"{field}":""}}"#), &Says::nothing());
        says(
            "a twin",
            format!(r#"{{"{field}":"{}"}}"#, v2(B)),
            &Says::tenant(B),
        );
        says(
            "opaque",
            format!(r#"{{"{field}":"x"}}"#),
            &Says::not_entra(Opaque),
        );
    }
}

#[test]
fn a_token_that_is_not_believed_outweighs_one_that_is() {
    let hs256 = jwt(r#"{"alg":"HS256"}"#, v2_claims(B));
    let body = format!(r#"{{"access_token":"{}","id_token":"{hs256}"}}"#, v2(A));
    says("HS256", body, &Says::untrusted(Untrusted::Algorithm, &[A]));
    let body = format!(r#"{{"id_token":"{}","access_token":" {}"}}"#, v2(A), v2(B));
    says(
        "a leading space",
        body,
        &Says::untrusted(Malformed, &[A, B]),
    );
}

#[test]
fn other_texts_than_json_and_forms_cannot_be_read() {
    for body in [
        "<!DOCTYPE html><html><body>Service Unavailable</body></html>",
        "<html>access_token=x</html>",
        "Service Unavailable",
        "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        "[]",
        r#"["access_token"]"#,
        r#"[{"access_token":"x"}]"#,
        r#""access_token=x""#,
        "5",
        "true",
        "null",
        ")]}'\n{\"access_token\":\"x\"}",
        "/**/{\"access_token\":\"x\"}",
        "\u{b}{\"access_token\":\"x\"}",
        "\0",
        "access_token",
    ] {
        unreadable(body, body, Unreadable::NeitherJsonNorForm);
    }
    for body in [
        r#"{"access_token":"x"} {}"#,
        r#"{"access_token":"x"}access_token=y"#,
        r#"{"access_token":"x",}"#,
        r#"{"access_token":"x""#,
        "{'access_token':'x'}",
        "{access_token:'x'}",
        "{\"n\":NaN}",
        "{\"n\":01}",
        "{\"n\":1e999}",
        "{\"a\":1}\0",
        "{",
        "{}}",
    ] {
        unreadable(body, body, Unreadable::Json);
    }
}

#[test]
fn depth_bombs_are_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let bomb =
            |depth: usize| format!("{{\"x\":{}1{}}}", open.repeat(depth), close.repeat(depth));
        says("shallow", bomb(50), &Says::nothing());
        unreadable("deep", bomb(10_000), Unreadable::Json);
        unreadable(
            "deep and cut off",
            format!("{{\"x\":{}", open.repeat(10_000)),
            Unreadable::Json,
        );
    }
    let claims = format!(
        r#"{{"x":{}1{},{}"#,
        "[".repeat(10_000),
        "]".repeat(10_000),
        &v2_claims(B)[1..]
    );
    says(
        "in claims",
        format!(r#"{{"access_token":"{}"}}"#, jwt(RS256, claims)),
        &Says::tenant(B),
    );
    let header = format!(r#"{{"alg":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let body = format!(r#"{{"access_token":"{}"}}"#, jwt(&header, v2_claims(B)));
    says(
        "in a header",
        body,
        &Says::untrusted(Untrusted::Algorithm, &[]),
    );
}

#[test]
fn kinds_for_records() {
    for (body, kind) in [
        (format!(r#"{{"access_token":"{}"}}"#, v2(A)), "entra"),
        (format!(r#"{{"access_token":"{}"}}"#, ado(A)), "foreign"),
        (format!(r#"{{"access_token":"{}"}}"#, jwe()), "encrypted"),
        (format!(r#"{{"access_token":"{OPAQUE}"}}"#), "opaque"),
        (r#"{"access_token":"<a/>"}"#.to_owned(), "saml"),
        (r#"{"access_token":7}"#.to_owned(), "untrusted"),
        ("{}".to_owned(), "none"),
    ] {
        let tokens = read(&body).unwrap();
        assert_eq!(tokens.kind(), kind, "{body}");
        assert_eq!(tokens.is_empty(), kind == "none", "{body}");
    }
}

/// Found by fuzzing: what stands in place of a signature is no signature, and may hold a token that
/// is written in escapes.
#[test]
fn a_token_behind_a_token_is_found() {
    let percent: String = v2(B).bytes().map(|byte| format!("%{byte:02x}")).collect();
    let json: String = v2(B).bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let expected = Says::undetermined(Undetermined::Disagreement, &[A, B]);
    for hidden in [percent, json] {
        for field in ["access_token", "id_token", "x"] {
            let value = format!("{}={hidden}", v2(A));
            let body = serde_json::json!({ field: value }).to_string();
            assert_eq!(Says::of(&read(&body).unwrap()), expected, "{body}");
        }
    }
}

/// What counts in a page, a cookie or a redirect: Entra's tokens, what claims to be one, and what
/// stands where tokens stand; not a token of somebody else's own.
#[test]
fn what_is_about_sign_in() {
    let b = v2(B);
    let doubtful = format!("{}.{}", b64(RS256), b64(v2_claims(B)));
    let table = [
        ("nothing".to_owned(), false),
        (format!("state={}", ado(B)), false),
        (jwe(), false),
        (format!("see {b}"), true),
        (format!("see {doubtful}"), true),
        (format!("#access_token={OPAQUE}"), true),
        (format!("#id_token={}", ado(B)), true),
    ];
    for (text, expected) in table {
        let tokens = super::super::reply::inspect_text(&text, &issuers());
        assert_eq!(tokens.are_about_sign_in(), expected, "{text}: {tokens:?}");
    }
}

/// A page is read as UTF-8 and, where there are NULs, without them too: UTF-16 hides nothing.
#[test]
fn a_page_is_read_in_every_way() {
    fn texts(body: &[u8]) -> Vec<std::borrow::Cow<'_, str>> {
        super::super::reply::texts(body).collect()
    }
    assert_eq!(texts(b"<a>"), ["<a>"]);
    assert_eq!(texts(b"a\0b\0"), ["a\0b\0", "ab"]);
    assert_eq!(texts(b"\xff"), ["\u{fffd}"]);
    assert_eq!(texts(b""), [""]);
}
