//! The stage for MSAL: a gateway and a provider that share no certificate authority, and the
//! application of a platform that makes connections for Contoso.

use std::collections::HashMap;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_mock::tls::Ca;

use super::client::{Called, Msal};
use crate::harness::*;

const REDIRECT: &str = "https://app.example/callback";

/// A world whose gateway has a certificate of an authority that is not the provider's: MSAL trusts
/// only this one, so that it could not even shake hands with the provider.
pub(super) struct Apart {
    pub(super) world: World,
    pub(super) files: TempDir,
}

impl Apart {
    pub(super) async fn start(setup: Setup, name: &str) -> Self {
        let files = TempDir::new().unwrap();
        let ca = Ca::new().unwrap();
        let leaf = ca.server([name]).unwrap();
        let mut setup = setup.entra(|mut options| {
            // Whoever signs in at a shared authority without saying so is of Fabrikam.
            options.default_tenant = FABRIKAM.to_owned();
            options
        });
        for (file, text, key) in [
            (
                "gateway.pem",
                &*leaf.certificate_pem,
                Some("listen.tls.certificate"),
            ),
            ("gateway.key", &*leaf.key_pem, Some("listen.tls.key")),
            ("ca.pem", ca.pem(), None),
        ] {
            let path = files.path().join(file);
            std::fs::write(&path, text).unwrap();
            if let Some(key) = key {
                setup = setup.set(key, path.to_str().unwrap());
            }
        }
        let world = World::start(setup).await;
        Self { world, files }
    }

    /// Both tenants' isolation is On; each lists the other, or nobody.
    pub(super) fn put(&self, listed: bool) {
        for (tenant, other) in [(CONTOSO, FABRIKAM), (FABRIKAM, CONTOSO)] {
            let policy = Policy::on(tenant);
            self.world
                .put(&if listed { policy.both(other) } else { policy });
        }
    }
}

/// One MSAL application of Contoso's platform.
pub(super) struct App<'w> {
    pub(super) msal: Msal<'w>,
    /// So that no call is answered from MSAL's cache.
    scopes: u32,
    refresh_token: String,
}

impl<'w> App<'w> {
    pub(super) async fn open(mut msal: Msal<'w>, authority: &str, options: Value) -> (Self, Value) {
        let opened = msal.open("app", authority, options).await;
        let app = Self {
            msal,
            scopes: 0,
            refresh_token: String::new(),
        };
        (app, opened)
    }

    pub(super) async fn call(&mut self, grant: &str) -> Called {
        if grant == "finish_code" {
            self.start_code().await;
        }
        self.again(grant).await
    }

    /// The same call; a code that was obtained is used once more.
    pub(super) async fn again(&mut self, grant: &str) -> Called {
        self.scopes += 1;
        let n = self.scopes;
        let command = match grant {
            "client_credentials" => json!({ "scopes": [format!("api://own-{n}/.default")] }),
            "on_behalf_of" => json!({
                "assertion": self.msal.world().idp.mint().access_token(FABRIKAM).build(),
                "scopes": [format!("api://own-{n}/read")],
            }),
            "refresh_token" => {
                json!({ "refresh_token": self.refresh_token, "scopes": ["api://own/read"] })
            }
            _ => json!({ "scopes": ["api://own/read"], "response": self.msal.browsed }),
        };
        let called = self.msal.call(command, "app", grant).await;
        if let Some(token) = called.result["refresh_token"].as_str() {
            token.clone_into(&mut self.refresh_token);
        }
        called
    }

    /// Sends a browser to the authorize endpoint, which is the provider's own: no token passes there.
    async fn start_code(&mut self) {
        let command = json!({
            "scopes": ["api://own/read"],
            "redirect_uri": REDIRECT,
            "login_hint": "alex@fabrikam.com",
        });
        let started = self.msal.call(command, "app", "start_code").await;
        self.msal.browsed = browse(
            self.msal.world(),
            started.result["auth_uri"].as_str().unwrap(),
        )
        .await;
    }
}

/// The parameters that the authorize endpoint sends back to the platform. The URL's host may be one
/// that only the gateway's clients resolve: a browser finds the provider under it.
async fn browse(world: &World, url: &str) -> HashMap<String, String> {
    let ca = reqwest::Certificate::from_pem(world.ca.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let (_, path) = url.split_once("://").unwrap().1.split_once('/').unwrap();
    let answer = client
        .get(format!("{}/{path}", world.idp.url()))
        .send()
        .await
        .unwrap();
    let location = answer.headers()["location"].to_str().unwrap();
    let location = reqwest::Url::parse(location).unwrap();
    assert!(location.as_str().starts_with(REDIRECT), "{location}");
    let parameters: HashMap<String, String> = location.query_pairs().into_owned().collect();
    world.secrets.remember(&parameters["code"]);
    parameters
}
