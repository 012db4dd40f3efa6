//! One token: Entra's, not Entra's, or not believed.

use super::super::issuer::Match;
use super::*;
use NotEntra::{Encrypted, ForeignIssuer, Opaque, Saml};
use Untrusted::{Algorithm, Issuer, Malformed};

pub(super) const V2: &str = "https://login.microsoftonline.com";

/// A token of these claims, signed as Entra signs.
pub(super) fn with(claims: &str) -> String {
    jwt(RS256, claims)
}

/// A version 2.0 token of tenant A with this header.
fn headed(header: &str) -> String {
    jwt(header, v2_claims(A))
}

/// Claims of tenant A's version 2.0 issuer, with `more` after `iss`.
pub(super) fn a_with(more: &str) -> String {
    with(&format!(r#"{{"iss":"{V2}/{A}/v2.0"{more}}}"#))
}

pub(super) fn check(table: &[(String, Seen)]) {
    for (token, expected) in table {
        assert_eq!(seen(token), *expected, "{token}");
    }
}

#[test]
fn versions_of_entra() {
    let a = Seen::Entra(tenant(A));
    check(&[
        (v2(A), a),
        (v1(A), a),
        (v2(M), Seen::Entra(tenant(M))),
        // Without the `profile` scope there is no `tid`: the GUID in `iss` then.
        (a_with(""), a),
        (a_with(&format!(r#","tid":"{}""#, A.to_uppercase())), a),
        // The resource picks the version; nothing depends on `ver`.
        (a_with(r#","ver":"1.0""#), a),
    ]);
}

#[test]
fn each_cloud_has_its_issuers() {
    let of = |iss: &str| with(&format!(r#"{{"iss":"{iss}","tid":"{A}"}}"#));
    let public = format!("{V2}/{A}/v2.0");
    let shared = format!("https://sts.windows.net/{A}/");
    let gov = format!("https://login.microsoftonline.us/{A}/v2.0");
    let china = format!("https://login.partner.microsoftonline.cn/{A}/v2.0");
    let china_v1 = format!("https://sts.chinacloudapi.cn/{A}/");
    let table: [(Cloud, [&str; 2], [&str; 3]); 3] = [
        (Cloud::Public, [&public, &shared], [&gov, &china, &china_v1]),
        (Cloud::UsGov, [&gov, &shared], [&public, &china, &china_v1]),
        (Cloud::China, [&china, &china_v1], [&public, &shared, &gov]),
    ];
    for (cloud, own, others) in table {
        let issuers = Issuers::of_clouds(&[cloud]);
        for iss in own {
            assert_eq!(
                seen_by(&of(iss), &issuers),
                Seen::Entra(tenant(A)),
                "{cloud:?} {iss}"
            );
        }
        for iss in others {
            assert_eq!(
                seen_by(&of(iss), &issuers),
                Seen::Untrusted(Issuer),
                "{cloud:?} {iss}"
            );
        }
    }
}

#[test]
fn an_issuer_that_resembles_entras_is_not_believed() {
    for iss in [
        format!("{V2}/{}/v2.0", A.to_uppercase()),
        format!("{V2}.evil.test/{A}/v2.0"),
        format!("{V2}@evil.test/{A}/v2.0"),
        format!("http://login.microsoftonline.com/{A}/v2.0"),
        format!("{V2}/{A}/v2.0/"),
        format!("{V2}/{A}/v2.0/../"),
        format!("{V2}/{A}/"),
        format!("{V2}/{A}"),
        format!("{V2}//{A}/v2.0"),
        format!("{V2}:443/{A}/v2.0"),
        format!("{V2}/{A}/v2.0?"),
        format!("{V2}/{A}/v2.0#x"),
        format!(" {V2}/{A}/v2.0"),
        format!("{V2}/{A}/v2.0\\n"),
        format!("HTTPS://login.microsoftonline.com/{A}/v2.0"),
        format!("https://LOGIN.microsoftonline.com/{A}/v2.0"),
        format!("https://evil.test/login.microsoftonline.com/{A}/v2.0"),
        format!("https://sts.windows.net/{A}"),
        format!("https://sts.windows.net/{A}/v2.0"),
        format!("https://login.windows.net/{A}/"),
        format!("https://login.microsoft.com/{A}/v2.0"),
        format!("https://login.sovcloud-identity.fr/{A}/v2.0"),
        format!("{V2}/common/v2.0"),
        format!("{V2}/{{tenantid}}/v2.0"),
        format!("{V2}/00000000-0000-0000-0000-000000000000/v2.0"),
        format!("{V2}/{{{A}}}/v2.0"),
        format!("{V2}/{}/v2.0", A.replace('-', "")),
        format!("{V2}//v2.0"),
    ] {
        let token = with(&format!(r#"{{"iss":"{iss}","tid":"{A}"}}"#));
        assert_eq!(seen(&token), Seen::Untrusted(Issuer), "{iss}");
        let token = with(&format!(r#"{{"iss":"{iss}"}}"#));
        assert_eq!(seen(&token), Seen::Untrusted(Issuer), "{iss} without tid");
    }
}

/// No likeness in letters, but no match either: at Entra it is a foreign issuer, which is blocked.
#[test]
fn an_issuer_in_other_letters_is_foreign() {
    for iss in [
        format!("https://login%2emicrosoftonline%2ecom/{A}/v2.0"),
        format!("https://login.micros\u{043e}ftonline.com/{A}/v2.0"),
        format!("https://login\u{3002}microsoftonline.com/{A}/v2.0"),
    ] {
        let token = with(&format!(r#"{{"iss":"{iss}","tid":"{A}"}}"#));
        assert_eq!(seen(&token), Seen::NotEntra(ForeignIssuer), "{iss}");
    }
}

#[test]
fn the_operators_own_issuer_is_compared_like_microsofts() {
    let own = Issuers::new(["https://login.example/{tenantid}/v2.0"]).unwrap();
    let of = |iss: &str| with(&format!(r#"{{"iss":"{iss}","tid":"{A}"}}"#));
    let exact = format!("https://login.example/{A}/v2.0");
    assert_eq!(seen_by(&of(&exact), &own), Seen::Entra(tenant(A)));
    for (iss, expected) in [
        (
            format!("https://login.example/{A}/v2.0/"),
            Seen::Untrusted(Issuer),
        ),
        (
            format!("https://LOGIN.example/{A}/v2.0"),
            Seen::Untrusted(Issuer),
        ),
        (format!("{V2}/{A}/v2.0"), Seen::Untrusted(Issuer)),
        (
            format!("https://other.example/{A}/v2.0"),
            Seen::NotEntra(ForeignIssuer),
        ),
    ] {
        assert_eq!(seen_by(&of(&iss), &own), expected, "{iss}");
    }
    assert_eq!(issuers().find(None), Match::Foreign);
}

#[test]
fn entra_signs_with_rs256_or_not_at_all() {
    let a = Seen::Entra(tenant(A));
    let algorithm = Seen::Untrusted(Algorithm);
    check(&[
        (headed(r#"{"alg":"RS256"}"#), a),
        (headed(r#" { "alg" : "RS256" } "#), a),
        (headed(r#"{"\u0061lg":"RS256"}"#), a),
        // Version 1.0 id_tokens from the token endpoint, by design.
        (headed(r#"{"typ":"JWT","alg":"none"}"#), a),
        (
            format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(v2_claims(A))),
            a,
        ),
        (format!("{}.{}.", b64(RS256), b64(v2_claims(A))), a),
        (headed(r#"{"alg":"None"}"#), algorithm),
        (headed(r#"{"alg":"nOnE"}"#), algorithm),
        (headed(r#"{"alg":"rs256"}"#), algorithm),
        (headed(r#"{"alg":"HS256"}"#), algorithm),
        (headed(r#"{"alg":"RS512"}"#), algorithm),
        (headed(r#"{"alg":"ES256"}"#), algorithm),
        (headed(r#"{"alg":""}"#), algorithm),
        (headed(r#"{"alg":null}"#), algorithm),
        (headed(r#"{"alg":["RS256"]}"#), algorithm),
        (headed(r#"{"alg":{"alg":"RS256"}}"#), algorithm),
        (headed(r#"{"alg":256}"#), algorithm),
        (headed(r#"{"alg":"RS256","alg":"RS256"}"#), algorithm),
        (headed(r#"{"alg":"none","alg":"RS256"}"#), algorithm),
        (headed(r#"{"alg":"RS256","ALG":"none"}"#), algorithm),
        // Hostile key hints change nothing: keys are never taken from a token.
        (
            headed(r#"{"alg":"RS256","jku":"https://evil.test","kid":"../../dev/null"}"#),
            a,
        ),
        // A JWS with a JWE's member is still a JWS: it has three segments.
        (headed(r#"{"alg":"RS256","enc":"A256GCM"}"#), a),
        (
            headed(&format!(
                r#"{{"alg":"RS256","kid":"{}"}}"#,
                "k".repeat(20_000)
            )),
            a,
        ),
    ]);
}

/// Clients seldom read the header; many take the second segment as the claims. So where we cannot
/// read a token exactly and they could, it is not believed.
#[test]
fn what_only_some_parsers_read_is_not_believed() {
    let malformed = Seen::Untrusted(Malformed);
    let (head, claims, sig) = (b64(RS256), b64(v2_claims(B)), b64([0x5a; 32]));
    let standard = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let odd = format!(r#"{{"iss":"{V2}/{B}/v2.0","x":">>>???>"}}"#);
    let loose_bits = |segment: &str| {
        let last = segment.len() - 1;
        let twin = match segment.as_bytes()[last] {
            b'A' => 'B',
            b'Q' => 'R',
            b'g' => 'h',
            b'w' => 'x',
            b'0' => '1',
            b'E' => 'F',
            b'I' => 'J',
            b'M' => 'N',
            b'U' => 'V',
            b'Y' => 'Z',
            b'c' => 'd',
            b'k' => 'l',
            b'o' => 'p',
            b's' => 't',
            b'4' => '5',
            b'8' => '9',
            other => panic!("no loose bits in {}", other as char),
        };
        format!("{}{twin}", &segment[..last])
    };
    let two_byte_tail = b64(r#"{"alg":"RS256","k":"12"}"#.replace("12", "123"));
    assert_ne!(two_byte_tail.len() % 4, 0);
    check(&[
        (format!("{}.{claims}.{sig}", standard(RS256)), malformed),
        (format!("{head}.{}.{sig}", standard(&odd)), malformed),
        (format!("{head}.{}=.{sig}", b64(&odd)), malformed),
        (format!("{head}==.{claims}.{sig}"), malformed),
        (format!(" {head}.{claims}.{sig}"), malformed),
        (format!("{head}. {claims}.{sig}"), malformed),
        (
            format!("{head}.{}\n{}.{sig}", &claims[..8], &claims[8..]),
            malformed,
        ),
        (
            format!("{head}.{}\u{b}{}.{sig}", &claims[..8], &claims[8..]),
            malformed,
        ),
        (
            format!("{head}.{}!{}.{sig}", &claims[..8], &claims[8..]),
            malformed,
        ),
        (format!("\u{feff}{head}.{claims}.{sig}"), malformed),
        (format!("Bearer {head}.{claims}.{sig}"), malformed),
        (
            format!("{}.{claims}.{sig}", loose_bits(&two_byte_tail)),
            malformed,
        ),
        (format!("{head}.{claims}"), malformed),
        (format!("{head}.{claims}.{sig}.x"), malformed),
        (format!("{head}.{claims}.{sig}.x.y"), malformed),
        (format!("{head}.{claims}.{sig}.x.y.z"), malformed),
        (format!("x.{claims}.{sig}"), malformed),
        (format!(".{claims}."), malformed),
        (format!("{}.{claims}.{sig}", b64("{}")), malformed),
        (
            format!("{}.{claims}.{sig}", b64(r#"{"typ":"JWT"}"#)),
            malformed,
        ),
        (format!("{}.{claims}.{sig}", b64(r#"["alg"]"#)), malformed),
        (
            format!("{}.{claims}.{sig}", b64("\u{feff}{\"alg\":\"RS256\"}")),
            malformed,
        ),
        (
            format!("{}.{claims}.{sig}", b64(r#"{"alg":"RS256"}x"#)),
            malformed,
        ),
        (
            format!(
                "{}.{claims}.{sig}",
                b64(b"{\"alg\":\"RS256\",\"k\":\"\xff\"}")
            ),
            malformed,
        ),
        (
            format!("{}.{claims}.{sig}", b64("[".repeat(10_000))),
            malformed,
        ),
        (
            format!(
                "{}.{claims}.{sig}.{sig}.{sig}",
                b64(r#"{"alg":"dir","enc":"x"}"#)
            ),
            malformed,
        ),
        (
            format!(r#"{{"payload":"{claims}","protected":"{head}","signature":"{sig}"}}"#),
            malformed,
        ),
    ]);
}

#[test]
fn what_nobody_reads_is_not_entras() {
    let opaque = Seen::NotEntra(Opaque);
    check(&[
        (jwe(), Seen::NotEntra(Encrypted)),
        (format!("{}..iv.text.tag", b64(r#"{"alg":"dir","enc":"A128CBC-HS256"}"#)), Seen::NotEntra(Encrypted)),
        ("<saml:Assertion xmlns:saml=\"x\"/>".into(), Seen::NotEntra(Saml)),
        (" \n<Assertion/>".into(), Seen::NotEntra(Saml)),
        (b64("<saml2:Assertion/>"), Seen::NotEntra(Saml)),
        (b64("<Assertion ID=\"_1\"/>"), Seen::NotEntra(Saml)),
        (OPAQUE.into(), opaque),
        ("PAQABAAAAAAD-AAAA".into(), opaque),
        ("gho_16C7e42F292c6912E7710c838347Ae178B4a".into(), opaque),
        ("ya29.a0AfH6SMBx-example_of_a_dotted_token".into(), opaque),
        ("1000.8cb99dad05c3aa4e0c1e9ffb6a7d3a39.60a3e9e9e7b0e7d3a1b2c3d4e5f60718".into(), opaque),
        ("M.C507_BAY.0.U.-CkZ8hTQ2v*Zq!x".into(), opaque),
        ("1.AXEAv4j5cvGGr0GRqy180BHbRwMAAAAAAAAAwAAAA.AgABAwEAAABVrSpeuWamRam2jAF1XRQE".into(), opaque),
        ("00D5g000004XyZ!AQEAQKx.tY3_abcdefgh".into(), opaque),
        ("v2.local.QAxIpVe-ECVNI1z4xQbm_qQYomyT3h8FtV8bxkz8pBJWkT8f7HtlOpbroPDEZUKop_vaglyp76CzYy375cHmKCW8e1CCkV0Lflu4GTDyXMqQdpZMM1E6OaoQW27gaRSvWBrR3IgbFIa0AkuUFw.UGFyYWdvbiBJbml0aWF0aXZlIEVudGVycHJpc2Vz".into(), opaque),
        (format!("{}.1700000000.c2ln", b64(r#"{"user":1}"#)), opaque),
        (b64(RS256), opaque),
        (jwe().replace(&jwe()[..jwe().find('.').unwrap()], &b64(RS256)), opaque),
        (format!("{}.", b64(RS256)), opaque),
        (".".into(), opaque),
        ("...".into(), opaque),
        ("a".into(), opaque),
        ("e.e.e.e".into(), opaque),
    ]);
}

#[test]
fn sets_of_issuers() {
    let mut all = Issuers::of_clouds(&[Cloud::Public]);
    all.extend(&Issuers::of_clouds(&Cloud::ALL));
    let other_order = Issuers::of_clouds(&[Cloud::Public, Cloud::China, Cloud::UsGov]);
    assert_eq!(all, other_order);
    for cloud in Cloud::ALL {
        let iss = format!("{}/{A}/v2.0", cloud.authority());
        assert_eq!(all.find(Some(&iss)), Match::Tenant(tenant(A)), "{iss}");
        assert!(cloud.issuers()[0].starts_with(cloud.authority()));
    }
    for template in [
        "https://login.example/v2.0",
        "{tenantid}/v2.0",
        "https://login.example/{tenantid}/{tenantid}",
        "https://login.example/{tenantId}/",
        "",
    ] {
        assert_eq!(Issuers::new([template]), Err(template.to_owned()));
    }
}
