//! Tokens to order: `{"tenant","version","kind","seal","user","aud","lifetime","key","claims":{},
//! "header":{},"raw_claims","raw_header"}`.
//!
//! Only `tenant` (an id or a registered domain) is required. `version`: `1.0`, `2.0`. `kind`:
//! `access`, `id`, or `azure-devops` for one of that service's own. `seal`: `signed`, `graph-nonce`, `bad-signature`, `unpublished-key`,
//! `personal-key`, `none`, `hs256`, `jwe`, `opaque`. `aud`: the audience. `lifetime`: seconds until
//! it expires, negative if it has. `key`: the key that signs, `enterprise`, `enterprise-next`,
//! `personal`, `unpublished`. A claim or header member that is `null` is left out of the token.
//! `raw_claims`, `raw_header`: JSON text to seal as it is.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::keys::KeyName;
use crate::options::Version;
use crate::provider::Provider;
use crate::reply::Reply;
use crate::token::{Seal, Token};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    tenant: String,
    version: Option<String>,
    kind: Option<String>,
    seal: Option<String>,
    user: Option<String>,
    aud: Option<String>,
    lifetime: Option<i64>,
    key: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    header: Map<String, Value>,
    raw_claims: Option<String>,
    raw_header: Option<String>,
}

/// A token and what it claims.
pub(super) fn answer(provider: &Provider, body: &[u8]) -> Result<Reply, String> {
    let order: Order = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let built = make(provider, order)?;
    let claims = crate::jwt::claims(&built);
    Ok(Reply::json(
        200,
        &json!({ "token": built, "claims": claims }),
    ))
}

/// The token alone, for shells.
pub(super) fn bare(provider: &Provider, query: Option<&str>) -> Result<Reply, String> {
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let members: Map<String, Value> = query
        .map(
            |(name, value)| match (name.as_ref(), value.parse::<i64>()) {
                ("lifetime", Ok(seconds)) => (name.into_owned(), json!(seconds)),
                _ => (name.into_owned(), json!(value)),
            },
        )
        .collect();
    let order = serde_json::from_value(Value::Object(members));
    let order: Order = order.map_err(|error| error.to_string())?;
    Ok(Reply::new(200, make(provider, order)?).header("content-type", "text/plain"))
}

fn make(provider: &Provider, order: Order) -> Result<String, String> {
    let tenant = provider
        .tenant(&order.tenant)
        .ok_or("tenant is neither an id nor a registered domain")?;
    match order.kind.as_deref() {
        None | Some("access") => entra(provider, provider.mint().access_token(&tenant), order),
        Some("azure-devops") => Ok(crate::devops::access_token(&tenant)),
        Some("id") => entra(provider, provider.mint().id_token(&tenant), order),
        Some(other) => Err(format!(
            "kind {other:?} is neither access, id nor azure-devops"
        )),
    }
}

fn entra(provider: &Provider, mut token: Token, order: Order) -> Result<String, String> {
    token = match order.version.as_deref() {
        None | Some("2.0") => token.version(Version::V2),
        Some("1.0") => token.version(Version::V1),
        Some(other) => return Err(format!("version {other:?} is neither 1.0 nor 2.0")),
    };
    token = token.seal(sealing(order.seal.as_deref(), order.key.as_deref())?);
    if let Some(user) = &order.user {
        let account =
            crate::entra::account(provider, user).ok_or("the user's domain is not registered")?;
        token = token.user(account.username, account.home);
    }
    if let Some(audience) = order.aud {
        token = token.audience(audience);
    }
    if let Some(seconds) = order.lifetime {
        token = token.expires_in(seconds);
    }
    token = changed(token, order.claims, order.header);
    if let Some(claims) = order.raw_claims {
        token = token.raw_claims(claims);
    }
    if let Some(header) = order.raw_header {
        token = token.raw_header(header);
    }
    Ok(token.build())
}

fn changed(mut token: Token, claims: Map<String, Value>, header: Map<String, Value>) -> Token {
    for (name, value) in claims {
        token = if value.is_null() {
            token.without(name)
        } else {
            token.claim(name, value)
        };
    }
    for (name, value) in header {
        token = if value.is_null() {
            token.without_header(name)
        } else {
            token.header(name, value)
        };
    }
    token
}

fn sealing(seal: Option<&str>, key: Option<&str>) -> Result<Seal, String> {
    match (seal, key) {
        (Some(_), Some(_)) => Err("seal and key exclude each other".to_owned()),
        (None, Some(key)) => super::keys::named(key).map(Seal::SignedBy),
        (seal, None) => seal_named(seal.unwrap_or("signed")),
    }
}

fn seal_named(name: &str) -> Result<Seal, String> {
    Ok(match name {
        "signed" => Seal::Signed,
        "graph-nonce" => Seal::GraphNonce,
        "bad-signature" => Seal::BadSignature,
        "unpublished-key" => Seal::SignedBy(KeyName::Unpublished),
        "personal-key" => Seal::SignedBy(KeyName::Personal),
        "none" => Seal::Unsigned,
        "hs256" => Seal::Hmac(b"mock".to_vec()),
        "jwe" => Seal::Encrypted,
        "opaque" => Seal::Opaque,
        other => return Err(format!("seal {other:?} is not known")),
    })
}
