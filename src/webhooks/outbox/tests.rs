//! Decisions that are alike gather; a flood costs details, never a decision, never memory.

use std::time::SystemTime;

use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::events::Blocks;

const WINDOW: Duration = Duration::from_secs(60);

fn tenant(number: u32) -> TenantId {
    TenantId::parse(&Uuid::from_u128(u128::from(number) + 1).to_string()).unwrap()
}

fn block(creator: u32, sign_in: u32, connector: &str) -> Event {
    Event {
        time: SystemTime::now(),
        id: Uuid::now_v7(),
        route: "token".into(),
        connector: Some(connector.to_owned()),
        decision: "block",
        reason: "outbound_block",
        creator: Some(tenant(creator)),
        sign_in: Some(tenant(sign_in)),
        app_id: Some(Uuid::from_u128(1)),
        user_object_id: Some(Uuid::from_u128(0xdead)),
        blocks: Blocks {
            outbound: true,
            inbound: false,
        },
        released: false,
    }
}

fn data(message: &Message) -> Value {
    let mut body: Value = serde_json::from_slice(&message.body()).unwrap();
    body["data"].take()
}

#[test]
fn the_first_goes_at_once_and_what_is_alike_goes_together_when_the_window_ends() {
    let mut outbox = Outbox::new(WINDOW);
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let event = block(1, 2, "files");
    assert!(outbox.add(&event, Users::Told, start));
    let first = outbox.take(start).unwrap();
    assert_eq!((first.id, first.count), (event.id, 1));
    assert_eq!(outbox.take(start), None);

    let second = block(1, 2, "files");
    assert!(outbox.add(&second, Users::Told, after(1)));
    for _ in 0..999 {
        assert!(!outbox.add(&block(1, 2, "files"), Users::Told, after(2)));
    }
    // Another pair does not wait for it.
    assert!(outbox.add(&block(1, 3, "files"), Users::Told, after(3)));
    assert_eq!(outbox.take(after(3)).unwrap().count, 1);
    assert_eq!(outbox.take(after(59)), None);
    assert_eq!(outbox.due(), Some(after(60)));
    let gathered = outbox.take(after(60)).unwrap();
    assert_eq!((gathered.id, gathered.count), (second.id, 1000));

    // Quiet for a window: what comes then goes at once again, and nothing is kept meanwhile.
    assert_eq!(outbox.take(after(120)), None);
    assert!(outbox.groups.is_empty());
    assert_eq!(outbox.due(), None);
    assert!(outbox.add(&event, Users::Told, after(121)));
    assert_eq!(outbox.take(after(121)).unwrap().count, 1);
}

#[test]
fn a_message_says_nothing_that_does_not_hold_for_all_of_it() {
    let mut one = block(1, 2, "files");
    let mut message = Message::of(&one, Users::Told);
    assert_eq!(data(&message)["various"], serde_json::json!([]));
    one.app_id = None;
    one.user_object_id = Some(Uuid::from_u128(0xbeef));
    message.add(&one, Users::Told);
    let both = data(&message);
    assert_eq!(
        both["various"],
        serde_json::json!(["app_id", "user_object_id"])
    );
    assert_eq!(both["app_id"], Value::Null);
    assert_eq!(both["user_object_id"], Value::Null);
    assert_eq!(both["connector"], "files");
    // Who must not be named is not.
    let mut hidden = Message::of(&one, Users::Hidden);
    hidden.add(&block(1, 2, "files"), Users::Hidden);
    let text = String::from_utf8(hidden.body()).unwrap();
    assert!(text.contains("\"user_object_id\":null"), "{text}");
    for user in [0xdead, 0xbeef].map(Uuid::from_u128) {
        assert!(!text.contains(&user.to_string()), "{text}");
    }
}

#[test]
fn a_flood_of_different_decisions_costs_details_and_no_decision() {
    let mut outbox = Outbox::new(WINDOW);
    let now = Instant::now();
    let flood = 100_000_u32;
    for number in 0..flood {
        // One creator, many sign-in tenants and connectors, as a client of its can choose them.
        outbox.add(&block(1, number, &format!("c{number}")), Users::Told, now);
    }
    assert!(outbox.groups.len() <= PAIRS + 1, "{}", outbox.groups.len());
    // Somebody else's is still told with its creator tenant.
    outbox.add(&block(7, 8, "files"), Users::Told, now);
    for number in 0..flood {
        outbox.add(&block(number, 9, "files"), Users::Told, now);
    }
    assert!(outbox.groups.len() <= MOST + 1, "{}", outbox.groups.len());
    let mut told = 0;
    let mut whose = Vec::new();
    while let Some(message) = outbox.take(now) {
        told += message.count;
        whose.push(data(&message)["creator_tenant"].clone());
    }
    assert_eq!(told, u64::from(flood) * 2 + 1);
    assert!(whose.contains(&tenant(7).to_string().into()));
}

proptest! {
    /// Every decision is in exactly one message, whatever comes when.
    #[test]
    fn every_decision_is_told_once(
        steps in prop::collection::vec((0_u32..4, 0_u32..4, 0_u64..90, any::<bool>()), 0..300),
    ) {
        let mut outbox = Outbox::new(WINDOW);
        let (mut now, mut told) = (Instant::now(), 0);
        for (creator, sign_in, seconds, look) in &steps {
            outbox.add(&block(*creator, *sign_in, "files"), Users::Told, now);
            now += Duration::from_secs(*seconds);
            if *look {
                while let Some(message) = outbox.take(now) {
                    told += message.count;
                }
            }
        }
        while let Some(message) = outbox.take_any() {
            told += message.count;
        }
        prop_assert_eq!(told, steps.len() as u64);
    }
}

/// `cargo test --release -- --ignored --nocapture offering` tells what a decision costs.
#[test]
#[ignore = "a measurement"]
fn what_offering_costs() {
    let mut outbox = Outbox::new(WINDOW);
    let events: Vec<Event> = (0..1000).map(|n| block(n % 10, n, "files")).collect();
    let start = Instant::now();
    for event in events.iter().cycle().take(1_000_000) {
        outbox.add(event, Users::Told, start);
    }
    eprintln!("{:?} a decision", start.elapsed() / 1_000_000);
}
