//! The claims of one token: which are read, and when they are not believed.

use super::classification::{V2, a_with, check, with};
use super::*;
use NotEntra::ForeignIssuer;
use Untrusted::{Issuer, Malformed, TenantMismatch};

#[test]
fn identifiers_are_kept_for_records() {
    let Class::Entra(token) = classify(&v2(A), &issuers()) else {
        panic!("an Entra token");
    };
    assert_eq!(token.issuer, format!("{V2}/{A}/v2.0"));
    assert_eq!(token.app_id.as_deref(), Some("client"));
    assert_eq!(token.user_object_id.as_deref(), Some("object"));
    let Class::Entra(token) = classify(&v1(A), &issuers()) else {
        panic!("an Entra token");
    };
    assert_eq!(token.app_id.as_deref(), Some("client"));
    // Records do not decide: what is no text there is left out.
    let Class::Entra(token) = classify(&a_with(r#","oid":7,"azp":["x"],"appid":null"#), &issuers())
    else {
        panic!("an Entra token");
    };
    assert_eq!((token.app_id, token.user_object_id), (None, None));
}

#[test]
fn another_issuer_is_not_entras_whatever_else_it_says() {
    let of = |claims: &str| with(claims);
    let foreign = Seen::NotEntra(ForeignIssuer);
    check(&[
        (ado(B), foreign),
        (
            of(&format!(
                r#"{{"iss":"https://accounts.google.com","tid":"{B}"}}"#
            )),
            foreign,
        ),
        (
            of(&format!(
                r#"{{"iss":"https://idp.example","tid":["{B}"],"TID":1}}"#
            )),
            foreign,
        ),
        (
            of(r#"{"iss":"https://idp.example","oid":5,"appid":{"a":1},"azp":null}"#),
            foreign,
        ),
        (
            of(r#"{"iss":"https://idp.example","role":1,"Role":2,"role":3}"#),
            foreign,
        ),
        (of(r#"{"iss":"","sub":"x"}"#), foreign),
        (of(r#"{"sub":"somebody"}"#), foreign),
        (of("{}"), foreign),
        // The payload is sealed: Azure DevOps announced that for its tokens.
        (jwt(RS256, [0xd1, 0x00, 0xfe, 0x93, 0x41]), foreign),
        (jwt(RS256, b"{\xd1\x81:\xfe"), foreign),
        (with("{sealed}"), foreign),
        (with("c2VhbGVkIGFuZCBlbmNvZGVkIHR3aWNl"), foreign),
        (format!("{}..{}", b64(RS256), b64("sig")), foreign),
    ]);
}

#[test]
fn a_token_without_an_issuer_that_names_a_tenant_is_not_believed() {
    check(&[
        (
            with(&format!(r#"{{"tid":"{A}"}}"#)),
            Seen::Untrusted(Issuer),
        ),
        (
            with(&format!(r#"{{"tid":["{A}"]}}"#)),
            Seen::Untrusted(Issuer),
        ),
        (
            with(&format!(r#"{{"Tid":"{A}"}}"#)),
            Seen::Untrusted(Issuer),
        ),
    ]);
}

#[test]
fn the_tenant_is_the_one_in_the_issuer() {
    let mismatch = Seen::Untrusted(TenantMismatch);
    let malformed = Seen::Untrusted(Malformed);
    check(&[
        (a_with(&format!(r#","tid":"{B}""#)), mismatch),
        (
            a_with(r#","tid":"00000000-0000-0000-0000-000000000000""#),
            mismatch,
        ),
        (a_with(r#","tid":"common""#), mismatch),
        (a_with(r#","tid":"""#), malformed),
        (a_with(r#","tid":" ""#), malformed),
        (a_with(&format!(r#","tid":" {A}""#)), malformed),
        (a_with(&format!(r#","tid":"{{{A}}}""#)), malformed),
        (
            a_with(&format!(r#","tid":"{}""#, A.replace('-', ""))),
            malformed,
        ),
        (a_with(r#","tid":"contoso.com""#), malformed),
    ]);
}

#[test]
fn claims_are_read_without_doubt_or_not_at_all() {
    let a = Seen::Entra(tenant(A));
    let malformed = Seen::Untrusted(Malformed);
    let iss = format!(r#""iss":"{V2}/{A}/v2.0""#);
    let b_iss = format!(r#""iss":"{V2}/{B}/v2.0""#);
    check(&[
        // Wrong types.
        (a_with(&format!(r#","tid":["{A}"]"#)), malformed),
        (a_with(&format!(r#","tid":{{"id":"{A}"}}"#)), malformed),
        (a_with(r#","tid":7"#), malformed),
        (a_with(r#","tid":null"#), malformed),
        (a_with(r#","tid":true"#), malformed),
        (
            with(&format!(r#"{{"iss":["{V2}/{A}/v2.0"],"tid":"{A}"}}"#)),
            malformed,
        ),
        (with(&format!(r#"{{"iss":null,"tid":"{A}"}}"#)), malformed),
        // Named twice, in any order, case or spelling.
        (a_with(&format!(r#","tid":"{A}","tid":"{B}""#)), malformed),
        (a_with(&format!(r#","tid":"{B}","tid":"{A}""#)), malformed),
        (a_with(&format!(r#","tid":"{A}","tid":"{A}""#)), malformed),
        (a_with(&format!(r#","tid":"{A}","TID":"{B}""#)), malformed),
        (a_with(&format!(r#","Tid":"{B}","tid":"{A}""#)), malformed),
        (a_with(&format!(r#","TID":"{A}""#)), malformed),
        (a_with(&format!(r#","t\u0131d":"{B}""#)), malformed),
        (
            a_with(&format!(r#","tid":"{A}","\u0074id":"{B}""#)),
            malformed,
        ),
        (with(&format!("{{{iss},{b_iss}}}")), malformed),
        (with(&format!("{{{b_iss},{iss}}}")), malformed),
        (
            with(&format!(r#"{{"ISS":"{V2}/{B}/v2.0",{iss}}}"#)),
            malformed,
        ),
        (
            with(&format!(r#"{{"i\u017fs":"{V2}/{B}/v2.0",{iss}}}"#)),
            malformed,
        ),
        (
            with(&format!(r#"{{"ISS":"https://idp.example","Tid":"{B}"}}"#)),
            malformed,
        ),
        // Escapes are read, not skipped.
        (a_with(&format!(r#","\u0074id":"{A}""#)), a),
        (
            a_with(&format!(r#","\u0074id":"{B}""#)),
            Seen::Untrusted(TenantMismatch),
        ),
        // A member of an inner object is no claim.
        (a_with(&format!(r#","actor":{{"tid":"{B}","iss":"x"}}"#)), a),
        // Not one JSON object in UTF-8.
        (with(&format!("\u{feff}{{{iss}}}")), malformed),
        (with(&format!("{{{iss}}}x")), malformed),
        (with(&format!("{{\">\":1,{iss}}}x")), malformed),
        (with(&format!("{{{iss}}}{{{b_iss}}}")), malformed),
        (with(&format!("{{{iss}")), malformed),
        (with(&format!("{{{iss},}}")), malformed),
        (with(&format!("{{/**/{iss}}}")), malformed),
        (with(&format!("{{'tid':'{A}'}}")), malformed),
        (with(&format!("{{tid:{A}}}")), malformed),
        (with(&format!("{{{iss},\"n\":NaN}}")), malformed),
        (with(&format!("{{{iss},\"n\":\"\n\"}}")), malformed),
        (
            jwt(
                RS256,
                [format!("{{{iss},\"n\":\"").as_bytes(), b"\xff\"}"].concat(),
            ),
            malformed,
        ),
        (
            jwt(RS256, utf16(&v2_claims(A), u16::to_le_bytes)),
            malformed,
        ),
        (
            jwt(RS256, utf16(&v2_claims(A), u16::to_be_bytes)),
            malformed,
        ),
        (
            jwt(
                RS256,
                utf16(&format!("\u{feff}{}", v2_claims(A)), u16::to_le_bytes),
            ),
            malformed,
        ),
        (with(&format!(" \r\n\t{{{iss}}} ")), a),
        // A token within a token: nobody's claims but the inner one's.
        (with(&v2(A)), malformed),
    ]);
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}
