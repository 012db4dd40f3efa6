//! The token endpoint: turns a grant into the reply Entra would give.

use http::Method;
use serde_json::{Map, Value, json};

use super::Call;
use super::fault::Fault;
use super::grant::{self, Grant};
use super::ticket::Ticket;
use crate::jwt::{self, b64, random_guid};
use crate::mint::now;
use crate::options::Version;
use crate::reply::Reply;
use crate::tenants::PERSONAL;
use crate::token::Seal;

const GRAPH: &str = "https://graph.microsoft.com";
const SAML: &str = "urn:ietf:params:oauth:token-type:saml2";

/// Scopes that are no permission of a resource.
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

pub(crate) fn answer(call: &Call<'_>) -> Result<Reply, Fault> {
    if call.request.method != Method::POST {
        return Err(Fault::only_post());
    }
    let client = grant::client(call)?;
    let grant = grant::read(call)?;
    let exchange = Exchange::new(call, grant, client);
    let mut reply = Reply::json(200, &Value::Object(exchange.body())).entra_headers();
    if let (Some("true"), Some(id)) = (
        call.request.header("return-client-request-id"),
        call.request.header("client-request-id"),
    ) {
        reply = reply.header("client-request-id", id);
    }
    Ok(reply)
}

/// A grant that succeeds, with everything its reply depends on.
struct Exchange<'a> {
    call: &'a Call<'a>,
    grant: Grant,
    client: String,
    /// The scopes asked for now or, if none, when the user consented.
    scope: String,
    resource: String,
}

impl<'a> Exchange<'a> {
    fn new(call: &'a Call<'a>, grant: Grant, client: String) -> Self {
        let asked = call
            .request
            .field("scope")
            .filter(|scope| !scope.is_empty());
        let scope = asked.unwrap_or_else(|| grant.scope.clone());
        let resource = call
            .request
            .field("resource")
            .unwrap_or_else(|| resource_of(&scope));
        Self {
            call,
            grant,
            client,
            scope,
            resource,
        }
    }

    fn has_scope(&self, name: &str) -> bool {
        // Scopes consented to with the code stay in force, whatever the redemption asks for.
        let consented = self.grant.scope.split(' ');
        self.scope
            .split(' ')
            .chain(consented)
            .any(|scope| scope == name)
    }

    fn wants_saml(&self) -> bool {
        self.call
            .request
            .field("requested_token_type")
            .is_some_and(|kind| kind == SAML)
    }

