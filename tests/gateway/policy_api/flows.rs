//! The requests of Microsoft's tools, and what they change.

use serde_json::{Value, json};

use super::stage::is_fault;
use super::*;
use crate::harness::*;

fn terraform(tenant: &str, disabled: bool, allowed: Value) -> Value {
    json!({ "properties": { "tenantId": tenant, "isDisabled": disabled, "allowedTenants": allowed } })
}

/// create: GET, PUT, GET; update; destroy: PUT of the empty, disabled document.
#[tokio::test]
async fn terraforms_flow() {
    let office = Office::open().await;
    let world = &office.world;
    let absent = office.get(CONTOSO).send().await;
    is_fault(&absent, 404, "PolicyNotFound");

    let entry =
        json!([{ "tenantId": FABRIKAM, "direction": { "inbound": true, "outbound": false } }]);
    let created = terraform(CONTOSO, false, entry);
    let (answer, record) = office.must_put(CONTOSO, &created).await;
    assert_eq!(answer.json(), created);
    assert_eq!(record["before"], Value::Null);
    assert_eq!(record["after"]["document"], created);

    let read = office.get(CONTOSO).send().await;
    assert_eq!((read.status, &read.body), (200, &answer.body));
    assert_eq!(read.header("etag"), answer.header("etag"));
    let version = |answer: &Answer| {
        answer
            .header("x-tidegate-policy-version")
            .unwrap()
            .to_owned()
    };
    assert_eq!(version(&read), version(&answer));
    assert_eq!(record["after"]["version"], json!(version(&answer)));

    world
        .exchange(CONTOSO, FABRIKAM)
        .send()
        .await
        .blocked("outbound_block", &[(CONTOSO, "outbound")]);
    world.idp.requests().clear();
    let destroyed = terraform(CONTOSO, true, json!([]));
    let (answer, record) = office.must_put(CONTOSO, &destroyed).await;
    assert_eq!(answer.json(), destroyed);
    assert_eq!(record["before"]["document"], created);
    assert_eq!(record["outcome"], "changed");
    assert!(version(&answer).parse::<u64>().unwrap() > version(&read).parse().unwrap());
    world
        .exchange(CONTOSO, FABRIKAM)
        .send()
        .await
        .allowed("both_allow");
    assert_eq!(office.get(CONTOSO).send().await.json(), destroyed);

    // Again: nothing changes, and it is recorded so.
    let (_, record) = office.must_put(CONTOSO, &destroyed).await;
    assert_eq!(record["outcome"], "unchanged");
    world.idp.requests().clear();
    office.world.check(0).await;
    office.world.finish().await;
}

/// What `Set-PowerAppTenantIsolationPolicy` sends and `Get-…` gave it.
#[tokio::test]
async fn powershells_shapes() {
    let office = Office::open().await;
    let document = include_str!("../../data/policies/powershell.json");
    let tenant = serde_json::from_str::<Value>(document).unwrap()["properties"]["tenantId"]
        .as_str()
        .unwrap()
        .to_lowercase();
    let put = office
        .put(&tenant, document)
        .without("content-type")
        .header("content-type", "application/json; charset=utf-8")
        .send()
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(put.text(), document, "kept byte for byte");
    let record = office.world.next_record().await;
    assert_eq!(record["outcome"], "changed");
    for query in ["", "?api-version=2016-11-01", "?api-version=2020-06-01&x=y"] {
        let path = path(&tenant);
        let path = format!("{}{query}", path.split('?').next().unwrap());
        let read = office
            .ask(http::Method::GET, &path)
            .bearer(&office.token(&tenant, &[WRITER]).build())
            .send()
            .await;
        assert_eq!(
            (read.status, read.text().as_str()),
            (200, document),
            "{path}"
        );
    }
    assert_eq!(office.file(&tenant).unwrap(), document.as_bytes());
    office.world.finish().await;
}

#[tokio::test]
async fn the_very_next_exchange_is_decided_by_what_was_put() {
    let office = Office::open().await;
    let world = &office.world;
    let entry = |outbound| json!([{ "tenantId": FABRIKAM, "direction": { "inbound": false, "outbound": outbound } }]);
    for round in 0..40 {
        let open = round % 2 == 0;
        let (answer, _) = office
            .must_put(CONTOSO, terraform(CONTOSO, false, entry(open)))
            .await;
        let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
        let decision = if open { "allow" } else { "block" };
        assert_eq!(outcome.record["decision"], decision, "round {round}");
        let versions = outcome.record["policy_versions"].as_array().unwrap();
        let used = versions.iter().find(|it| it["tenant"] == CONTOSO).unwrap();
        assert_eq!(
            used["version"].as_str(),
            answer.header("x-tidegate-policy-version"),
            "round {round}"
        );
    }
    office.world.finish().await;
}

/// The same while every worker is busy with other exchanges.
#[tokio::test]
async fn the_very_next_exchange_under_load_as_well() {
    let office = Office::open().await;
    let world = &office.world;
    let entry = |outbound| json!([{ "tenantId": FABRIKAM, "direction": { "inbound": false, "outbound": outbound } }]);
    let busy = || async {
        loop {
            let other = world.exchange(NORTHWIND, NORTHWIND).http2();
            assert_eq!(other.send_unrecorded().await.status, 200);
        }
    };
    let load = async { tokio::join!(busy(), busy(), busy(), busy(), busy(), busy()) };
    let flips = async {
        for round in 0..60 {
            let open = round % 2 == 0;
            let put = office.put(CONTOSO, terraform(CONTOSO, false, entry(open)));
            assert_eq!(put.send().await.status, 200);
            let exchange = world.exchange(CONTOSO, FABRIKAM).http2();
            let status = exchange.send_unrecorded().await.status;
            assert_eq!(status, if open { 200 } else { 403 }, "round {round}");
        }
    };
    tokio::select! {
        _ = load => panic!("the load has ended"),
        () = flips => {}
    }
    world.nothing_leaked().await;
}

/// Files written by hand and PUTs live together.
#[tokio::test]
async fn a_file_edited_by_hand_is_read_and_replaced() {
    let office = Office::with(Setup::new().policy(Policy::on(CONTOSO))).await;
    let by_hand = Policy::on(CONTOSO).outbound(NORTHWIND);
    office.world.put(&by_hand);
    let read = office.get(CONTOSO).send().await;
    assert_eq!(read.text(), by_hand.text());
    let etag = read.header("etag").unwrap();
    let put = office
        .put(CONTOSO, terraform(CONTOSO, true, json!([])))
        .header("if-match", etag)
        .send()
        .await;
    assert_eq!(put.status, 200);
    let record = office.world.next_record().await;
    assert_eq!(
        json!(record["before"]["document"]).to_string(),
        by_hand.text()
    );
    office.world.finish().await;
}
