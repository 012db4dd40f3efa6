//! Control endpoints under `/_mock/`, for tests that run in another process.
//!
//! | request | answer |
//! |---|---|
//! | `POST /_mock/token` with `{"tenant","version","kind","seal","user","claims":{},"header":{}}` | `{"token","claims"}` |
//! | `GET /_mock/requests` | `{"count","token_posts","connections","requests":[{"method","target","host","user_agent"}]}` |
//! | `DELETE /_mock/requests` | 204, the log is empty |
//!
//! Only `tenant` (an id or a registered domain) is required. `version`: `1.0`, `2.0`. `kind`:
//! `access`, `id`. `seal`: `signed`, `graph-nonce`, `bad-signature`, `unpublished-key`,
//! `personal-key`, `none`, `hs256`, `jwe`, `opaque`. A claim or header member that is `null` is
//! left out of the token.

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::keys::KeyName;
use crate::mint::Seal;
use crate::options::Version;
use crate::provider::Provider;
use crate::reply::Reply;
use crate::request::Request;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    tenant: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    seal: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    header: Map<String, Value>,
}

/// Answers a control request; `None` for any other.
pub(crate) fn answer(provider: &Provider, request: &Request) -> Option<Reply> {
    let name = request.path.strip_prefix("/_mock/")?;
    Some(match (name, request.method == Method::POST) {
        ("token", true) => {
            token(provider, &request.body).unwrap_or_else(|problem| refuse(&problem))
        }
        ("requests", false) if request.method == Method::DELETE => {
            provider.log().clear();
            Reply::new(204, "")
        }
        ("requests", false) => Reply::json(200, &requests(provider)),
        _ => Reply::json(404, &json!({ "error": "not_found" })),
    })
}

fn refuse(problem: &str) -> Reply {
    Reply::json(
        400,
        &json!({ "error": "invalid_request", "error_description": problem }),
    )
}

fn token(provider: &Provider, body: &[u8]) -> Result<Reply, String> {
    let order: Order = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let tenant = provider
        .tenant(&order.tenant)
        .ok_or("tenant is neither an id nor a registered domain")?;
    let mut token = match order.kind.as_deref() {
        None | Some("access") => provider.mint().access_token(&tenant),
        Some("id") => provider.mint().id_token(&tenant),
        Some(other) => return Err(format!("kind {other:?} is neither access nor id")),
    };
    token = match order.version.as_deref() {
        None | Some("2.0") => token.version(Version::V2),
        Some("1.0") => token.version(Version::V1),
        Some(other) => return Err(format!("version {other:?} is neither 1.0 nor 2.0")),
    };
    token = token.seal(seal(order.seal.as_deref().unwrap_or("signed"))?);
    if let Some(user) = &order.user {
        let account =
            crate::entra::account(provider, user).ok_or("the user's domain is not registered")?;
        token = token.user(account.username, account.home);
    }
    for (name, value) in order.claims {
        token = if value.is_null() {
            token.without(name)
        } else {
            token.claim(name, value)
        };
    }
    for (name, value) in order.header {
        token = if value.is_null() {
            token.without_header(name)
        } else {
            token.header(name, value)
        };
    }
    let built = token.build();
    let claims = crate::jwt::claims(&built);
    Ok(Reply::json(
        200,
        &json!({ "token": built, "claims": claims }),
    ))
}

fn seal(name: &str) -> Result<Seal, String> {
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

fn requests(provider: &Provider) -> Value {
    let log = provider.log();
    let list: Vec<Value> = log
        .all()
        .iter()
        .map(|request| {
            json!({
                "method": request.method.as_str(),
                "target": request.target(),
                "host": request.header("host"),
                "user_agent": request.header("user-agent"),
            })
        })
        .collect();
    json!({
        "count": log.count(),
        "token_posts": log.token_posts(),
        "connections": log.connections(),
        "requests": list,
    })
}
