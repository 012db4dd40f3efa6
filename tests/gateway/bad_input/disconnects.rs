//! Clients that go away, at each stage (I12): recorded once, and the provider is let go.

use rustix::process::Signal;
use tidegate_mock::Reply;

use super::{form, head, request};
use crate::harness::{After, BareProvider, COMMON, CONTOSO, Setup, World, meanwhile, until};

/// Before a request is whole there is no exchange; in the middle of its body there is one.
#[tokio::test]
async fn a_client_may_leave_while_it_sends() {
    let world = World::start(Setup::new()).await;
    let whole = request(&world);
    let body = whole.find("\r\n\r\n").unwrap() + 4;
    for length in [0, 1, 20, body - 2, body] {
        for clean in [false, true] {
            let mut raw = world.raw().await;
            raw.send(&whole[..length]).await;
            if clean {
                raw.end().await;
                raw.rest().await;
            }
            drop(raw);
            if length == body {
                let record = world.next_record().await;
                let reason = record["reason"].as_str().unwrap();
                assert!(
                    ["body_incomplete", "client_gone"].contains(&reason),
                    "{record}"
                );
                assert_eq!(record["decision"], "error");
            }
            world.check(0).await;
        }
    }
    for length in [body + 1, whole.len() - 1] {
        let mut raw = world.raw().await;
        raw.send(&whole[..length]).await;
        drop(raw);
        let record = world.next_record().await;
        assert_eq!(record["decision"], "error");
        assert_eq!(record["upstream_status"], serde_json::Value::Null);
        world.check(0).await;
    }
    world.finish().await;
}

/// While the provider thinks: the exchange ends, with a record, and so does the connection to the
/// provider, because nobody can tell any more what comes over it.
#[tokio::test]
async fn a_client_may_leave_while_the_provider_thinks() {
    let provider = BareProvider::start().await;
    let setup = Setup::new()
        .set("listen.workers", 1)
        .set("providers.entra.authority", provider.url())
        .set("providers.entra.insecure_plaintext", true);
    let world = World::start(setup).await;
    // Part of an answer, then nothing.
    for part in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"access_token\":",
    ] {
        provider.next(part.into(), After::Keep);
        let before = provider.requests();
        let mut raw = world.raw().await;
        raw.send(request(&world)).await;
        until("the provider has the request", async || {
            (provider.requests() > before).then_some(())
        })
        .await;
        drop(raw);
        let record = world.next_record().await;
        assert_eq!(
            (&record["decision"], &record["reason"]),
            (&"error".into(), &"client_gone".into()),
            "{record}"
        );
        assert_eq!(record["creator_tenant"], CONTOSO);
        until("the provider is let go", async || {
            (provider.open() == 0).then_some(())
        })
        .await;
        assert_eq!(provider.requests(), before + 1);
    }
    assert!(
        world
            .metrics()
            .await
            .contains("tidegate_exchanges_in_flight 0")
    );
    world.finish().await;
}

/// The same over HTTP/2: a stream that is reset.
#[tokio::test]
async fn a_stream_may_be_reset_while_the_provider_thinks() {
    let world = World::start(Setup::new()).await;
    world.idp.script_once(COMMON, Reply::silent());
    let exchange = world.exchange(CONTOSO, CONTOSO).http2();
    let mut answer = Box::pin(exchange.try_send());
    meanwhile(
        &mut answer,
        until("the provider has the request", async || {
            (world.idp.requests().count() == 1).then_some(())
        }),
    )
    .await;
    drop(answer);
    assert_eq!(world.next_record().await["reason"], "client_gone");
    world.check(1).await;
    world.finish().await;
}

/// After the answer was decided, before it was taken: it is recorded as it was decided.
#[tokio::test]
async fn a_client_may_leave_before_it_reads() {
    let world = World::start(Setup::new()).await;
    for _ in 0..20 {
        let mut raw = world.raw().await;
        raw.send(request(&world)).await;
        until("the provider has the request", async || {
            (world.idp.requests().count() > 0).then_some(())
        })
        .await;
        drop(raw);
        let record = world.next_record().await;
        let reason = record["reason"].as_str().unwrap();
        assert!(["same_tenant", "client_gone"].contains(&reason), "{record}");
        world.check(1).await;
    }
    world.signal(Signal::TERM);
    world.ended().await;
}

/// Half a request, and the rest of it after a pause as long as the client likes within the bounds.
#[tokio::test]
async fn a_half_closed_connection_is_a_client_gone() {
    let world = World::start(Setup::new()).await;
    let form = form(&world);
    let mut raw = world.raw().await;
    raw.send(format!(
        "{}\r\n{}",
        head(&world, &format!("content-length: {}\r\n", form.len())),
        &form[..10]
    ))
    .await;
    raw.end().await;
    let _ = raw.rest().await;
    let record = world.next_record().await;
    assert_eq!(record["decision"], "error");
    world.check(0).await;
    world.finish().await;
}
