//! What a key says by itself, whatever is known of others.

use crate::core::policy::{Policy, Version};
use crate::core::tenant::TenantId;
use crate::policies::document::{self, Fault};

use super::super::keys::{Owner, owner};

/// What a key says.
#[derive(Debug)]
pub(in crate::fleet) enum Read {
    Accepted,
    Beat,
    Faulty(Vec<Fault>),
    Gone,
    Good(TenantId, Policy),
}

/// Reads a key. It takes time, and nothing else.
pub(in crate::fleet) fn read(name: &[u8], value: Option<&[u8]>, revision: i64) -> Read {
    let fault = |found: &str, expected: &str| {
        Read::Faulty(vec![Fault {
            key: String::new(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        }])
    };
    match (owner(name), value) {
        (Owner::Accepted, Some(_)) => Read::Accepted,
        // That one is gone is no news of the ledger's.
        (Owner::Accepted, None) | (Owner::Beat, _) => Read::Beat,
        (Owner::Misspelt(_) | Owner::Nobody | Owner::Tenant(_), None) => Read::Gone,
        (Owner::Misspelt(tenant), Some(_)) => fault(
            "a key that is a tenant id in another spelling",
            &format!("the key {tenant}, in lower case"),
        ),
        (Owner::Nobody, Some(_)) => fault(
            "a key that is no tenant id",
            "the tenant's id, in lower case",
        ),
        (Owner::Tenant(tenant), Some(value)) => match document::parse(value, Some(tenant)) {
            Ok((_, mut policy, _)) => {
                policy.version = Version(u64::try_from(revision).unwrap_or(0));
                Read::Good(tenant, policy)
            }
            Err(faults) => Read::Faulty(faults),
        },
    }
}
