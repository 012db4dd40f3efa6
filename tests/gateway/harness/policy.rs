//! Policy documents, in Microsoft's form.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// One tenant's policy.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    tenant: String,
    properties: Value,
}

impl Policy {
    /// Isolation On with an empty allowlist.
    pub(crate) fn on(tenant: &str) -> Self {
        let properties = json!({ "tenantId": tenant, "isDisabled": false, "allowedTenants": [] });
        Self {
            tenant: tenant.to_owned(),
            properties,
        }
    }

    /// Isolation Off.
    pub(crate) fn off(tenant: &str) -> Self {
        Self::on(tenant).with("isDisabled", true)
    }

    /// Sets a member of `properties`.
    pub(crate) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.properties[member] = value.into();
        self
    }

    /// Lets this tenant's connections sign in to another one (or `*`).
    pub(crate) fn outbound(self, other: &str) -> Self {
        self.entry(other, false, true)
    }

    /// Lets another tenant's (or `*`) connections sign in here.
    pub(crate) fn inbound(self, other: &str) -> Self {
        self.entry(other, true, false)
    }

    /// Both.
    pub(crate) fn both(self, other: &str) -> Self {
        self.entry(other, true, true)
    }

    /// Adds an allowlist entry.
    pub(crate) fn entry(mut self, other: &str, inbound: bool, outbound: bool) -> Self {
        let entry = json!({
            "tenantId": other,
            "direction": { "inbound": inbound, "outbound": outbound },
        });
        self.properties["allowedTenants"]
            .as_array_mut()
            .unwrap()
            .push(entry);
        self
    }

    /// Sets a member of the allowlist entry at an index.
    pub(crate) fn entry_member(&mut self, index: usize, member: &str, value: impl Into<Value>) {
        self.properties["allowedTenants"][index][member] = value.into();
    }

    /// Lets connections without a client tenant id in.
    pub(crate) fn allowing_legacy(self) -> Self {
        self.with("connectionsWithoutClientTenant", "allow")
    }

    /// Records this side's blocks and withholds nothing.
    pub(crate) fn report_only(self) -> Self {
        self.with("reportOnly", true)
    }

    /// Its file's name.
    pub(crate) fn file(&self) -> String {
        format!("{}.json", self.tenant)
    }

    /// The document.
    pub(crate) fn text(&self) -> String {
        json!({ "properties": self.properties }).to_string()
    }

    /// Puts it into a directory in one step.
    pub(crate) fn write(&self, directory: &Path) {
        let draft = directory.join(format!(".{}", self.file()));
        fs::write(&draft, self.text()).unwrap();
        fs::rename(draft, directory.join(self.file())).unwrap();
    }
}
