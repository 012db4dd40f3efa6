//! HTTP/2 that is out of order (E28, E9): an error of the stream or of the connection, never a
//! request to the provider.

use rustix::process::Signal;

use super::form;
use crate::harness::frames::{self, Frame, GOAWAY, HEADERS, RST_STREAM};
use crate::harness::{COMMON, CONTOSO, Setup, World};

/// The fields of a good request.
fn fields(host: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", host),
        (":path", COMMON),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-ms-client-tenant-id", CONTOSO),
    ]
}

async fn outcome(world: &World, fields: &[(&str, &str)], body: Option<&[u8]>) -> Option<Frame> {
    let mut raw = world.raw_with(&[b"h2"]).await;
    raw.send([frames::preface(), frames::request(1, fields, body)].concat())
        .await;
    raw.outcome_of(1).await
}

/// By hand, and good: the harness can tell.
#[tokio::test]
async fn a_good_request_by_hand_is_answered() {
    let world = World::start(Setup::new()).await;
    let (host, form) = (world.host(), form(&world));
    let frame = outcome(&world, &fields(&host), Some(form.as_bytes()))
        .await
        .unwrap();
    // `:status: 200` is entry 8 of the static table.
    assert_eq!((frame.kind, frame.payload[0]), (HEADERS, 0x88));
    world.next_record().await;
    world.check(1).await;
    world.finish().await;
}

/// E28.
#[tokio::test]
async fn malformed_requests_are_errors() {
    let world = World::start(Setup::new()).await;
    let (host, form) = (world.host(), form(&world));
    let length = (form.len() + 1).to_string();
    let good = || fields(&host);
    let with = |field: (&'static str, &'static str)| {
        let mut fields = good();
        fields.push(field);
        fields
    };
    let without = |name: &str| {
        good()
            .into_iter()
            .filter(|(known, _)| *known != name)
            .collect::<Vec<_>>()
    };
    let mut wrong_length = good();
    wrong_length.push(("content-length", length.as_str()));
    let mut late = without(":path");
    late.push((":path", COMMON));
    for (what, fields) in [
        (
            "line break in a value",
            with(("x", "a\r\nx-ms-client-tenant-id: b")),
        ),
        ("null in a value", with(("x", "a\0b"))),
        ("upper case", with(("X-Upper", "1"))),
        ("space in a name", with(("x y", "1"))),
        ("connection", with(("connection", "close"))),
        ("keep-alive", with(("keep-alive", "1"))),
        ("transfer-encoding", with(("transfer-encoding", "chunked"))),
        ("upgrade", with(("upgrade", "h2c"))),
        ("te", with(("te", "gzip"))),
        ("content-length", wrong_length),
        ("pseudo-header after others", late),
        ("pseudo-header twice", with((":path", "/x"))),
        ("unknown pseudo-header", with((":x", "1"))),
        ("status in a request", with((":status", "200"))),
        ("no method", without(":method")),
        ("no path", without(":path")),
        ("no scheme", without(":scheme")),
    ] {
        let frame = outcome(&world, &fields, Some(form.as_bytes())).await;
        match &frame {
            // 400, or a refusal of our own.
            Some(frame) if frame.kind == HEADERS => {
                assert_ne!(frame.payload[0], 0x88, "{what}: {frame:?}")
            }
            Some(frame) => assert!(
                [RST_STREAM, GOAWAY].contains(&frame.kind),
                "{what}: {frame:?}"
            ),
            None => {}
        }
        assert_eq!(world.idp.requests().count(), 0, "{what}");
    }
    only_errors_came_of_it(world).await;
}

/// Whatever of it reached a token route has a record, and all of them are of errors; then a good
/// exchange passes, and the end is clean.
async fn only_errors_came_of_it(mut world: World) {
    assert_eq!(world.idp.requests().count(), 0);
    let good = world.exchange(CONTOSO, CONTOSO).http2().try_send().await;
    assert_eq!(good.unwrap().status, 200);
    world.nothing_leaked().await;
    world.signal(Signal::TERM);
    assert_eq!(world.gateway.ended().await.code(), Some(0));
    let (good, bad): (Vec<_>, Vec<_>) = world
        .records()
        .into_iter()
        .partition(|record| record["reason"] == "same_tenant");
    assert_eq!(good.len(), 1);
    assert!(
        bad.iter().all(|record| record["decision"] == "error"),
        "{bad:#?}"
    );
}

/// The host and the authority are one.
#[tokio::test]
async fn a_second_host_is_refused() {
    let world = World::start(Setup::new()).await;
    let (host, form) = (world.host(), form(&world));
    let mut same = fields(&host);
    same.push(("host", &host));
    let frame = outcome(&world, &same, Some(form.as_bytes())).await.unwrap();
    assert_eq!((frame.kind, frame.payload[0]), (HEADERS, 0x88));
    world.next_record().await;
    world.check(1).await;
    for hosts in [vec!["evil.test"], vec![host.as_str(), host.as_str()]] {
        let mut other = fields(&host);
        other.extend(hosts.iter().map(|host| ("host", *host)));
        let frame = outcome(&world, &other, Some(form.as_bytes()))
            .await
            .unwrap();
        // `:status: 400` is entry 12 of the static table.
        assert_eq!((frame.kind, frame.payload[0]), (HEADERS, 0x8c), "{hosts:?}");
        world.check(0).await;
    }
    let without = fields(&host)
        .into_iter()
        .filter(|(name, _)| *name != ":authority")
        .collect::<Vec<_>>();
    let frame = outcome(&world, &without, Some(form.as_bytes()))
        .await
        .unwrap();
    assert_eq!((frame.kind, frame.payload[0]), (HEADERS, 0x8c));
    world.check(0).await;
    world.finish().await;
}

/// E9: neither CONNECT nor its extension opens a tunnel.
#[tokio::test]
async fn connect_is_refused() {
    let world = World::start(Setup::new()).await;
    let host = world.host();
    for fields in [
        vec![(":method", "CONNECT"), (":authority", host.as_str())],
        vec![
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", host.as_str()),
            (":path", COMMON),
        ],
    ] {
        let frame = outcome(&world, &fields, Some(b"x")).await;
        if let Some(frame) = &frame
            && frame.kind == HEADERS
        {
            assert_ne!(frame.payload[0], 0x88, "{frame:?}");
        }
    }
    only_errors_came_of_it(world).await;
}

/// Two users on one connection: each gets their own.
#[tokio::test]
async fn streams_do_not_mix() {
    let world = World::start(Setup::new()).await;
    let tenants = [CONTOSO, crate::harness::FABRIKAM, crate::harness::NORTHWIND];
    // The first answer tells the client how many it may have open.
    world
        .exchange(CONTOSO, CONTOSO)
        .http2()
        .send()
        .await
        .allowed("same_tenant");
    let exchanges = (0..60).map(|n| {
        let tenant = tenants[n % 3];
        let exchange = world.exchange(tenant, tenant).http2();
        async move { (tenant, exchange.try_send().await.unwrap()) }
    });
    for (tenant, answer) in futures_of(exchanges).await {
        let claims =
            tidegate_mock::jwt::claims(answer.json()["access_token"].as_str().unwrap()).unwrap();
        assert_eq!(claims["tid"], tenant);
    }
    for _ in 0..60 {
        let record = world.next_record().await;
        assert_eq!(
            record["creator_tenant"], record["sign_in_tenant"],
            "{record}"
        );
    }
    world.check(61).await;
    world.finish().await;
}

/// All at once.
async fn futures_of<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    futures
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}
