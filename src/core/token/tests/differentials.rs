//! What a real client could read differently from us: each case names the client.

use super::*;
use Undetermined::{Disagreement, NoToken, Opaque};
use Untrusted::Malformed;

/// A reply whose documented fields say tenant A, with something more beside them.
fn beside_a(more: &str) -> String {
    format!(
        r#"{{"access_token":"{}","id_token":"{}",{more}}}"#,
        v2(A),
        v2(A)
    )
}

/// Go's `encoding/json` folds names as Unicode does: U+017F is an `s`, U+212A is a `k`. Java's
/// and others' fold U+0130 and U+0131 to an `i`.
#[test]
fn names_are_folded_as_clients_fold_them() {
    for name in [
        r"acce\u017fs_token",
        r"access_to\u212aen",
        "acce\u{17f}\u{17f}_to\u{212a}en",
    ] {
        let twin = beside_a(&format!(r#""{name}":"{OPAQUE}""#));
        assert_eq!(read(twin), Err(Unreadable::Json), "{name}");
        let tokens = read(format!(r#"{{"error":"x","{name}":"{OPAQUE}"}}"#)).unwrap();
        assert_eq!(Says::of(&tokens), Says::not_entra(Opaque), "{name}");
    }
    for name in ["\u{131}d_token", "\u{130}D_TOKEN", r"\u0131d_to\u212aen"] {
        let tokens = read(format!(r#"{{"error":"x","{name}":7}}"#)).unwrap();
        assert_eq!(Says::of(&tokens), Says::untrusted(Malformed, &[]), "{name}");
    }
    let tokens = read(format!(r#"{{"acce\u017fs_token":"{}"}}"#, v2(B))).unwrap();
    assert_eq!(Says::of(&tokens), Says::tenant(B));
}

/// Every MSAL takes the second segment of an `id_token` for its claims and never reads the
/// header.
#[test]
fn an_id_token_with_an_unreadable_header() {
    let claims = b64(v2_claims(B));
    for id in [
        format!("x.{claims}.x"),
        format!("x.{claims}"),
        format!(".{claims}."),
        format!("{}.{claims}.x", b64(r#"{"typ":"JWT"}"#)),
        format!("{}.{claims}.x", b64("\u{feff}{\"alg\":\"none\"}")),
        format!("{}.{claims}.x.y", b64(RS256)),
    ] {
        let body = format!(r#"{{"access_token":"{}","id_token":"{id}"}}"#, v2(A));
        let tokens = read(body).unwrap();
        assert_eq!(tokens.untrusted, Some(Malformed), "{id}");
    }
}

/// Python's decoder drops what is not base64 (`urlsafe_b64decode` does not validate), Go's and
/// Java's lenient ones take padding and loose bits.
#[test]
fn an_id_token_in_a_spelling_that_only_some_read() {
    let (head, claims) = (b64(RS256), b64(v2_claims(B)));
    for id in [
        format!("{head}.{}%{}.x", &claims[..9], &claims[9..]),
        format!("{head}.{}\\u0000{}.x", &claims[..9], &claims[9..]),
        format!("{head}.\u{2028}{claims}.x"),
        format!("{head}.{claims}=.x"),
        format!("{head}%2E{claims}.{claims}.x"),
    ] {
        let body = format!(r#"{{"access_token":"{}","id_token":"{id}"}}"#, v2(A));
        let tokens = read(body).unwrap();
        assert_eq!(tokens.untrusted, Some(Malformed), "{id}");
    }
}

/// A JWS verifier ignores a JWE's header member; the number of segments tells them apart.
#[test]
fn an_id_token_that_claims_to_be_encrypted() {
    let id = jwt(r#"{"alg":"RS256","enc":"A256GCM"}"#, v2_claims(B));
    let body = format!(r#"{{"access_token":"{}","id_token":"{id}"}}"#, v2(A));
    assert_eq!(
        Says::of(&read(body).unwrap()),
        Says::undetermined(Disagreement, &[A, B])
    );
}

/// A parser that takes JSON serialisation of JWS (jose4j, panva/jose) reads a token in it.
#[test]
fn a_token_in_json_serialisation() {
    let (head, claims) = (b64(RS256), b64(v2_claims(B)));
    let flat = format!(r#"{{"protected":"{head}","payload":"{claims}","signature":"x"}}"#);
    let general = format!(r#" {{"payload":"{claims}","signatures":[{{"protected":"{head}"}}]}}"#);
    for token in [&flat, &general] {
        let object = read(beside_a(&format!(r#""refresh_token":{token}"#))).unwrap();
        assert_eq!(object.untrusted, Some(Malformed), "{token}");
        let text = token.replace('"', "\\\"");
        let text = read(beside_a(&format!(r#""refresh_token":"{text}""#))).unwrap();
        assert_eq!(text.untrusted, Some(Malformed), "{token}");
    }
}

/// A header segment in front must not make the token behind it part of another one.
#[test]
fn a_token_behind_another_header() {
    let decoy = b64(r#"{"alg":"none"}"#);
    for text in [
        format!("{decoy}.{}", v2(B)),
        format!("{decoy}.{decoy}.{}", v2(B)),
        format!("{}.{}", ado(A), v2(B)),
        format!("{}.{}", b64(r#"{"alg":"dir","enc":"x"}"#), v2(B)),
        format!("{}.{}", jwe(), v2(B)),
    ] {
        let tokens = read(format!(r#"{{"x":"{text}"}}"#)).unwrap();
        assert_eq!(tokens.tenants, [tenant(B)], "{text}");
        let tokens = read(format!(r#"{{"access_token":"{text}"}}"#)).unwrap();
        assert_eq!(tokens.tenants, [tenant(B)], "{text}");
    }
}

/// The implicit flow hands tokens over in a URL's fragment; Go's `x/oauth2` reads a body that is
/// called `text/plain` as a form, JSON or not.
#[test]
fn token_parameters_in_a_longer_text() {
    for text in [
        format!("https://app.example/#access_token={OPAQUE}&token_type=bearer"),
        format!("https://app.example/#state=1&access_token={OPAQUE}"),
        format!("com.example:/cb?refresh_token={OPAQUE}"),
        format!("x&Access_Token={OPAQUE}&"),
        "access_token=x".to_owned(),
        "id_token=x;".to_owned(),
    ] {
        let tokens = inspect(b"", [text.as_str()], &issuers()).unwrap();
        assert_eq!(Says::of(&tokens), Says::not_entra(Opaque), "{text}");
        assert!(tokens.in_token_field, "{text}");
        let tokens = read(format!(r#"{{"error":"x","x":"{text}"}}"#)).unwrap();
        assert_eq!(Says::of(&tokens), Says::not_entra(Opaque), "{text}");
    }
    for text in [
        "access_token=",
        "access_token=&x=y",
        "valid_token=x",
        "my_id_token=x",
        "xrefresh_token=x",
        "_token=x",
        "=x",
    ] {
        let tokens = inspect(b"", [text], &issuers()).unwrap();
        assert_eq!(Says::of(&tokens), Says::nothing(), "{text}");
        assert!(!tokens.in_token_field, "{text}");
    }
}

/// PHP's `parse_str` turns dots in names into underscores; older Python and Go split at `;`.
#[test]
fn forms_that_parsers_read_differently() {
    for body in [
        format!("scope=repo&access.token={OPAQUE}"),
        format!("scope=repo;access_token={OPAQUE}"),
        format!("{}=", v2(B)),
        format!("scope=repo&{}=x", v2(B)),
    ] {
        assert_eq!(read(&body), Err(Unreadable::NeitherJsonNorForm), "{body}");
    }
}

/// Nothing of the header of a foreign provider's token may make it count as untrusted, and no
/// claim but the issuer may make it count as Entra's.
#[test]
fn another_providers_tokens_stay_its_own() {
    for claims in [
        r#"{"iss":"https://idp.example","tid":7}"#,
        r#"{"iss":"https://idp.example","tid":"x","Tid":"y"}"#,
        r#"{"iss":"https://idp.example","oid":{"a":[1]},"appid":[]}"#,
        r#"{"iss":"https://idp.example","aB":1,"Ab":2}"#,
    ] {
        let tokens = read(format!(
            r#"{{"access_token":"{}"}}"#,
            jwt(r#"{"alg":"HS512"}"#, claims)
        ))
        .unwrap();
        let sign_in = SignIn::of(&tokens, Outcome::Success, PASS);
        assert_eq!(sign_in, SignIn::NotEntra, "{claims}");
    }
}

/// A reply that holds nothing is no success at Entra.
#[test]
fn success_without_a_token_is_suspect_at_entra_only() {
    let tokens = read(r#"{"access_token":"","id_token":null,"token_type":"Bearer"}"#).unwrap();
    assert_eq!(
        SignIn::of(&tokens, Outcome::Success, Provider::Entra),
        undetermined(NoToken, &[])
    );
    assert_eq!(
        SignIn::of(&tokens, Outcome::Success, PASS),
        SignIn::NotEntra
    );
}
