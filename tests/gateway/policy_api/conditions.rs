//! Two administrators do not overwrite each other.

use http::Method;
use serde_json::json;

use super::*;
use crate::harness::*;

#[tokio::test]
async fn a_stale_entity_tag_is_refused() {
    let office = Office::open().await;
    let document = |note: &str| {
        let entry = json!({ "tenantId": "*", "direction": { "inbound": true }, "note": note });
        json!({ "properties": { "tenantId": CONTOSO, "allowedTenants": [entry] } })
    };
    office
        .put(CONTOSO, document("none"))
        .header("if-match", "*")
        .refused(412, "PreconditionFailed", "precondition")
        .await;
    let first = office
        .put(CONTOSO, document("one"))
        .header("if-none-match", "*")
        .send()
        .await;
    assert_eq!(first.status, 200, "{first:?}");
    office.world.next_record().await;
    office
        .put(CONTOSO, document("two"))
        .header("if-none-match", "*")
        .refused(412, "PreconditionFailed", "precondition")
        .await;
    let etag = first.header("etag").unwrap().to_owned();
    let second = office
        .put(CONTOSO, document("two"))
        .header("if-match", &etag)
        .send()
        .await;
    assert_eq!(second.status, 200);
    office.world.next_record().await;
    let weak = format!("W/{}", second.header("etag").unwrap());
    for stale in [
        &etag,
        &weak,
        "\"0000000000000000\"",
        &format!("{etag}, {weak}"),
    ] {
        office
            .put(CONTOSO, document("three"))
            .header("if-match", stale)
            .refused(412, "PreconditionFailed", "precondition")
            .await;
    }
    for (name, value) in [
        ("if-match", "x"),
        ("if-match", ""),
        ("if-none-match", "\"x\""),
        ("if-unmodified-since", "Wed, 21 Oct 2015 07:28:00 GMT"),
    ] {
        office
            .put(CONTOSO, document("three"))
            .header(name, value)
            .refused(400, "BadRequest", "condition_malformed")
            .await;
    }
    let among = format!("\"0000000000000000\", {}", second.header("etag").unwrap());
    for good in ["*", &among] {
        let put = office
            .put(CONTOSO, document("two"))
            .header("if-match", good)
            .send()
            .await;
        assert_eq!(put.status, 200, "{good}: {put:?}");
        office.world.next_record().await;
    }
    // And a reader who has it already gets no body.
    let same = office
        .get(CONTOSO)
        .header("if-none-match", second.header("etag").unwrap())
        .send()
        .await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(same.header("etag"), second.header("etag"));
    office.world.finish().await;
}

/// Of many who write on the same text one wins, every time, and nothing is lost.
#[tokio::test]
async fn of_many_writers_one_wins() {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 5;
    let office = Office::open().await;
    let document = |writer: usize, round: usize| {
        json!({ "properties": { "tenantId": CONTOSO, "isDisabled": true, "allowedTenants": [],
                                "by": format!("{writer} in {round}") } })
    };
    office.must_put(CONTOSO, document(0, 0)).await;
    for round in 1..=ROUNDS {
        let etag = office.get(CONTOSO).send().await;
        let etag = etag.header("etag").unwrap();
        let attempts = (0..WRITERS).map(|writer| {
            let ask = office
                .put(CONTOSO, document(writer, round))
                .header("if-match", etag);
            async move { (writer, ask.send().await.status) }
        });
        let mut won = Vec::new();
        let mut running: Vec<_> = attempts.map(Box::pin).collect();
        let mut results = Vec::new();
        std::future::poll_fn(|context| {
            running.retain_mut(|attempt| match attempt.as_mut().poll(context) {
                std::task::Poll::Ready(result) => {
                    results.push(result);
                    false
                }
                std::task::Poll::Pending => true,
            });
            if running.is_empty() {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        for (writer, status) in results {
            match status {
                200 => won.push(writer),
                412 => {}
                other => panic!("{other}"),
            }
            office.world.next_record().await;
        }
        assert_eq!(won.len(), 1, "round {round}");
        let now = office.get(CONTOSO).send().await.json();
        assert_eq!(now, document(won[0], round));
    }
    office.world.finish().await;
}

#[tokio::test]
async fn there_are_two_methods() {
    let office = Office::open().await;
    for method in ["DELETE", "PATCH", "POST", "HEAD", "OPTIONS", "PROPFIND"] {
        let method: Method = method.parse().unwrap();
        let token = office.token(CONTOSO, &[WRITER]).build();
        let answer = office
            .ask(method.clone(), &path(CONTOSO))
            .bearer(&token)
            .send()
            .await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET, PUT"));
    }
    office.world.finish().await;
}
