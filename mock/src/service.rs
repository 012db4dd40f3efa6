//! A service that creates connections, as it stands behind the gateway. It knows nothing of tenants
//! and believes every request; what it saw is in its log, byte for byte.
//!
//! | request | answer |
//! |---|---|
//! | any method and path | a connection resource: 201 to PUT and POST, 200 to others |
//! | `.../listConsentLinks`, `.../getConsentLink` | 200, a link to sign in with |
//! | `.../confirmConsentCode` | 200, a connection that is connected |
//! | any, from a browser (`accept` names `text/html`) | 200, a page |
//!
//! Scripted answers come before these, as at the providers:
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use tidegate_mock::{Issuers, MockService, Mint, Options, Preset, Reply, tenants};
//!
//! let service = MockService::start(Options::connection_service()).await?;
//! let mint = Mint::new(Issuers::default())?;
//! service.next_reply(mint.body(&Preset::Signed, tenants::FABRIKAM).reply());
//! service.next_reply(Reply::redirect(302, "https://platform.example/done"));
//! service.next_reply(Reply::page(200, "Connected."));
//! // ... point the gateway at service.url(), let it trust service.ca_pem(), send three, then:
//! let seen = service.requests().last().expect("a request");
//! assert_eq!(seen.body, "exactly what was sent");
//! assert_eq!(service.requests().count(), 3);
//! # Ok(()) }
//! ```

use std::io;
use std::ops::Deref;

use http::Method;
use serde_json::{Value, json};

use crate::idp::MockIdp;
use crate::jwt;
use crate::options::{Flavour, Options};
use crate::reply::Reply;
use crate::request::Request;

/// A running mock service. It stops when this is dropped. Log, scripts, TLS and the rest are those
/// of [`MockIdp`].
pub struct MockService(MockIdp);

impl MockService {
    /// Starts a service, whatever flavour the options name.
    ///
    /// # Errors
    /// As [`MockIdp::start`].
    pub async fn start(options: Options) -> io::Result<Self> {
        let options = Options {
            flavour: Flavour::ConnectionService,
            ..options
        };
        MockIdp::start(options).await.map(Self)
    }

    /// Stops listening, drops every connection and waits until both are done.
    pub async fn shutdown(self) {
        self.0.shutdown().await;
    }
}

impl Deref for MockService {
    type Target = MockIdp;

    fn deref(&self) -> &MockIdp {
        &self.0
    }
}

/// Answers one request.
pub(crate) fn answer(request: &Request) -> Reply {
    let created = matches!(request.method, Method::PUT | Method::POST);
    let browser = request
        .header("accept")
        .is_some_and(|accept| accept.contains("text/html"));
    let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        _ if browser => Reply::page(200, "<p>You are connected. You can close this window.</p>"),
        [before @ .., "listConsentLinks"] => Reply::json(
            200,
            &json!({ "value": [{ "link": consent_link(before), "status": "Unauthenticated" }] }),
        ),
        [before @ .., "getConsentLink"] => {
            Reply::json(200, &json!({ "consentLink": consent_link(before) }))
        }
        [before @ .., "confirmConsentCode"] => Reply::json(200, &connection(before)),
        all => Reply::json(if created { 201 } else { 200 }, &connection(all)),
    }
    .header("cache-control", "no-store")
    .header("x-ms-request-id", &jwt::random_guid())
}

fn connection(segments: &[&str]) -> Value {
    let name = segments.last().copied().unwrap_or_default();
    json!({
        "id": format!("/{}", segments.join("/")),
        "name": name,
        "type": "Microsoft.Web/connections",
        "properties": {
            "displayName": name,
            "statuses": [{ "status": "Connected" }],
        },
    })
}

fn consent_link(segments: &[&str]) -> String {
    let name = segments.last().copied().unwrap_or_default();
    format!("https://consent.mock.example/login?connection={name}")
}
