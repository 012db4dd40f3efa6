//! The gateway between a client, an identity provider and a service, none of which knows it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tidegate_mock::tls::{Ca, install_crypto_provider};

use super::server::Server;
use crate::harness::*;
use crate::python::{Script, python};

/// The application that users sign in to: the audience of their id_tokens.
pub(super) const CLIENT: &str = "cccccccc-cccc-4ccc-8ccc-cccccccccccc";

/// Resources, by the access tokens they take: of version 1.0, of version 2.0, with a nonce in the
/// header.
pub(super) const RESOURCES: [&str; 3] = ["api://v1", "api://v2", "https://graph.microsoft.com"];

/// A consent server's redirect URI, where browsers come back.
const REDIRECT: &str = r#"
name = "redirect"
kind = "connection"
service = "connections"
provider = "entra"
path = "/redirect"
methods = ["POST"]
creator = [{ tenant = "11111111-1111-4111-8111-111111111111" }]
sign_in = [{ form = "id_token", audience = ["cccccccc-cccc-4ccc-8ccc-cccccccccccc"] }]
browsers = "page"
cookies = "relay"
"#;

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) idp: Server,
    service: Server,
    client: Script,
}

/// What a sign-in brings.
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) id: String,
}

/// A user of a tenant.
pub(super) fn user(tenant: &str) -> String {
    let domain = match tenant {
        CONTOSO => "contoso.com",
        FABRIKAM => "fabrikam.com",
        NORTHWIND => "northwind.com",
        PERSONAL => "outlook.com",
        _ => panic!("nobody knows {tenant}"),
    };
    format!("alex@{domain}")
}

/// Connection routes that take tokens of every kind that the identity provider makes.
pub(super) fn setup() -> Setup {
    let audience = json!([CLIENT, RESOURCES[0], RESOURCES[1], RESOURCES[2]]);
    let creator = format!(r#"[{{ bearer = "authorization", audience = {audience} }}]"#);
    let sign_in = format!(
        r#"[{{ header = "x-sign-in-token", audience = {audience} }},
            {{ form = "id_token", audience = {audience} }},
            {{ json = "/properties/token", audience = {audience} }}]"#
    )
    .replace('\n', "");
    Setup::connections()
        .on_route("create", "creator", &creator)
        .on_route("create", "sign_in", &sign_in)
        .route(REDIRECT)
}

impl Stage {
    /// Starts everything. None: there is no Python for it.
    pub(super) async fn start(setup: Setup) -> Option<Self> {
        let python = python("asgi", "uvicorn, jwt, cryptography, requests").await?;
        install_crypto_provider();
        let ca = Ca::new().unwrap();
        let (idp, service) = tokio::join!(
            Server::start(&python, "idp", &ca),
            Server::start(&python, "service", &ca)
        );
        let setup = setup
            .extra_ca(ca.pem())
            .set("providers.entra.authority", idp.url.as_str())
            .set("services.connections.authority", service.url.as_str());
        let world = World::start(setup).await;
        let client = Script::start(&python, "asgi/client.py", &world.ca_file(), None);
        Some(Self {
            world,
            idp,
            service,
            client,
        })
    }

    async fn ask(&mut self, name: &str, mut command: Value) -> Value {
        command["do"] = name.into();
        let mut answer = self.client.ask(command).await;
        answer["result"].take()
    }

    /// A user signs in at the identity provider: at an endpoint of version 1.0 or 2.0, for a resource.
    pub(super) async fn sign_in(&mut self, tenant: &str, endpoint: &str, resource: &str) -> Tokens {
        let command = json!({
            "url": format!("{}/common/{endpoint}/token", self.idp.url),
            "client_id": CLIENT,
            "username": user(tenant),
            "scope": format!("{resource}/.default"),
        });
        let answer = self.ask("sign_in", command).await;
        let token = |name: &str| {
            let token = answer[name].as_str().unwrap().to_owned();
            self.world.secrets.remember_end(token.as_bytes());
            token
        };
        Tokens {
            access: token("access_token"),
            id: token("id_token"),
        }
    }

    /// The id_token of a user.
    pub(super) async fn id_token(&mut self, tenant: &str) -> String {
        self.sign_in(tenant, "oauth2/v2.0", RESOURCES[1]).await.id
    }

    /// Any token, made to order by `make` in `tests/asgi/idp.py`.
    pub(super) async fn make(&mut self, order: &Value) -> String {
        let answer = self.idp("make", order).await;
        let token = answer["token"].as_str().unwrap().to_owned();
        self.world.secrets.remember_end(token.as_bytes());
        token
    }

    /// Asks the identity provider for something that only tests do.
    pub(super) async fn idp(&mut self, what: &str, order: &Value) -> Value {
        let url = format!("{}/{what}", self.idp.url);
        let body = order.to_string();
        let answer = self.send("POST", &url, &json!({}), body.as_bytes()).await;
        text_of(&answer)
    }

    /// The client sends anything anywhere.
    pub(super) async fn send(
        &mut self,
        method: &str,
        url: &str,
        headers: &Value,
        body: &[u8],
    ) -> Value {
        let body = BASE64_STANDARD.encode(body);
        let command = json!({ "method": method, "url": url, "headers": headers, "body": body });
        self.ask("send", command).await
    }

    /// A browser asks to sign in, and brings the form that it gets to the gateway.
    pub(super) async fn consent(&mut self, parameters: &Value, headers: &Value) -> Value {
        let url = format!("{}/common/oauth2/v2.0/authorize", self.idp.url);
        let command = json!({ "url": url, "parameters": parameters, "headers": headers });
        let answer = self.ask("consent", command).await;
        for secret in ["id_token", "code"] {
            let secret = answer["fields"][secret].as_str().unwrap();
            self.world.secrets.remember_end(secret.as_bytes());
        }
        answer
    }

    /// What the service created, by its own list.
    pub(super) async fn created(&mut self) -> Vec<Value> {
        let url = format!("{}/connections", self.service.url);
        let answer = self.send("GET", &url, &json!({}), b"").await;
        text_of(&answer).as_array().unwrap().clone()
    }

    /// Everything ends well; nothing went to the mock providers.
    pub(super) async fn finish(self) {
        assert_eq!(self.world.idp.requests().count(), 0);
        assert_eq!(self.world.service.requests().count(), 0);
        self.world.finish().await;
    }
}

/// A successful answer's JSON.
fn text_of(answer: &Value) -> Value {
    assert_eq!(answer["status"], 200, "{answer}");
    serde_json::from_str(answer["text"].as_str().unwrap()).unwrap()
}

/// The values of a header of a request that the service got.
pub(super) fn values<'c>(created: &'c Value, name: &str) -> Vec<&'c str> {
    let headers = created["headers"].as_array().unwrap().iter();
    headers
        .filter(|pair| pair[0] == name)
        .map(|pair| pair[1].as_str().unwrap())
        .collect()
}
