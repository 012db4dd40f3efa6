//! Documents as the tools write them (`tests/data/policies`), read whole and written back.

use super::*;

use serde_json::Value;
use tidegate::core::policy::{Direction, WithoutClientTenant};
use tidegate::policies::document;

fn data(name: &str) -> Vec<u8> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/policies");
    fs::read(dir.join(name)).unwrap()
}

#[test]
fn what_terraform_writes_is_written_back_byte_for_byte() {
    for (name, isolation, entries) in [
        ("terraform.json", Isolation::On, 2),
        ("terraform-destroyed.json", Isolation::Off, 0),
    ] {
        let (_, policy, document) = document::parse(&data(name), Some(tenant(CONTOSO))).unwrap();
        assert_eq!(policy.isolation, isolation, "{name}");
        assert_eq!(policy.entries().len(), entries, "{name}");
        assert_eq!(serde_json::to_vec(&document).unwrap(), data(name), "{name}");
    }
}

#[test]
fn what_powershell_writes_keeps_all_members() {
    let (_, policy, document) = document::parse(&data("powershell.json"), None).unwrap();
    assert_eq!(policy.entries().len(), 2);
    let rule = |direction| policy.rule_for(tenant(FABRIKAM), direction, 0).is_some();
    assert!(rule(Direction::Inbound) && !rule(Direction::Outbound));
    let read: Value = serde_json::from_slice(&data("powershell.json")).unwrap();
    let mut written = serde_json::to_value(&document).unwrap();
    assert_eq!(
        written["properties"]["tenantId"], CONTOSO,
        "one spelling of an id"
    );
    written["properties"]["tenantId"] = read["properties"]["tenantId"].clone();
    assert_eq!(written, read);
}

#[test]
fn our_additions_act() {
    let (_, policy, document) = document::parse(&data("all-additions.json"), None).unwrap();
    assert_eq!(policy.mode, Mode::ReportOnly);
    assert_eq!(policy.without_client_tenant, WithoutClientTenant::Allow);
    let end = 1_801_414_800; // 2027-01-31T17:00:00Z
    let rule = |now| {
        policy
            .rule_for(tenant(FABRIKAM), Direction::Inbound, now)
            .is_some()
    };
    assert!(rule(end - 1) && !rule(end));
    let written = serde_json::to_vec(&document).unwrap();
    let (_, again, _) = document::parse(&written, Some(tenant(CONTOSO))).unwrap();
    assert_eq!(again.entries(), policy.entries());
}
