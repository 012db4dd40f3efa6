//! Certificates that clients showed: believed for as long as they are good, on connections and
//! sessions that exist as well.

use std::fs;
use std::time::{Duration, SystemTime};

use rustls::HandshakeKind;
use tidegate_mock::Preset;
use tidegate_mock::tls::{Ca, Leaf};

use super::until_counted;
use crate::harness::frames::{self, GOAWAY, HEADERS, PING};
use crate::harness::tls::{Caller, metric};
use crate::harness::{After, BareProvider, CONTOSO, Raw, Setup, World, until};

/// The flag of a PING that answers one.
const ACK: u8 = 1;

/// A gateway that believes clients of two authorities, the world's own and this one.
fn with(other: &Ca) -> Setup {
    let pem = other.pem().to_owned();
    Setup::new()
        .mutual_tls()
        .set("trust.peers", toml::Value::Array(Vec::new()))
        .set("trust.client_certificates", vec!["platform.internal"])
        .before_start(move |directory| {
            let file = directory.join("clients-ca.pem");
            let both = fs::read_to_string(&file).unwrap() + &pem;
            fs::write(file, both).unwrap();
        })
}

/// Takes the other authority away.
fn remove_other(world: &World) {
    let file = world.directory.path().join("clients-ca.pem");
    fs::write(file, world.client_ca.pem()).unwrap();
}

/// A connection of each protocol on which something was asked.
async fn connections(world: &World, leaf: &Leaf) -> (Raw, Raw) {
    let ca = world.ca.pem();
    let mut http1 = Caller::new(ca, Some(leaf)).raw(world.gateway.data).await;
    assert_eq!(get(&mut http1).await, Some(404));
    let caller = Caller::with(ca, Some(leaf), rustls::ALL_VERSIONS, &[b"h2"]);
    let mut http2 = caller.raw(world.gateway.data).await;
    http2.send(frames::preface()).await;
    assert!(get2(&mut http2, 1).await);
    (http1, http2)
}

/// Asks for something that is nowhere.
async fn get(raw: &mut Raw) -> Option<u16> {
    raw.send("GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    raw.answer().await.map(|answer| answer.status)
}

/// The same over HTTP/2; whether it was answered.
async fn get2(raw: &mut Raw, stream: u32) -> bool {
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/nowhere"),
    ];
    raw.send(frames::request(stream, &fields, None)).await;
    let outcome = raw.outcome_of(stream).await;
    outcome.is_some_and(|frame| frame.kind == HEADERS)
}

/// Both connections are ended: one is closed, the other one told to go away before that.
async fn ended(http1: &mut Raw, http2: &mut Raw) {
    assert_eq!(http1.rest().await, b"");
    assert!(sent_away(http2).await, "no GOAWAY");
}

/// Waits for the end of an HTTP/2 connection: whether it was announced.
async fn sent_away(http2: &mut Raw) -> bool {
    let mut away = false;
    while let Some(frame) = http2.frame().await {
        away |= frame.kind == GOAWAY;
        if frame.kind == PING {
            http2
                .send(frames::frame(PING, ACK, 0, &frame.payload))
                .await;
        }
    }
    away
}

#[tokio::test]
async fn an_authority_that_is_taken_away_is_believed_no_longer() {
    let other = Ca::new().unwrap();
    let world = World::start(with(&other)).await;
    let foreign = other.client(["platform.internal"]).unwrap();
    let own = world.client_ca.client(["platform.internal"]).unwrap();
    let (mut http1, mut http2) = connections(&world, &foreign).await;
    let (mut own1, mut own2) = connections(&world, &own).await;
    // Who could resume a session would be in without showing anything.
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    let callers = versions.map(|version| {
        let protocols: &[&[u8]] = &[b"http/1.1"];
        Caller::with(world.ca.pem(), Some(&foreign), &[version], protocols)
    });
    for caller in &callers {
        let asked = caller.ask(world.gateway.data).await.unwrap();
        assert_eq!(asked, (HandshakeKind::Full, 404));
    }

    remove_other(&world);
    ended(&mut http1, &mut http2).await;
    until_counted(&world, "data", 1.0, 0.0).await;
    for caller in &callers {
        assert!(caller.ask(world.gateway.data).await.is_err());
    }
    // The others notice nothing.
    assert_eq!(get(&mut own1).await, Some(404));
    assert!(get2(&mut own2, 3).await);
    world
        .exchange(CONTOSO, CONTOSO)
        .send()
        .await
        .allowed("same_tenant");
    world.check(1).await;
    world.finish().await;
}

