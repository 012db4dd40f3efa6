//! Properties: any change is refused, nothing panics, and a second reading of the rules agrees.

use proptest::prelude::*;

use super::*;

/// Every position of a good token, one bit at a time.
#[test]
fn any_bit_changed_is_refused() {
    let token = good();
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(verify(&changed).is_err(), "byte {at}, bit {bit}");
        }
    }
}

/// What a token may say, in order: names may repeat.
type Members = Vec<(&'static str, Value)>;

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "iss", "tid", "aud", "exp", "nbf", "iat", "oid", "x", "X", "ISS", "Tid", "aUd", "EXP",
    ])
}

fn values() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(A),
        json!(B),
        json!(A.to_uppercase()),
        json!(v2(A)),
        json!(v1(A)),
        json!(v2(B)),
        json!(AUDIENCE),
        json!([AUDIENCE]),
        json!(""),
        json!(null),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(NOW),
        json!(NOW - 60),
        json!(NOW - 59),
        json!(NOW + 60),
        json!(NOW + 61),
        json!({"tid": B}),
    ])
}

/// Good claims with up to three changes.
fn members() -> impl Strategy<Value = Members> {
    let change = (0..3, names(), values(), any::<prop::sample::Index>());
    prop::collection::vec(change, 0..=3).prop_map(|changes| {
        let mut members: Members = vec![
            ("iss", json!(v2(A))),
            ("tid", json!(A)),
            ("aud", json!(AUDIENCE)),
            ("exp", json!(NOW + 60)),
            ("nbf", json!(NOW)),
            ("iat", json!(NOW)),
        ];
        for (kind, name, value, index) in changes {
            let at = index.index(members.len());
            match kind {
                0 => members[at].1 = value,
                1 => drop(members.remove(at)),
                _ => members.insert(at, (name, value)),
            }
        }
        members
    })
}

fn written(members: &Members) -> String {
    let member = |(name, value): &(&str, Value)| format!("{}:{value}", json!(name));
    format!(
        "{{{}}}",
        members.iter().map(member).collect::<Vec<_>>().join(",")
    )
}

/// The rules once more, over the list of members.
fn is_good(members: &Members) -> bool {
    let like = |wanted: &str| -> Vec<&str> {
        let names = members.iter().map(|(name, _)| *name);
        names
            .filter(|name| name.eq_ignore_ascii_case(wanted))
            .collect()
    };
    let read = ["iss", "tid", "aud", "exp", "nbf", "iat", "oid"];
    let plain = read.iter().all(|name| like(name).iter().all(|n| n == name));
    let once = members.iter().all(|(name, _)| like(name).len() == 1);
    let value = |name: &str| {
        members
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    };
    let tenant = match value("iss") {
        Some(iss) if *iss == v2(A) || *iss == v1(A) => A,
        Some(iss) if *iss == v2(B) => B,
        _ => return false,
    };
    let tid = value("tid").is_none_or(|tid| {
        tid.as_str()
            .is_some_and(|tid| tid.eq_ignore_ascii_case(tenant))
    });
    let past = |name: &str| {
        value(name).is_none_or(|time| time.as_u64().is_some_and(|time| time <= 1_800_000_060))
    };
    plain
        && once
        && tid
        && value("aud") == Some(&json!(AUDIENCE))
        && value("exp")
            .and_then(Value::as_u64)
            .is_some_and(|time| time > 1_799_999_940)
        && past("nbf")
        && past("iat")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_character_changed_is_refused(at: prop::sample::Index, new: char) {
        let token = good();
        let at = at.index(token.len());
        prop_assume!(!token[at..].starts_with(new));
        let changed = format!("{}{new}{}", &token[..at], &token[at + 1..]);
        prop_assert!(verify(&changed).is_err());
        let longer = format!("{}{new}{}", &token[..at], &token[at..]);
        prop_assert!(verify(&longer).is_err());
        let shorter = format!("{}{}", &token[..at], &token[at + 1..]);
        prop_assert!(verify(&shorter).is_err());
        prop_assert!(verify(&token[..at]).is_err());
    }

    #[test]
    fn no_text_is_trusted_or_fatal(text: String, header in "\\PC{0,60}", claims in "\\PC{0,60}") {
        prop_assert!(verify(&text).is_err());
        prop_assert!(verify(&sign(&header, &claims)).is_err());
        let unsigned = format!("{}.{}.{}", b64(self::header()), b64(&claims), b64(&text));
        prop_assert!(verify(&unsigned).is_err());
        drop(KeySet::parse(text.as_bytes()));
        drop(KeySet::parse(format!("{{\"keys\":[{header},{claims}]}}").as_bytes()));
    }

    #[test]
    fn no_nonce_moves_what_is_signed(nonce in "[ -~&&[^\"\\\\]]{0,40}", other in "[ -~&&[^\"\\\\]]{0,40}") {
        let header = header_with("nonce", nonce.as_str());
        let hash = b64(tidegate_mock::jwt::sha256(nonce.as_bytes()));
        let claims = claims_of(A).to_string();
        let signed = sign(header_with("nonce", hash), &claims);
        let (_, signature) = signed.rsplit_once('.').unwrap();
        let token = |header: &str| format!("{}.{}.{signature}", b64(header), b64(&claims));
        prop_assert_eq!(outcome(&token(&header)), accepted(A));
        prop_assume!(other != nonce);
        let other = header_with("nonce", other.as_str());
        prop_assert!(verify(&token(&other)).is_err());
    }

    /// A second writing of the rules, and a second implementation of the signature's check.
    #[test]
    fn claims_are_judged_as_written(members in members()) {
        let token = sign(header(), written(&members));
        let good = is_good(&members);
        prop_assert_eq!(verify(&token).is_ok(), good, "{}", written(&members));
        let jwk = key(KeyName::Enterprise).jwk(None);
        let (n, e) = (jwk["n"].as_str().unwrap(), jwk["e"].as_str().unwrap());
        let theirs = jsonwebtoken::DecodingKey::from_rsa_components(n, e).unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[v1(A), v2(A), v2(B)]);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let theirs = jsonwebtoken::decode::<Value>(&token, &theirs, &validation);
        prop_assert!(!good || theirs.is_ok(), "{theirs:?}");
    }
}
