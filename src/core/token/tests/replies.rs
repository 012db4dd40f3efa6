//! A whole reply: every token in it, wherever it stands, and what all of them say together.

use super::*;
use Undetermined::{Disagreement, Encrypted, ForeignIssuer, Opaque, Saml};

/// What a reply must be found to say.
pub(super) fn says(name: &str, body: impl AsRef<[u8]>, expected: &Says) {
    match read(body) {
        Ok(tokens) => assert_eq!(Says::of(&tokens), *expected, "{name}: {tokens:?}"),
        Err(error) => panic!("{name}: {error:?}, expected {expected:?}"),
    }
}

pub(super) fn unreadable(name: &str, body: impl AsRef<[u8]>, expected: Unreadable) {
    assert_eq!(read(body), Err(expected), "{name}");
}

#[test]
fn c1_plain_json() {
    let body = format!(
        r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{}"}}"#,
        v2(B)
    );
    says("C1", body, &Says::tenant(B));
    says(
        "v1",
        format!(r#"{{"expires_in":"3599","access_token":"{}"}}"#, v1(B)),
        &Says::tenant(B),
    );
    let both = format!(r#"{{"access_token":"{}","id_token":"{}"}}"#, v1(B), v2(B));
    says("both versions in one reply", both, &Says::tenant(B));
}

/// The content type is no argument of `inspect`: JSON is JSON under any name.
#[test]
fn c9_content_type_does_not_matter() {
    let body = format!("\r\n\t {{\"access_token\":\"{}\"}}\n", v2(B));
    says("C9", &body, &Says::tenant(B));
    let tokens = inspect(body.as_bytes(), ["text/html", "image/png"], &issuers()).unwrap();
    assert_eq!(Says::of(&tokens), Says::tenant(B));
}

#[test]
fn c10_other_encodings() {
    let body = format!(r#"{{"access_token":"{}"}}"#, v2(B));
    let units = |order: fn(u16) -> [u8; 2]| body.encode_utf16().flat_map(order).collect::<Vec<_>>();
    let chars = |order: fn(u32) -> [u8; 4]| {
        body.chars()
            .flat_map(|c| order(c as u32))
            .collect::<Vec<_>>()
    };
    unreadable("UTF-16LE", units(u16::to_le_bytes), Unreadable::Json);
    unreadable(
        "UTF-16BE",
        units(u16::to_be_bytes),
        Unreadable::NeitherJsonNorForm,
    );
    unreadable("UTF-32LE", chars(u32::to_le_bytes), Unreadable::Json);
    unreadable(
        "UTF-32BE",
        chars(u32::to_be_bytes),
        Unreadable::NeitherJsonNorForm,
    );
    unreadable(
        "BOM",
        format!("\u{feff}{body}"),
        Unreadable::NeitherJsonNorForm,
    );
    let with_bom: Vec<u8> = [&b"\xff\xfe"[..], &units(u16::to_le_bytes)].concat();
    unreadable(
        "UTF-16LE with BOM",
        with_bom,
        Unreadable::NeitherJsonNorForm,
    );
    let utf7 = body
        .replace('{', "+AHs-")
        .replace('"', "+ACI-")
        .replace('_', "+AF8-");
    unreadable("UTF-7", utf7, Unreadable::NeitherJsonNorForm);
}

#[test]
fn c14_duplicates() {
    for field in ["access_token", "id_token", "unknown"] {
        for (first, last) in [(A, B), (B, A), (A, A)] {
            let body = format!(r#"{{"{field}":"{}","{field}":"{}"}}"#, v2(first), v2(last));
            unreadable("C14", body, Unreadable::Json);
        }
    }
    for twin in [
        "Access_Token",
        "ACCESS_TOKEN",
        r"access\u005ftoken",
        r"acce\u017fs_token",
        r"access_to\u212aen",
    ] {
        let body = format!(r#"{{"access_token":"{}","{twin}":"x"}}"#, v2(A));
        unreadable(twin, body, Unreadable::Json);
        let body = format!(r#"{{"{twin}":"x","data":1,"access_token":"{}"}}"#, v2(A));
        unreadable(twin, body, Unreadable::Json);
    }
    let inner = format!(r#"{{"data":{{"t":"{}","t":"{}"}}}}"#, v2(A), v2(B));
    unreadable("in an inner object", inner, Unreadable::Json);
    let many: Vec<String> = (0..100).map(|n| format!(r#""m{n}":{n}"#)).collect();
    says(
        "100 members",
        format!("{{{}}}", many.join(",")),
        &Says::nothing(),
    );
    unreadable(
        "100 and one again",
        format!("{{{},\"M99\":0}}", many.join(",")),
        Unreadable::Json,
    );
    unreadable(
        "100 and the first again",
        format!("{{{},\"m0\":0}}", many.join(",")),
        Unreadable::Json,
    );
    let apart = format!(
        r#"{{"access_token":"{}","inner":{{"access_token":"{}"}}}}"#,
        v2(A),
        v2(B)
    );
    says(
        "the same name in two objects",
        apart,
        &Says::undetermined(Disagreement, &[A, B]),
    );
}

#[test]
fn c17_tokens_that_disagree() {
    for (access, id) in [(A, B), (B, A)] {
        let body = format!(
            r#"{{"access_token":"{}","id_token":"{}"}}"#,
            v1(access),
            v2(id)
        );
        says(
            "C17",
            body,
            &Says::undetermined(Disagreement, &[access, id]),
        );
    }
    let three = format!(
        r#"{{"access_token":"{}","id_token":"{}","x":"{}"}}"#,
        v1(A),
        v2(B),
        v2(M)
    );
    says(
        "three tenants",
        three,
        &Says::undetermined(Disagreement, &[A, B, M]),
    );
    let foreign = format!(r#"{{"access_token":"{}","id_token":"{}"}}"#, v2(A), ado(B));
    says(
        "another issuer beside Entra",
        foreign,
        &Says::by_provider(&undetermined(Disagreement, &[A]), &SignIn::Entra(tenant(A))),
    );
}

#[test]
fn c17_no_more_tenants_are_kept_than_needed() {
    let ids: Vec<String> = (1..=20)
        .map(|n| format!("cccccccc-0000-4000-8000-{n:012}"))
        .collect();
    let tokens: Vec<String> = ids.iter().map(|id| format!("\"{}\"", v2(id))).collect();
    let tokens = read(format!(r#"{{"x":[{}]}}"#, tokens.join(","))).unwrap();
    let kept: Vec<String> = tokens.tenants.iter().map(ToString::to_string).collect();
    assert_eq!(kept, ids[..super::super::reply::MAX_TENANTS]);
}

#[test]
fn c18_opaque_access_token_with_an_id_token() {
    let body = format!(r#"{{"access_token":"{OPAQUE}","id_token":"{}"}}"#, v2(M));
    says("C18", body, &Says::tenant(M));
    let body = format!(
        r#"{{"access_token":"PAQABAAAAAAD","id_token":"{}"}}"#,
        v2(B)
    );
    says("version 1.0 opaque", body, &Says::tenant(B));
}

#[test]
fn c19_opaque_access_token_alone() {
    let opaque = Says::not_entra(Opaque);
    says("C19", format!(r#"{{"access_token":"{OPAQUE}"}}"#), &opaque);
    says(
        "version 1.0 opaque",
        r#"{"access_token":"PAQABAAAAAAD"}"#,
        &opaque,
    );
    let info = b64(format!(r#"{{"uid":"u","utid":"{A}"}}"#));
    let body = format!(r#"{{"access_token":"{OPAQUE}","client_info":"{info}"}}"#);
    says("C19 with client_info", body, &opaque);
}

#[test]
fn c20_azure_devops() {
    let body = format!(
        r#"{{"access_token":"{}","token_type":"jwt-bearer","expires_in":"3599","refresh_token":"{}"}}"#,
        ado(B),
        ado(B)
    );
    says("C20", body, &Says::not_entra(ForeignIssuer));
    let sealed = jwt(r#"{"alg":"RS256"}"#, [0xd1, 0xe2, 0x80, 0x01]);
    says(
        "sealed payload",
        format!(r#"{{"access_token":"{sealed}"}}"#),
        &Says::not_entra(ForeignIssuer),
    );
    says(
        "encrypted",
        format!(r#"{{"access_token":"{}"}}"#, jwe()),
        &Says::not_entra(Encrypted),
    );
    let genuine = format!(r#"{{"access_token":"{}"}}"#, v2(B));
    says("a genuine Entra token after all", genuine, &Says::tenant(B));
}

#[test]
fn c23_encrypted_access_token() {
    says(
        "no id_token",
        format!(r#"{{"access_token":"{}"}}"#, jwe()),
        &Says::not_entra(Encrypted),
    );
    for id in [A, B] {
        let body = format!(r#"{{"access_token":"{}","id_token":"{}"}}"#, jwe(), v2(id));
        says("with an id_token", body, &Says::tenant(id));
    }
}

#[test]
fn c25_only_a_refresh_token() {
    says(
        "C25",
        r#"{"refresh_token":"1.AXEAv4j5.AgABAwEAAAD"}"#,
        &Says::not_entra(Opaque),
    );
    says(
        "C25 as JWE",
        format!(r#"{{"refresh_token":"{}"}}"#, jwe()),
        &Says::not_entra(Encrypted),
    );
}

#[test]
fn c26_guest_in_the_host_tenant() {
    let claims = format!(
        r#"{{"iss":"https://login.microsoftonline.com/{A}/v2.0","tid":"{A}","idp":"https://sts.windows.net/{B}/"}}"#
    );
    let info = b64(format!(r#"{{"uid":"u","utid":"{B}"}}"#));
    let body = format!(
        r#"{{"id_token":"{}","access_token":"{}","client_info":"{info}"}}"#,
        jwt(RS256, claims),
        v1(A)
    );
    says("C26", body, &Says::tenant(A));
}

#[test]
fn c28_errors_without_a_token() {
    let challenge = r#"{\"access_token\":{\"polids\":{\"essential\":true,\"values\":[\"9ab03e19-ed42-4168-b6b7-7001fb3e933a\"]}}}"#;
    for body in [
        r#"{"error":"invalid_grant","error_description":"AADSTS70008: The provided authorization code has expired. Trace ID: 1. See e.g. https://aka.ms/x?y=z.","error_codes":[70008],"timestamp":"2026-11-21 09:00:00Z"}"#.to_owned(),
        r#"{"error":"authorization_pending","error_codes":[70016]}"#.to_owned(),
        format!(r#"{{"error":"interaction_required","suberror":"basic_action","claims":"{challenge}"}}"#),
        r#"{"error":"bad_verification_code","error_uri":"https://docs.github.com/x#y"}"#.to_owned(),
        // Names of fields and headers of tokens in prose are no tokens.
        format!(r#"{{"error":"invalid_client","error_description":"access_token= is empty, id_token=, header {}. is not signed"}}"#, b64(RS256)),
    ] {
        says("C28", body, &Says::error());
    }
    says("empty", "", &Says::nothing());
    says("white space", " \r\n\t", &Says::nothing());
    says("an empty object", "{}", &Says::nothing());
    says("some other object", r#"{"status":"ok"}"#, &Says::nothing());
}

#[test]
fn c29_errors_with_a_token() {
    for id in [A, B] {
        let body = format!(r#"{{"error":"invalid_grant","access_token":"{}"}}"#, v2(id));
        says("C29", body, &Says::tenant(id));
        let body = format!(
            r#"{{"error":"invalid_grant","error_description":"see {}!"}}"#,
            v2(id)
        );
        says("in the description", body, &Says::tenant(id));
    }
    says(
        "opaque",
        format!(r#"{{"error":"x","access_token":"{OPAQUE}"}}"#),
        &Says::not_entra(Opaque),
    );
}

/// `error` means an error only where it says one: a wall (`non_entra = "block"`) must not open
/// for a member that is there and empty.
#[test]
fn an_error_that_says_nothing_is_none() {
    for value in ["null", "false", "\"\"", "0", "{}", "[]"] {
        let body = format!(r#"{{"error":{value},"result":"secret"}}"#);
        says(value, body, &Says::nothing());
    }
    says(
        "in an inner object",
        r#"{"data":{"error":"x"}}"#,
        &Says::nothing(),
    );
    says("in another case", r#"{"Error":"x"}"#, &Says::nothing());
}

#[test]
fn c43_broken_text_beside_a_token() {
    let beside = |text: &[u8]| {
        [
            format!(r#"{{"access_token":"{}","x":""#, v2(B)).as_bytes(),
            text,
            b"\"}",
        ]
        .concat()
    };
    for text in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        br"\ud800",
        br"\udc00x",
        br"\ud800\u0041",
        br"\u12",
        br"\x",
        b"\n",
        b"\0",
        b"\x1f",
    ] {
        unreadable("C43", beside(text), Unreadable::Json);
    }
    says(
        "sound text",
        beside("\\ud83d\\ude00 \u{1f600} \\u0000".as_bytes()),
        &Says::tenant(B),
    );
}

#[test]
fn c45_odd_white_space_and_unknown_fields() {
    let token = v2(A);
    for body in [
        format!("{{\r\n\t\"access_token\"\t:\r\n\"{token}\" ,\n \"scope\" : \"\" }}\r\n\r\n"),
        format!(r#"{{"foo":[],"bar":{{}},"access_token":"{token}","":null,"n":-1.5e3,"t":true}}"#),
        format!(
            r#"{{"access\u005ftoken":"{}"}}"#,
            token.replace('e', "\\u0065").replace('.', "\\u002e")
        ),
    ] {
        says("C45", body, &Says::tenant(A));
    }
}

#[test]
fn saml() {
    says(
        "alone",
        r#"{"access_token":"PHNhbWw6QXNzZXJ0aW9uPg"}"#,
        &Says::not_entra(Saml),
    );
    let body = format!(
        r#"{{"access_token":"PEFzc2VydGlvbj4","id_token":"{}"}}"#,
        v2(B)
    );
    says("with an id_token", body, &Says::tenant(B));
}

/// Replies of a service that creates connections: a list is read, what readers differ on is not.
#[test]
fn a_services_reply_may_be_a_list() {
    let read = |body: &[u8]| inspect_any(body, [], &issuers());
    let opaque = r#"{"access_token":"EwBopaque"}"#;
    for (body, expected) in [
        ("[]".to_owned(), Says::nothing()),
        (r#"[{"id":"a"},["b",1]]"#.to_owned(), Says::nothing()),
        (format!("[{opaque}]"), Says::not_entra(Opaque)),
        (format!(" [[{opaque}]]\n"), Says::not_entra(Opaque)),
        (format!(r#"["{}"]"#, v2(B)), Says::tenant(B)),
        (opaque.to_owned(), Says::not_entra(Opaque)),
    ] {
        assert_eq!(
            Says::of(&read(body.as_bytes()).unwrap()),
            expected,
            "{body}"
        );
    }
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for body in [
        format!("\u{feff}{opaque}").into_bytes(),
        format!("\u{feff}[{opaque}]").into_bytes(),
        format!("[{opaque}] x").into_bytes(),
        br#"[{"a":1,"A":2}]"#.to_vec(),
        utf16(&format!("[{opaque}]")),
        utf16(&format!("\u{feff}{opaque}")),
    ] {
        assert_eq!(read(&body), Err(Unreadable::Json), "{body:?}");
    }
    let page = "\u{feff}<html>".as_bytes();
    assert_eq!(read(page), Err(Unreadable::NeitherJsonNorForm));
}
