//! The one file that holds a tenant's policy now.
//!
//! Invariant: nothing is said of a tenant that has two files.

use std::ffi::{OsStr, OsString};

use crate::core::tenant::TenantId;
use crate::problem::Problem;

use super::document::Fault;
use super::file::{Directory, Fingerprint, Listing, Sight, usual_name};

/// What stands in the directory for one tenant.
pub(super) enum Present {
    /// No file.
    Absent,
    /// This file.
    File {
        name: OsString,
        fingerprint: Fingerprint,
        bytes: Vec<u8>,
    },
}

/// Finds and reads the file of `tenant`, whatever the case of its name.
pub(super) fn find(directory: &Directory, tenant: TenantId) -> Result<Present, Vec<Problem>> {
    let usual = usual_name(tenant);
    let name = match directory.look(&usual) {
        Sight::Present { .. } => Some(usual),
        Sight::Absent => {
            let listing = directory.list().map_err(|problem| vec![problem])?;
            named(directory, &listing, tenant)?
        }
    };
    name.map_or(Ok(Present::Absent), |name| read(directory, name))
}

/// The name of the file of `tenant` in a listing.
pub(super) fn named(
    directory: &Directory,
    listing: &Listing,
    tenant: TenantId,
) -> Result<Option<OsString>, Vec<Problem>> {
    let mut names = listing
        .files
        .iter()
        .filter(|(owner, _)| *owner == tenant)
        .map(|(_, spelt)| spelt.clone().unwrap_or_else(|| usual_name(tenant)));
    let name = names.next();
    let problems: Vec<_> = names
        .map(|other| directory.problem(&other, conflict()))
        .collect();
    if problems.is_empty() {
        Ok(name)
    } else {
        Err(problems)
    }
}

/// Reads a file that was seen under this name.
pub(super) fn read(directory: &Directory, name: OsString) -> Result<Present, Vec<Problem>> {
    match directory.read(&name) {
        Ok((fingerprint, bytes)) => Ok(Present::File {
            name,
            fingerprint,
            bytes,
        }),
        Err(_) if is_absent(directory, &name) => Ok(Present::Absent),
        Err(fault) => Err(vec![directory.problem(&name, fault)]),
    }
}

fn is_absent(directory: &Directory, name: &OsStr) -> bool {
    matches!(directory.look(name), Sight::Absent)
}

/// The fault of a tenant with two files.
pub(super) fn conflict() -> Fault {
    Fault {
        key: String::new(),
        found: "another file for the same tenant, in other letters".to_owned(),
        expected: "one file a tenant".to_owned(),
    }
}
