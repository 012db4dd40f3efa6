//! Properties: what holds for every reply and every token.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::jwt::find_within;
use super::super::reply::inspect_text;
use super::*;

/// Names that matter, and names that do not.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("access_token".to_owned()),
        Just("id_token".to_owned()),
        Just("error".to_owned()),
        Just("claims".to_owned()),
        "[a-zA-Z_.]{0,8}",
        any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9._ -]{0,20}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner).prop_map(Value::from),
        ]
    })
}

fn object(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    btree_map(name(), values, 0..4).prop_map(|members| members.into_iter().collect())
}

/// A token of tenant B.
fn token() -> impl Strategy<Value = String> {
    let unsigned = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(v2_claims(B)));
    prop_oneof![Just(v1(B)), Just(v2(B)), Just(unsigned)]
}

/// A text with the token in it. Were `before` to end in a header of its own, the token would still
/// be found; were `after` to start with base64url, it would only lengthen the signature.
fn text_with_token() -> impl Strategy<Value = String> {
    let around = || prop_oneof![Just(String::new()), "[ -~]{0,12}", any::<String>()];
    (around(), token(), around())
        .prop_map(|(before, token, after)| format!("{before}{token}{after}"))
}

/// Puts a text somewhere into a value: as an element, a member or a member's name.
fn planted(into: Value, text: String, mut path: Vec<usize>) -> Value {
    let at = path.pop().unwrap_or_default();
    match into {
        Value::Array(mut list) => {
            if let Some(index) = at.checked_rem(list.len()).filter(|_| !at.is_multiple_of(3)) {
                let inner = std::mem::take(&mut list[index]);
                list[index] = planted(inner, text, path);
            } else {
                list.push(Value::from(text));
            }
            Value::from(list)
        }
        Value::Object(mut members) => {
            let chosen = at
                .checked_rem(members.len())
                .and_then(|n| members.keys().nth(n).cloned());
            match (chosen, at % 4) {
                (Some(name), 2 | 3) => {
                    let inner = members.remove(&name).unwrap();
                    members.insert(name, planted(inner, text, path));
                }
                (_, 1) => drop(members.insert(text, Value::from(1))),
                (Some(name), _) => drop(members.insert(name, Value::from(text))),
                (None, _) => drop(members.insert("x".to_owned(), Value::from(text))),
            }
            Value::from(members)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::from(text),
    }
}

/// Reads a token as careless clients do: whatever has two segments, the second decoded with junk
/// dropped and loose bits ignored, the last of equal members taken.
fn careless_tid(token: &str) -> Option<String> {
    let lenient = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let segment: String = token
        .split('.')
        .nth(1)?
        .replace('+', "-")
        .replace('/', "_")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    let claims: Value = serde_json::from_slice(&lenient.decode(segment).ok()?).ok()?;
    let iss = claims.get("iss")?.as_str()?;
    let entra = iss.contains("login.microsoftonline.com") || iss.contains("sts.windows.net");
    claims
        .get("tid")?
        .as_str()
        .filter(|_| entra)
        .map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// A token of tenant B anywhere in a reply is seen, or the reply is refused.
    #[test]
    fn no_token_is_overlooked(
        object in object(value()),
        text in text_with_token(),
        path in vec(any::<usize>(), 6),
    ) {
        let body = planted(Value::from(object), text, path).to_string();
        if let Ok(tokens) = read(&body) {
            prop_assert!(tokens.tenants.contains(&tenant(B)) || tokens.untrusted.is_some(), "{body}");
            for outcome in [Outcome::Success, Outcome::Failure] {
                for provider in [Provider::Entra, PASS] {
                    let sign_in = SignIn::of(&tokens, outcome, provider);
                    prop_assert!(!matches!(sign_in, SignIn::NoToken | SignIn::NotEntra), "{body}");
                }
            }
        }
    }

    /// The same in a form, as a value, and in any text.
    #[test]
    fn no_token_is_overlooked_in_forms_and_texts(
        name in "[a-z_]{1,12}",
        token in token(),
        around in "[ -~]{0,12}",
    ) {
        let body = format!("first=1&{name}={token}&last=2");
        if let Ok(tokens) = read(&body) {
            prop_assert_eq!(&tokens.tenants, &[tenant(B)], "{}", body);
        }
        let text = format!("{around}{token}{around}");
        prop_assert_eq!(inspect_text(&text, &issuers()).tenants, [tenant(B)], "{}", text);
    }

    /// Characters escaped for a page, a URL or a string within a string hide nothing.
    #[test]
    fn no_token_is_overlooked_for_its_escapes(
        token in token(),
        ways in vec(0..12_u8, 1..40),
        field in prop::sample::select(vec!["x", "id_token"]),
    ) {
        let escape = |(c, way): (char, &u8)| match way {
            0 => format!("\\u{:04x}", u32::from(c)),
            1 => format!("\\x{:02X}", u32::from(c)),
            2 => format!("%{:02x}", u32::from(c)),
            3 => format!("&#{};", u32::from(c)),
            4 => format!("&#x{:X};", u32::from(c)),
            _ => c.to_string(),
        };
        let text: String = token.chars().zip(ways.iter().cycle()).map(escape).collect();
        let once = serde_json::json!({ field: text }).to_string();
        let twice = serde_json::json!({ field: serde_json::json!({ "t": text }).to_string() });
        for body in [once, twice.to_string()] {
            let tokens = read(&body).unwrap();
            let seen = tokens.tenants.contains(&tenant(B)) || tokens.untrusted.is_some();
            prop_assert!(seen, "{body}");
        }
    }

    /// A token that a careless client reads is believed with that tenant, or not at all.
    #[test]
    fn careless_clients_read_nothing_we_do_not(
        token in token(),
        edits in vec((any::<prop::sample::Index>(), 0..3_u8, "[ -~]|\\PC"), 0..4),
    ) {
        let mut chars: Vec<char> = token.chars().collect();
        for (at, kind, put) in edits {
            let at = at.index(chars.len());
            let put = put.chars().next().unwrap();
            match kind {
                0 => chars[at] = put,
                1 => chars.insert(at, put),
                _ => drop(chars.remove(at)),
            }
        }
        let token: String = chars.into_iter().collect();
        if let Some(tid) = careless_tid(&token) {
            match seen(&token) {
                Seen::Entra(tenant) => prop_assert!(tid.eq_ignore_ascii_case(&tenant.to_string()), "{token}"),
                Seen::Untrusted(_) => {}
                Seen::NotEntra(kind) => prop_assert!(false, "{kind:?}: {token}"),
            }
        }
    }

    /// Claims in any order, spelling and number: where we name a tenant, the first and the last
    /// of equal members name it too.
    #[test]
    fn a_tenant_is_named_only_without_doubt(
        members in vec((
            prop::sample::select(vec!["iss", "tid", "TID", "Iss", "sub", r"\u0074id", r"i\u017fs"]),
            prop::sample::select(vec![
                r#""aaaaaaaa-1111-4aaa-8aaa-aaaaaaaaaaaa""#,
                r#""bbbbbbbb-2222-4bbb-8bbb-bbbbbbbbbbbb""#,
                r#""https://sts.windows.net/aaaaaaaa-1111-4aaa-8aaa-aaaaaaaaaaaa/""#,
                r#""https://sts.windows.net/bbbbbbbb-2222-4bbb-8bbb-bbbbbbbbbbbb/""#,
                r#""https://idp.example/""#,
                "null", "[]", "7",
            ]),
        ), 0..5),
    ) {
        let claims = |members: &[(&str, &str)]| {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        };
        let forwards = claims(&members);
        let backwards = claims(&members.iter().rev().copied().collect::<Vec<_>>());
        let seen_forwards = seen(&jwt(RS256, &forwards));
        prop_assert_eq!(seen_forwards, seen(&jwt(RS256, &backwards)));
        if let Seen::Entra(tenant) = seen_forwards {
            for text in [forwards, backwards] {
                let claims: Value = serde_json::from_str(&text).unwrap();
                let iss = format!("https://sts.windows.net/{tenant}/");
                prop_assert_eq!(claims["iss"].as_str(), Some(iss.as_str()));
                if let Some(tid) = claims.get("tid") {
                    prop_assert_eq!(tid, &Value::from(tenant.to_string()));
                }
            }
        }
    }

    /// Nothing panics, whatever arrives.
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), text in any::<String>()) {
        let _ = read(&bytes);
        let _ = read(format!("{{\"access_token\":\"{text}\"}}"));
        let _ = inspect(b"", [text.as_str()], &issuers());
        let _ = classify(&text, &issuers());
        find_within(&text, |_, _| {});
    }

    /// Nor does what almost is a token.
    #[test]
    fn no_likeness_of_a_token_panics(text in "(eyJ|eyJhbGciOiJub25lIn0|[.=_&-]|access_token=|\\PC){0,24}") {
        let _ = classify(&text, &issuers());
        let _ = inspect(b"", [text.as_str()], &issuers());
        let _ = read(format!("id_token={text}"));
    }
}
