//! Webhooks: who is told of decisions while they are made, and of which.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::Endpoint;
use crate::core::tenant::TenantId;

/// A receiver of messages about decisions.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its name in the configuration, unique.
    pub name: String,
    /// Where messages go.
    pub url: WebhookUrl,
    /// What signs them.
    pub secret_file: PathBuf,
    /// Whose decisions it is told of.
    pub audience: Audience,
    /// Which decisions, in a record's words.
    pub decisions: Vec<&'static str>,
    /// Decisions that are alike are told once in this time, with their number.
    pub window: Duration,
    /// How long a message is tried.
    pub retry_for: Duration,
}

/// Where messages go. Many receivers have a secret in their path, so it is never shown.
#[derive(Clone)]
pub struct WebhookUrl {
    /// The server.
    pub endpoint: Endpoint,
    /// Path and query.
    pub path: PathAndQuery,
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookUrl")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Whose decisions a receiver is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody's: it is the operator's.
    Everyone,
    /// Those that one of these tenants takes part in.
    Tenants(Vec<TenantId>),
}
