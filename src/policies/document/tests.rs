use super::*;

use proptest::prelude::*;
use serde_json::{Value, json};

const OWN: &str = "11111111-1111-4111-8111-111111111111";
const OTHER: &str = "22222222-2222-4222-8222-222222222222";

fn own() -> TenantId {
    TenantId::parse(OWN).unwrap()
}

fn faults(text: &[u8]) -> Vec<Fault> {
    parse(text, Some(own())).map(|_| ()).unwrap_err()
}

fn read(value: &Value) -> (Policy, Document) {
    let (tenant, policy, document) = parse(value.to_string().as_bytes(), Some(own())).unwrap();
    assert_eq!(tenant, own());
    (policy, document)
}

/// A whole document with these members in `properties`, beside the tenant id.
fn with(properties: &str) -> String {
    format!(r#"{{"properties":{{"tenantId":"{OWN}",{properties}}}}}"#)
}

/// A whole document with this one entry.
fn with_entry(entry: &str) -> String {
    with(&format!(r#""isDisabled":false,"allowedTenants":[{entry}]"#))
}

#[test]
fn microsofts_document_is_read_and_written_byte_for_byte() {
    let text = format!(
        r#"{{"properties":{{"tenantId":"{OWN}","isDisabled":false,"allowedTenants":[{{"tenantId":"{OTHER}","direction":{{"inbound":true,"outbound":false}}}},{{"tenantId":"*","direction":{{"inbound":false,"outbound":true}}}}]}}}}"#
    );
    let (tenant, policy, document) = parse(text.as_bytes(), None).unwrap();
    assert_eq!(tenant, own());
    assert_eq!(policy.isolation, Isolation::On);
    assert_eq!(policy.mode, Mode::Enforce);
    assert_eq!(policy.without_client_tenant, WithoutClientTenant::Block);
    let entries: Vec<_> = policy
        .entries()
        .iter()
        .map(|e| (e.subject, e.inbound, e.outbound))
        .collect();
    let other = Subject::Tenant(TenantId::parse(OTHER).unwrap());
    assert_eq!(entries, [(Subject::Any, false, true), (other, true, false)]);
    assert_eq!(serde_json::to_string(&document).unwrap(), text);
}

#[test]
fn our_additions_are_read_and_written() {
    let value = json!({"properties": {
        "tenantId": OWN, "isDisabled": true,
        "allowedTenants": [{
            "tenantId": OTHER, "direction": {"inbound": true, "outbound": true},
            "tenantName": "Fabrikam", "tenantDomain": "fabrikam.com", "note": "CHG-4711",
            "expiresOn": "2027-01-31T18:00:00Z",
        }],
        "connectionsWithoutClientTenant": "allow", "reportOnly": true,
    }});
    let (policy, document) = read(&value);
    assert_eq!(policy.isolation, Isolation::Off);
    assert_eq!(policy.mode, Mode::ReportOnly);
    assert_eq!(policy.without_client_tenant, WithoutClientTenant::Allow);
    assert_eq!(policy.entries()[0].expires_on, Some(1_801_418_400));
    assert_eq!(serde_json::to_value(&document).unwrap(), value);
}

#[test]
fn what_is_left_out_is_the_closed_choice() {
    let (policy, document) = read(&json!({"properties": {"tenantId": OWN}}));
    assert_eq!(policy.isolation, Isolation::On);
    assert!(policy.entries().is_empty());
    assert!(!document.properties.is_disabled);

    let (policy, _) = read(&json!({"properties": {"tenantId": OWN, "allowedTenants": [
        {"tenantId": OTHER, "direction": {"inbound": true}},
        {"tenantId": "*", "direction": {}},
    ]}}));
    let ways: Vec<_> = policy
        .entries()
        .iter()
        .map(|e| (e.inbound, e.outbound))
        .collect();
    assert_eq!(ways, [(false, false), (true, false)]);
}

#[test]
fn what_exports_hold_is_accepted() {
    let both = r#""direction":{"inbound":true,"outbound":true}"#;
    for entry in [
        format!(r#"{{"tenantId":"{OTHER}","direction":{{"inbound":false,"outbound":false}}}}"#),
        format!(r#"{{"tenantId":"{OWN}",{both}}}"#),
        format!(r#"{{"tenantId":"{OTHER}",{both}}},{{"tenantId":"{OTHER}",{both}}}"#),
        format!(
            r#"{{"tenantId":"{}",{both}}}"#,
            "ABCDEF01-2345-4789-8BCD-EF0123456789"
        ),
        format!(r#"{{"tenantId":"{OTHER}","tenantName":"","tenantDisplayName":"",{both}}}"#),
        format!(r#"{{"tenantId":"{OTHER}","tenantName":null,"tenantDisplayName":null,{both}}}"#),
        format!(r#"{{"tenantId":"{OTHER}","expiresOn":"2020-02-29T23:59:60+14:00",{both}}}"#),
        format!(
            r#"{{"tenantId":"{OTHER}","expiresOn":"2020-02-29T23:59:59.123456789-00:30",{both}}}"#
        ),
    ] {
        let text = with_entry(&entry);
        assert!(parse(text.as_bytes(), Some(own())).is_ok(), "{text}");
    }
}

#[test]
fn unknown_members_of_microsofts_are_kept_byte_for_byte() {
    let text = format!(
        r#"{{"properties":{{"tenantId":"{OWN}","isDisabled":false,"allowedTenants":[{{"tenantId":"*","direction":{{"inbound":true,"outbound":false,"since":1.10}},"tenantDisplayName":"A\u00e9"}}],"etag":12345678901234567890123,"audit":{{"by":[null, 1e2]}}}},"id":"/x"}}"#
    );
    let (_, _, document) = parse(text.as_bytes(), None).unwrap();
    assert_eq!(serde_json::to_string(&document).unwrap(), text);
}

#[test]
fn every_fault_is_told_with_its_key_path() {
    let text = json!({"reportOnly": true, "properties": {
        "tenantId": OTHER, "isDisabled": "false", "reportOnyl": true,
        "connectionsWithoutClientTenant": "deny",
        "allowedTenants": [
            {"tenantId": OTHER, "direction": {"inbound": true, "outbound": true}},
            {"tenantId": "fabrikam.com", "direction": {"inbound": 1, "outbound": true}},
            {"tenantId": format!("{{{OTHER}}}"), "expiresAt": "2027-01-31T18:00:00Z"},
            7,
        ],
    }});
    let found: Vec<_> = faults(text.to_string().as_bytes())
        .into_iter()
        .map(|fault| format!("{}: {}, {}", fault.key, fault.found, fault.expected))
        .collect();
    let expected = [
        format!("properties.tenantId: the text \"{OTHER}\", {OWN}, whose policy this is"),
        "properties.isDisabled: the text \"false\", true or false, without quotes".to_owned(),
        "properties.allowedTenants[1].tenantId: the text \"fabrikam.com\", a tenant id or `*`; \
         a domain is resolved when it is written, and a file must hold the id"
            .to_owned(),
        "properties.allowedTenants[1].direction.inbound: the number 1, \
         true or false, without quotes"
            .to_owned(),
        format!(
            "properties.allowedTenants[2].tenantId: the text \"{{{OTHER}}}\", \
         a tenant id (36-character GUID) or `*`"
        ),
        "properties.allowedTenants[2].direction: nothing, \
         an object with `inbound` and `outbound`"
            .to_owned(),
        "properties.allowedTenants[2].expiresAt: an unknown member, `expiresOn`".to_owned(),
        "properties.allowedTenants[3]: the number 7, an object".to_owned(),
        "properties.connectionsWithoutClientTenant: the text \"deny\", \"block\" or \"allow\""
            .to_owned(),
        "properties.reportOnyl: an unknown member, `reportOnly`".to_owned(),
        "reportOnly: an unknown member, it in properties".to_owned(),
    ];
    assert_eq!(found, expected);
}

#[test]
fn one_fault_refuses_the_document() {
    let both = r#""direction":{"inbound":true,"outbound":true}"#;
    let entry = |more: &str| with_entry(&format!(r#"{{"tenantId":"{OTHER}",{both}{more}}}"#));
    let many = |count: usize| {
        with_entry(&vec![format!(r#"{{"tenantId":"{OTHER}",{both}}}"#); count].join(","))
    };
    assert!(parse(many(500).as_bytes(), Some(own())).is_ok());

    let good = with(r#""isDisabled":true"#);
    let table: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), ""),
        (b"\n".to_vec(), ""),
        (b"{".to_vec(), ""),
        (b"null".to_vec(), ""),
        (format!("[{good}]").into_bytes(), ""),
        (format!("\u{feff}{good}").into_bytes(), ""),
        (format!("{good} {good}").into_bytes(), ""),
        (format!("{good}x").into_bytes(), ""),
        (format!("{good}\0").into_bytes(), ""),
        (good.encode_utf16().flat_map(u16::to_le_bytes).collect(), ""),
        (good.encode_utf16().flat_map(u16::to_be_bytes).collect(), ""),
        (vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}'], ""),
        (b"properties:\n  tenantId: &a x\n".to_vec(), ""),
        (br#"{"properties":["x"]}"#.to_vec(), "properties"),
        (br#"{"Properties":{}}"#.to_vec(), "properties"),
        (br#"{"properties":{}}"#.to_vec(), "properties.tenantId"),
        (
            br#"{"properties":{"tenantId":"common"}}"#.to_vec(),
            "properties.tenantId",
        ),
        (
            br#"{"properties":{"tenantId":"*"}}"#.to_vec(),
            "properties.tenantId",
        ),
        (
            br#"{"properties":{"tenantId":null}}"#.to_vec(),
            "properties.tenantId",
        ),
        (
            with(r#""isDisabled":"false""#).into(),
            "properties.isDisabled",
        ),
        (with(r#""isDisabled":1"#).into(), "properties.isDisabled"),
        (with(r#""isDisabled":null"#).into(), "properties.isDisabled"),
        (
            with(r#""isDisabled":true,"isDisabled":true"#).into(),
            "properties",
        ),
        (
            with(r#""isDisabled":true,"is\u0044isabled":false"#).into(),
            "properties",
        ),
        (
            with(r#""isDisabled":true,"ISDISABLED":false"#).into(),
            "properties",
        ),
        (with(r#""x":1,"X":1"#).into(), "properties"),
        (with(r#""x":{"a":1,"a":2}"#).into(), "properties.x"),
        (with(r#""x":"\ud800""#).into(), "properties.x"),
        (with(r#""x":1e999"#).into(), "properties.x"),
        (
            with(&format!(r#""x":{}1{}"#, "[".repeat(200), "]".repeat(200))).into(),
            "properties.x",
        ),
        (with(r#""enabled":"false""#).into(), "properties.enabled"),
        (
            with(r#""allowedTenants":null"#).into(),
            "properties.allowedTenants",
        ),
        (
            with(r#""allowedTenants":{}"#).into(),
            "properties.allowedTenants",
        ),
        (many(501).into(), "properties.allowedTenants"),
        (
            with(r#""reportOnly":"true""#).into(),
            "properties.reportOnly",
        ),
        (
            with(r#""connectionsWithoutClientTenant":true"#).into(),
            "properties.connectionsWithoutClientTenant",
        ),
        (
            with(r#""connectionsWithoutClientTenant":"Allow""#).into(),
            "properties.connectionsWithoutClientTenant",
        ),
        (with_entry("[]").into(), "properties.allowedTenants[0]"),
        (
            with_entry(&format!("{{{both}}}")).into(),
            "properties.allowedTenants[0].tenantId",
        ),
        (
            with_entry(r#"{"tenantId":"*","direction":null}"#).into(),
            "properties.allowedTenants[0].direction",
        ),
        (
            with_entry(r#"{"tenantId":"*","direction":"both"}"#).into(),
            "properties.allowedTenants[0].direction",
        ),
        (
            with_entry(r#"{"tenantId":"*","direction":{"inbound":"yes"}}"#).into(),
            "properties.allowedTenants[0].direction.inbound",
        ),
        (
            with_entry(r#"{"tenantId":"*","direction":{"inbond":true}}"#).into(),
            "properties.allowedTenants[0].direction.inbond",
        ),
        (
            with_entry(&format!(r#"{{"tenantId":"**",{both}}}"#)).into(),
            "properties.allowedTenants[0].tenantId",
        ),
        (
            with_entry(&format!(r#"{{"tenantId":" {OTHER}",{both}}}"#)).into(),
            "properties.allowedTenants[0].tenantId",
        ),
        (
            with_entry(&format!(
                r#"{{"tenantId":"00000000-0000-0000-0000-000000000000",{both}}}"#
            ))
            .into(),
            "properties.allowedTenants[0].tenantId",
        ),
        (
            entry(r#","inbound":true"#).into(),
            "properties.allowedTenants[0].inbound",
        ),
        (
            entry(r#","tenantName":1"#).into(),
            "properties.allowedTenants[0].tenantName",
        ),
        (
            entry(r#","note":null"#).into(),
            "properties.allowedTenants[0].note",
        ),
        (
            entry(r#","Note":"x""#).into(),
            "properties.allowedTenants[0].Note",
        ),
        (
            entry(r#","tenantDomain":"CONTOSO.com.""#).into(),
            "properties.allowedTenants[0].tenantDomain",
        ),
        (
            entry(r#","tenantDomain":" contoso.com""#).into(),
            "properties.allowedTenants[0].tenantDomain",
        ),
        (
            entry(r#","tenantDomain":"соntoso.com""#).into(),
            "properties.allowedTenants[0].tenantDomain",
        ),
        (
            entry(r#","tenantDomain":"contoso｡com""#).into(),
            "properties.allowedTenants[0].tenantDomain",
        ),
        (
            entry(r#","tenantDomain":"a@b@contoso.com""#).into(),
            "properties.allowedTenants[0].tenantDomain",
        ),
        (
            entry(r#","tenantDomain":"contoso.com/""#).into(),
            "properties.allowedTenants[0].tenantDomain",
        ),
        (
            entry(r#","tenantDomain":"*.contoso.com""#).into(),
            "properties.allowedTenants[0].tenantDomain",
        ),
        (
            entry(r#","tenantDomain":"127.0.0.1""#).into(),
            "properties.allowedTenants[0].tenantDomain",
        ),
        (
            entry(r#","expiresOn":null"#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
        (
            entry(r#","expiresOn":1801418400"#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
        (
            entry(r#","expiresOn":"2027-01-31""#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
        (
            entry(r#","expiresOn":"2027-01-31T18:00:00""#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
        (
            entry(r#","expiresOn":"2027-01-31 18:00:00Z""#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
        (
            entry(r#","expiresOn":"2027-01-31T18:00Z""#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
        (
            entry(r#","expiresOn":"2027-01-31T18:00:00.Z""#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
        (
            entry(r#","expiresOn":"2027-02-30T18:00:00Z""#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
        (
            entry(r#","expiresOn":"2027-01-31T18:00:00Z[UTC]""#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
        (
            entry(r#","expiresOn":"2027-01-31T18:00:00+0100""#).into(),
            "properties.allowedTenants[0].expiresOn",
        ),
    ];
    for (text, key) in table {
        let found = faults(&text);
        let shown = String::from_utf8_lossy(&text);
        assert!(
            found.iter().any(|fault| fault.key == key),
            "{shown}\n{found:?}"
        );
    }
}

#[test]
fn a_report_quotes_little_and_on_one_line() {
    let long = "x".repeat(5000);
    let found = faults(with(&format!(r#""isDisabled":"{long}""#)).as_bytes());
    assert!(found[0].found.len() < 120, "{}", found[0].found);

    let found = faults(with(r#""Note\nError":1,"notes\r\nforged":1,"isDisabled\n":1"#).as_bytes());
    assert!(!found.is_empty());
    for fault in found {
        assert!(!format!("{fault:?}").contains("\\n"), "{fault:?}");
    }
}

/// Members of Microsoft's that this version does not know.
fn foreign() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        prop::collection::vec(any::<u32>(), 0..3).prop_map(Value::from),
    ];
    let member = ("ms[a-z]{4,12}", value);
    prop::collection::btree_map("ms[0-9]{6,9}", member, 0..3).prop_map(|members| {
        let pair =
            |(name, (inner, value)): (String, (String, Value))| (name, json!({inner: value}));
        members.into_iter().map(pair).collect()
    })
}

fn object(known: Value, unknown: serde_json::Map<String, Value>) -> Value {
    let Value::Object(mut members) = known else {
        panic!("an object")
    };
    members.extend(unknown);
    Value::Object(members)
}

prop_compose! {
    fn entries()(
        id in any::<u128>(), every in any::<bool>(), ways in any::<(bool, bool)>(),
        note in prop::option::of(".*"), end in prop::option::of(0_i64..4_102_444_800),
        inner in foreign(), outer in foreign(),
    ) -> Value {
        let id = uuid::Uuid::from_u128(id | 1).to_string();
        let direction = object(json!({"inbound": ways.0, "outbound": ways.1}), inner);
        let mut entry = json!({"tenantId": if every { "*" } else { &id }, "direction": direction});
        if let Some(note) = note {
            entry["note"] = note.into();
        }
        if let Some(end) = end {
            entry["expiresOn"] = jiff::Timestamp::from_second(end).unwrap().to_string().into();
        }
        object(entry, outer)
    }
}

proptest! {
    #[test]
    fn what_was_read_is_written_and_read_again(
        off in any::<bool>(), entries in prop::collection::vec(entries(), 0..6),
        report in prop::option::of(any::<bool>()), inner in foreign(), outer in foreign(),
    ) {
        let mut properties =
            json!({"tenantId": OWN, "isDisabled": off, "allowedTenants": entries});
        if let Some(report) = report {
            properties["reportOnly"] = report.into();
        }
        let value = object(json!({"properties": object(properties, inner)}), outer);
        let (policy, document) = read(&value);
        let written = serde_json::to_vec(&document).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<Value>(&written).unwrap(), &value);
        let (_, again, _) = parse(&written, Some(own())).unwrap();
        prop_assert_eq!(again.entries(), policy.entries());
        prop_assert_eq!(again.isolation, policy.isolation);
        prop_assert_eq!(again.mode, policy.mode);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, None);
    }

    #[test]
    fn a_cut_document_is_never_read(at in 0.0..1.0_f64) {
        let text = with_entry(&format!(
            r#"{{"tenantId":"{OTHER}","direction":{{"inbound":true,"outbound":false}}}}"#
        ));
        let cut = (text.len() as f64 * at) as usize;
        prop_assert!(parse(&text.as_bytes()[..cut], None).is_err());
    }
}
