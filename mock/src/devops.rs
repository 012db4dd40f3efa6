//! The Azure-DevOps-like token service: HS256 tokens of its own with a GUID in `tid` that looks
//! like Entra's.

use serde_json::json;

use crate::jwt;
use crate::mint::now;
use crate::provider::Provider;
use crate::reply::Reply;
use crate::request::Request;

/// The grant type of Azure DevOps' OAuth, in which `assertion` holds the code or the refresh token.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The issuer (and audience) of its tokens.
pub const ISSUER: &str = "app.vstoken.visualstudio.com";

/// An `assertion` that starts with this asks for a genuine Entra token of the tenant that follows.
const ENTRA_PREFIX: &str = "entra:";

/// An access token: HS256, nobody but the service can verify it.
pub fn access_token(tid: &str) -> String {
    token(tid, "vso.work_write", 3599)
}

fn token(tid: &str, scope: &str, lifetime: u64) -> String {
    let now = now();
    let claims = json!({
        "nameid": jwt::stable_guid("devops/user"),
        "scp": scope,
        "aui": jwt::random_guid(),
        "appid": jwt::stable_guid("devops/app"),
        "tid": tid,
        "iss": ISSUER,
        "aud": ISSUER,
        "nbf": now,
        "exp": now.saturating_add(lifetime),
    });
    let header = br#"{"typ":"JWT","alg":"HS256"}"#;
    jwt::hs256(
        header,
        claims.to_string().as_bytes(),
        b"the token service's own secret",
    )
}

/// Answers one request.
pub(crate) fn answer(provider: &Provider, request: &Request) -> Reply {
    match request.path.as_str() {
        "/oauth2/token" => exchange(provider, request),
        "/oauth2/authorize" => authorize(request),
        _ => error(404, "not_found", "There is no such endpoint"),
    }
}

fn exchange(provider: &Provider, request: &Request) -> Reply {
    if request.method != http::Method::POST {
        return error(405, "invalid_request", "Only POST is supported");
    }
    let grant = request.field("grant_type").unwrap_or_default();
    if grant != JWT_BEARER && grant != "refresh_token" {
        return error(
            400,
            "unsupported_grant_type",
            "grant_type must be the JWT bearer grant or refresh_token",
        );
    }
    let assertion = request.field("assertion").filter(|text| !text.is_empty());
    let (Some(assertion), Some(_)) = (assertion, request.field("client_assertion")) else {
        return error(
            400,
            "invalid_request",
            "assertion and client_assertion are required",
        );
    };
    if let Some(tenant) = assertion.strip_prefix(ENTRA_PREFIX) {
        let token = provider.mint().access_token(tenant).build();
        return reply(&token, &provider.mint().id_token(tenant).build());
    }
    let tid = provider.options().default_tenant.clone();
    let tid = assertion.strip_prefix("for:").map_or(tid, str::to_owned);
    reply(
        &access_token(&tid),
        &token(&tid, "vso.work_write refresh", 31_536_000),
    )
}

fn reply(access: &str, refresh: &str) -> Reply {
    let body = json!({
        "access_token": access,
        "token_type": "jwt-bearer",
        "expires_in": "3599",
        "refresh_token": refresh,
        "scope": "vso.work_write",
    });
    Reply::json(200, &body)
        .header("cache-control", "no-store")
        .header("x-vss-e2eid", &jwt::random_guid())
}

fn authorize(request: &Request) -> Reply {
    let Some(redirect) = request.query_field("redirect_uri") else {
        return error(400, "invalid_request", "redirect_uri is required");
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("code", &jwt::random(64));
    if let Some(state) = request.query_field("state") {
        query.append_pair("state", &state);
    }
    Reply::redirect(302, &format!("{redirect}?{}", query.finish()))
}

fn error(status: u16, code: &str, description: &str) -> Reply {
    // The real service writes its errors in this spelling.
    Reply::json(
        status,
        &json!({ "Error": code, "ErrorDescription": description }),
    )
}
