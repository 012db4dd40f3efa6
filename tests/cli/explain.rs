//! `explain`, on every row of the documented table and on what else it says.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Run, golden, run};

const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
const FABRIKAM: &str = "22222222-2222-4222-8222-222222222222";
const NORTHWIND: &str = "33333333-3333-4333-8333-333333333333";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// A directory of policies.
struct Policies(TempDir);

impl Policies {
    fn new(policies: &[(&str, Value)]) -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("policies")).unwrap();
        for (tenant, properties) in policies {
            let mut properties = properties.clone();
            properties["tenantId"] = json!(tenant);
            let document = json!({ "properties": properties }).to_string();
            let file = format!("policies/{tenant}.json");
            fs::write(directory.path().join(file), document).unwrap();
        }
        Self(directory)
    }

    fn explain(&self, arguments: &[&str]) -> Run {
        let policies = ["explain", "--policies", "policies"];
        run(self.0.path(), &[&policies, arguments].concat())
    }

    fn pair(&self, creator: &str, sign_in: &str) -> Run {
        self.explain(&["--creator", creator, "--sign-in", sign_in])
    }
}

fn on(entries: &[Value]) -> Value {
    json!({ "isDisabled": false, "allowedTenants": entries })
}

fn entry(tenant: &str, inbound: bool, outbound: bool) -> Value {
    json!({ "tenantId": tenant, "direction": { "inbound": inbound, "outbound": outbound } })
}

fn fabrikam_outbound() -> Value {
    entry(FABRIKAM, false, true)
}

