//! Receivers that do not take a message, in every way there is.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tidegate_mock::tls::{Ca, install_crypto_provider};
use tidegate_mock::{Options, Reply};

use super::stage::{Receiver, checked, counted, with};
use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, Policy, Setup, World, until};

const ALL: &str = "tenants = \"*\"";

/// A gateway with one webhook of this receiver, at which nothing is allowed across tenants.
async fn world(receiver: &Receiver, more: &str) -> World {
    let webhook = receiver.webhook("hook-soc", &format!("{ALL}\n{more}"));
    World::start(with(Setup::new().policy(Policy::on(CONTOSO)), [webhook])).await
}

async fn block(world: &World, sign_in: &str) -> String {
    let outcome = world.exchange(CONTOSO, sign_in).send().await;
    outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    outcome.record["decision_id"].as_str().unwrap().to_owned()
}

/// The same message again, its bytes and its id, until it is taken; signed anew each time.
#[tokio::test]
async fn a_message_is_sent_again_until_it_is_taken() {
    let receiver = Receiver::start().await;
    let world = world(&receiver, "").await;
    receiver.service.next_reply(Reply::new(500, "no"));
    receiver.service.next_reply(Reply::reset());
    let id = block(&world, FABRIKAM).await;
    let messages = receiver.told("hook-soc", 3).await;
    assert!(messages.iter().all(|message| message.id == id));
    assert!(
        messages
            .iter()
            .all(|message| message.bytes == messages[0].bytes)
    );
    let times: Vec<u64> = messages.iter().map(|message| message.timestamp).collect();
    // About a second, then about two, by a clock of whole seconds.
    assert!(times[1] > times[0] && times[2] > times[1] + 1, "{times:?}");
    counted(&world, "hook-soc", [1, 2, 0, 0, 0]).await;
    // The log tells of the first failure, and that it is over.
    assert_eq!(world.log.count("takes no messages"), 1);
    assert_eq!(world.log.count("takes messages again"), 1);
    checked(world).await;
}

/// `retry-after` is kept to, and so is the time that a message is tried.
#[tokio::test]
async fn a_receiver_says_when_and_the_message_is_given_up_in_time() {
    let receiver = Receiver::start().await;
    let world = world(&receiver, "retry_for = \"4s\"").await;
    let busy = |seconds: &str| Reply::new(429, "busy").header("retry-after", seconds);
    receiver.service.next_reply(busy("3"));
    receiver.service.next_reply(busy("3600"));
    receiver.service.next_reply(busy("3600"));
    block(&world, FABRIKAM).await;
    let times: Vec<u64> = receiver
        .told("hook-soc", 2)
        .await
        .iter()
        .map(|message| message.timestamp)
        .collect();
    assert!(times[1] >= times[0] + 3, "{times:?}");
    // The last attempt is when its time is over, not an hour later.
    counted(&world, "hook-soc", [0, 3, 1, 0, 0]).await;
    assert_eq!(world.log.count("a message is given up"), 1);
    // The next one begins anew.
    block(&world, NORTHWIND).await;
    counted(&world, "hook-soc", [1, 3, 1, 0, 0]).await;
    checked(world).await;
}

/// 410: nothing more is sent, and what is missed is counted.
#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone() {
    let receiver = Receiver::start().await;
    let world = world(&receiver, "").await;
    receiver.service.next_reply(Reply::new(410, ""));
    block(&world, FABRIKAM).await;
    counted(&world, "hook-soc", [0, 1, 1, 0, 1]).await;
    block(&world, NORTHWIND).await;
    counted(&world, "hook-soc", [0, 1, 2, 0, 1]).await;
    assert_eq!(world.log.count("is gone (410)"), 1);
    checked(world).await;
    assert_eq!(receiver.service.requests().count(), 1);
}

