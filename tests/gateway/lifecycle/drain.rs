//! The end: exchanges under way are finished, nothing new is taken, the exit is clean.

use rustix::process::Signal;
use tidegate_mock::Preset;
use tokio::net::TcpStream;

use super::{answer, in_front_of};
use crate::harness::frames::{self, GOAWAY};
use crate::harness::{After, BareProvider, CONTOSO, FABRIKAM, Raw, Setup, World, meanwhile, until};

/// Whether nobody takes connections on the data plane any more.
async fn is_closed(world: &World) -> bool {
    TcpStream::connect(world.gateway.data).await.is_err()
}

#[tokio::test]
async fn an_exchange_under_way_is_finished() {
    for (signal, http2) in [
        (Signal::TERM, false),
        (Signal::TERM, true),
        (Signal::INT, false),
    ] {
        let provider = BareProvider::start().await;
        let world = World::start(in_front_of(&provider)).await;
        let exchange = world.exchange(CONTOSO, CONTOSO);
        let exchange = if http2 { exchange.http2() } else { exchange };
        let mut sent = Box::pin(exchange.send());
        meanwhile(
            &mut sent,
            until("under way", async || {
                (provider.requests() == 1).then_some(())
            }),
        )
        .await;
        assert_eq!(world.admin("/readyz").await.0, 200);
        world.signal(signal);
        meanwhile(
            &mut sent,
            until("not ready any more", async || {
                (world.admin("/readyz").await.0 == 503).then_some(())
            }),
        )
        .await;
        assert_eq!(world.admin("/livez").await.0, 200, "alive until the end");
        until("closed", async || is_closed(&world).await.then_some(())).await;

        let body = world.idp.mint().body(&Preset::Signed, CONTOSO).to_vec();
        provider.next(answer(&body), After::Keep);
        let outcome = sent.await;
        outcome.allowed("same_tenant").has_tokens_of(CONTOSO);
        if !http2 {
            assert_eq!(outcome.answer.header("connection"), Some("close"));
        }
        world.ended().await;
    }
}

/// Connections on which nothing is under way do not hold the end up, nor does half a head for
/// longer than any: the time to drain is far beyond this test's patience.
#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let setup = crate::harness::Setup::new()
        .set("limits.drain_timeout", "1h")
        .set("limits.handshake_timeout", "1h");
    let world = World::start(setup.set("limits.header_timeout", "1s")).await;
    world
        .exchange(CONTOSO, CONTOSO)
        .send()
        .await
        .allowed("same_tenant");
    world
        .exchange(CONTOSO, CONTOSO)
        .http2()
        .send()
        .await
        .allowed("same_tenant");
    let mut silent = world.raw().await;
    let mut silent_http2 = world.raw_with(&[b"h2"]).await;
    silent_http2.send(crate::harness::frames::preface()).await;
    let mut mute_http2 = world.raw_with(&[b"h2"]).await;
    let mut without_tls = Raw::new(TcpStream::connect(world.gateway.data).await.unwrap());
    let mut half = world.raw().await;
    half.send("POST / HTTP/1.1\r\nhost:").await;
    world.signal(Signal::TERM);
    world.ended().await;
    silent.rest().await;
    silent_http2.rest().await;
    mute_http2.rest().await;
    without_tls.rest().await;
    half.rest().await;
}

/// Before it ends it is not ready and serves on: whoever looks at `/readyz` has half of the time to
/// send clients elsewhere. Then each HTTP/1.1 client is told with its next answer, each HTTP/2 client
/// at once.
#[tokio::test]
async fn clients_have_time_to_leave() {
    const NOWHERE: &str = "GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // Idle connections stay meanwhile.
    let setup = Setup::new().set("limits.header_timeout", "1h");
    let world = World::start(setup.set("limits.drain_delay", "30s")).await;
    let (mut used, mut http2) = (world.raw().await, world.raw_with(&[b"h2"]).await);
    used.send(NOWHERE).await;
    let answer = used.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (404, None));
    http2.send(frames::preface()).await;
    world.signal(Signal::TERM);
    until("not ready any more", async || {
        (world.admin("/readyz").await.0 == 503).then_some(())
    })
    .await;
    used.send(NOWHERE).await;
    let answer = used.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (404, None));
    while http2.frame().await.expect("no GOAWAY").kind != GOAWAY {}
    until("told of", async || {
        (world.log.count("clients shall leave") == 1).then_some(())
    })
    .await;
    // A connection that is open, and a new one.
    for raw in [&mut used, &mut world.raw().await] {
        raw.send(NOWHERE).await;
        let answer = raw.answer().await.unwrap();
        assert_eq!(
            (answer.status, answer.header("connection")),
            (404, Some("close"))
        );
        raw.rest().await;
    }
    for exchange in [
        world.exchange(CONTOSO, FABRIKAM),
        world.exchange(CONTOSO, FABRIKAM).http2(),
    ] {
        exchange.send().await.allowed("both_allow");
    }
    // Told again, it does not wait.
    world.signal(Signal::TERM);
    world.ended().await;
}

/// A connection that was just opened is served once more, if it asks soon.
#[tokio::test]
async fn who_has_just_connected_is_served() {
    let setup = Setup::new().set("limits.drain_timeout", "1h");
    let world = World::start(setup.set("limits.header_timeout", "1h")).await;
    let mut raw = world.raw().await;
    world.signal(Signal::TERM);
    until("closed", async || is_closed(&world).await.then_some(())).await;
    raw.send("GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    let answer = raw.answer().await.expect("not served");
    assert_eq!(
        (answer.status, answer.header("connection")),
        (404, Some("close"))
    );
    world.ended().await;
}

/// What does not finish in time is cut off, and recorded all the same.
#[tokio::test]
async fn what_does_not_finish_is_cut_off_and_recorded() {
    let provider = BareProvider::start().await;
    let world = World::start(in_front_of(&provider).set("limits.drain_timeout", "200ms")).await;
    let mut sent = Box::pin(world.exchange(CONTOSO, CONTOSO).try_send());
    meanwhile(
        &mut sent,
        until("under way", async || {
            (provider.requests() == 1).then_some(())
        }),
    )
    .await;
    world.signal(Signal::TERM);
    assert!(sent.await.is_err());
    let record = world.next_record().await;
    assert_eq!(
        (&record["decision"], &record["creator_tenant"]),
        (&"error".into(), &CONTOSO.into())
    );
    let log = world.log.clone();
    world.ended().await;
    assert_eq!(log.count("did not finish in time"), 1, "{}", log.text());
}

/// Told to end before anything happened.
#[tokio::test]
async fn an_idle_gateway_ends_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let world = World::start(crate::harness::Setup::new()).await;
        world.signal(signal);
        world.ended().await;
    }
}
