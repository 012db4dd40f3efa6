//! Key sets: which documents, which keys, which of one name.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tidegate_mock::{KeyName, KeyRing};

use super::*;

const ENTERPRISE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
const A: &str = "aaaaaaaa-1111-4aaa-8aaa-aaaaaaaaaaaa";
const B: &str = "bbbbbbbb-2222-4bbb-8bbb-bbbbbbbbbbbb";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

fn modulus(first: u8, bytes: usize, last: u8) -> String {
    let mut modulus = vec![0x5a; bytes];
    modulus[0] = first;
    modulus[bytes - 1] = last;
    URL_SAFE_NO_PAD.encode(modulus)
}

/// A good key of 2048 bits; `fill` makes it another key.
fn jwk(kid: &str, fill: u8) -> Value {
    json!({"kty": "RSA", "use": "sig", "kid": kid, "x5t": kid, "e": "AQAB", "issuer": ENTERPRISE,
           "n": modulus(0x80 | fill, 256, 1), "x5c": ["MIIC"], "cloud_instance_name": "x"})
}

/// The same with one member set, or taken away with null.
fn with(mut key: Value, member: &str, value: Value) -> Value {
    let members = key.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(member).unwrap();
    } else {
        members.insert(member.to_owned(), value);
    }
    key
}

fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn kids(set: &KeySet) -> Vec<&str> {
    set.keys().iter().map(|key| key.kid.as_str()).collect()
}

fn issuer(tenant: &str) -> String {
    ENTERPRISE.replace(PLACEHOLDER, tenant)
}

#[test]
fn the_set_of_an_entra_provider_is_read() {
    let ring = KeyRing::shared().unwrap();
    let key = |name: KeyName, issuer: &str| ring.key(name).jwk(Some(issuer));
    let personal = issuer(PERSONAL);
    let set = parse(&[
        key(KeyName::Enterprise, ENTERPRISE),
        key(KeyName::Personal, &personal),
    ])
    .unwrap();
    assert_eq!((set.keys().len(), set.skipped()), (2, 0));
    for (name, issuer) in [
        (KeyName::Enterprise, ENTERPRISE),
        (KeyName::Personal, &personal),
    ] {
        let kid = ring.key(name).kid();
        let [found] = set.named(kid) else {
            panic!("{name:?}")
        };
        assert_eq!((found.kid.as_str(), found.issuer.as_str()), (kid, issuer));
        assert!(set.holds(found.id()));
    }
    assert!(set.named(ring.key(KeyName::Unpublished).kid()).is_empty());
    // Key sets of version 1.0 name no issuers: none of their keys can be bound to one.
    let v1 = ring.key(KeyName::Enterprise).jwk(None);
    assert_eq!(parse(&[v1]).unwrap_err(), KeySetError::NoKeys);
}

