//! A tenant's policy as it is stored, for administrators.
//!
//! Invariant: "there is none" is said only when the store said so.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use super::api::Api;
use super::fault::Fault;
use crate::core::tenant::TenantId;
use crate::fleet::Fleet;
use crate::policies::document;
use crate::policies::{Policies, Stored};
use crate::problem::Problem;

/// Why it cannot be told, for the answer and for the log.
type Unread = (Fault, Vec<Problem>);

impl Api {
    /// None: there is none.
    pub(super) async fn stored(&self, tenant: TenantId) -> Result<Option<Stored>, Fault> {
        let read = match self.policies.source() {
            Some(fleet) => in_etcd(fleet, tenant).await,
            None => in_directory(self.policies.clone(), tenant).await,
        };
        read.map_err(|(fault, problems)| {
            for problem in problems {
                tracing::warn!(policy.tenant = %tenant, %problem, "policy cannot be read for an administrator");
            }
            fault
        })
    }
}

async fn in_directory(policies: Policies, tenant: TenantId) -> Result<Option<Stored>, Unread> {
    let read = tokio::task::spawn_blocking(move || policies.read_stored(tenant)).await;
    let read = read.map_err(|_| (Fault::Storage, Vec::new()))?;
    read.map_err(|problems| {
        let invalid = problems.iter().all(|it| is_in_file(&it.file, tenant));
        let fault = if invalid {
            Fault::StoredInvalid
        } else {
            Fault::Storage
        };
        (fault, problems)
    })
}

async fn in_etcd(fleet: &Fleet, tenant: TenantId) -> Result<Option<Stored>, Unread> {
    let name = fleet.keys().shown(tenant.to_string().as_bytes());
    let problem = |key: String, found: String, expected: String| Problem {
        file: name.clone().into(),
        key,
        found,
        expected,
    };
    let storage = |found: String| {
        let expected = "etcd, to read the policy from".to_owned();
        (
            Fault::Storage,
            vec![problem(String::new(), found, expected)],
        )
    };
    if fleet.standing().stats().regressed {
        let found = "a history that is not that of the policies in force";
        return Err(storage(found.to_owned()));
    }
    let read = fleet.originals().read(tenant).await;
    let Some(original) = read.map_err(|error| storage(error.to_string()))? else {
        return Ok(None);
    };
    let (_, _, document) = document::parse(&original.bytes, Some(tenant)).map_err(|faults| {
        let problems = faults
            .into_iter()
            .map(|fault| problem(fault.key, fault.found, fault.expected));
        (Fault::StoredInvalid, problems.collect())
    })?;
    Ok(Some(Stored {
        etag: original.etag(),
        version: original.version(),
        bytes: original.bytes,
        document,
    }))
}

/// Whether what was found wrong is a tenant's file and in it: it can be opened, or is none. What
/// cannot be opened at the moment, and the directory, say nothing about the policy.
fn is_in_file(file: &Path, tenant: TenantId) -> bool {
    let stem = file.file_stem().and_then(OsStr::to_str);
    stem.and_then(|stem| TenantId::parse(stem).ok()) == Some(tenant)
        && match std::fs::symlink_metadata(file) {
            Ok(found) => !found.is_file() || File::open(file).is_ok(),
            Err(_) => false,
        }
}
