//! The webhooks of a configuration: which server is told what, and of whom.
//!
//! Invariant: of a URL only the server is shown; its path may be a secret.

use std::fmt;

use serde::Serialize;

use crate::config::{self, Audience};
use crate::core::tenant::TenantId;

/// One webhook.
#[derive(Serialize)]
pub(super) struct Webhook {
    name: String,
    server: String,
    decisions: Vec<&'static str>,
    /// None: of every tenant.
    tenants: Option<Vec<TenantId>>,
}

impl Webhook {
    pub(super) fn of(webhook: &config::Webhook) -> Self {
        let authority = webhook.url.endpoint.authority.to_string();
        Self {
            name: webhook.name.clone(),
            server: authority.trim_end_matches('/').to_owned(),
            decisions: webhook.decisions.clone(),
            tenants: match &webhook.audience {
                Audience::Everyone => None,
                Audience::Tenants(tenants) => Some(tenants.clone()),
            },
        }
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, server, decisions) = (&self.name, &self.server, self.decisions.join(", "));
        let whose = match self.tenants.as_deref() {
            None => "of every tenant".to_owned(),
            Some([tenant]) => format!("of {tenant}"),
            Some(tenants) => format!("of {} tenants", tenants.len()),
        };
        write!(f, "webhook {name}: {server} is told of {decisions} {whose}")
    }
}
