//! What a document may be: case F11, and every refusal with every fault as a detail.

use serde_json::{Value, json};

use super::*;
use crate::harness::*;

#[tokio::test]
async fn a_wrong_document_leaves_the_policy_in_force() {
    let office = Office::with(Setup::new().policy(Policy::on(CONTOSO))).await;
    let entry = |entry: &str| {
        format!(r#"{{"properties":{{"tenantId":"{CONTOSO}","allowedTenants":[{entry}]}}}}"#)
    };
    let properties = |members: &str| {
        format!(r#"{{"properties":{{"tenantId":"{CONTOSO}","allowedTenants":[]{members}}}}}"#)
    };
    let direction = r#""direction":{"inbound":true,"outbound":true}"#;
    let many: Vec<Value> = (0..501)
        .map(|_| json!({ "tenantId": "*", "direction": {} }))
        .collect();
    let table = [
        ("", "an empty file"),
        ("null", "an object"),
        ("[]", "an object"),
        ("{}", "properties: "),
        ("{", "malformed JSON"),
        ("\u{feff}{}", "byte order mark"),
        ("{}{}", "malformed JSON"),
        ("properties:\n  tenantId: x", "malformed JSON"),
        (&properties(",\"enabled\":\"false\""), "`isDisabled`"),
        (
            &properties(",\"isDisabled\":\"false\""),
            "properties.isDisabled: ",
        ),
        (&properties(",\"isDisabled\":1"), "properties.isDisabled: "),
        (
            &properties(",\"isDisabled\":null"),
            "properties.isDisabled: ",
        ),
        (
            &properties(",\"isDisabled\":true,\"isDisabled\":false"),
            "isDisabled",
        ),
        (
            &properties(",\"isDisabled\":true,\"ISDISABLED\":false"),
            "ISDISABLED",
        ),
        (&properties(",\"reportonly\":true"), "`reportOnly`"),
        (&properties(",\"allowedTenants\":[]"), "allowedTenants"),
        (&properties("").replace(CONTOSO, FABRIKAM), CONTOSO),
        (
            &properties("").replace(CONTOSO, &format!("{{{CONTOSO}}}")),
            "properties.tenantId: ",
        ),
        (
            &properties("").replace(CONTOSO, "common"),
            "properties.tenantId: ",
        ),
        (
            &json!({ "properties": { "allowedTenants": [] } }).to_string(),
            "properties.tenantId: ",
        ),
        (
            &entry(&format!(r#"{{"tenantId":"{FABRIKAM}"}}"#)),
            "allowedTenants[0].direction: ",
        ),
        (
            &entry(&format!(r#"{{{direction}}}"#)),
            "allowedTenants[0].tenantId: ",
        ),
        (
            &entry(&format!(r#"{{"tenantId":"{{{FABRIKAM}}}",{direction}}}"#)),
            "allowedTenants[0].tenantId: ",
        ),
        (
            &entry(&format!(r#"{{"tenantId":null,{direction}}}"#)),
            "allowedTenants[0].tenantId: ",
        ),
        (
            &entry(&format!(
                r#"{{"tenantId":"{FABRIKAM}",{direction},"expiresOn":"tomorrow"}}"#
            )),
            "expiresOn: ",
        ),
        (
            &json!({ "properties": { "tenantId": CONTOSO, "allowedTenants": many } }).to_string(),
            "at most 500",
        ),
    ];
    for (document, part) in table {
        let answer = office
            .put(CONTOSO, document)
            .refused(400, "BadRequest", "document")
            .await;
        let details = answer.json()["error"]["details"].clone();
        let told = details.as_array().unwrap().iter().any(|detail| {
            detail["message"]
                .as_str()
                .is_some_and(|text| text.contains(part))
        });
        assert!(told, "{part}: {details}");
    }
    // All faults at once.
    let two = json!({ "properties": { "tenantId": FABRIKAM, "isDisabled": "no",
        "allowedTenants": [{ "tenantId": "x", "direction": { "inbound": 1 } }] } });
    let answer = office
        .put(CONTOSO, two)
        .refused(400, "BadRequest", "document")
        .await;
    assert_eq!(
        answer.json()["error"]["details"].as_array().unwrap().len(),
        4,
        "{answer:?}"
    );

    assert_eq!(
        office.file(CONTOSO).unwrap(),
        Policy::on(CONTOSO).text().as_bytes()
    );
    let outcome = office.world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    office.world.finish().await;
}

#[tokio::test]
async fn only_json_is_read() {
    let office = Office::open().await;
    let document = json!({ "properties": { "tenantId": CONTOSO } });
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json; charset=utf-16"),
        Some("application/json, text/plain"),
        Some("application/jsonp"),
        Some("application/merge-patch+json"),
        Some("application/problem+json; charset=utf-8"),
    ] {
        let mut ask = office.put(CONTOSO, &document).without("content-type");
        if let Some(content_type) = content_type {
            ask = ask.header("content-type", content_type);
        }
        ask.refused(415, "UnsupportedMediaType", "media_type").await;
    }
    let encoded = office
        .put(CONTOSO, &document)
        .header("content-encoding", "gzip");
    encoded
        .refused(415, "UnsupportedMediaType", "media_type")
        .await;
    assert_eq!(office.file(CONTOSO), None);
    office.world.finish().await;
}

/// Members of Microsoft's that nobody here knows, and entries that allow nothing, are kept.
#[tokio::test]
async fn what_microsofts_tools_write_is_kept() {
    let office = Office::open().await;
    let document = json!({
        "id": "/x", "type": "y",
        "properties": {
            "tenantId": CONTOSO, "isDisabled": false, "lastModifiedTime": "2026-01-01T00:00:00Z",
            "allowedTenants": [
                { "tenantId": FABRIKAM, "tenantName": "", "tenantDisplayName": "", "direction": { "inbound": false, "outbound": false } },
                { "tenantId": CONTOSO, "direction": { "inbound": true, "outbound": true, "cloud": 1.50 } },
                { "tenantId": "*", "tenantName": null, "direction": { "outbound": true } },
            ],
        },
    });
    let text = serde_json::to_string_pretty(&document).unwrap();
    let (put, record) = office.must_put(CONTOSO, &text).await;
    assert_eq!(put.text(), text);
    assert_eq!(
        record["after"]["document"], document,
        "one line, and the same"
    );
    assert_eq!(office.get(CONTOSO).send().await.text(), text);
    office.world.finish().await;
}

/// A file that somebody broke by hand is told from a directory that cannot be read, and is not
/// written over by who cannot know what it adds.
#[tokio::test]
async fn a_stored_file_that_is_no_policy_is_told() {
    let office = Office::open().await;
    let file = office.world.policies().join(format!("{CONTOSO}.json"));
    std::fs::write(&file, "{").unwrap();
    let answer = office.get(CONTOSO).send().await;
    super::stage::is_fault(&answer, 409, "StoredPolicyInvalid");
    let plain = json!({ "properties": { "tenantId": CONTOSO, "isDisabled": false } });
    office
        .put(CONTOSO, &plain)
        .refused(409, "StoredPolicyInvalid", "stored_invalid")
        .await;
    assert_eq!(office.file(CONTOSO).unwrap(), b"{");
    let mut literal = plain.clone();
    literal["properties"]["reportOnly"] = json!(false);
    let (answer, _) = office.must_put(CONTOSO, &literal).await;
    assert_eq!(answer.json(), literal);
    office.world.finish().await;
}
