//! What a request is about, by its path: whose policy, or which report.
//!
//! Invariant: one tenant has one path, but for the case of its id's letters: nothing is decoded, and
//! nothing but the 36 characters of an id names a tenant. A report's path names no tenant.

use uuid::Uuid;

use crate::core::tenant::TenantId;

const BEFORE: &str = "/providers/PowerPlatform.Governance/v1/tenants/";
const AFTER: &str = "/tenantIsolationPolicy";

/// Where reports are.
pub(super) const REPORTS: &str = "/governance/crossTenantConnectionReports";

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// No resource of the API.
    Elsewhere,
    /// One of no tenant: where the id should be is something else.
    NoTenant,
    /// This tenant's policy.
    Policy(TenantId),
    /// This report.
    Report(Uuid),
    /// All reports of a tenant that the caller or the query names.
    Reports,
}

/// Reads a path. None: it is not one of the API's.
pub(super) fn of(path: &str) -> Option<Target> {
    if let Some(rest) = path.strip_prefix(REPORTS) {
        return report(rest);
    }
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

fn report(rest: &str) -> Option<Target> {
    if rest.is_empty() {
        return Some(Target::Reports);
    }
    let id = rest.strip_prefix('/')?;
    let is_id = id.len() == uuid::fmt::Hyphenated::LENGTH;
    let id = Uuid::try_parse(id).ok().filter(|_| is_id);
    Some(id.map_or(Target::Elsewhere, Target::Report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_named_by_its_id() {
        let id = "019a0000-0000-7000-8000-000000000001";
        let of = |rest: &str| of(&format!("{REPORTS}{rest}"));
        assert_eq!(of(""), Some(Target::Reports));
        let report = Target::Report(Uuid::try_parse(id).unwrap());
        assert_eq!(of(&format!("/{id}")), Some(report));
        assert_eq!(of(&format!("/{}", id.to_uppercase())), Some(report));
        for rest in ["/", "/x", &format!("/{id}/"), &format!("/{{{id}}}"), "/%2e"] {
            assert_eq!(of(rest), Some(Target::Elsewhere), "{rest}");
        }
        let dashless = format!("/{}", id.replace('-', ""));
        assert_eq!(of(&dashless), Some(Target::Elsewhere));
        assert_eq!(of("s"), None);
        assert_eq!(super::of("/governance"), None);
    }

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
