//! Forms, read strictly.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

#[test]
fn values_decode_without_loss_or_not_at_all() {
    let table = [
        ("", Some("")),
        ("plain", Some("plain")),
        ("a+b", Some("a b")),
        ("a%20b", Some("a b")),
        ("a%2Bb", Some("a+b")),
        ("%c3%a9", Some("é")),
        ("%C3%A9", Some("é")),
        ("é", Some("é")),
        ("%2525", Some("%25")),
        ("%00", Some("\0")),
        ("%", None),
        ("%2", None),
        ("%2g", None),
        ("%g2", None),
        ("%%20", None),
        ("%+2", None),
        ("% 2", None),
        ("a%é", None),
        ("%2é", None),
        ("%ff", None),
        ("%c0%af", None),
        ("%ed%a0%80", None),
        ("%u0041", None),
        ("é%ff", None),
    ];
    for (text, expected) in table {
        assert_eq!(decode(text).as_deref(), expected, "{text}");
    }
}

fn grant(body: &str) -> Result<Option<String>, Malformed> {
    let request = token_request(body.as_bytes())?;
    Ok(request.grant_type.map(Cow::into_owned))
}

#[test]
fn a_request_is_read_once() {
    let code = token_request(b"grant_type=authorization_code&code=x&scope=a+b").unwrap();
    assert_eq!(code.grant_type.as_deref(), Some("authorization_code"));
    assert!(code.code);
    assert!(token_request(b"client_id=x&code=y").unwrap().code);
    assert!(!token_request(b"client_id=x&code=").unwrap().code);
    for (body, expected) in [
        ("", None),
        ("&&", None),
        ("grant_type", None),
        ("grant_type=", None),
        ("grant%5Ftype=password", Some("password")),
        ("grant_type=urn%3Aietf%3Aparams", Some("urn:ietf:params")),
        ("resource=a&resource=b&grant_type=x", Some("x")),
        ("audience=a&audience=b&resource=c&grant_type=x", Some("x")),
        ("x-client-sku=MSAL.Python&grant_type=x&", Some("x")),
    ] {
        assert_eq!(grant(body), Ok(expected.map(str::to_owned)), "{body}");
    }
}

#[test]
fn a_request_that_two_parsers_could_read_differently_is_malformed() {
    for body in [
        "tenant=A&tenant=B",
        "tenant[]=A",
        "tenant%5B%5D=A",
        "TENANT=B",
        "tenant=A&ten%61nt=B",
        "T%45NANT=B",
        "grant_type=a&grant_type=a",
        "Grant_Type=a",
        "grant_type=a&GRANT_TYPE=b",
        "x=1&X=2",
        "Resource=a",
        "=x",
        "a b=c",
        "a+b=c",
        "a%00=c",
        "a%20=c",
        "gr\u{e1}nt=x",
        "{\"grant_type\":\"x\"}",
        "<x>=1",
        "a=%zz",
        "a=%",
        "a=%ff",
        "%ff=a",
        "grant_type;x=a",
    ] {
        assert_eq!(grant(body), Err(Malformed), "{body}");
    }
    assert_eq!(token_request(b"a=\xff"), Err(Malformed));
    let many = |count: usize| (0..count).map(|n| format!("p{n}=1&")).collect::<String>();
    assert!(token_request(many(64).as_bytes()).is_ok());
    assert_eq!(token_request(many(65).as_bytes()), Err(Malformed));
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(text in any::<String>()) {
        let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
        let decoded = decode(&encoded);
        prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
        let spaced = encoded.replace("%20", "+");
        let decoded = decode(&spaced);
        prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
    }

    #[test]
    fn a_parameter_is_read_as_it_was_written(value in any::<String>()) {
        let encoded = utf8_percent_encode(&value, NON_ALPHANUMERIC);
        let body = format!("client_id=x&grant_type={encoded}&scope=y");
        let expected = Some(value).filter(|value| !value.is_empty());
        prop_assert_eq!(grant(&body), Ok(expected));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = token_request(&bytes);
        let _ = decode(&String::from_utf8_lossy(&bytes));
    }
}

