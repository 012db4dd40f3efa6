//! Changes to what is published about the keys: `{"add","issuer","remove","sign_with","jwks_uri",
//! "document","trouble","size","url","seconds","mend"}`, each optional.
//!
//! `add`, `remove`, `sign_with` name a key: `enterprise`, `enterprise-next`, `personal`,
//! `unpublished`. `issuer`: the added key's, if not an enterprise key's; empty for none. `trouble`:
//! `down`, `empty`, `html`, `huge` (with `size`, bytes), `redirect` (with `url`), `reset`, `silent`,
//! `slow` (with `seconds`), `truncated`; it befalls the `document` `keys` (the default) or
//! `discovery` until `mend` names that document.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::keys::KeyName;
use crate::provider::Provider;
use crate::published::KeyIssuer;
use crate::reply::Reply;
use crate::trouble::{Document, Trouble};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    add: Option<String>,
    issuer: Option<String>,
    remove: Option<String>,
    sign_with: Option<String>,
    jwks_uri: Option<String>,
    document: Option<String>,
    trouble: Option<String>,
    size: Option<usize>,
    url: Option<String>,
    seconds: Option<u64>,
    mend: Option<String>,
}

pub(super) fn change(provider: &Provider, body: &[u8]) -> Result<Reply, String> {
    let change: Change = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let keys = provider.mint().keys();
    // All of it is read before any of it acts.
    let key = |word: &Option<String>| word.as_deref().map(named).transpose();
    let (add, remove, sign_with) = (
        key(&change.add)?,
        key(&change.remove)?,
        key(&change.sign_with)?,
    );
    let befallen = document(change.document.as_deref().unwrap_or("keys"))?;
    let trouble = trouble(&change)?;
    let mended = change.mend.as_deref().map(document).transpose()?;
    if let Some(key) = add {
        keys.add_for(key, issuer(change.issuer));
    }
    if let Some(key) = remove {
        keys.remove(key);
    }
    if let Some(key) = sign_with {
        keys.sign_with(key);
    }
    if let Some(url) = change.jwks_uri {
        keys.jwks_uri(url);
    }
    if let Some(trouble) = trouble {
        keys.trouble(befallen, trouble);
    }
    if let Some(document) = mended {
        keys.mend(document);
    }
    Ok(show(provider))
}

pub(super) fn show(provider: &Provider) -> Reply {
    let keys = provider.mint().keys();
    let published = keys.list().into_iter().map(|(key, issuer)| {
        let issuer = match issuer {
            KeyIssuer::Enterprise | KeyIssuer::Personal => {
                keys.jwk(key).get("issuer").cloned().unwrap_or_default()
            }
            KeyIssuer::Literal(text) => json!(text),
            KeyIssuer::Missing => Value::Null,
        };
        json!({ "key": key.as_str(), "kid": provider.mint().key(key).kid(), "issuer": issuer })
    });
    let log = provider.log();
    Reply::json(
        200,
        &json!({
            "published": published.collect::<Vec<_>>(),
            "signing": keys.signing().as_str(),
            "fetches": { "discovery": log.discovery_fetches(), "keys": log.key_fetches() },
        }),
    )
}

/// The key that a word means.
pub(super) fn named(word: &str) -> Result<KeyName, String> {
    KeyName::of(word).ok_or_else(|| format!("key {word:?} is not known"))
}

fn issuer(text: Option<String>) -> KeyIssuer {
    match text {
        None => KeyIssuer::Enterprise,
        Some(text) if text.is_empty() => KeyIssuer::Missing,
        Some(text) => KeyIssuer::Literal(text),
    }
}

fn document(word: &str) -> Result<Document, String> {
    match word {
        "discovery" => Ok(Document::Discovery),
        "keys" => Ok(Document::Keys),
        other => Err(format!("document {other:?} is neither discovery nor keys")),
    }
}

fn trouble(change: &Change) -> Result<Option<Trouble>, String> {
    let Some(word) = change.trouble.as_deref() else {
        return Ok(None);
    };
    Ok(Some(match word {
        "down" => Trouble::Down,
        "empty" => Trouble::Empty,
        "html" => Trouble::Html,
        "huge" => Trouble::Huge(change.size.ok_or("huge needs size")?),
        "redirect" => Trouble::Redirect(change.url.clone().ok_or("redirect needs url")?),
        "reset" => Trouble::Reset,
        "silent" => Trouble::Silent,
        "slow" => Trouble::Slow(Duration::from_secs(
            change.seconds.ok_or("slow needs seconds")?,
        )),
        "truncated" => Trouble::Truncated,
        other => return Err(format!("trouble {other:?} is not known")),
    }))
}
