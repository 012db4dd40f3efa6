use super::super::parse;
use super::*;

const OWN: &str = "11111111-1111-4111-8111-111111111111";
const OTHER: &str = "22222222-2222-4222-8222-222222222222";
const WAYS: &str = r#""direction":{"inbound":true,"outbound":false}"#;

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn with(entries: &str) -> String {
    format!(
        r#"{{"properties":{{"tenantId":"{OWN}","isDisabled":false,"allowedTenants":[{entries}],"msNew":{{"a":1e0}}}}}}"#
    )
}

fn draft(entries: &str) -> Result<Draft, Vec<Fault>> {
    parse_for_write(with(entries).as_bytes(), tenant(OWN))
}

fn known(name: Option<&str>) -> HashMap<String, Resolved> {
    let resolved = Resolved {
        tenant: tenant(OTHER),
        name: name.map(str::to_owned),
    };
    ["fabrikam.com", "Fabrikam.COM"]
        .map(|domain| (domain.to_owned(), resolved.clone()))
        .into()
}

#[test]
fn a_document_of_ids_is_stored_as_it_was_written() {
    let text = with(&format!(r#" {{ "tenantId" : "{OTHER}", {WAYS} }} "#)).replace("},", "},\n ");
    let draft = parse_for_write(text.as_bytes(), tenant(OWN)).unwrap();
    assert_eq!(draft.unresolved(), []);
    assert_eq!(draft.resolved(&HashMap::new()).unwrap(), text.as_bytes());
}

#[test]
fn domains_become_ids_and_everything_else_stays() {
    let entries = format!(
        r#"{{"tenantId":"*",{WAYS}}},{{"tenantId":"Fabrikam.COM",{WAYS},"note":"CHG-1","msOld":[1]}}"#
    );
    let draft = draft(&entries).unwrap();
    let [unresolved] = draft.unresolved() else {
        panic!("one")
    };
    assert_eq!(unresolved.key, "properties.allowedTenants[1].tenantId");
    assert_eq!(unresolved.domain, "Fabrikam.COM");
    let bytes = draft.resolved(&known(Some("Fabrikam Inc"))).unwrap();
    let expected = with(&format!(
        r#"{{"tenantId":"*",{WAYS}}},{{"tenantId":"{OTHER}",{WAYS},"tenantName":"Fabrikam Inc","tenantDomain":"fabrikam.com","note":"CHG-1","msOld":[1]}}"#
    ));
    assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
    let (_, policy, _) = parse(&bytes, Some(tenant(OWN))).unwrap();
    assert_eq!(policy.entries().len(), 2);
}

#[test]
fn a_name_that_was_written_stays() {
    let table = [
        (r#""tenantName":"Ours""#, r#""tenantName":"Ours""#),
        (r#""tenantName":"""#, r#""tenantName":"Fabrikam Inc""#),
        (r#""tenantName":null"#, r#""tenantName":null"#),
    ];
    for (written, stored) in table {
        let entry = format!(r#"{{"tenantId":"fabrikam.com",{WAYS},{written}}}"#);
        let bytes = draft(&entry)
            .unwrap()
            .resolved(&known(Some("Fabrikam Inc")));
        let text = String::from_utf8(bytes.unwrap()).unwrap();
        assert!(text.contains(stored), "{text}");
        parse(text.as_bytes(), Some(tenant(OWN))).unwrap();
    }
    let entry = format!(r#"{{"tenantId":"fabrikam.com",{WAYS}}}"#);
    let text = String::from_utf8(draft(&entry).unwrap().resolved(&known(None)).unwrap()).unwrap();
    assert!(!text.contains("tenantName"), "{text}");
}

#[test]
fn what_was_not_resolved_is_a_fault_of_its_entry() {
    let entry = |domain: &str| format!(r#"{{"tenantId":"{domain}",{WAYS}}}"#);
    let both = format!("{},{}", entry("fabrikam.com"), entry("nowhere.example"));
    let faults = draft(&both).unwrap().resolved(&known(None)).unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["properties.allowedTenants[1].tenantId"]);
}

#[test]
fn a_domain_beside_another_one_is_a_fault() {
    let entry =
        |beside: &str| format!(r#"{{"tenantId":"fabrikam.com",{WAYS},"tenantDomain":"{beside}"}}"#);
    let resolved = |entry: String| draft(&entry).unwrap().resolved(&known(None));
    assert!(resolved(entry("FABRIKAM.com")).is_ok());
    let faults = resolved(entry("contoso.com")).unwrap_err();
    assert_eq!(faults[0].key, "properties.allowedTenants[0].tenantId");
}

#[test]
fn what_may_have_been_meant_as_a_domain_is_told_from_what_may_not() {
    let meant = [
        "fabrikam.com",
        "fabrikam.com.",
        " fabrikam.com",
        "fаbrikam.com",
        "fabrikam｡com",
        "a@b@fabrikam.com",
        "*.fabrikam.com",
        "127.0.0.1",
        "common",
        "Organizations",
        "consumers",
    ];
    for domain in meant {
        let draft = draft(&format!(r#"{{"tenantId":"{domain}",{WAYS}}}"#)).unwrap();
        assert_eq!(draft.unresolved()[0].domain, domain);
        assert!(draft.resolved(&known(None)).is_err() || domain == "fabrikam.com");
    }
    let not = [
        "",
        " ",
        "**",
        "fabrikam",
        "00000000-0000-0000-0000-000000000000",
        "{22222222-2222-4222-8222-222222222222}",
        "22222222222242228222222222222222",
    ];
    for text in not {
        let faults = draft(&format!(r#"{{"tenantId":"{text}",{WAYS}}}"#)).unwrap_err();
        assert_eq!(
            faults[0].key, "properties.allowedTenants[0].tenantId",
            "{text}"
        );
    }
}

#[test]
fn all_faults_are_told_beside_domains() {
    let entries = format!(r#"{{"tenantId":"fabrikam.com",{WAYS},"Note":1}},{{"tenantId":"x"}}"#);
    let faults = draft(&entries).unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    let expected = ["[0].Note", "[1].tenantId", "[1].direction"];
    assert_eq!(
        keys,
        expected.map(|key| format!("properties.allowedTenants{key}"))
    );
}

#[test]
fn another_tenants_document_is_refused() {
    let faults = parse_for_write(with("").as_bytes(), tenant(OTHER)).unwrap_err();
    assert_eq!(faults[0].key, "properties.tenantId");
}
