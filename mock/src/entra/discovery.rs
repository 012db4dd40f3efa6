//! Metadata: OpenID configuration, key sets and instance discovery. Every endpoint named is the
//! mock's own.

use serde_json::{Value, json};

use super::fault::Fault;
use super::{Authority, Call};
use crate::options::Version;
use crate::provider::Provider;
use crate::reply::Reply;
use crate::request::Request;
use crate::tenants::PERSONAL;
use crate::trouble::Document;

/// The OpenID configuration with every member Entra sends.
pub(crate) fn configuration(call: &Call<'_>) -> Result<Reply, Fault> {
    let mut document = match call.version {
        Version::V2 => v2(call),
        Version::V1 => v1(call),
    };
    let published = call.provider.mint().keys();
    let named = [
        ("jwks_uri", published.named_jwks_uri()),
        ("issuer", published.named_issuer()),
    ];
    for (member, value) in named {
        if let (Some(value), Some(members)) = (value, document.as_object_mut()) {
            members.insert(member.into(), json!(value));
        }
    }
    Ok(answered(call, &document, Document::Discovery))
}

/// The key set.
pub(crate) fn keys(call: &Call<'_>) -> Result<Reply, Fault> {
    let published = call.provider.mint().keys();
    let set = match call.version {
        Version::V1 => published.set_v1(),
        Version::V2 => published.set_v2(&tenant_in_issuer(&call.authority)),
    };
    Ok(answered(call, &set, Document::Keys))
}

/// The document, or what a test has put in its place.
fn answered(call: &Call<'_>, right: &Value, document: Document) -> Reply {
    let right = metadata(right);
    match call.provider.mint().keys().trouble_with(document) {
        Some(trouble) => trouble.instead_of(right, document),
        None => right,
    }
}

/// Instance discovery: the clouds, with the mock in the place of the public one.
pub(crate) fn instance(provider: &Provider, request: &Request) -> Reply {
    let own = provider
        .base()
        .split_once("://")
        .map_or("", |(_, host)| host);
    let endpoint = request
        .query_field("authorization_endpoint")
        .unwrap_or_default();
    let tenant = endpoint
        .split('/')
        .nth(3)
        .filter(|name| !name.is_empty())
        .unwrap_or("common");
    metadata(&json!({
        "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", provider.base()),
        "api-version": request.query_field("api-version").unwrap_or_else(|| "1.1".to_owned()),
        "metadata": [
            {
                "preferred_network": own,
                "preferred_cache": "login.windows.net",
                "aliases": [own, "login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
            },
            {
                "preferred_network": "login.partner.microsoftonline.cn",
                "preferred_cache": "login.partner.microsoftonline.cn",
                "aliases": ["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
            },
            {
                "preferred_network": "login.microsoftonline.us",
                "preferred_cache": "login.microsoftonline.us",
                "aliases": ["login.microsoftonline.us", "login.usgovcloudapi.net"],
            },
        ],
    }))
}

fn metadata(document: &Value) -> Reply {
    Reply::json(200, document)
        .header("cache-control", "max-age=86400, private")
        .header("access-control-allow-origin", "*")
        .header("x-content-type-options", "nosniff")
        .header(
            "set-cookie",
            "fpc=metadata; path=/; secure; HttpOnly; SameSite=None",
        )
}

/// The tenant's place in the issuer: shared authorities keep the template.
fn tenant_in_issuer(authority: &Authority) -> String {
    match authority {
        Authority::Common | Authority::Organizations => "{tenantid}".to_owned(),
        Authority::Consumers => PERSONAL.to_owned(),
        Authority::Tenant(tenant) => tenant.clone(),
    }
}

fn issuer(call: &Call<'_>) -> String {
    call.provider
        .options()
        .issuers
        .of(call.version, &tenant_in_issuer(&call.authority))
}

fn region(call: &Call<'_>) -> Value {
    match call.authority {
        Authority::Tenant(_) => json!("WW"),
        Authority::Common | Authority::Consumers | Authority::Organizations => Value::Null,
    }
}

/// The first path segment in the URLs: a domain becomes the id, as at Entra.
fn segment<'a>(call: &'a Call<'_>) -> &'a str {
    match &call.authority {
        Authority::Tenant(tenant) => tenant,
        Authority::Common | Authority::Consumers | Authority::Organizations => &call.segment,
    }
}

fn v2(call: &Call<'_>) -> Value {
    let root = format!("{}/{}", call.provider.base(), segment(call));
    let mut document = json!({
        "token_endpoint": format!("{root}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"],
        "jwks_uri": format!("{root}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer(call),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": format!("{root}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{root}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{root}/oauth2/v2.0/logout"),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host",
            "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash",
            "c_hash", "email",
        ],
        "kerberos_endpoint": format!("{root}/kerberos"),
        "tls_client_certificate_bound_access_tokens": true,
        "tenant_region_scope": region(call),
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    });
    add_mtls_aliases(call, &mut document, &format!("{root}/oauth2/v2.0/token"));
    document
}

fn v1(call: &Call<'_>) -> Value {
    let root = format!("{}/{}", call.provider.base(), segment(call));
    let mut document = json!({
        "token_endpoint": format!("{root}/oauth2/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{}/common/discovery/keys", call.provider.base()),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "token id_token", "token"],
        "scopes_supported": ["openid"],
        "issuer": issuer(call),
        "microsoft_multi_refresh_token": true,
        "authorization_endpoint": format!("{root}/oauth2/authorize"),
        "device_authorization_endpoint": format!("{root}/oauth2/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{root}/oauth2/logout"),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host",
            "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "email", "given_name", "family_name", "nickname",
        ],
        "check_session_iframe": format!("{root}/oauth2/checksession"),
        "userinfo_endpoint": format!("{root}/openid/userinfo"),
        "kerberos_endpoint": format!("{root}/kerberos"),
        "tenant_region_scope": region(call),
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    });
    add_mtls_aliases(call, &mut document, &format!("{root}/oauth2/token"));
    document
}

fn add_mtls_aliases(call: &Call<'_>, document: &mut Value, token_endpoint: &str) {
    if let (true, Some(members)) = (
        call.provider.options().mtls_aliases,
        document.as_object_mut(),
    ) {
        members.insert(
            "mtls_endpoint_aliases".into(),
            json!({ "token_endpoint": token_endpoint }),
        );
    }
}
