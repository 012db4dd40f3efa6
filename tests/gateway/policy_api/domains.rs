//! Entries that name a domain: resolved when they are written, or refused (case F8).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_mock::Reply;

use super::*;
use crate::harness::*;

fn naming(domains: &[&str]) -> Value {
    let entry = |domain: &&str| json!({ "tenantId": domain, "direction": { "inbound": false, "outbound": true } });
    let entries: Vec<Value> = domains.iter().map(entry).collect();
    json!({ "properties": { "tenantId": CONTOSO, "isDisabled": false, "allowedTenants": entries } })
}

#[tokio::test]
async fn a_domain_is_stored_as_its_tenants_id() {
    let office = Office::open().await;
    let named = [
        "FABRIKAM.com",
        "fabrikam.onmicrosoft.com",
        NORTHWIND,
        "*",
        "fabrikam.com",
    ];
    let (put, record) = office.must_put(CONTOSO, naming(&named)).await;
    let stored = put.json();
    let entries = stored["properties"]["allowedTenants"].as_array().unwrap();
    let ids: Vec<_> = entries
        .iter()
        .map(|it| it["tenantId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [FABRIKAM, FABRIKAM, NORTHWIND, "*", FABRIKAM]);
    let domains: Vec<_> = entries
        .iter()
        .map(|it| it["tenantDomain"].as_str())
        .collect();
    let expected = [
        Some("fabrikam.com"),
        Some("fabrikam.onmicrosoft.com"),
        None,
        None,
        Some("fabrikam.com"),
    ];
    assert_eq!(domains, expected);
    assert_eq!(record["after"]["document"], stored);
    assert_eq!(office.get(CONTOSO).send().await.text(), put.text());
    assert_eq!(office.file(CONTOSO).unwrap(), put.body);

    // Once known, a domain is not asked about again for a while.
    let asked = |path: &str| office.world.idp.requests().count_to(path);
    let metadata = "/fabrikam.onmicrosoft.com/v2.0/.well-known/openid-configuration";
    let before = asked(metadata);
    assert!(before > 0);
    office
        .must_put(CONTOSO, naming(&["fabrikam.onmicrosoft.com"]))
        .await;
    assert_eq!(asked(metadata), before);
    office.world.finish().await;
}

#[tokio::test]
async fn a_name_that_is_no_domain_of_a_tenant_is_refused() {
    let office = Office::with(Setup::new().policy(Policy::on(CONTOSO))).await;
    for (name, why) in [
        ("fabrikam.com.", "a dot at the end"),
        (" fabrikam.com", "white space"),
        ("fabrikam.com ", "white space"),
        ("f\u{430}brikam.com", "not ASCII"),
        ("fabrikam\u{ff61}com", "not ASCII"),
        ("fabrikam\u{200b}.com", "not ASCII"),
        ("a@b@fabrikam.com", "not a domain"),
        ("fabrikam.com/", "not a domain"),
        ("fabrikam.com/v2.0/.well-known", "not a domain"),
        ("*.fabrikam.com", "not a domain"),
        ("fabrikam.com?x=y", "not a domain"),
        ("fabrikam.com%2f", "not a domain"),
        ("https://fabrikam.com", "not a domain"),
        ("common", "single organisation"),
        ("organizations", "single organisation"),
        ("consumers", "single organisation"),
        ("unknown.example", "knows no tenant of"),
        ("xn--fbrikam-2fg.com", "knows no tenant of"),
    ] {
        let answer = office
            .put(CONTOSO, naming(&["fabrikam.com", name]))
            .refused(400, "BadRequest", "document")
            .await;
        let details = &answer.json()["error"]["details"];
        assert_eq!(details.as_array().unwrap().len(), 1, "{name:?}: {details}");
        let message = details[0]["message"].as_str().unwrap();
        let key = "properties.allowedTenants[1].tenantId: ";
        assert!(
            message.starts_with(key) && message.contains(why),
            "{name:?}: {message}"
        );
    }
    assert_eq!(
        office.file(CONTOSO).unwrap(),
        Policy::on(CONTOSO).text().as_bytes()
    );
    let asked = office.world.idp.requests().all();
    assert!(
        asked
            .iter()
            .all(|request| !request.target().contains("%2f")),
        "{asked:?}"
    );
    office.world.finish().await;
}

#[tokio::test]
async fn another_cloud_and_a_silent_provider_are_told_apart() {
    let office = Office::open().await;
    let metadata = |issuer: &str, cloud: &str, region: &str| {
        Reply::json(
            200,
            &json!({ "issuer": issuer, "cloud_instance_name": cloud, "tenant_region_scope": region }),
        )
    };
    let own = format!("https://login.microsoftonline.com/{FABRIKAM}/v2.0");
    let government = format!("https://login.microsoftonline.us/{FABRIKAM}/v2.0");
    let path = |name: &str| format!("/{name}/v2.0/.well-known/openid-configuration");
    for (name, reply) in [
        (
            "a.example",
            metadata(&government, "microsoftonline.us", "USGov"),
        ),
        ("b.example", metadata(&own, "microsoftonline.us", "WW")),
        ("c.example", metadata(&own, "microsoftonline.com", "USGov")),
        (
            "d.example",
            metadata(&own, "partner.microsoftonline.cn", "CN"),
        ),
    ] {
        office.world.idp.script(path(name), reply);
        let answer = office
            .put(CONTOSO, naming(&[name]))
            .refused(400, "BadRequest", "document")
            .await;
        assert!(answer.text().contains("another cloud"), "{answer:?}");
    }
    let broken = Arc::new(AtomicBool::new(true));
    let theirs = Arc::clone(&broken);
    office.world.idp.hook(move |request| {
        let ours = request.target().contains("northwind.com") && theirs.load(Ordering::SeqCst);
        ours.then(|| Reply::json(500, &json!({ "error": "server_error" })))
    });
    for (name, reply) in [
        (
            "e.example",
            metadata("https://evil.example/v2.0", "microsoftonline.com", "WW"),
        ),
        ("f.example", Reply::json(200, &json!([own]))),
        ("g.example", Reply::json(404, &json!({}))),
        (
            "h.example",
            Reply::json(400, &json!({ "error": "invalid_request" })),
        ),
        ("northwind.com", metadata(&own, "", "")),
    ] {
        if name != "northwind.com" {
            office.world.idp.script(path(name), reply);
        }
        office
            .put(CONTOSO, naming(&[name]))
            .refused(503, "ServiceUnavailable", "resolve_unavailable")
            .await;
    }
    assert_eq!(office.file(CONTOSO), None);
    // What failed for the moment is asked again.
    broken.store(false, Ordering::SeqCst);
    let (put, _) = office.must_put(CONTOSO, naming(&["northwind.com"])).await;
    assert!(put.text().contains(NORTHWIND));
    office.world.finish().await;
}

/// However many administrators write, the provider is asked so many questions at once.
#[tokio::test]
async fn the_provider_is_asked_a_few_questions_at_once() {
    const AT_ONCE: usize = 8;
    const TAKES: Duration = Duration::from_millis(300);
    let office = Office::open().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&asked);
    office.world.idp.hook(move |request| {
        request.target().contains(".example/").then(|| {
            theirs.lock().unwrap().push(Instant::now());
            Reply::json(400, &json!({ "error": "invalid_tenant" })).after(TAKES)
        })
    });
    let put = |of: &'static str| {
        let names: Vec<_> = (0..16).map(|at| format!("{of}{at}.example")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        office.put(CONTOSO, naming(&names)).send()
    };
    let (a, b, c) = tokio::join!(put("a"), put("b"), put("c"));
    assert_eq!([a.status, b.status, c.status], [400; 3]);
    for _ in 0..3 {
        office.world.next_record().await;
    }
    let mut asked = asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked.len(), 48);
    for first in &asked {
        let at_once = asked
            .iter()
            .filter(|it| *it >= first && **it < *first + TAKES);
        assert!(at_once.count() <= AT_ONCE, "{asked:?}");
    }
    office.world.finish().await;
}

