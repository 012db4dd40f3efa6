//! The header that names the creator: once, under its own name, and read as it was sent.

use super::{HEADER, contoso_lets_fabrikam_in, not_forwarded};
use crate::harness::{Answer, COMMON, CONTOSO, FABRIKAM, NORTHWIND, Policy, Setup, World};

/// A1: twice, agreeing or not.
#[tokio::test]
async fn the_header_twice_is_refused() {
    let world = World::start(contoso_lets_fabrikam_in()).await;
    for (first, second) in [(CONTOSO, FABRIKAM), (FABRIKAM, CONTOSO), (CONTOSO, CONTOSO)] {
        for http2 in [false, true] {
            let exchange = world.exchange(first, CONTOSO).header(HEADER, second);
            let exchange = if http2 { exchange.http2() } else { exchange };
            exchange
                .send()
                .await
                .refused(400, "trust_header")
                .tenants(None, None);
            world.check(0).await;
        }
    }
    // Where nobody is asked who creates it, it is refused all the same.
    let keys = world
        .client(false)
        .get(format!("{}/common/discovery/keys", world.url()));
    let keys = keys
        .header(HEADER, CONTOSO)
        .header(HEADER, CONTOSO)
        .send()
        .await
        .unwrap();
    Answer::of(keys)
        .await
        .unwrap()
        .is_refusal(400, "trust_header");
    world.check(0).await;
    world.finish().await;
}

/// A3: underscores are the same header to a server that folds them.
#[tokio::test]
async fn respelled_headers_are_refused() {
    let world = World::start(contoso_lets_fabrikam_in()).await;
    for name in [
        "x_ms_client_tenant_id",
        "X-MS_CLIENT-TENANT_ID",
        "x-ms-client-tenant_id",
    ] {
        let both = world.exchange(CONTOSO, CONTOSO).header(name, FABRIKAM);
        both.send()
            .await
            .refused(400, "trust_header")
            .tenants(None, None);
        world.check(0).await;
        let alone = world.exchange(None, CONTOSO).header(name, CONTOSO).http2();
        alone
            .send()
            .await
            .refused(400, "trust_header")
            .tenants(None, None);
        world.check(0).await;
    }
    world.finish().await;
}

/// A5: any case of the name, spaces around the value.
#[tokio::test]
async fn case_and_spaces_do_not_matter() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    let form = world.exchange(None, CONTOSO).form_text();
    for line in [
        format!("X-MS-CLIENT-TENANT-ID: {CONTOSO}"),
        format!("x-Ms-cLiEnT-tEnAnT-iD:{CONTOSO}"),
        format!("x-ms-client-tenant-id: \t  {CONTOSO} \t "),
    ] {
        let mut raw = world.raw().await;
        let length = form.len();
        raw.send(format!(
            "POST {COMMON} HTTP/1.1\r\nhost: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\n{line}\r\n\
             content-length: {length}\r\n\r\n{form}",
            world.host()
        ))
        .await;
        let answer = raw.answer().await.unwrap();
        let record = world.next_record().await;
        assert_eq!(
            (answer.status, &record["reason"]),
            (200, &"same_tenant".into()),
            "{line}"
        );
        assert_eq!(record["creator_tenant"], CONTOSO);
        not_forwarded(&world);
        world.check(1).await;
    }
    world.finish().await;
}

/// A14: present and empty is not the same as missing.
#[tokio::test]
async fn an_empty_header_is_malformed() {
    let fixed = format!(r#"[{{ header = "{HEADER}" }}, {{ tenant = "{CONTOSO}" }}]"#);
    let setup = Setup::new()
        .on_route("token-v2", "creator", &fixed)
        .good(None, CONTOSO);
    let world = World::start(setup).await;
    for empty in ["", " ", "\t  "] {
        world
            .exchange(empty, CONTOSO)
            .send()
            .await
            .refused(400, "creator_malformed");
        world.check(0).await;
        world
            .exchange(empty, CONTOSO)
            .http2()
            .send()
            .await
            .refused(400, "creator_malformed");
        world.check(0).await;
    }
    world
        .exchange(None, CONTOSO)
        .send()
        .await
        .allowed("same_tenant");
    world.check(1).await;
    world.finish().await;
}

/// Bytes that are no text are no creator either.
#[tokio::test]
async fn a_header_that_is_no_text_is_malformed() {
    let world = World::start(Setup::new()).await;
    let mut bytes = CONTOSO.as_bytes().to_vec();
    bytes[3] = 0xff;
    let outcome = world
        .exchange(None, CONTOSO)
        .header(HEADER, &bytes)
        .send()
        .await;
    outcome.refused(400, "creator_malformed");
    world.check(0).await;
    world.finish().await;
}

/// A header of another name: both it and the documented one stay here, and only the configured one
/// is read.
#[tokio::test]
async fn a_configured_header_replaces_the_documented_one() {
    let setup = contoso_lets_fabrikam_in()
        .on_route("token-v2", "creator", r#"[{ header = "X-Flow-Creator" }]"#)
        .good(None, NORTHWIND);
    let world = World::start(setup).await;
    let outcome = world
        .exchange(None, CONTOSO)
        .header("x-flow-creator", FABRIKAM)
        .send()
        .await;
    outcome
        .allowed("both_allow")
        .tenants(Some(FABRIKAM), Some(CONTOSO));
    not_forwarded(&world);
    world.check(1).await;
    let outcome = world
        .exchange(CONTOSO, CONTOSO)
        .header("x-flow-creator", NORTHWIND)
        .send()
        .await;
    outcome.blocked("inbound_block", &[(CONTOSO, "inbound")]);
    not_forwarded(&world);
    world.check(1).await;
    let respelled = world
        .exchange(None, CONTOSO)
        .header("x_flow_creator", CONTOSO);
    respelled
        .send()
        .await
        .refused(400, "trust_header")
        .tenants(None, None);
    world.check(0).await;
    world.finish().await;
}

/// Neither a trailer nor a `connection` header changes who the creator is.
#[tokio::test]
async fn framing_does_not_change_the_creator() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    let form = world.exchange(None, CONTOSO).form_text();
    let head = |more: &str| {
        format!(
            "POST {COMMON} HTTP/1.1\r\nhost: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\n{more}",
            world.host()
        )
    };
    let length = form.len();
    let in_a_trailer = format!(
        "{}\r\n{length:x}\r\n{form}\r\n0\r\n{HEADER}: {CONTOSO}\r\n\r\n",
        head(&format!(
            "transfer-encoding: chunked\r\ntrailer: {HEADER}\r\n"
        ))
    );
    let named_in_connection = format!(
        "{}\r\n{form}",
        head(&format!(
            "connection: {HEADER}\r\n{HEADER}: {FABRIKAM}\r\ncontent-length: {length}\r\n"
        ))
    );
    for (bytes, reason) in [
        (in_a_trailer, "without_client_tenant_blocked"),
        (named_in_connection, "inbound_block"),
    ] {
        let mut raw = world.raw().await;
        raw.send(bytes).await;
        assert_eq!(raw.answer().await.unwrap().status, 403);
        assert_eq!(world.next_record().await["reason"], reason);
        not_forwarded(&world);
        world.check(1).await;
    }
    world.finish().await;
}
