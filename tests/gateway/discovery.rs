//! The other endpoints that a real client touches (group D of the adversarial cases): whoever
//! follows what it reads stays with the gateway.

mod documents;
mod doubtful;
mod flows;
mod relayed;

use serde_json::Value;

const V1: &str = "/.well-known/openid-configuration";
const V2: &str = "/v2.0/.well-known/openid-configuration";

fn host(url: &str) -> &str {
    url.split_once("://").unwrap().1
}

/// The members of a document whose text names `host`, at any depth.
fn naming(document: &Value, host: &str) -> Vec<String> {
    fn walk(name: &str, value: &Value, host: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                members
                    .iter()
                    .for_each(|(name, value)| walk(name, value, host, found));
            }
            Value::Array(values) => values
                .iter()
                .for_each(|value| walk(name, value, host, found)),
            Value::String(text) if text.to_lowercase().contains(host) => {
                found.push(name.to_owned())
            }
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    walk("", document, host, &mut found);
    found.sort();
    found.dedup();
    found
}
