//! Tools that know Microsoft's shape alone do not take Tidegate's additions away by writing back
//! what they read.

use serde_json::{Value, json};

use super::*;
use crate::harness::*;

const PAST: &str = "2020-01-01T00:00:00Z";
const FUTURE: &str = "2099-01-01T00:00:00Z";

fn document(allowed: &Value) -> Value {
    json!({ "properties": { "tenantId": CONTOSO, "isDisabled": false, "allowedTenants": allowed } })
}

fn entry(tenant: &str, inbound: bool, outbound: bool) -> Value {
    json!({ "tenantId": tenant, "direction": { "inbound": inbound, "outbound": outbound } })
}

fn with(mut entry: Value, member: &str, value: &str) -> Value {
    entry[member] = json!(value);
    entry
}

/// What Terraform makes of a document: Microsoft's members alone.
fn as_terraform_sees_it(document: &Value) -> Value {
    let entries = document["properties"]["allowedTenants"].as_array().unwrap();
    let entries: Vec<_> = entries
        .iter()
        .map(|it| json!({ "tenantId": it["tenantId"], "direction": it["direction"] }))
        .collect();
    json!({ "properties": { "tenantId": document["properties"]["tenantId"],
        "isDisabled": document["properties"]["isDisabled"], "allowedTenants": entries } })
}

/// An administrator gives an exception that ends; Terraform reads, plans, and applies.
#[tokio::test]
async fn an_expired_exception_stays_expired_when_terraform_applies() {
    let office = Office::open().await;
    let world = &office.world;
    let expired = with(entry(FABRIKAM, false, true), "expiresOn", PAST);
    let mut stored = document(&json!([with(expired, "note", "CHG-1")]));
    stored["properties"]["reportOnly"] = json!(false);
    stored["properties"]["connectionsWithoutClientTenant"] = json!("allow");
    office.must_put(CONTOSO, &stored).await;

    let read = office.get(CONTOSO).send().await.json();
    let mut plan = as_terraform_sees_it(&read);
    let (answer, record) = office.must_put(CONTOSO, &plan).await;
    assert_eq!(answer.json(), stored, "carried over, and told");
    assert_eq!(record["outcome"], "unchanged");
    assert_eq!(office.get(CONTOSO).send().await.json(), stored);

    // One more entry, the other way round: Terraform's are a set.
    let added = entry(NORTHWIND, true, false);
    let entries = plan["properties"]["allowedTenants"].as_array_mut().unwrap();
    entries.insert(0, added.clone());
    let (answer, record) = office.must_put(CONTOSO, &plan).await;
    let carried = stored["properties"]["allowedTenants"][0].clone();
    stored["properties"]["allowedTenants"] = json!([added, carried]);
    assert_eq!(answer.json(), stored);
    assert_eq!(record["after"]["document"], stored);
    assert_eq!(office.file(CONTOSO).unwrap(), answer.body);
    world
        .exchange(CONTOSO, FABRIKAM)
        .send()
        .await
        .blocked("outbound_block", &[(CONTOSO, "outbound")]);

    // On the condition that it is what was read, as well.
    let etag = answer.header("etag").unwrap();
    for condition in [etag, "*", &format!("\"0\", {etag}")] {
        let put = office.put(CONTOSO, &plan).header("if-match", condition);
        assert_eq!(put.send().await.json(), stored);
        world.next_record().await;
    }
    let stale = office.put(CONTOSO, &plan).header("if-match", "\"0\"");
    stale
        .refused(412, "PreconditionFailed", "precondition")
        .await;
    world.idp.requests().clear();
    office.world.finish().await;
}

/// A document with any addition says all of them.
#[tokio::test]
async fn a_document_with_an_addition_is_taken_literally() {
    let office = Office::open().await;
    let ending = with(entry(FABRIKAM, false, true), "expiresOn", FUTURE);
    let mut stored = document(&json!([ending]));
    stored["properties"]["connectionsWithoutClientTenant"] = json!("allow");
    let plain = entry(FABRIKAM, false, true);
    let mut report_only = document(&json!([plain]));
    report_only["properties"]["reportOnly"] = json!(false);
    let mut choice = document(&json!([plain]));
    choice["properties"]["connectionsWithoutClientTenant"] = json!("block");
    let noted = document(&json!([with(plain.clone(), "note", "")]));
    let of_domain = document(&json!([with(plain, "tenantDomain", "fabrikam.com")]));
    for literal in [report_only, choice, noted, of_domain] {
        office.must_put(CONTOSO, &stored).await;
        let (answer, _) = office.must_put(CONTOSO, &literal).await;
        assert_eq!(answer.json(), literal);
    }
    office.world.finish().await;
}

/// What an entry may do lasts no longer by being written in another way.
#[tokio::test]
async fn an_entry_that_is_widened_or_named_by_its_domain_ends_as_well() {
    let office = Office::open().await;
    let ending = with(entry(FABRIKAM, false, true), "expiresOn", FUTURE);
    let sooner = with(entry(FABRIKAM, true, false), "expiresOn", PAST);
    let stored = document(&json!([ending, sooner, entry(FABRIKAM, true, false)]));
    office.must_put(CONTOSO, &stored).await;
    for (written, expected) in [
        // The same directions: as long as they lasted.
        (entry(FABRIKAM, false, true), json!(FUTURE)),
        (entry(FABRIKAM, true, false), Value::Null),
        // Others: no longer than any of the tenant's did.
        (entry(FABRIKAM, true, true), json!(PAST)),
        (entry("fabrikam.com", false, true), json!(FUTURE)),
        (entry(NORTHWIND, false, true), Value::Null),
        (entry("*", false, true), Value::Null),
    ] {
        let (answer, _) = office.must_put(CONTOSO, document(&json!([written]))).await;
        let found = &answer.json()["properties"]["allowedTenants"][0]["expiresOn"];
        assert_eq!(*found, expected, "{written}");
        let mut literal = stored.clone();
        literal["properties"]["reportOnly"] = json!(false);
        office.must_put(CONTOSO, &literal).await;
    }
    office.world.finish().await;
}

/// Whoever knows the additions may leave them out and mean it.
#[tokio::test]
async fn a_client_that_says_so_is_taken_literally() {
    let office = Office::open().await;
    let plain = document(&json!([entry(FABRIKAM, false, true)]));
    let noted = document(&json!([with(
        entry(FABRIKAM, false, true),
        "note",
        "CHG-1"
    )]));
    office.must_put(CONTOSO, &noted).await;
    let (answer, _) = office.must_put(CONTOSO, &plain).await;
    assert_eq!(answer.json(), noted, "carried over");
    let put = office
        .put(CONTOSO, &plain)
        .header("x-tidegate-additions", "literal");
    assert_eq!(put.send().await.json(), plain);
    office.world.next_record().await;
    let odd = office
        .put(CONTOSO, &noted)
        .header("x-tidegate-additions", "all");
    odd.refused(400, "BadRequest", "additions_malformed").await;
}
