//! Domains on their way to a server, which resolves them by itself.

use serde_json::Value;
use uuid::Uuid;

use crate::cli::fault::Fault;
use crate::core::tenant::TenantId;
use crate::problem::{visible, visible_json};

/// Ids that stand for domains until a server resolves them. They are new, so no document has them.
#[derive(Default)]
pub(super) struct Meanwhile(Vec<(String, String)>);

impl Meanwhile {
    /// Whether nothing waits for a server.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An id that stands for a domain.
    pub(super) fn of(&mut self, domain: &str) -> Result<TenantId, Fault> {
        let id = Uuid::now_v7().to_string();
        let tenant = TenantId::parse(&id).map_err(|error| Fault::Failed(error.to_string()))?;
        self.0.push((id, domain.to_owned()));
        Ok(tenant)
    }

    /// The text with the domains in their places.
    pub(super) fn undone(&self, text: String) -> String {
        let undo = |text: String, (id, domain): &(String, String)| {
            text.replace(
                &format!("\"{id}\""),
                &Value::from(domain.as_str()).to_string(),
            )
        };
        self.0.iter().fold(text, undo)
    }

    /// What is told before a server has resolved them.
    pub(super) fn told(&self, text: String, as_json: bool) -> String {
        let tell = |text: String, (id, domain): &(String, String)| {
            let told = format!("{domain}, as the server resolves it");
            if as_json {
                let told = visible_json(&Value::from(told).to_string());
                text.replace(&format!("\"{id}\""), &told)
            } else {
                text.replace(id, &visible(&told))
            }
        };
        self.0.iter().fold(text, tell)
    }
}