/// An exchange under way is finished; the connection takes no other.
#[tokio::test]
async fn what_is_under_way_when_an_authority_goes_is_finished() {
    let provider = BareProvider::start().await;
    let other = Ca::new().unwrap();
    let setup = with(&other)
        .set("listen.workers", 1)
        .set("providers.entra.authority", provider.url())
        .set("providers.entra.insecure_plaintext", true);
    let world = World::start(setup).await;
    let foreign = other.client(["platform.internal"]).unwrap();
    let caller = Caller::new(world.ca.pem(), Some(&foreign));
    let mut raw = caller.raw(world.gateway.data).await;
    let form = world.exchange(None, CONTOSO).form_text();
    raw.send(format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\nx-ms-client-tenant-id: {CONTOSO}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        crate::harness::COMMON,
        form.len()
    ))
    .await;
    until("under way", async || {
        (provider.requests() == 1).then_some(())
    })
    .await;
    remove_other(&world);
    until_counted(&world, "data", 1.0, 0.0).await;
    let body = world.idp.mint().body(&Preset::Signed, CONTOSO).to_vec();
    world.remember_tokens(&body);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    provider.next([head.as_bytes(), &body].concat(), After::Keep);
    let answer = raw.answer().await.unwrap();
    assert_eq!((answer.status, &*answer.body), (200, &*body));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(raw.rest().await, b"");
    assert_eq!(world.next_record().await["reason"], "same_tenant");
    world.finish().await;
}

/// A certificate that comes to its end while its connections are open.
#[tokio::test]
async fn a_certificate_that_expires_ends_its_connections() {
    let world = World::start(with(&Ca::new().unwrap())).await;
    let mut params = rcgen::CertificateParams::new(["platform.internal".to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    params.not_after = (SystemTime::now() + Duration::from_secs(4)).into();
    let leaf = world.client_ca.issue(params).unwrap();
    let (mut http1, mut http2) = connections(&world, &leaf).await;
    // Kept busy, so that they do not end because they are idle.
    until("closed", async || {
        let closed = get(&mut http1).await != Some(404);
        closed.then_some(())
    })
    .await;
    assert!(sent_away(&mut http2).await);
    let caller = Caller::new(world.ca.pem(), Some(&leaf));
    assert!(caller.ask(world.gateway.data).await.is_err());
    until("all closed", async || {
        let open = metric(&world.metrics().await, "tidegate_connections");
        (open == Some(0.0)).then_some(())
    })
    .await;
    world.check(0).await;
    world.finish().await;
}

/// H5: no certificate; one of another authority that has the same name; one for servers.
#[tokio::test]
async fn no_handshake_without_a_good_certificate() {
    let other = Ca::new().unwrap();
    let world = World::start(Setup::new().mutual_tls()).await;
    let (same_name, for_servers) = (
        other.client(["platform.internal"]).unwrap(),
        world.client_ca.server(["platform.internal"]).unwrap(),
    );
    let good = world.client_ca.client(["platform.internal"]).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let ask = async |leaf: Option<&Leaf>| {
            let caller = Caller::with(world.ca.pem(), leaf, &[version], &[b"http/1.1"]);
            caller.ask(world.gateway.data).await
        };
        assert_eq!(ask(Some(&good)).await.unwrap().1, 404);
        for leaf in [None, Some(&same_name), Some(&for_servers)] {
            assert!(ask(leaf).await.is_err(), "{version:?}");
        }
    }
    world.check(0).await;
    world.finish().await;
}
