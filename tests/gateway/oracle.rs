//! The rule once more, as plainly as its sentences, sharing nothing with the gateway.
//!
//! "C = S: allowed. Otherwise C's policy must allow S outbound AND S's policy must allow C
//! inbound. Off or absent allows. On: blocked but for the allowlist; an entry is a tenant or `*`;
//! the most permissive match wins. C unknown: S Off allows; On, S's choice decides, and nothing
//! else."

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::Policy;

/// Sides that block: tenant, direction.
pub(crate) type Sides<'a> = Vec<(&'a str, &'a str)>;

/// The documents, by tenant.
pub(crate) type Policies = BTreeMap<String, Value>;

/// Reads the documents that the gateway is given.
pub(crate) fn policies(all: &[Policy]) -> Policies {
    let parse = |policy: &Policy| -> Value { serde_json::from_str(&policy.text()).unwrap() };
    all.iter()
        .map(|policy| parse(policy)["properties"].clone())
        .map(|properties| {
            (
                properties["tenantId"].as_str().unwrap().to_owned(),
                properties,
            )
        })
        .collect()
}

/// The sides that block a connection of `creator` (none: unknown) to `sign_in`.
pub(crate) fn blocking<'a>(
    policies: &Policies,
    creator: Option<&'a str>,
    sign_in: &'a str,
) -> Sides<'a> {
    if creator == Some(sign_in) {
        return Vec::new();
    }
    let is_on = |tenant: &str| {
        policies
            .get(tenant)
            .is_some_and(|policy| policy["isDisabled"] == false)
    };
    let lists = |tenant: &str, other: &str, direction: &str| {
        policies[tenant]["allowedTenants"]
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| {
                (entry["tenantId"] == other || entry["tenantId"] == "*")
                    && entry["direction"][direction] == true
            })
    };
    let mut sides = Vec::new();
    match creator {
        Some(creator) => {
            if is_on(creator) && !lists(creator, sign_in, "outbound") {
                sides.push((creator, "outbound"));
            }
            if is_on(sign_in) && !lists(sign_in, creator, "inbound") {
                sides.push((sign_in, "inbound"));
            }
        }
        None => {
            let choice =
                |tenant: &str| policies[tenant]["connectionsWithoutClientTenant"] == "allow";
            if is_on(sign_in) && !choice(sign_in) {
                sides.push((sign_in, "inbound"));
            }
        }
    }
    sides
}

/// The word for it in records.
pub(crate) fn reason(creator: Option<&str>, sign_in: &str, sides: &Sides<'_>) -> &'static str {
    let ways: Vec<&str> = sides.iter().map(|(_, way)| *way).collect();
    match (creator, ways.as_slice()) {
        (Some(creator), []) if creator == sign_in => "same_tenant",
        (Some(_), []) => "both_allow",
        (Some(_), ["outbound"]) => "outbound_block",
        (Some(_), ["inbound"]) => "inbound_block",
        (Some(_), _) => "both_block",
        (None, []) => "without_client_tenant_allowed",
        (None, _) => "without_client_tenant_blocked",
    }
}
