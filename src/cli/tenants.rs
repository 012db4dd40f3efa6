//! Tenants as people name them on a command line: by id, or by a domain that a policy names.
//!
//! Invariant: a domain stands for the id that was written beside it; nothing is asked of any
//! directory service, and a domain that policies give to several tenants stands for none.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::policy::Subject;
use crate::core::tenant::TenantId;
use crate::policies::document::Document;

/// What policies say of tenants beside their ids.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    names: BTreeMap<TenantId, String>,
    domains: BTreeMap<String, BTreeSet<TenantId>>,
}

impl Tenants {
    pub(super) fn of(documents: &[(TenantId, Document)]) -> Self {
        let mut tenants = Self::default();
        let entries = documents
            .iter()
            .flat_map(|(_, doc)| &doc.properties.allowed_tenants);
        for entry in entries {
            let Subject::Tenant(id) = entry.tenant_id else {
                continue;
            };
            if let Some(name) = entry.tenant_name.as_ref().filter(|name| !name.is_empty()) {
                tenants.names.entry(id).or_insert_with(|| name.clone());
            }
            if let Some(domain) = &entry.tenant_domain {
                tenants
                    .domains
                    .entry(domain.to_ascii_lowercase())
                    .or_default()
                    .insert(id);
            }
        }
        tenants
    }

    /// A tenant's name, where a policy gives one.
    pub(super) fn name(&self, tenant: TenantId) -> Option<&str> {
        self.names.get(&tenant).map(String::as_str)
    }

    /// The tenant that `text` names.
    ///
    /// # Errors
    /// Why it names none, as a sentence.
    pub(super) fn find(&self, text: &str) -> Result<TenantId, String> {
        let error = match TenantId::parse(text) {
            Ok(id) => return Ok(id),
            Err(error) => error,
        };
        let Some(known) = self.domains.get(&text.to_ascii_lowercase()) else {
            return Err(match self.domains.len() {
                _ if !text.contains('.') => format!("{text:?} {error}"),
                0 => format!("{text:?} is no tenant id, and no policy names a domain"),
                _ => format!(
                    "{text:?} is no tenant id, and no policy names that domain; the \
                              nearest that one names is {:?}",
                    self.nearest(text)
                ),
            });
        };
        let mut ids = known.iter();
        match (ids.next(), ids.next()) {
            (Some(id), None) => Ok(*id),
            _ => {
                let ids: Vec<String> = known.iter().map(ToString::to_string).collect();
                let ids = ids.join(", ");
                Err(format!(
                    "policies name {text:?} for several tenants: {ids}; give the id"
                ))
            }
        }
    }

    fn nearest(&self, text: &str) -> &str {
        let text = text.to_ascii_lowercase();
        let distance = |domain: &&String| strsim::damerau_levenshtein(domain, &text);
        self.domains
            .keys()
            .min_by_key(distance)
            .map_or("", String::as_str)
    }
}
