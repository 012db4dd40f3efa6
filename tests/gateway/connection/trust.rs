//! Trust headers: the gateway tells the service who it is, and nobody else can.

use super::{OUT, isolated};
use crate::harness::connections::TOLD;
use crate::harness::{CONTOSO, Created, Creation, FABRIKAM, NORTHWIND, Setup, World};

const CLIENT_TENANT: &str = "x-ms-client-tenant-id";

/// Every header that only the gateway, or a platform that is trusted, may set.
fn trusted() -> impl Iterator<Item = &'static str> {
    TOLD.into_iter().chain([CLIENT_TENANT])
}

/// The service is told what the record says; `arrived` compares them.
#[tokio::test]
async fn the_service_is_told_what_was_verified() {
    let world = World::start(Setup::connections()).await;
    for (creator, sign_in) in [(CONTOSO, FABRIKAM), (FABRIKAM, CONTOSO), (CONTOSO, CONTOSO)] {
        let outcome = world.creation(creator, sign_in).send().await;
        let request = outcome.arrived();
        assert_eq!(request.header(TOLD[0]), Some(creator));
        assert_eq!(request.header(TOLD[1]), Some(sign_in));
        assert_eq!(
            request.header(TOLD[2]),
            outcome.record["decision_id"].as_str()
        );
        // It needs the tokens themselves as well.
        assert!(request.header("authorization").is_some());
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// Refused, or created with nothing of it at the service.
async fn without_effect(world: &World, outcome: &Created<'_>) {
    let forwarded = if outcome.answer.status == 201 {
        outcome.created("same_tenant");
        for request in world.service.requests().all() {
            for (name, value) in &request.headers {
                let told = String::from_utf8_lossy(value.as_bytes()).into_owned();
                assert!(!told.contains(NORTHWIND), "{name}: {told}");
            }
        }
        1
    } else {
        assert_eq!(outcome.answer.status, 400, "{:?}", outcome.answer);
        outcome.stayed_here();
        0
    };
    outcome.tenants(
        (forwarded == 1).then_some(CONTOSO),
        (forwarded == 1).then_some(CONTOSO),
    );
    world.forwarded(forwarded).await;
}

/// A client that sends them itself: alone, doubled, respelled, in any case, over both protocols.
#[tokio::test]
async fn a_client_cannot_tell_the_service_anything() {
    let world = isolated().await;
    let creation = || world.creation(CONTOSO, CONTOSO);
    for name in trusted() {
        let folded = name.replace('-', "_");
        let half = name.replacen('-', "_", 1);
        for http2 in [false, true] {
            let tries: [Creation<'_>; 6] = [
                creation().header(name, NORTHWIND),
                creation().header(name, NORTHWIND).header(name, NORTHWIND),
                creation().header(name, CONTOSO).header(name, NORTHWIND),
                creation().header(&folded, NORTHWIND),
                creation().header(&half, NORTHWIND),
                creation().header(name, CONTOSO).header(&folded, NORTHWIND),
            ];
            for creation in tries {
                let creation = if http2 { creation.http2() } else { creation };
                let outcome = creation.send().await;
                without_effect(&world, &outcome).await;
            }
        }
    }
    world.finish().await;
}

/// Byte by byte: other cases, trailers, and a `connection` header that would strip what is told.
#[tokio::test]
async fn nor_by_framing() {
    let world = isolated().await;
    let (creator, token) = (
        world.creator(CONTOSO).build(),
        world.sign_in(CONTOSO).build(),
    );
    let body = serde_json::json!({ "properties": { "token": token } }).to_string();
    let head = |more: &str| {
        format!(
            "PUT /connections/one HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {creator}\r\n\
             content-type: application/json\r\n{more}\r\n",
            world.host()
        )
    };
    let length = body.len();
    let plain = format!("content-length: {length}\r\n");
    let mut requests = Vec::new();
    for name in trusted() {
        let upper = name.to_uppercase();
        requests.push(head(&format!("{plain}{upper}: {NORTHWIND}\r\n")) + &body);
        requests.push(head(&format!("{plain}connection: {name}\r\n")) + &body);
        requests.push(format!(
            "{}{length:x}\r\n{body}\r\n0\r\n{name}: {NORTHWIND}\r\n\r\n",
            head(&format!(
                "transfer-encoding: chunked\r\ntrailer: {name}\r\n"
            ))
        ));
    }
    for request in requests {
        let mut raw = world.raw().await;
        raw.send(request).await;
        let answer = raw.answer().await.unwrap();
        let record = world.next_record().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let request = world.service.requests().last().unwrap();
        assert_eq!(request.body, body);
        for (name, value) in &request.headers {
            assert!(!value.as_bytes().starts_with(b"33333333"), "{name}");
        }
        assert_eq!(request.header(TOLD[0]), Some(CONTOSO));
        assert_eq!(request.header(TOLD[1]), Some(CONTOSO));
        assert_eq!(request.header(TOLD[2]), record["decision_id"].as_str());
        assert_eq!(request.header(CLIENT_TENANT), None);
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// What `connection` lists is for this hop: it is neither read nor forwarded, so no token can be
/// shown to one of the two only.
#[tokio::test]
async fn what_connection_lists_is_neither_read_nor_forwarded() {
    let world = isolated().await;
    let foreign = world.sign_in(FABRIKAM).build();
    let (creator, own) = (
        world.creator(CONTOSO).build(),
        world.sign_in(CONTOSO).build(),
    );
    let body = |token: &str| serde_json::json!({ "properties": { "token": token } }).to_string();
    for (listed, sign_in, body, status) in [
        ("x-sign-in-token", &foreign, body(&own), 201),
        ("x-sign-in-token", &own, "{}".to_owned(), 400),
        ("authorization", &own, body(&own), 401),
        ("content-type", &own, body(&own), 415),
        ("content-length", &own, body(&own), 201),
    ] {
        let mut raw = world.raw().await;
        raw.send(format!(
            "PUT /connections/one HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {creator}\r\n\
             connection: {listed}\r\nx-sign-in-token: {sign_in}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            world.host(),
            body.len()
        ))
        .await;
        let answer = raw.answer().await.unwrap();
        world.next_record().await;
        assert_eq!(answer.status, status, "{listed}: {answer:?}");
        for request in world.service.requests().all() {
            assert_eq!(request.body, body);
            if listed != "content-length" {
                assert_eq!(request.header(listed), None);
            }
        }
        world.forwarded(u64::from(status == 201)).await;
    }
    world.finish().await;
}

/// What hop-by-hop headers and proxies' own would tell the service stays here too.
#[tokio::test]
async fn headers_of_proxies_stay_here() {
    let world = isolated().await;
    let names = [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "proxy-authorization",
    ];
    let creation = names
        .iter()
        .fold(world.creation(CONTOSO, CONTOSO), |creation, name| {
            creation.header(name, "evil.test")
        });
    let answer = creation.send_unrecorded().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(world.next_record().await["decision"], "allow");
    let request = world.service.requests().last().unwrap();
    for name in names {
        assert_eq!(request.header(name), None, "{name}");
    }
    world.forwarded(1).await;
    world.finish().await;
}

/// Headers that are not configured are not set, and those of the default names are the client's.
#[tokio::test]
async fn nothing_is_told_unless_configured() {
    let mut setup = super::contoso_on();
    let services = setup.config["services"]["connections"].as_table_mut();
    services.unwrap().remove("tell");
    let world = World::start(setup).await;
    let token = world.sign_in(CONTOSO).build();
    let creation = world.creation(CONTOSO, CONTOSO).json_token(&token);
    let answer = creation
        .header(CLIENT_TENANT, CONTOSO)
        .send_unrecorded()
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    world.next_record().await;
    let request = world.service.requests().last().unwrap();
    for name in trusted() {
        assert_eq!(request.header(name), None, "{name}");
    }
    world.service.requests().clear();
    let outcome = world.creation(CONTOSO, FABRIKAM).send().await;
    outcome.blocked("outbound_block", OUT);
    world.finish().await;
}