fn token(body: &str) -> Result<Option<String>, FieldError> {
    field(body.as_bytes(), "id_token").map(|text| text.map(Cow::into_owned))
}

#[test]
fn a_field_is_read_once_and_under_its_own_name() {
    for (body, expected) in [
        ("", None),
        ("code=x&state=y", None),
        ("code=x&id_token=a.b.c&state=y", Some("a.b.c")),
        ("id%5Ftoken=a%2eb.c", Some("a.b.c")),
        ("id_token=", Some("")),
        ("id_token", Some("")),
        ("state=x&state=y&STATE=z&id_token=a", Some("a")),
        (
            "my_id_token=b&id_token_2=c&id-token=d&id_token=a",
            Some("a"),
        ),
    ] {
        assert_eq!(token(body), Ok(expected.map(str::to_owned)), "{body}");
    }
    for body in [
        "id_token=a&id_token=a",
        "id_token=a&id_token=b",
        "id_token=a&id_token",
        "id_token=a&id%5ftoken=b",
        "id_token=a&ID_TOKEN=b",
        "ID_TOKEN=a",
        "Id_Token=a&id_token=b",
        "id.token=a",
        "id_token=a&id.token=b",
    ] {
        assert_eq!(token(body), Err(FieldError::Field), "{body}");
    }
    for body in [
        "id+token=a",
        "id_token%5B%5D=a",
        "id_token[]=a&id_token=b",
        "id_token[0]=a",
        "id_token%00=a",
        "+id_token=a",
        "x=1;id_token=b&id_token=a",
        "id_token=a&x=%",
        "id_token=a&%ff=1",
        "id_token=%ff",
        "=a&id_token=b",
    ] {
        assert_eq!(token(body), Err(FieldError::Form), "{body}");
    }
    assert_eq!(field(b"id_token=\xff", "id_token"), Err(FieldError::Form));
    let many = |count: usize| "a=1&".repeat(count) + "id_token=t";
    assert_eq!(token(&many(63)), Ok(Some("t".to_owned())));
    assert_eq!(token(&many(64)), Err(FieldError::Form));
}

#[test]
fn a_query_names_a_parameter_in_any_spelling() {
    let named = |query| query_names(query, "access_token");
    for query in [
        "access_token=x",
        "a=1&access_token=x",
        "access_token",
        "ACCESS_TOKEN=x",
        "%61ccess%5ftoken=x",
        "a=1;access_token=x",
        "a=1?access_token=x",
        "access_token[]=x",
        "access_token%5B0%5D=x",
        "access.token=x",
        "access%2etoken=x",
        "access+token=x",
        "+access_token=x",
        "access_token%00=x",
    ] {
        assert!(named(query), "{query}");
    }
    for query in [
        "",
        "a=access_token",
        "access_tokens=x",
        "my_access_token=x",
        "accesstoken=x",
        "%ff=1",
    ] {
        assert!(!named(query), "{query}");
    }
}

proptest! {
    #[test]
    fn a_field_is_what_a_usual_parser_finds(body in "([a-c]{0,2}(=[a-c%+.]{0,3})?&?){0,5}") {
        if let Ok(found) = field(body.as_bytes(), "a") {
            let theirs: Vec<String> = body
                .split('&')
                .filter_map(|pair| match pair.split_once('=') {
                    Some(("a", value)) => Some(value.replace('+', " ")),
                    None if pair == "a" => Some(String::new()),
                    _ => None,
                })
                .collect();
            let theirs: Vec<String> = theirs
                .iter()
                .map(|value| percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
                .collect();
            prop_assert_eq!(theirs, Vec::from_iter(found.map(Cow::into_owned)));
        }
    }
}