#[tokio::test]
async fn a_document_names_a_bounded_number_of_domains() {
    let office = Office::open().await;
    let names: Vec<_> = (0..51).map(|at| format!("a{at}.example")).collect();
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    let answer = office
        .put(CONTOSO, naming(&names))
        .refused(400, "BadRequest", "document")
        .await;
    let text = answer.text();
    assert!(
        text.contains("51 domains") && text.contains("at most 50"),
        "{text}"
    );
    // One that stands twice is asked about once.
    names.truncate(50);
    names.push(names[0]);
    let answer = office
        .put(CONTOSO, naming(&names))
        .refused(400, "BadRequest", "document")
        .await;
    assert!(answer.text().contains("knows no tenant of"), "{answer:?}");
    office.world.finish().await;
}

#[tokio::test]
async fn a_domain_of_personal_accounts_is_refused() {
    let office = Office::open().await;
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let metadata =
        json!({ "issuer": format!("https://login.microsoftonline.com/{personal}/v2.0") });
    let path = "/live.example/v2.0/.well-known/openid-configuration";
    office.world.idp.script(path, Reply::json(200, &metadata));
    let answer = office
        .put(CONTOSO, naming(&["live.example"]))
        .refused(400, "BadRequest", "document")
        .await;
    assert!(answer.text().contains("single organisation"), "{answer:?}");
    office.world.finish().await;
}
