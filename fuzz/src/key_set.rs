//! A provider's key set.
//!
//! Holds: every key kept stands in the document and is what rule 2 of `keys.rs` says, by a second
//! reading; names are unambiguous; merging a set with itself, and writing the document anew in
//! another order, changes nothing; the keys of one cloud are among those of all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::value::RawValue;
use tidegate::core::token::keys::{KeySet, MOST_KEYS};

/// In a document, this byte stands for a modulus of 2048 bits, and the one after it tells which.
const MODULUS: u8 = 0xf5;

/// Holds one document against what must hold of it.
pub fn run(input: &[u8]) {
    let document = expand(input);
    let Ok(set) = KeySet::parse(&document) else {
        return;
    };
    // Half a surrogate in a member that nobody reads loses neither the key nor the rest.
    let whole = |text: &str| text.replace("\\ud", "\\u0").replace("\\uD", "\\u0");
    let read = |key: &RawValue| {
        let key = key.get();
        serde_json::from_str(key).or_else(|_| serde_json::from_str(&whole(key)))
    };
    let listed: Vec<Value> = raw_keys(&document)
        .into_iter()
        .map(|key| read(key).unwrap_or(Value::Null))
        .collect();
    assert!(!set.keys().is_empty() && listed.len() <= MOST_KEYS);
    assert!(set.keys().len() <= listed.len());

    // The moduli that each name may stand for: of an entry that only this reading takes, too.
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for key in set.keys() {
        let sources = listed.iter().filter(|entry| {
            entry["kid"] == key.kid.as_str()
                && entry["issuer"] == key.issuer.as_str()
                && sound(entry)
        });
        let moduli: BTreeSet<&str> = sources.filter_map(|entry| entry["n"].as_str()).collect();
        assert!(!moduli.is_empty(), "{key:?} is not in the document");
        let known = names.entry(&key.kid).or_insert_with(|| moduli.clone());
        known.retain(|modulus| moduli.contains(modulus));
        assert!(!known.is_empty(), "two keys of one name");
        assert!(set.holds(key.id()));
        assert!(
            set.named(&key.kid)
                .iter()
                .any(|named| named.id() == key.id())
        );
        assert!(set.named(&key.kid).iter().all(|named| named.kid == key.kid));
    }
    let twice = KeySet::merge([set.clone(), set.clone()]);
    assert_eq!(twice.fingerprint(), set.fingerprint(), "merged with itself");

    let turned = reversed(&document);
    let turned = KeySet::parse(&turned).expect("written anew, still a key set");
    assert_eq!(turned.fingerprint(), set.fingerprint(), "in another order");

    // Without keys of other clouds, a name may stop being ambiguous; apart from that it is a part.
    if let Ok(of_cloud) = KeySet::parse_in_cloud(&document, Some("microsoftonline.com")) {
        let names_clouds = raw_keys(&document)
            .iter()
            .any(|key| key.get().contains("cloud"));
        for key in of_cloud.keys() {
            assert!(set.holds(key.id()) || names_clouds, "{key:?}");
        }
    }
}

/// The same keys in another order, each as it is written.
fn reversed(document: &[u8]) -> Vec<u8> {
    let mut keys = raw_keys(document);
    keys.reverse();
    serde_json::to_vec(&HashMap::from([("keys", keys)])).expect("JSON")
}

fn raw_keys(document: &[u8]) -> Vec<&RawValue> {
    let members: HashMap<String, &RawValue> = serde_json::from_slice(document).expect("an object");
    serde_json::from_str(members["keys"].get()).expect("a list of keys")
}

/// Rule 2, read once more.
fn sound(entry: &Value) -> bool {
    let modulus = entry["n"]
        .as_str()
        .and_then(|n| URL_SAFE_NO_PAD.decode(n).ok());
    let modulus_is_sound = modulus.is_some_and(|bytes| {
        (256..=512).contains(&bytes.len()) && bytes.last().is_some_and(|last| last % 2 == 1)
    });
    entry["kty"] == "RSA"
        && entry["use"] == "sig"
        && entry["e"] == "AQAB"
        && (entry.get("alg").is_none() || entry["alg"] == "RS256")
        && modulus_is_sound
}

fn expand(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len() * 2);
    let mut bytes = input.iter();
    while let Some(byte) = bytes.next() {
        if *byte == MODULUS {
            let which = bytes.next().copied().unwrap_or_default();
            let mut modulus = [which | 0x80; 256];
            modulus[255] = which | 1;
            out.extend(URL_SAFE_NO_PAD.encode(modulus).bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}
