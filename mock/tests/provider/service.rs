//! The service that creates connections: what it saw, and what it answers.

use serde_json::{Value, json};
use tidegate_mock::tenants::FABRIKAM;
use tidegate_mock::{Issuers, Mint, MockService, Options, Preset, Reply, tls};

use crate::harness::client;

const PATH: &str = "/subscriptions/s/providers/Microsoft.Web/connections/sql%2D1?api-version=x";

struct World {
    service: MockService,
    client: reqwest::Client,
}

async fn start() -> World {
    tls::install_crypto_provider();
    let service = MockService::start(Options::connection_service())
        .await
        .unwrap();
    let client = client(service.ca_pem()).build().unwrap();
    World { service, client }
}

impl World {
    fn put(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.put(format!("{}{path}", self.service.url()))
    }
}

#[tokio::test]
async fn keeps_what_it_saw_byte_for_byte() {
    let world = start().await;
    let body = b"{ \"properties\":\t{\"a\" : 1.0e0}}\r\n\0\xff".to_vec();
    let request = world.put(PATH).header("x-a", "1").header("x-a", "2");
    let response = request.body(body.clone()).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let seen = world.service.requests().last().unwrap();
    assert_eq!(
        (seen.method.as_str(), seen.target().as_str()),
        ("PUT", PATH)
    );
    assert_eq!(seen.headers.get_all("x-a").iter().count(), 2);
    assert_eq!(seen.body, body);
    assert_eq!(world.service.requests().count(), 1);
}

#[tokio::test]
async fn answers_like_a_connection_resource() {
    let world = start().await;
    let created: Value = world
        .put("/connections/sql-1")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(created["name"], "sql-1");
    assert_eq!(created["id"], "/connections/sql-1");
    assert_eq!(created["properties"]["statuses"][0]["status"], "Connected");
    let url = format!("{}/connections/sql-1", world.service.url());
    assert_eq!(world.client.get(&url).send().await.unwrap().status(), 200);
    for (step, member) in [
        ("listConsentLinks", "value"),
        ("getConsentLink", "consentLink"),
    ] {
        let answer = world
            .client
            .post(format!("{url}/{step}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        assert!(
            answer[member].to_string().contains("connection=sql-1"),
            "{answer}"
        );
    }
    let confirm = world.client.post(format!("{url}/confirmConsentCode"));
    assert_eq!(confirm.send().await.unwrap().status(), 200);
    let page = world
        .client
        .post(&url)
        .header("accept", "text/html,*/*;q=0.8");
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("You are connected"));
}

#[tokio::test]
async fn scripted_replies_come_in_order_and_then_its_own() {
    let world = start().await;
    let mint = Mint::new(Issuers::default()).unwrap();
    let tokens = mint.body(&Preset::Signed, FABRIKAM);
    world.service.next_reply(tokens.reply());
    world
        .service
        .next_reply(Reply::redirect(302, "https://platform.example/done"));
    world.service.next_reply(Reply::page(200, "a page"));
    let first = world.put("/a").send().await.unwrap();
    assert_eq!(first.json::<Value>().await.unwrap(), tokens.to_json());
    let second = world.put("/b").send().await.unwrap();
    assert_eq!(
        second.headers()["location"],
        "https://platform.example/done"
    );
    let third = world.put("/c").send().await.unwrap();
    assert_eq!(third.headers()["content-type"], "text/html; charset=utf-8");
    assert!(third.text().await.unwrap().contains("a page"));
    assert_eq!(world.put("/d").send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn it_shows_its_log_to_other_processes_and_is_no_provider() {
    let world = start().await;
    let token = json!({ "tenant": FABRIKAM });
    let url = format!("{}/common/oauth2/v2.0/token", world.service.url());
    let answer = world.client.post(url).json(&token).send().await.unwrap();
    assert!(
        answer
            .json::<Value>()
            .await
            .unwrap()
            .get("access_token")
            .is_none()
    );
    let url = format!("{}/_mock/requests", world.service.url());
    let log: Value = world
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(log["count"], 1);
    assert_eq!(log["requests"][0]["target"], "/common/oauth2/v2.0/token");
    world.service.shutdown().await;
}
