//! Request targets and hosts that two servers could read differently.

use super::{form, head, request, sent};
use crate::harness::{COMMON, CONTOSO, Setup, World};

/// A good request with another request line.
fn at(world: &World, target: &str) -> String {
    request(world).replacen(
        &format!("POST {COMMON} HTTP/1.1"),
        &format!("POST {target} HTTP/1.1"),
        1,
    )
}

/// E1, E2: dots, escapes, empty segments, parameters, backslashes.
#[tokio::test]
async fn paths_are_plain() {
    let world = World::start(Setup::new()).await;
    let token = "common/oauth2/v2.0/token";
    for path in [
        format!("/x/../{token}"),
        format!("/./{token}"),
        format!("/common/../{token}"),
        format!("/{token}/."),
        format!("/{token}/.."),
        format!("//{token}"),
        "/common//oauth2/v2.0/token".to_owned(),
        format!("/%2e%2e/{token}"),
        "/common%2foauth2/v2.0/token".to_owned(),
        "/common%5coauth2/v2.0/token".to_owned(),
        "/common/oauth2/v2%2e0/token".to_owned(),
        "/common/oauth2/v2.0/%74oken".to_owned(),
        "/common/oauth2/v2.0/token;x=1".to_owned(),
        "/common;x/oauth2/v2.0/token".to_owned(),
        "/common/oauth2/v2.0/token%00".to_owned(),
        "/common/oauth2/v2.0/token%0d%0ax:y".to_owned(),
        "/common%20/oauth2/v2.0/token".to_owned(),
        "/{common}/oauth2/v2.0/token".to_owned(),
    ] {
        let (answer, _) = sent(&world, at(&world, &path)).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        if !path.contains('{') {
            answer.is_refusal(400, "path");
        }
        world.check(0).await;
    }
    // What the parser does not take at all.
    for path in [
        "/common\\oauth2/v2.0/token",
        "/common/oauth2/v2.0/tok\u{e9}n",
        "common/oauth2/v2.0/token",
        "/a b",
    ] {
        let (answer, _) = sent(&world, at(&world, path)).await;
        assert!(
            answer.as_ref().is_none_or(|answer| answer.status == 400),
            "{path}: {answer:?}"
        );
        world.check(0).await;
    }
    world.finish().await;
}

/// A fragment is no part of a request target: what follows `#` is not sent on.
#[tokio::test]
async fn fragments_do_not_travel() {
    let world = World::start(Setup::new()).await;
    let (answer, _) = sent(&world, at(&world, &format!("{COMMON}#/../x"))).await;
    let answer = answer.unwrap();
    if answer.status == 200 {
        world.next_record().await;
        assert_eq!(world.idp.requests().last().unwrap().target(), COMMON);
        world.check(1).await;
    } else {
        assert_eq!(answer.status, 400);
        world.check(0).await;
    }
    world.finish().await;
}

/// E21: too long a target, too many headers, too large a head.
#[tokio::test]
async fn heads_are_bounded() {
    let world = World::start(Setup::new()).await;
    let (answer, _) = sent(
        &world,
        at(&world, &format!("{COMMON}?{}", "x".repeat(9 * 1024))),
    )
    .await;
    answer.unwrap().is_refusal(414, "target_too_long");
    world.check(0).await;
    let long = world
        .exchange(CONTOSO, CONTOSO)
        .path(&format!("{COMMON}?{}", "x".repeat(9 * 1024)));
    long.http2()
        .send_unrecorded()
        .await
        .is_refusal(414, "target_too_long");
    world.check(0).await;

    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let large = format!("x-large: {}\r\n", "y".repeat(64 * 1024));
    let form = form(&world);
    for more in [many, large] {
        let bytes = format!(
            "{}\r\n{form}",
            head(&world, &format!("{more}content-length: {}\r\n", form.len()))
        );
        let (answer, mut raw) = sent(&world, bytes).await;
        assert_eq!(answer.unwrap().status, 431);
        raw.rest().await;
        world.check(0).await;
    }
    // HTTP/2: a head above the announced size.
    let large = world
        .exchange(CONTOSO, CONTOSO)
        .header("x-large", "y".repeat(64 * 1024))
        .http2();
    let answer = large.try_send().await;
    assert!(
        answer.as_ref().map_or(true, |answer| answer.status == 431),
        "{answer:?}"
    );
    world.check(0).await;
    world.finish().await;
}

