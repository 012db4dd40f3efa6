//! What connection routes are made of: the service behind them, where tokens stand, how they are
//! verified, and what errors look like.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};

use super::{Endpoint, Provider};
use crate::core::token::presented::Pointer;

/// What a connection route has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where allowed requests go.
    pub service: Arc<Service>,
    /// Methods that are forwarded.
    pub methods: Vec<Method>,
    /// Where the account that signed in shows its token. Empty: at this step nobody has signed in.
    pub sign_in: Vec<SignInSource>,
    /// The Entra providers whose keys verify sign-in tokens: the route's own, or every one where
    /// that is not Entra.
    pub verifiers: Vec<Arc<Provider>>,
    /// The shape of errors.
    pub errors: ErrorFormat,
    /// What browsers get that ask for HTML.
    pub browsers: Browsers,
}

/// A place in a request where a sign-in token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInSource {
    /// Where.
    pub place: Place,
    /// What `aud` must be, one of them.
    pub audience: Vec<String>,
}

/// Where a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A field of a form.
    Form(String),
    /// A header; `authorization` holds it as `Bearer`.
    Header(HeaderName),
    /// A JSON Pointer (RFC 6901) into the body.
    Json(Pointer),
}

/// The shape of a connection route's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorFormat {
    /// Power Apps API hub: `{"status":403,"source":"…","message":"…"}`.
    ApiHub,
    /// Azure Resource Manager: `{"error":{"code":"…","message":"…"}}`.
    Arm,
    /// RFC 6749, as on token routes.
    OAuth,
}

/// What browsers get that ask for HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browsers {
    /// JSON, like everybody.
    Json,
    /// A page.
    Page,
}

/// A service behind the gateway that creates connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// What the gateway tells it in headers of its own.
    pub tell: Tell,
}

/// Headers that the gateway sets for the service behind it, each where it is configured. Clients
/// cannot send them: they are trust headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tell {
    /// The creator tenant.
    pub creator_tenant: Option<HeaderName>,
    /// The decision's id, as in the audit record.
    pub decision_id: Option<HeaderName>,
    /// The sign-in tenant.
    pub sign_in_tenant: Option<HeaderName>,
}

impl Tell {
    /// Every header that is set.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        [
            &self.creator_tenant,
            &self.decision_id,
            &self.sign_in_tenant,
        ]
        .into_iter()
        .flatten()
    }
}

/// How tokens in requests are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Verified tokens remembered at most; 0 remembers none.
    pub remembered_tokens: u64,
    /// How often signing keys are fetched.
    pub key_refresh: Duration,
    /// At most one fetch for unknown keys in this time.
    pub key_cooldown: Duration,
    /// How long the last keys that could be fetched are used.
    pub key_max_age: Duration,
    /// One fetch in all.
    pub key_timeout: Duration,
}
