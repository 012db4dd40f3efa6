//! Control endpoints under `/_mock/`, for tests that run in another process.
//!
//! | request | answer |
//! |---|---|
//! | `POST /_mock/token` with an [order](token) | `{"token","claims"}` |
//! | `GET /_mock/token?tenant=...` with the order's texts in the query | the token alone, as text |
//! | `GET /_mock/keys` | `{"published":[{"key","kid","issuer"}],"signing","fetches":{"discovery","keys"}}` |
//! | `POST /_mock/keys` with a [change](keys) | the same, after the change |
//! | `DELETE /_mock/keys` | 204, keys are as at the start |
//! | `GET /_mock/requests` | `{"count","token_posts","connections","requests":[{"method","target","host","user_agent"}]}` |
//! | `DELETE /_mock/requests` | 204, the log is empty |

mod keys;
mod token;

use http::Method;
use serde_json::{Value, json};

use crate::provider::Provider;
use crate::reply::Reply;
use crate::request::Request;

/// Answers a control request; `None` for any other.
pub(crate) fn answer(provider: &Provider, request: &Request) -> Option<Reply> {
    let name = request.path.strip_prefix("/_mock/")?;
    let method = &request.method;
    let outcome = match name {
        "token" if method == Method::POST => token::answer(provider, &request.body),
        "token" if method == Method::GET => token::bare(provider, request.query.as_deref()),
        "keys" if method == Method::DELETE => {
            provider.mint().keys().reset();
            Ok(Reply::new(204, ""))
        }
        "keys" if method == Method::POST => keys::change(provider, &request.body),
        "keys" => Ok(keys::show(provider)),
        "requests" if method == Method::DELETE => {
            provider.log().clear();
            Ok(Reply::new(204, ""))
        }
        "requests" if method != Method::POST => Ok(Reply::json(200, &requests(provider))),
        _ => Ok(Reply::json(404, &json!({ "error": "not_found" }))),
    };
    Some(outcome.unwrap_or_else(|problem| refuse(&problem)))
}

fn refuse(problem: &str) -> Reply {
    Reply::json(
        400,
        &json!({ "error": "invalid_request", "error_description": problem }),
    )
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
