//! A flood of decisions: every one is told, in few messages.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use tidegate::config::{Audience, Endpoint, Webhook, WebhookUrl};
use tidegate::core::tenant::TenantId;
use tidegate::events::{Blocks, Event};
use tidegate::metrics::Metrics;
use tidegate::tls::Certificates;
use tidegate::webhooks::Webhooks;
use uuid::Uuid;

use super::stage::{Message, Receiver};
use crate::harness::until;

const THREADS: u32 = 4;
const EACH: u32 = 25_000;

fn event(number: u32) -> Event {
    let tenant = |id: u128| TenantId::parse(&Uuid::from_u128(id).to_string()).unwrap();
    Event {
        time: SystemTime::now(),
        id: Uuid::now_v7(),
        route: "token".into(),
        connector: Some(format!("connector-{}", number % 7)),
        decision: "block",
        reason: "outbound_block",
        // An attacker of many tenants, and one of many connections.
        creator: Some(tenant(u128::from(number % 3) + 1)),
        sign_in: Some(tenant(u128::from(number) + 10)),
        app_id: None,
        user_object_id: None,
        blocks: Blocks {
            outbound: true,
            inbound: false,
        },
        released: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_blocks_are_told_in_few_messages() {
    let receiver = Receiver::start().await;
    let authority: http::Uri = receiver.service.url().parse().unwrap();
    let webhook = Webhook {
        name: "flood".to_owned(),
        url: WebhookUrl {
            endpoint: Endpoint {
                identity: None,
                authority,
                connect: None,
                ca: Some(receiver.files.path().join("ca.pem")),
            },
            path: "/flood".parse().unwrap(),
        },
        secret_file: receiver.files.path().join("secret"),
        audience: Audience::Everyone,
        decisions: vec!["block"],
        window: Duration::from_secs(3),
        retry_for: Duration::from_secs(60),
    };
    let metrics = Arc::new(Metrics::new());
    let (webhooks, deliveries) =
        Webhooks::start(&[webhook], &Certificates::new(&metrics), &metrics).unwrap();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let webhooks = webhooks.clone();
            thread::spawn(move || {
                for number in 0..EACH {
                    webhooks.offer(&event(thread * EACH + number));
                }
            })
        })
        .collect();
    tokio::task::spawn_blocking(move || {
        for thread in threads {
            thread.join().unwrap();
        }
    })
    .await
    .unwrap();
    let messages = until("every block", async || {
        let messages = receiver.messages("flood");
        let told: u64 = messages.iter().map(Message::count).sum();
        assert!(told <= u64::from(THREADS * EACH), "told twice");
        (told == u64::from(THREADS * EACH)).then_some(messages)
    })
    .await;
    // A message for each group at once, and one more whenever its window ends.
    assert!(messages.len() < 10_000, "{}", messages.len());
    let creators = |message: &&Message| message.body["data"]["creator_tenant"].is_string();
    assert_eq!(messages.iter().filter(creators).count(), messages.len());
    drop(deliveries);
}
