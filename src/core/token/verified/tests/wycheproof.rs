//! Project Wycheproof's JWS vectors. Their payloads are plain text, so they drive the header and
//! the signature. Skipped where the folder with them is not there.

use std::path::Path;

use super::super::jws::Jws;
use super::*;

const FILE: &str = "../shared/vectors/wycheproof_json_web_signature_test.json";

/// The group's key among keys, if it can be one: what the vectors do not say is filled in.
fn keys(group: &Value) -> Result<KeySet, super::super::super::keys::KeySetError> {
    let mut jwk = group
        .get("public")
        .or(group.get("private"))
        .unwrap()
        .clone();
    jwk["issuer"] = json!(v2("{tenantid}"));
    if jwk.get("use").is_none() {
        jwk["use"] = json!("sig");
    }
    KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes())
}

fn is_verified(jws: &str, keys: &KeySet) -> Result<bool, Refused> {
    let jws = Jws::read(jws)?;
    let key = keys.named(&jws.kid).first();
    Ok(key.is_some_and(|key| jws.is_signed_by(key)))
}

fn claimed_algorithm(jws: &str) -> Option<String> {
    let header = URL_SAFE_NO_PAD.decode(jws.split('.').next()?).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    Some(header["alg"].as_str()?.to_owned())
}

#[test]
fn every_vector_comes_out_as_it_should() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("skipped: there is no {}", path.display());
        return;
    };
    let document: Value = serde_json::from_slice(&text).unwrap();
    let (mut driven, mut rs256, mut valid, mut unread) = (0, 0, 0, 0);
    for group in document["testGroups"].as_array().unwrap() {
        let keys = keys(group);
        for test in group["tests"].as_array().unwrap() {
            let jws = test["jws"].as_str().unwrap_or_default();
            let should = test["result"] == "valid";
            let note = format!("{} {}", test["tcId"], test["comment"]);
            match &keys {
                Ok(keys) => {
                    rs256 += 1;
                    assert_eq!(is_verified(jws, keys) == Ok(true), should, "{note}");
                    valid += usize::from(should);
                }
                // Another algorithm's key, or one that is not for signatures: it is not in the set.
                // Nor is the token read, unless it says RS256 all the same.
                Err(_) => {
                    let says_rs256 = claimed_algorithm(jws).is_some_and(|alg| alg == "RS256");
                    assert_eq!(Jws::read(jws).is_ok(), says_rs256, "{note}");
                    unread += usize::from(!says_rs256);
                }
            }
            driven += 1;
        }
    }
    assert_eq!((driven, rs256, valid, unread), (401, 233, 8, 165));
}
