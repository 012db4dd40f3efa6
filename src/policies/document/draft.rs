//! A document on its way into the directory: entries may still name domains.
//!
//! Invariant: what comes out holds ids only. The domain that an id was resolved from stays beside
//! it as `tenantDomain`, and the tenant's name, where one is known and none was written.

use std::collections::HashMap;

use crate::core::policy::Subject;
use crate::core::tenant::TenantId;

use super::{AllowedTenant, Document, Fault, read};

/// A document that was read to be written.
#[derive(Clone, Debug)]
pub struct Draft {
    bytes: Vec<u8>,
    document: Document,
    unresolved: Vec<Unresolved>,
}

/// An entry that names a domain, or what its writer may have taken for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// Where, like `properties.allowedTenants[3].tenantId`.
    pub key: String,
    /// What stands there, unchecked.
    pub domain: String,
    /// Which entry.
    pub(super) index: usize,
}

/// What a domain was resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The tenant that has the domain.
    pub tenant: TenantId,
    /// Its name, where that is known.
    pub name: Option<String>,
}

/// Reads a document that is to be written as `tenant`'s policy. Entries may name domains.
///
/// # Errors
/// Every fault found in it, its sender's to mend.
pub fn parse_for_write(bytes: &[u8], tenant: TenantId) -> Result<Draft, Vec<Fault>> {
    let (document, unresolved) = read::draft(bytes, tenant)?;
    Ok(Draft {
        bytes: bytes.to_owned(),
        document,
        unresolved,
    })
}

impl Draft {
    /// The entries that name a domain, in the document's order; one domain may come twice.
    pub fn unresolved(&self) -> &[Unresolved] {
        &self.unresolved
    }

    /// Whether it has any member that Microsoft's policies do not have. Who knows those alone
    /// writes none.
    pub fn has_additions(&self) -> bool {
        let properties = &self.document.properties;
        let on_entry = |entry: &AllowedTenant| {
            entry.expires_on.is_some() || entry.note.is_some() || entry.tenant_domain.is_some()
        };
        properties.connections_without_client_tenant.is_some()
            || properties.report_only.is_some()
            || properties.allowed_tenants.iter().any(on_entry)
    }

    /// The text to store: as it was written if it named no domain, otherwise the document with
    /// ids in the domains' places. `domains` is asked by [`Unresolved::domain`].
    ///
    /// # Errors
    /// A domain that is not among `domains`, or that contradicts the entry's `tenantDomain`.
    pub fn resolved(mut self, domains: &HashMap<String, Resolved>) -> Result<Vec<u8>, Vec<Fault>> {
        if self.unresolved.is_empty() {
            return Ok(self.bytes);
        }
        let mut faults = Vec::new();
        for unresolved in &self.unresolved {
            let entries = &mut self.document.properties.allowed_tenants;
            let entry = entries.get_mut(unresolved.index);
            match entry.zip(domains.get(&unresolved.domain)) {
                Some((entry, resolved)) => faults.extend(fill(entry, unresolved, resolved)),
                None => faults.push(unresolved.fault("a domain of a tenant")),
            }
        }
        if faults.is_empty() {
            self.document.to_bytes().map_err(|error| {
                vec![Fault {
                    key: String::new(),
                    found: error.to_string(),
                    expected: "a document".to_owned(),
                }]
            })
        } else {
            Err(faults)
        }
    }
}

impl Unresolved {
    fn fault(&self, expected: &str) -> Fault {
        Fault {
            key: self.key.clone(),
            found: format!("the domain {}", super::json::shortened(&self.domain)),
            expected: expected.to_owned(),
        }
    }
}

fn fill(entry: &mut AllowedTenant, at: &Unresolved, resolved: &Resolved) -> Option<Fault> {
    let domain = at.domain.to_ascii_lowercase();
    match &entry.tenant_domain {
        Some(written) if !written.eq_ignore_ascii_case(&domain) => {
            return Some(at.fault("the domain that `tenantDomain` names beside it"));
        }
        Some(_) | None => {}
    }
    entry.tenant_id = Subject::Tenant(resolved.tenant);
    entry.tenant_domain = Some(domain);
    // An empty name from Microsoft's tools names nobody. A null is kept as it stands.
    if let Some(name) = &resolved.name
        && entry.tenant_name.as_deref().is_none_or(str::is_empty)
        && !entry.unknown.names("tenantName")
    {
        entry.tenant_name = Some(name.clone());
    }
    None
}

#[cfg(test)]
mod tests;
