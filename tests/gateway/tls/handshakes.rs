//! Handshakes that are slow, cut up, or none at all (H11), and protocols of the past (H2).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::tls::Caller;
use crate::harness::{Raw, Setup, World, until};

/// A `ClientHello` as rustls sends it, and its record's header.
fn hello() -> Vec<u8> {
    let roots = rustls::RootCertStore::empty();
    let client = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(client.into(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// H11: one byte at a time is closed when the time for a handshake is over.
#[tokio::test]
async fn a_slow_hello_is_closed_in_time() {
    let world = World::start(Setup::new().set("limits.handshake_timeout", "1s")).await;
    let (mut reader, mut writer) = TcpStream::connect(world.gateway.data)
        .await
        .unwrap()
        .into_split();
    let slow = async {
        for byte in hello() {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the whole of it was taken");
    };
    let end = async {
        let mut rest = Vec::new();
        let _ = reader.read_to_end(&mut rest).await;
        assert_eq!(rest, b"", "nothing was answered");
    };
    tokio::select! { () = slow => {}, () = end => {} }
    until("closed", async || {
        let metrics = world.metrics().await;
        metrics.contains("tidegate_connections 0").then_some(())
    })
    .await;
    world.check(0).await;
    world.finish().await;
}

/// H11: a hello in records of one byte each is a hello, or is refused; either way it ends.
#[tokio::test]
async fn a_hello_in_pieces_ends() {
    let world = World::start(Setup::new().set("limits.handshake_timeout", "1s")).await;
    let hello = hello();
    let pieces: Vec<u8> = hello[5..]
        .iter()
        .flat_map(|byte| [0x16, 3, 1, 0, 1, *byte])
        .collect();
    let mut raw = Raw::new(TcpStream::connect(world.gateway.data).await.unwrap());
    raw.send(pieces).await;
    let rest = raw.rest().await;
    // Handshake or alert.
    assert!(matches!(rest.first(), Some(0x16 | 0x15) | None), "{rest:?}");
    world.check(0).await;
    world.finish().await;
}

/// H11: who says goodbye in the middle is let go.
#[tokio::test]
async fn a_goodbye_in_a_handshake_ends_it() {
    let world = World::start(Setup::new()).await;
    let goodbye = [0x15, 3, 3, 0, 2, 1, 0];
    for bytes in [goodbye.to_vec(), [hello(), goodbye.to_vec()].concat()] {
        let mut raw = Raw::new(TcpStream::connect(world.gateway.data).await.unwrap());
        raw.send(bytes).await;
        raw.end().await;
        raw.rest().await;
    }
    until("closed", async || {
        let metrics = world.metrics().await;
        metrics.contains("tidegate_connections 0").then_some(())
    })
    .await;
    assert_eq!(world.log.count("panicked"), 0);
    world.check(0).await;
    world.finish().await;
}

/// H2: 1.2 and 1.3 are spoken; a hello of the past gets an alert and nothing else.
#[tokio::test]
async fn protocols_of_the_past_are_refused() {
    let world = World::start(Setup::new()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let caller = Caller::with(world.ca.pem(), None, &[version], &[b"http/1.1"]);
        assert_eq!(caller.ask(world.gateway.data).await.unwrap().1, 404);
    }
    // SSL 3.0, TLS 1.0, TLS 1.1 at most, with the suites that they had; and 1.2 with weak ones.
    let modern: [u8; 2] = [0xc0, 0x2b];
    let weak: [[u8; 2]; 6] = [
        [0x00, 0x05], // RC4
        [0x00, 0x0a], // 3DES
        [0x00, 0x2f], // CBC without forward secrecy
        [0xc0, 0x13], // CBC
        [0x00, 0x3b], // no encryption
        [0x00, 0x9c], // GCM without forward secrecy
    ];
    let mut hellos: Vec<Vec<u8>> = (0..3u8).map(|minor| old_hello(minor, &[modern])).collect();
    hellos.extend(weak.map(|suite| old_hello(3, &[suite])));
    for hello in hellos {
        let mut raw = Raw::new(TcpStream::connect(world.gateway.data).await.unwrap());
        raw.send(hello).await;
        let rest = raw.rest().await;
        assert_eq!((rest.first(), rest.len()), (Some(&0x15), 7), "{rest:?}");
    }
    // The same hello with a good suite is answered: it is read as it was meant.
    let mut raw = Raw::new(TcpStream::connect(world.gateway.data).await.unwrap());
    raw.send(old_hello(3, &[modern])).await;
    assert_eq!(raw.take(1).await.unwrap(), [0x16]);
    world.check(0).await;
    world.finish().await;
}

/// A hello of version 3.`minor`, by hand: these suites, P-256, ECDSA with SHA-256.
fn old_hello(minor: u8, suites: &[[u8; 2]]) -> Vec<u8> {
    let extensions = [
        &[0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x17][..], // supported_groups
        &[0x00, 0x0b, 0, 2, 1, 0],                 // ec_point_formats
        &[0x00, 0x0d, 0, 4, 0, 2, 0x04, 0x03],     // signature_algorithms
        &[0x00, 0x17, 0, 0],                       // extended_master_secret
    ]
    .concat();
    let length = |of: &[u8]| u16::try_from(of.len()).unwrap().to_be_bytes();
    let suites = suites.concat();
    let body = [
        &[3, minor][..],
        &[7; 32],
        &[0],
        &length(&suites),
        &suites,
        &[1, 0],
        &length(&extensions),
        &extensions,
    ]
    .concat();
    let handshake = [&[1, 0][..], &length(&body), &body].concat();
    [&[0x16, 3, 1][..], &length(&handshake), &handshake].concat()
}
