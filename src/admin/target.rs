//! Whose policy a request is about, by its path.
//!
//! Invariant: one tenant has one path, but for the case of its id's letters: nothing is decoded, and
//! nothing but the 36 characters of an id names a tenant.

use crate::core::tenant::TenantId;

const BEFORE: &str = "/providers/PowerPlatform.Governance/v1/tenants/";
const AFTER: &str = "/tenantIsolationPolicy";

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// No resource of the API.
    Elsewhere,
    /// One of no tenant: where the id should be is something else.
    NoTenant,
    /// This tenant's policy.
    Policy(TenantId),
}

/// Reads a path. None: it is not one of the API's.
pub(super) fn of(path: &str) -> Option<Target> {
    let rest = path.strip_prefix(BEFORE)?;
    let Some(id) = rest.strip_suffix(AFTER) else {
        let escaped = rest.contains('%');
        return Some(if escaped {
            Target::NoTenant
        } else {
            Target::Elsewhere
        });
    };
    Some(match TenantId::parse(id) {
        Ok(tenant) => Target::Policy(tenant),
        Err(_) => Target::NoTenant,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_names_a_tenant() {
        use Target::{Elsewhere, NoTenant};
        let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
        let policy = Target::Policy(TenantId::parse(id).unwrap());
        let of = |rest: &str| of(&format!("{BEFORE}{rest}"));
        let named = |id: &str| of(&format!("{id}{AFTER}"));
        for path in [
            "",
            "/",
            "/livez",
            "/providers",
            "/providers/powerplatform.governance/v1/tenants/",
        ] {
            assert_eq!(super::of(path), None, "{path}");
        }
        assert_eq!(named(id), Some(policy));
        assert_eq!(named(&id.to_uppercase()), Some(policy));
        let long = "1".repeat(10_240);
        let dashless = id.replace('-', "");
        for other in [
            "",
            "*",
            "common",
            "contoso.com",
            "00000000-0000-0000-0000-000000000000",
            ".",
            "..",
            &format!("{{{id}}}"),
            &format!(" {id}"),
            &format!("{id}/"),
            &format!("{id}%00"),
            &format!("..%2f{id}"),
            &format!("../{id}"),
            &format!("{id}%2e"),
            &dashless,
            &long,
            &format!("%37{}", &id[1..]),
        ] {
            assert_eq!(named(other), Some(NoTenant), "{other}");
        }
        for (rest, expected) in [
            (id.to_owned(), Elsewhere),
            (format!("{id}/"), Elsewhere),
            (format!("{id}{AFTER}/"), Elsewhere),
            (format!("{id}{AFTER}%2f"), NoTenant),
            (format!("{id}%2ftenantIsolationPolicy"), NoTenant),
            (format!("{id}/tenantisolationpolicy"), Elsewhere),
            (format!("{id}{AFTER};x=y"), Elsewhere),
        ] {
            assert_eq!(of(&rest), Some(expected), "{rest}");
        }
    }
}
