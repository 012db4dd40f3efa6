//! Tenants as people name them on a command line: by id, or by a domain that a policy names.
//!
//! Invariant: whoever administers a policy writes its domains as they like. So a stored domain names
//! a tenant for commands that only read, each of which tells whose word it was; a domain that
//! policies give to several tenants names none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::output::{json, note};
use crate::core::policy::Subject;
use crate::core::tenant::TenantId;
use crate::policies::document::Document;
use crate::problem::visible;

/// A tenant that a command line names.
pub(super) struct Named {
    pub(super) tenant: TenantId,
    /// Whose word it is that the domain is this tenant's; none if the id was given.
    pub(super) stored: Option<Stored>,
}

/// A domain that was not resolved: policies say whose it is.
#[derive(Debug, Serialize)]
pub(super) struct Stored {
    domain: String,
    tenant: TenantId,
    /// Whose policies say so.
    policies: Vec<TenantId>,
}

impl From<TenantId> for Named {
    fn from(tenant: TenantId) -> Self {
        let stored = None;
        Self { tenant, stored }
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domain, tenant) = (visible(&self.domain), self.tenant);
        let policies: Vec<_> = self.policies.iter().map(ToString::to_string).collect();
        let word = if policies.len() == 1 {
            "policy"
        } else {
            "policies"
        };
        let (verb, policies) = (
            if policies.len() == 1 { "says" } else { "say" },
            policies.join(", "),
        );
        write!(
            f,
            "{domain} is {tenant} as the {word} of {policies} {verb}; not resolved"
        )
    }
}

/// A report as it is printed. Domains that were not resolved are told with it: in JSON as a member,
/// otherwise on standard error.
pub(super) fn told(
    report: &(impl fmt::Display + Serialize),
    not_resolved: &[Stored],
    as_json: bool,
) -> String {
    #[derive(Serialize)]
    struct Told<'r, R> {
        #[serde(flatten)]
        report: &'r R,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        not_resolved: &'r [Stored],
    }
    if as_json {
        return json(&Told {
            report,
            not_resolved,
        });
    }
    not_resolved
        .iter()
        .for_each(|stored| note(&stored.to_string()));
    report.to_string()
}

/// What policies say of tenants beside their ids.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    names: BTreeMap<TenantId, String>,
    /// Whose a domain is, and whose policies say so.
    domains: BTreeMap<String, BTreeMap<TenantId, BTreeSet<TenantId>>>,
}

impl Tenants {
    pub(super) fn of(documents: &[(TenantId, Document)]) -> Self {
        let mut tenants = Self::default();
        let entries = documents.iter().flat_map(|(whose, document)| {
            let entries = document.properties.allowed_tenants.iter();
            entries.map(move |entry| (*whose, entry))
        });
        for (whose, entry) in entries {
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
                    .entry(id)
                    .or_default()
                    .insert(whose);
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
    pub(super) fn find(&self, text: &str) -> Result<Named, String> {
        let error = match TenantId::parse(text) {
            Ok(id) => return Ok(id.into()),
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
            (Some((tenant, policies)), None) => {
                let stored = Stored {
                    domain: text.to_ascii_lowercase(),
                    tenant: *tenant,
                    policies: policies.iter().copied().collect(),
                };
                Ok(Named {
                    tenant: *tenant,
                    stored: Some(stored),
                })
            }
            _ => {
                let ids: Vec<String> = known.keys().map(ToString::to_string).collect();
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
