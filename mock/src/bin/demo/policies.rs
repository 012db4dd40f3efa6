//! The policy documents of the rows, in Microsoft's form.

use std::path::Path;

use serde_json::{Value, json};

use crate::Failure;

/// A tenant that no row is about: its policy tells when a change has taken effect.
pub(crate) const PROBE: &str = "44444444-4444-4444-8444-444444444444";

/// One tenant's policy.
#[derive(Clone)]
pub(crate) struct Policy {
    tenant: &'static str,
    disabled: bool,
    entries: Vec<Value>,
    without_client_tenant: Option<&'static str>,
}

impl Policy {
    /// Isolation On with an empty allowlist.
    pub(crate) fn on(tenant: &'static str) -> Self {
        Self {
            tenant,
            disabled: false,
            entries: Vec::new(),
            without_client_tenant: None,
        }
    }

    /// Isolation Off.
    pub(crate) fn off(tenant: &'static str) -> Self {
        Self {
            disabled: true,
            ..Self::on(tenant)
        }
    }

    /// Adds an allowlist entry for outbound connections to a tenant, or to `*`.
    pub(crate) fn outbound(self, other: &str) -> Self {
        self.entry(other, false, true)
    }

    /// Adds an allowlist entry for both directions.
    pub(crate) fn both(self, other: &str) -> Self {
        self.entry(other, true, true)
    }

    /// Lets connections without a client tenant id in.
    pub(crate) fn allowing_legacy(self) -> Self {
        Self {
            without_client_tenant: Some("allow"),
            ..self
        }
    }

    fn entry(mut self, other: &str, inbound: bool, outbound: bool) -> Self {
        self.entries.push(
            json!({ "tenantId": other, "direction": { "inbound": inbound, "outbound": outbound } }),
        );
        self
    }

    /// The document itself.
    pub(crate) fn document(&self) -> Value {
        let mut properties = json!({
            "tenantId": self.tenant,
            "isDisabled": self.disabled,
            "allowedTenants": self.entries,
        });
        if let (Some(choice), Some(members)) =
            (self.without_client_tenant, properties.as_object_mut())
        {
            members.insert("connectionsWithoutClientTenant".into(), json!(choice));
        }
        json!({ "properties": properties })
    }

    /// Puts the policy in place in one step, so that the gateway never sees half a file.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), Failure> {
        let document = serde_json::to_vec_pretty(&self.document())?;
        // Beside the directory: a name the gateway would not take for a policy, on the same file
        // system.
        let draft = directory.with_extension("draft");
        std::fs::write(&draft, document)?;
        std::fs::rename(draft, directory.join(format!("{}.json", self.tenant)))?;
        Ok(())
    }
}