/// The rows of the documented table: name of the golden file, policies, creator (none: a legacy
/// connection), sign-in tenant, exit code.
type Row = (
    &'static str,
    Vec<(&'static str, Value)>,
    Option<&'static str>,
    &'static str,
    i32,
);

fn rows() -> Vec<Row> {
    let contoso = |properties| vec![(CONTOSO, properties)];
    let contoso_on = || contoso(on(&[]));
    let lists_outbound = || contoso(on(&[fabrikam_outbound()]));
    let lists_both = || contoso(on(&[entry(FABRIKAM, true, true)]));
    let star_outbound = || contoso(on(&[entry("*", false, true)]));
    let off = || contoso(json!({ "isDisabled": true, "allowedTenants": [] }));
    let both_on = |entries: &[Value]| vec![(CONTOSO, on(entries)), (FABRIKAM, on(&[]))];
    let legacy = |choice| {
        contoso(json!({
            "isDisabled": false,
            "allowedTenants": [],
            "connectionsWithoutClientTenant": choice
        }))
    };
    let (c, f) = (Some(CONTOSO), Some(FABRIKAM));
    vec![
        ("same-tenant-contoso", contoso_on(), c, CONTOSO, 0),
        ("same-tenant-fabrikam", contoso_on(), f, FABRIKAM, 0),
        ("both-off-contoso-to-fabrikam", off(), c, FABRIKAM, 0),
        ("both-off-fabrikam-to-contoso", off(), f, CONTOSO, 0),
        ("on-contoso-to-fabrikam", contoso_on(), c, FABRIKAM, 3),
        ("on-fabrikam-to-contoso", contoso_on(), f, CONTOSO, 3),
        (
            "listed-outbound-contoso-to-fabrikam",
            lists_outbound(),
            c,
            FABRIKAM,
            0,
        ),
        (
            "listed-outbound-fabrikam-to-contoso",
            lists_outbound(),
            f,
            CONTOSO,
            3,
        ),
        (
            "listed-both-contoso-to-fabrikam",
            lists_both(),
            c,
            FABRIKAM,
            0,
        ),
        (
            "listed-both-fabrikam-to-contoso",
            lists_both(),
            f,
            CONTOSO,
            0,
        ),
        (
            "any-outbound-contoso-to-northwind",
            star_outbound(),
            c,
            NORTHWIND,
            0,
        ),
        (
            "any-outbound-northwind-to-contoso",
            star_outbound(),
            Some(NORTHWIND),
            CONTOSO,
            3,
        ),
        (
            "fabrikam-lists-nobody",
            both_on(&[fabrikam_outbound()]),
            c,
            FABRIKAM,
            3,
        ),
        ("both-list-nobody", both_on(&[]), c, FABRIKAM, 3),
        ("personal-account", contoso_on(), Some(PERSONAL), CONTOSO, 3),
        ("legacy-default", contoso_on(), None, CONTOSO, 3),
        ("legacy-allow", legacy("allow"), None, CONTOSO, 0),
    ]
}

#[test]
fn every_row_of_the_documented_table_is_explained() {
    for (name, policies, creator, sign_in, exit) in rows() {
        let policies = Policies::new(&policies);
        let found = match creator {
            Some(creator) => policies.pair(creator, sign_in),
            None => policies.explain(&["--sign-in", sign_in]),
        };
        assert_eq!(found.exit, exit, "{name}: {}", found.transcript());
        golden(&format!("explain/{name}.txt"), &found.transcript());
    }
}

#[test]
fn a_rule_is_shown_with_all_that_its_policy_says_of_it() {
    let rule = json!({
        "tenantId": FABRIKAM,
        "tenantName": "Fabrikam\u{1b}[31m",
        "tenantDomain": "fabrikam.com",
        "note": "until the merger\u{1b}[2J",
        "expiresOn": "2999-12-31T00:00:00Z",
        "direction": { "inbound": false, "outbound": true }
    });
    let policies = Policies::new(&[(CONTOSO, on(&[rule]))]);
    let found = policies.pair(CONTOSO, "Fabrikam.COM");
    golden("explain/rule-with-details.txt", &found.transcript());

    let arguments = ["--creator", CONTOSO, "--sign-in", "fabrikam.com", "--json"];
    let found = policies.explain(&arguments);
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(
        report["not_resolved"],
        json!([{ "domain": "fabrikam.com", "tenant": FABRIKAM, "policies": [CONTOSO] }])
    );
    assert_eq!(found.stderr, "");
    let found = policies.explain(&["--creator", CONTOSO, "--sign-in", FABRIKAM, "--json"]);
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    assert!(report.get("not_resolved").is_none());
    assert_eq!(report["decision"], "allow");
    assert_eq!(report["reason"], "both_allow");
    assert_eq!(report["sides"][0]["rule"]["tenantDomain"], "fabrikam.com");
    assert_eq!(report["sides"][1]["finding"], "no_policy");
}

#[test]
fn an_expired_rule_is_named_as_the_cause() {
    let mut rule = fabrikam_outbound();
    rule["expiresOn"] = json!("2001-01-01T00:00:00Z");
    let policies = Policies::new(&[(CONTOSO, on(&[rule]))]);
    golden(
        "explain/rule-expired.txt",
        &policies.pair(CONTOSO, FABRIKAM).transcript(),
    );
}

#[test]
fn a_report_only_block_passes_and_says_so() {
    let mut policy = on(&[]);
    policy["reportOnly"] = json!(true);
    let found = Policies::new(&[(CONTOSO, policy.clone())]).pair(CONTOSO, FABRIKAM);
    golden("explain/would-block.txt", &found.transcript());
    let found = Policies::new(&[(CONTOSO, policy), (FABRIKAM, on(&[]))]).pair(CONTOSO, FABRIKAM);
    golden("explain/would-block-and-blocks.txt", &found.transcript());
}

#[test]
fn a_domain_must_name_one_tenant() {
    let named = |tenant: &str, domain: &str| {
        let mut named = entry(tenant, true, true);
        named["tenantDomain"] = json!(domain);
        named
    };
    let entries = [
        named(FABRIKAM, "fabrikam.com"),
        named(FABRIKAM, "shared.example"),
        named(NORTHWIND, "shared.example"),
    ];
    let policies = Policies::new(&[(CONTOSO, on(&entries))]);
    let transcripts: String = [
        "shared.example",
        "fabrikan.com",
        "common",
        "",
        "{11111111-1111-4111-8111-111111111111}",
    ]
    .map(|text| policies.pair(CONTOSO, text).transcript())
    .concat();
    golden("explain/no-such-tenant.txt", &transcripts);
    let found = Policies::new(&[]).pair("fabrikam.com", FABRIKAM);
    assert_eq!((found.exit, found.stdout.as_str()), (64, ""));
}

#[test]
fn the_configuration_says_what_no_policy_means() {
    let policies = Policies::new(&[]);
    let config = r#"
        [policies]
        absent = "on"
        [providers.entra]
        kind = "entra"
        [[routes]]
        name = "token"
        kind = "token"
        provider = "entra"
        path = "/{tenant}/oauth2/v2.0/token"
        creator = [{ header = "x-ms-client-tenant-id" }]
    "#;
    fs::write(policies.0.path().join("tidegate.toml"), config).unwrap();
    let found = run(
        policies.0.path(),
        &["explain", "--creator", CONTOSO, "--sign-in", FABRIKAM],
    );
    golden("explain/absent-on.txt", &found.transcript());
}

#[test]
fn broken_policies_explain_nothing() {
    let policies = Policies::new(&[(CONTOSO, json!({ "isDisabled": "no" }))]);
    let found = policies.pair(CONTOSO, FABRIKAM);
    assert_eq!((found.exit, found.stdout.as_str()), (64, ""));
    assert!(
        found.stderr.contains("properties.isDisabled"),
        "{}",
        found.stderr
    );
}