/// Redirects are not followed, and answers that mean "never" are not asked for twice.
#[tokio::test]
async fn a_redirect_or_a_refusal_is_final() {
    let receiver = Receiver::start().await;
    let world = world(&receiver, "window = \"1s\"").await;
    let elsewhere = format!("{}/elsewhere", receiver.service.url());
    let refusals = [
        Reply::redirect(307, &elsewhere),
        Reply::redirect(302, "/elsewhere"),
        Reply::new(401, ""),
    ];
    for (count, reply) in (1..).zip(refusals) {
        receiver.service.next_reply(reply);
        block(&world, FABRIKAM).await;
        counted(&world, "hook-soc", [0, count, count, 0, 0]).await;
    }
    assert_eq!(receiver.service.requests().count(), 3);
    assert_eq!(receiver.service.requests().count_to("/elsewhere"), 0);
    checked(world).await;
}

/// A receiver that hangs holds up nobody: no exchange, no other webhook, not the gateway's end.
#[tokio::test]
async fn a_receiver_that_hangs_holds_nobody_up() {
    let (hanging, good) = (Receiver::start().await, Receiver::start().await);
    hanging.service.hook(|_| Some(Reply::silent()));
    let webhooks = [
        hanging.webhook("hook-hanging", ALL),
        good.webhook("hook-good", &format!("{ALL}\nwindow = \"1h\"")),
    ];
    let world = World::start(with(Setup::new().policy(Policy::on(CONTOSO)), webhooks)).await;
    for _ in 0..50 {
        block(&world, FABRIKAM).await;
    }
    good.told("hook-good", 1).await;
    counted(&world, "hook-good", [1, 0, 0, 1, 0]).await;
    assert_eq!(good.messages("hook-good").len(), 1, "the rest gathers");
    until("a hanging request", async || {
        (hanging.service.requests().count() > 0).then_some(())
    })
    .await;
    // What gathered is told at the end; what hangs is told of in the log.
    let log = world.log.clone();
    world.signal(Signal::TERM);
    world.ended().await;
    let counts: Vec<u64> = good
        .messages("hook-good")
        .iter()
        .map(super::stage::Message::count)
        .collect();
    assert_eq!(counts, [1, 49]);
    assert_eq!(log.count("not sent before the end"), 1, "{}", log.text());
}

/// What a receiver answers beside its status is not read.
#[tokio::test]
async fn an_answer_may_be_huge_slow_or_broken_off() {
    let receiver = Receiver::start().await;
    let world = world(&receiver, "window = \"1s\"").await;
    let huge = vec![b'x'; 64 << 20];
    let answers = [
        Reply::new(200, huge),
        Reply::drip(200, b"never all of it", 1, Duration::from_secs(60)),
        Reply::cut(200, 1000, "half"),
        Reply::new(204, ""),
    ];
    for (count, answer) in (1..).zip(answers) {
        receiver.service.next_reply(answer);
        block(&world, FABRIKAM).await;
        counted(&world, "hook-soc", [count, 0, 0, 0, 0]).await;
    }
    checked(world).await;
}

/// A server that is not who the URL says is told nothing.
#[tokio::test]
async fn a_receiver_with_another_name_or_authority_is_told_nothing() {
    install_crypto_provider();
    let ca = Arc::new(Ca::new().unwrap());
    let mut options = Options::connection_service().ca(Arc::clone(&ca));
    options.certificate = Some(ca.server(["other.example"]).unwrap());
    let other = Receiver::with(options).await;
    let unknown = Receiver::start().await;
    std::fs::write(
        unknown.files.path().join("ca.pem"),
        Ca::new().unwrap().pem(),
    )
    .unwrap();
    let more = format!("{ALL}\nretry_for = \"1s\"");
    let webhooks = [
        other.webhook("hook-other", &more),
        unknown.webhook("hook-unknown", &more),
    ];
    // The other's file holds its own authority, so only the name is wrong.
    std::fs::write(other.files.path().join("ca.pem"), ca.pem()).unwrap();
    let world = World::start(with(Setup::new().policy(Policy::on(CONTOSO)), webhooks)).await;
    block(&world, FABRIKAM).await;
    counted(&world, "hook-other", [0, 2, 1, 0, 0]).await;
    counted(&world, "hook-unknown", [0, 2, 1, 0, 0]).await;
    assert!(
        world.log.text().contains("not valid for name"),
        "{}",
        world.log.text()
    );
    assert!(
        world.log.text().contains("BadSignature"),
        "{}",
        world.log.text()
    );
    assert_eq!(
        other.service.requests().count() + unknown.service.requests().count(),
        0
    );
    checked(world).await;
}
