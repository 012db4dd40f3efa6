//! A policy document.
//!
//! Holds: what is read, written and read again is the same policy and the same text; a second,
//! slow reading of the JSON comes to the same answer for every tenant, direction and time; a
//! document never names another tenant than asked for.

use serde_json::Value;
use tidegate::core::policy::{Direction, Isolation, MAX_ENTRIES, Policy, WithoutClientTenant};
use tidegate::core::tenant::TenantId;
use tidegate::policies::document::{self, Document, parse_for_write};

use super::material::{CREATOR, FOREIGN};

/// The time asked about, and one long after.
const TIMES: [i64; 2] = [1_800_000_000, 4_000_000_000];

/// Holds one document against what must hold of it.
pub fn run(input: &[u8]) {
    let owner = TenantId::parse(CREATOR).expect("a tenant id");
    let for_write = parse_for_write(input, owner);
    let parsed = document::parse(input, None);
    match &parsed {
        Ok((tenant, policy, document)) => {
            written_again(*tenant, policy, document);
            read_again(*tenant, policy, input);
            assert_eq!(for_write.is_ok(), *tenant == owner, "the owner decides");
            assert_eq!(
                document::parse(input, Some(owner)).is_ok(),
                *tenant == owner
            );
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "a refusal says why");
            assert!(
                faults
                    .iter()
                    .all(|fault| !fault.found.is_empty() && !fault.expected.is_empty())
            );
            assert!(document::parse(input, Some(owner)).is_err());
        }
    }
}

fn written_again(tenant: TenantId, policy: &Policy, document: &Document) {
    let text = document.to_bytes().expect("JSON");
    let (tenant_again, policy_again, document_again) = document::parse(&text, Some(tenant))
        .unwrap_or_else(|faults| {
            panic!("{faults:?} in {}", String::from_utf8_lossy(&text));
        });
    assert_eq!((tenant, policy), (tenant_again, &policy_again));
    assert_eq!(text, document_again.to_bytes().expect("JSON"));
}

/// The same questions to the policy and to the JSON.
fn read_again(tenant: TenantId, policy: &Policy, text: &[u8]) {
    let value: Value = serde_json::from_slice(text).expect("read here, so read by anybody");
    let properties = &value["properties"];
    let id = properties["tenantId"].as_str().expect("a tenant id");
    assert!(id.eq_ignore_ascii_case(&tenant.to_string()));
    let off = properties["isDisabled"] == true;
    assert_eq!(policy.isolation == Isolation::Off, off);
    let allows = properties["connectionsWithoutClientTenant"] == "allow";
    assert_eq!(
        policy.without_client_tenant == WithoutClientTenant::Allow,
        allows
    );

    let none = Vec::new();
    let entries = properties["allowedTenants"].as_array().unwrap_or(&none);
    assert!(entries.len() <= MAX_ENTRIES);
    assert_eq!(policy.entries().len(), entries.len());
    let named = entries
        .iter()
        .filter_map(|entry| entry["tenantId"].as_str());
    let mut others: Vec<TenantId> = named.filter_map(|id| TenantId::parse(id).ok()).collect();
    others.push(TenantId::parse(FOREIGN).expect("a tenant id"));
    others.truncate(32);
    for other in others {
        for direction in [Direction::Inbound, Direction::Outbound] {
            for now in TIMES {
                let slow = entries
                    .iter()
                    .any(|entry| allows_it(entry, other, direction, now));
                let fast = policy.rule_for(other, direction, now).is_some();
                assert_eq!(slow, fast, "{other} {direction:?} at {now}");
            }
        }
    }
}

fn allows_it(entry: &Value, other: TenantId, direction: Direction, now: i64) -> bool {
    let subject = entry["tenantId"].as_str().expect("a tenant id or *");
    let named = subject == "*" || subject.eq_ignore_ascii_case(&other.to_string());
    let way = entry["direction"][direction.as_str()] == true;
    // Whole seconds: the entry acts until the second that it names begins.
    let in_force = entry["expiresOn"].as_str().is_none_or(|end| {
        let end: jiff::Timestamp = end.parse().expect("a time");
        now < end.as_second()
    });
    named && way && in_force
}
