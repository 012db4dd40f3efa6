//! Names for the tenants the mock knows without being told: fixed ids, so that output is the same
//! on every run.

/// Contoso, the tenant whose policy most examples are about.
pub const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
/// Fabrikam, the other side of most examples.
pub const FABRIKAM: &str = "22222222-2222-4222-8222-222222222222";
/// Northwind, a tenant that no example policy lists.
pub const NORTHWIND: &str = "33333333-3333-4333-8333-333333333333";
/// The tenant of personal accounts (the real one).
pub const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Domains registered by default, with their tenants.
pub(crate) const DOMAINS: [(&str, &str); 5] = [
    ("contoso.com", CONTOSO),
    ("contoso.onmicrosoft.com", CONTOSO),
    ("fabrikam.com", FABRIKAM),
    ("fabrikam.onmicrosoft.com", FABRIKAM),
    ("northwind.com", NORTHWIND),
];

/// Mail domains whose users have a personal account.
pub(crate) const PERSONAL_DOMAINS: [&str; 4] =
    ["outlook.com", "hotmail.com", "live.com", "msn.com"];

/// The canonical form of a tenant id (lower case, dashes), or `None` if the text is no GUID in that
/// form.
pub(crate) fn guid(text: &str) -> Option<String> {
    let dashed = text.len() == 36;
    uuid::Uuid::try_parse(text)
        .ok()
        .filter(|_| dashed)
        .map(|id| id.to_string())
}