    fn body(&self) -> Map<String, Value> {
        let mut body = match self.call.version {
            Version::V2 => self.frame_v2(),
            Version::V1 => self.frame_v1(),
        };
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        };
        put("access_token", Some(self.access_token()));
        put("refresh_token", self.refresh_token());
        put("id_token", self.id_token());
        put("client_info", self.client_info());
        let issued = if self.wants_saml() {
            Some(SAML)
        } else {
            self.grant.issued_token_type
        };
        put("issued_token_type", issued.map(str::to_owned));
        body
    }

    fn frame_v2(&self) -> Map<String, Value> {
        let lifetime = self.call.provider.options().lifetime;
        let mut body = Map::new();
        body.insert("token_type".into(), json!("Bearer"));
        if self.grant.account.is_some() {
            body.insert("scope".into(), json!(self.scope));
        }
        body.insert("expires_in".into(), json!(lifetime));
        body.insert("ext_expires_in".into(), json!(lifetime));
        body
    }

    /// The v1 endpoint writes numbers as strings.
    fn frame_v1(&self) -> Map<String, Value> {
        let lifetime = self.call.provider.options().lifetime;
        let now = now();
        let mut body = Map::new();
        body.insert("token_type".into(), json!("Bearer"));
        if self.grant.account.is_some() {
            body.insert(
                "scope".into(),
                json!(permissions(&self.scope, &self.resource)),
            );
        }
        body.insert("expires_in".into(), json!(lifetime.to_string()));
        body.insert("ext_expires_in".into(), json!(lifetime.to_string()));
        body.insert(
            "expires_on".into(),
            json!(now.saturating_add(lifetime).to_string()),
        );
        body.insert(
            "not_before".into(),
            json!(now.saturating_sub(300).to_string()),
        );
        body.insert("resource".into(), json!(self.resource));
        body
    }

    fn access_token(&self) -> String {
        if self.wants_saml() {
            return self.saml_assertion();
        }
        if self.grant.tenant == PERSONAL {
            return jwt::opaque_personal();
        }
        let options = self.call.provider.options();
        let version = options.resource_versions.get(&self.resource).copied();
        let version = version.unwrap_or(options.access_token_version);
        let seal = if options.graph_nonce && self.resource == GRAPH {
            Seal::GraphNonce
        } else {
            Seal::Signed
        };
        let token = self
            .call
            .provider
            .mint()
            .access_token(&self.grant.tenant)
            .version(version)
            .client(&self.client)
            .audience(audience(&self.resource, version))
            .seal(seal);
        match &self.grant.account {
            Some(account) => token
                .user(&account.username, &account.home)
                .scopes(permissions(&self.scope, &self.resource))
                .build(),
            None => token.application().roles(["Mock.ReadWrite.All"]).build(),
        }
    }

    fn id_token(&self) -> Option<String> {
        let account = self.grant.account.as_ref()?;
        let v1 = self.call.version == Version::V1;
        if !v1 && !self.has_scope("openid") {
            return None;
        }
        let unsigned = v1 && self.call.provider.options().unsigned_v1_id_tokens;
        let token = self
            .call
            .provider
            .mint()
            .id_token(&self.grant.tenant)
            .version(self.call.version)
            .client(&self.client)
            .user(&account.username, &account.home)
            .nonce(self.grant.nonce.clone())
            .seal(if unsigned {
                Seal::Unsigned
            } else {
                Seal::Signed
            });
        if v1 || self.has_scope("profile") {
            return Some(token.build());
        }
        // Without the profile scope an id_token says nothing about the user; the tenant is still in
        // `iss`.
        let bare = token
            .without("tid")
            .without("oid")
            .without("name")
            .without("preferred_username");
        Some(bare.build())
    }

    fn refresh_token(&self) -> Option<String> {
        let account = self.grant.account.as_ref()?;
        let v1 = self.call.version == Version::V1;
        if !(v1 || self.grant.refreshable || self.has_scope("offline_access")) {
            return None;
        }
        let scope = self.scope.clone();
        let forced = self.grant.forced;
        Some(
            Ticket {
                forced,
                ..Ticket::new(self.grant.tenant.clone(), account.clone(), scope)
            }
            .write(),
        )
    }

    fn client_info(&self) -> Option<String> {
        let asked = self
            .call
            .request
            .field("client_info")
            .is_some_and(|value| value == "1");
        self.grant
            .account
            .as_ref()
            .filter(|_| asked)
            .map(crate::claims::Account::client_info)
    }

    fn saml_assertion(&self) -> String {
        let issuer = self
            .call
            .provider
            .options()
            .issuers
            .of(Version::V1, &self.grant.tenant);
        b64(format!(
            "<Assertion xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_{}\" Version=\"2.0\">\
             <Issuer>{issuer}</Issuer></Assertion>",
            random_guid()
        ))
    }
}

/// The resource of the first scope that belongs to one.
fn resource_of(scope: &str) -> String {
    let first = scope
        .split(' ')
        .find(|scope| !scope.is_empty() && !OPENID_SCOPES.contains(scope));
    match first.and_then(|scope| scope.rsplit_once('/')) {
        Some((resource, _)) if resource.contains(':') || !resource.is_empty() => {
            resource.trim_end_matches('/').to_owned()
        }
        _ => GRAPH.to_owned(),
    }
}

/// The `scp` claim: the permissions without the resource.
fn permissions(scope: &str, resource: &str) -> String {
    let own = |scope: &str| {
        scope
            .strip_prefix(resource)
            .map_or(scope.to_owned(), |rest| rest.trim_matches('/').to_owned())
    };
    let named: Vec<String> = scope
        .split(' ')
        .filter(|scope| !OPENID_SCOPES.contains(scope) && !scope.is_empty())
        .map(own)
        .collect();
    match named.as_slice() {
        [] => "User.Read".to_owned(),
        [only] if only == ".default" => "User.Read".to_owned(),
        _ => named.join(" "),
    }
}

/// v1 tokens name the resource by its URI, v2 tokens by its application id.
fn audience(resource: &str, version: Version) -> String {
    match version {
        Version::V1 => resource.to_owned(),
        Version::V2 => {
            let id = resource.trim_start_matches("api://");
            crate::tenants::guid(id).unwrap_or_else(|| jwt::stable_guid(resource))
        }
    }
}