#[test]
fn only_one_object_with_one_list_is_a_key_set() {
    let key = jwk("k", 0);
    let table = [
        ("", KeySetError::Malformed),
        ("<html>", KeySetError::Malformed),
        ("{}", KeySetError::Malformed),
        ("[]", KeySetError::Malformed),
        ("null", KeySetError::Malformed),
        (r#"{"keys":{}}"#, KeySetError::Malformed),
        (r#"{"keys":null}"#, KeySetError::Malformed),
        (r#"{"keys":"KEY"}"#, KeySetError::Malformed),
        (r#"{"Keys":[KEY]}"#, KeySetError::Malformed),
        (r#"{"key\u017f":[KEY]}"#, KeySetError::Malformed),
        (r#"[[KEY]]"#, KeySetError::Malformed),
        (r#"[KEY]"#, KeySetError::Malformed),
        (r#"KEY"#, KeySetError::Malformed),
        (r#"{"keys":[KEY],"keys":[]}"#, KeySetError::Malformed),
        (r#"{"keys":[],"keys":[KEY]}"#, KeySetError::Malformed),
        (r#"{"keys":[KEY],"KEYS":[]}"#, KeySetError::Malformed),
        (r#"{"keys":[KEY],"a":1,"A":1}"#, KeySetError::Malformed),
        (r#"{"keys":[KEY]"#, KeySetError::Malformed),
        (r#"{"keys":[KEY]}}"#, KeySetError::Malformed),
        (r#"{"keys":[KEY,]}"#, KeySetError::Malformed),
        ("\u{feff}{\"keys\":[KEY]}", KeySetError::Malformed),
        (r#"{"keys":[]}"#, KeySetError::NoKeys),
        (r#"{"keys":[null,1,"KEY",[KEY]]}"#, KeySetError::NoKeys),
    ];
    let document = |text: &str| {
        text.replace("\"KEY\"", "\"text\"")
            .replace("KEY]", &format!("{key}]"))
            .replace("KEY,", &format!("{key},"))
    };
    for (text, error) in table {
        let found = KeySet::parse(document(text).as_bytes());
        assert_eq!(found.unwrap_err(), error, "{text}");
    }
    assert_eq!(
        KeySet::parse(b"{\"keys\":[\"\xff\"]}").unwrap_err(),
        KeySetError::Malformed
    );
    let more = r#" {"more":{"a":1,"A":2},"keys":[KEY]} "#;
    assert_eq!(
        kids(&KeySet::parse(document(more).as_bytes()).unwrap()),
        ["k"]
    );
}

#[test]
fn one_document_lists_a_bounded_number_of_keys() {
    let keys =
        |many: usize| -> Vec<Value> { (0..many).map(|n| jwk(&format!("k{n:03}"), 0)).collect() };
    assert_eq!(parse(&keys(MOST_KEYS)).unwrap().keys().len(), MOST_KEYS);
    let error = parse(&keys(MOST_KEYS + 1)).unwrap_err();
    assert_eq!(error, KeySetError::TooManyKeys);
}

#[test]
fn an_odd_key_is_skipped_and_the_rest_kept() {
    let key = || jwk("odd", 0);
    let long = "k".repeat(257);
    let odd = [
        with(key(), "kty", Value::Null),
        with(key(), "kty", json!("EC")),
        with(key(), "kty", json!("rsa")),
        with(key(), "use", Value::Null),
        with(key(), "use", json!("enc")),
        with(key(), "use", json!(["sig"])),
        with(key(), "alg", json!("RS512")),
        with(key(), "alg", json!("PS256")),
        with(key(), "alg", json!("HS256")),
        with(key(), "alg", json!(256)),
        with(key(), "key_ops", json!([])),
        with(key(), "key_ops", json!(["encrypt"])),
        with(key(), "key_ops", json!("verify")),
        with(key(), "key_ops", json!(["verify", 1])),
        with(key(), "kid", Value::Null),
        with(key(), "kid", json!(1)),
        with(key(), "kid", json!("")),
        with(key(), "kid", json!(long)),
        with(key(), "kid", json!("a\nb")),
        with(key(), "kid", json!("schl\u{fc}ssel")),
        with(key(), "issuer", Value::Null),
        with(key(), "issuer", json!("")),
        with(key(), "issuer", json!(["x"])),
        with(key(), "issuer", json!("x".repeat(513))),
        with(key(), "e", Value::Null),
        with(key(), "e", json!("AQ")),
        with(key(), "e", json!("Aw")),
        with(key(), "e", json!("AAEAAQ")),
        with(key(), "e", json!("AQAB=")),
        with(key(), "e", json!(65_537)),
        with(key(), "n", Value::Null),
        with(key(), "n", json!("")),
        with(key(), "n", json!(modulus(0x7f, 256, 1))),
        with(key(), "n", json!(modulus(0x80, 128, 1))),
        with(key(), "n", json!(modulus(0x01, 513, 1))),
        with(key(), "n", json!(modulus(0x00, 257, 1))),
        with(key(), "n", json!(modulus(0x80, 256, 2))),
        with(key(), "n", json!(format!("{}==", modulus(0x80, 256, 1)))),
        with(key(), "n", json!("+".repeat(342))),
        with(key(), "Kid", json!("other")),
        json!({}),
        json!([]),
        json!("RSA"),
        json!(null),
    ];
    for odd in odd {
        let set = parse(&[jwk("good", 0), odd.clone()]).unwrap();
        assert_eq!((kids(&set), set.skipped()), (vec!["good"], 1), "{odd}");
        assert_eq!(
            parse(std::slice::from_ref(&odd)).unwrap_err(),
            KeySetError::NoKeys,
            "{odd}"
        );
    }
    // A member twice.
    let twice = jwk("odd", 0)
        .to_string()
        .replacen('{', r#"{"n":"AQAB","#, 1);
    let text = format!(r#"{{"keys":[{twice},{}]}}"#, jwk("good", 0));
    let set = KeySet::parse(text.as_bytes()).unwrap();
    assert_eq!((kids(&set), set.skipped()), (vec!["good"], 1));
}

#[test]
fn what_a_key_may_say_as_well() {
    let key = || jwk("k", 0);
    for good in [
        key(),
        with(key(), "alg", json!("RS256")),
        with(key(), "key_ops", json!(["sign", "verify"])),
        with(key(), "kid", json!("k".repeat(256))),
        with(key(), "kid", json!("a key's name ~")),
        with(key(), "issuer", json!("x".repeat(512))),
        with(key(), "n", json!(modulus(0x80, 256, 1))),
        with(key(), "n", json!(modulus(0x80, 384, 1))),
        with(key(), "n", json!(modulus(0x80, 512, 1))),
        with(key(), "x5c", json!({"odd": ["a"]})),
    ] {
        let set = parse(std::slice::from_ref(&good)).unwrap();
        assert_eq!((set.keys().len(), set.skipped()), (1, 0), "{good}");
    }
}

#[test]
fn keys_of_one_name_are_one_key_or_none() {
    let other = |key: Value, tenant: &str| with(key, "issuer", json!(issuer(tenant)));
    let table = [
        // The same twice is one; the same for two issuers is two entries.
        (vec![jwk("k", 0), jwk("k", 0)], vec!["k"], 0),
        (vec![jwk("k", 0), other(jwk("k", 0), A)], vec!["k", "k"], 0),
        (vec![jwk("k", 0), jwk("K", 1)], vec!["K", "k"], 0),
        // Two of one name: neither, whatever the issuers, and however often.
        (vec![jwk("k", 0), jwk("k", 1), jwk("l", 0)], vec!["l"], 2),
        (
            vec![jwk("k", 0), jwk("l", 0), jwk("k", 1), jwk("k", 0)],
            vec!["l"],
            2,
        ),
        (
            vec![other(jwk("k", 0), A), other(jwk("k", 1), B), jwk("l", 0)],
            vec!["l"],
            2,
        ),
    ];
    for (keys, kept, skipped) in table {
        let set = parse(&keys).unwrap();
        assert_eq!((kids(&set), set.skipped()), (kept, skipped), "{keys:?}");
        // The same keys from several documents, in either order.
        for keys in [keys.clone(), keys.into_iter().rev().collect()] {
            let merged = KeySet::merge(
                keys.iter()
                    .map(|key| parse(std::slice::from_ref(key)).unwrap()),
            );
            assert_eq!(kids(&merged), kids(&set), "{keys:?}");
            assert_eq!(merged.fingerprint(), set.fingerprint(), "{keys:?}");
        }
    }
    assert_eq!(
        parse(&[jwk("k", 0), jwk("k", 1)]).unwrap_err(),
        KeySetError::NoKeys
    );
}

/// A name that was ambiguous in one document is not saved by another that lists it once.
#[test]
fn ambiguity_survives_a_merge() {
    let doubtful = parse(&[jwk("k", 0), jwk("k", 1), jwk("l", 0)]).unwrap();
    let plain = parse(&[jwk("k", 0)]).unwrap();
    for sets in [[doubtful.clone(), plain.clone()], [plain, doubtful]] {
        let merged = KeySet::merge(sets);
        assert_eq!((kids(&merged), merged.skipped()), (vec!["l"], 3));
    }
}

#[test]
fn sets_of_several_tenants_are_one() {
    let of = |tenant: &str| {
        let key = with(jwk("k", 0), "issuer", json!(issuer(tenant)));
        parse(&[key, with(jwk("odd", 0), "kty", json!("EC"))]).unwrap()
    };
    let merged = KeySet::merge([of(A), of(B)]);
    assert_eq!((merged.named("k").len(), merged.skipped()), (2, 2));
    assert_eq!(
        merged.fingerprint(),
        KeySet::merge([of(B), of(A)]).fingerprint()
    );
    assert_ne!(merged.fingerprint(), of(A).fingerprint());
    let left: Vec<_> = merged
        .keys()
        .iter()
        .filter(|key| !of(A).holds(key.id()))
        .collect();
    assert_eq!(left.len(), 1, "the key left the set of B's issuer only");
    assert_eq!(left[0].issuer, issuer(B));
    assert_eq!(
        KeySet::merge([]).fingerprint(),
        KeySet::default().fingerprint()
    );
}

#[test]
fn the_fingerprint_changes_with_the_keys_only() {
    let set = |text: &str| KeySet::parse(text.as_bytes()).unwrap().fingerprint();
    let (k, l) = (jwk("k", 0), jwk("l", 1));
    let plain = set(&format!(r#"{{"keys":[{k},{l}]}}"#));
    let spaced = serde_json::to_string_pretty(&json!({"keys": [l, {"kty": "EC"}, k], "x": 1}));
    assert_eq!(plain, set(&spaced.unwrap()));
    for change in [
        vec![k.clone()],
        vec![k.clone(), jwk("m", 1)],
        vec![k.clone(), jwk("l", 2)],
        vec![k.clone(), with(l.clone(), "issuer", json!("x"))],
        vec![k, l, jwk("m", 2)],
    ] {
        assert_ne!(plain, parse(&change).unwrap().fingerprint(), "{change:?}");
    }
}

#[test]
fn lookups_find_exactly_the_name() {
    let names = ["a", "aa", "ab", "b", "zz"];
    let keys: Vec<Value> = names.iter().rev().map(|kid| jwk(kid, 0)).collect();
    let set = parse(&keys).unwrap();
    for name in names {
        assert!(
            matches!(set.named(name), [key] if key.kid == name),
            "{name}"
        );
    }
    for name in ["", "A", "ac", "c", "zzz", "a ", "*"] {
        assert!(set.named(name).is_empty(), "{name}");
    }
}

#[test]
fn a_key_signs_for_its_own_issuer() {
    use super::super::issuer::Cloud;
    let tenant = |text| TenantId::parse(text).unwrap();
    let issuers = Issuers::of_clouds(&[Cloud::Public, Cloud::China]);
    let key = |issuer: &str| Key::new("k".to_owned(), issuer.to_owned(), vec![1]);
    let v1 = |id: &str| format!("https://sts.windows.net/{id}/");
    let us = |id: &str| format!("https://login.microsoftonline.us/{id}/v2.0");
    let table = [
        (key(ENTERPRISE), issuer(A), A, true),
        (key(ENTERPRISE), v1(A), A, true),
        (key(ENTERPRISE), issuer(PERSONAL), PERSONAL, true),
        (key(ENTERPRISE), issuer(A), B, false),
        (key(ENTERPRISE), us(A), A, false),
        (key(&issuer(PERSONAL)), issuer(PERSONAL), PERSONAL, true),
        (key(&issuer(PERSONAL)), v1(PERSONAL), PERSONAL, true),
        (key(&issuer(PERSONAL)), issuer(A), A, false),
        (key(&issuer(PERSONAL)), v1(A), A, false),
        (key(&issuer(A)), issuer(B), B, false),
        (key(&issuer(A)), v1(B), B, false),
        (key(&v1(PLACEHOLDER)), v1(A), A, true),
        // The other way about is not documented: a version 1.0 key set names no issuers.
        (key(&v1(PLACEHOLDER)), issuer(A), A, false),
        // Another cloud's keys, though version 1.0 issuers are shared.
        (key(&us(PLACEHOLDER)), v1(A), A, false),
        (key(&us(PLACEHOLDER)), issuer(A), A, false),
        (key("https://evil.test/{tenantid}/v2.0"), v1(A), A, false),
        (
            key("https://sts.chinacloudapi.cn/{tenantid}/"),
            v1(A),
            A,
            false,
        ),
        (key("{tenantid}"), v1(A), A, false),
    ];
    for (key, issuer, of, fits) in table {
        assert_eq!(
            key.signs_for(&issuer, tenant(of), &issuers),
            fits,
            "{key:?} {issuer}"
        );
    }
}

#[test]
fn a_key_is_shown_without_its_material() {
    let set = parse(&[jwk("k", 0)]).unwrap();
    let shown = format!("{:?}", set.keys()[0]);
    assert_eq!(
        shown,
        format!("Key {{ kid: \"k\", issuer: \"{ENTERPRISE}\", .. }}")
    );
}

/// As the worldwide set lists them: keys of US Government with the worldwide issuer.
#[test]
fn a_key_of_another_cloud_signs_for_nobody_here() {
    let key = |kid: &str, cloud: &str| {
        let cloud = match cloud {
            "" => String::new(),
            name => format!(r#","cloud_instance_name":{name}"#),
        };
        let n = URL_SAFE_NO_PAD.encode([0xff_u8; 256]);
        format!(
            r#"{{"kty":"RSA","use":"sig","kid":"{kid}","n":"{n}","e":"AQAB","issuer":"{ENTERPRISE}"{cloud}}}"#
        )
    };
    let keys = [
        key("ours", r#""microsoftonline.com""#),
        key("theirs", r#""microsoftonline.us""#),
        key("unnamed", ""),
        key("odd", "1"),
    ];
    let document = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let named = |cloud| {
        let set = KeySet::parse_in_cloud(document.as_bytes(), cloud).unwrap();
        let kids: Vec<_> = set.keys().iter().map(|key| key.kid.clone()).collect();
        (kids, set.skipped())
    };
    let kids = |kids: &[&str]| kids.iter().map(|kid| (*kid).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        named(Some("microsoftonline.com")),
        (kids(&["ours", "unnamed"]), 2)
    );
    assert_eq!(
        named(Some("microsoftonline.us")),
        (kids(&["theirs", "unnamed"]), 2)
    );
    assert_eq!(
        named(None),
        (kids(&["odd", "ours", "theirs", "unnamed"]), 0)
    );
}