/// E6, E7: one host, plainly named, and the same one everywhere.
#[tokio::test]
async fn hosts_are_plain() {
    let world = World::start(Setup::new()).await;
    let host = world.host();
    let line = format!("host: {host}\r\n");
    let good = request(&world);
    for hosts in [
        String::new(),
        format!("{line}{line}"),
        format!("{line}host: evil.test\r\n"),
        "host: a@b\r\n".to_owned(),
        "host: a:99999\r\n".to_owned(),
        "host: a:\r\n".to_owned(),
        "host: a:+80\r\n".to_owned(),
        "host: a:80:80\r\n".to_owned(),
        "host: a.\r\n".to_owned(),
        "host: \r\n".to_owned(),
        "host: :80\r\n".to_owned(),
        "host: [fe80::1%25eth0]\r\n".to_owned(),
        "host: [::1\r\n".to_owned(),
        "host: a%2eb\r\n".to_owned(),
        "host: a/b\r\n".to_owned(),
        "host: a, b\r\n".to_owned(),
        "host: a b\r\n".to_owned(),
        "host: a\\b\r\n".to_owned(),
        "host: http://a\r\n".to_owned(),
    ] {
        let (answer, mut raw) = sent(&world, good.replacen(&line, &hosts, 1)).await;
        let answer = answer.unwrap_or_else(|| panic!("{hosts}"));
        assert_eq!(answer.json()["suberror"], "host", "{hosts}: {answer:?}");
        answer.is_refusal(400, "host");
        assert_eq!(answer.header("connection"), Some("close"));
        raw.rest().await;
        world.check(0).await;
    }
    for target in [
        format!("https://evil.test{COMMON}"),
        format!("https://user@{host}{COMMON}"),
        format!("http://{host}:1{COMMON}"),
    ] {
        let (answer, _) = sent(&world, at(&world, &target)).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
        world.check(0).await;
    }
    let (answer, _) = sent(&world, at(&world, &format!("https://{host}{COMMON}"))).await;
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(world.next_record().await["reason"], "same_tenant");
    assert_eq!(world.idp.requests().last().unwrap().path, COMMON);
    world.check(1).await;
    world.finish().await;
}

/// E10: methods that nobody knows, and ones as long as a head may be.
#[tokio::test]
async fn odd_methods_are_refused() {
    let world = World::start(Setup::new()).await;
    let good = request(&world);
    for (method, statuses) in [
        ("post".to_owned(), &[405][..]),
        ("Post".to_owned(), &[405]),
        ("PO ST".to_owned(), &[400]),
        ("P\u{e9}ST".to_owned(), &[400]),
        ("POST\0".to_owned(), &[400]),
        (String::new(), &[400]),
        ("M".repeat(10 * 1024), &[400, 405, 431]),
        ("M".repeat(100 * 1024), &[400, 431]),
        ("TRACE".to_owned(), &[405]),
    ] {
        let (answer, _) = sent(&world, good.replacen("POST", &method, 1)).await;
        let status = answer.map(|answer| answer.status);
        let short = &method[..method.len().min(9)];
        assert!(
            status.is_none_or(|it| statuses.contains(&it)),
            "{short}: {status:?}"
        );
        if status == Some(405) {
            assert_eq!(world.next_record().await["reason"], "method", "{short}");
        }
        world.check(0).await;
    }
    world.finish().await;
}

/// E9: no tunnels.
#[tokio::test]
async fn connect_is_refused() {
    let world = World::start(Setup::new()).await;
    let canary = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = canary.local_addr().unwrap();
    for bytes in [
        format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n"),
        format!("CONNECT {0} HTTP/1.1\r\nhost: {0}\r\n\r\n", world.host()),
        format!("OPTIONS * HTTP/1.1\r\nhost: {}\r\n\r\n", world.host()),
    ] {
        let (answer, _) = sent(&world, &bytes).await;
        let status = answer.unwrap().status;
        assert!([400, 404, 405, 501].contains(&status), "{bytes}: {status}");
        world.check(0).await;
    }
    let nobody = tokio::time::timeout(std::time::Duration::ZERO, canary.accept()).await;
    assert!(nobody.is_err());
    world.finish().await;
}
