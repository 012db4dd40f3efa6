//! Mutual TLS towards providers and services: what they are shown, whom the gateway trusts, and
//! that both follow their files.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tidegate_mock::tls::{Ca, Leaf};
use tidegate_mock::{MockIdp, Options, Preset};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::harness::tls::{der, metric, put};
use crate::harness::{After, BareProvider, CONTOSO, Setup, World, until};

/// A provider behind a door that opens only to a certificate of one authority.
struct Door {
    address: SocketAddr,
    behind: BareProvider,
    shown: Arc<Mutex<Vec<CertificateDer<'static>>>>,
    task: JoinHandle<()>,
}

impl Door {
    async fn new(leaf: &Leaf, clients: &Ca) -> Self {
        tidegate_mock::tls::install_crypto_provider();
        let behind = BareProvider::start().await;
        let to = behind.url().replace("http://", "");
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap())
            .unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
        let tls = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![der(leaf)], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shown);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, to, seen) = (acceptor.clone(), to.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let chain = stream.get_ref().1.peer_certificates().unwrap();
                    seen.lock().unwrap().push(chain[0].clone().into_owned());
                    let mut behind = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
        Self {
            address,
            behind,
            shown,
            task,
        }
    }

    /// The certificates shown so far, one for each connection.
    fn shown(&self) -> Vec<CertificateDer<'static>> {
        self.shown.lock().unwrap().clone()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An exchange that the provider answers.
async fn allowed(world: &World, door: &Door) {
    let body = world.idp.mint().body(&Preset::Signed, CONTOSO).to_vec();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = [head.as_bytes(), &body].concat();
    door.behind.next(answer, After::Keep);
    let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
    outcome.allowed("same_tenant");
}

fn setup(door: &Door, ca: &Ca) -> Setup {
    Setup::new()
        .set("listen.workers", 1)
        .set(
            "providers.entra.authority",
            format!("https://localhost:{}", door.address.port()),
        )
        .extra_ca(ca.pem())
}

#[tokio::test]
async fn a_provider_is_shown_the_certificate_in_force() {
    let (ca, clients) = (Ca::new().unwrap(), Ca::new().unwrap());
    let door = Door::new(&ca.server(["localhost"]).unwrap(), &clients).await;
    let first = clients.client(["gateway.internal"]).unwrap();
    let theirs = first.clone();
    let setup = setup(&door, &ca)
        .set("providers.entra.client_certificate", "gateway-client.pem")
        .set("providers.entra.client_key", "gateway-client.key")
        .before_start(move |directory| put(directory, "gateway-client", &theirs));
    let world = World::start(setup).await;
    allowed(&world, &door).await;
    allowed(&world, &door).await;
    assert_eq!(door.shown(), [der(&first)], "one connection");

    let count = |name: &str| {
        format!("tidegate_upstream_certificate_{name}{{upstream=\"providers.entra\"}}")
    };
    let until_counted = async |reloads: f64, failures: f64| {
        until("counted", async || {
            let text = world.metrics().await;
            let counted = (
                metric(&text, &count("reloads_total")),
                metric(&text, &count("reload_failures_total")),
            );
            (counted == (Some(reloads), Some(failures))).then_some(())
        })
        .await;
    };
    // A key that belongs to no certificate: what was shown is shown on, on the same connection.
    let second = clients.client(["gateway.internal"]).unwrap();
    let at = |name: &str| world.directory.path().join(name);
    fs::write(at("gateway-client.key"), &second.key_pem).unwrap();
    until_counted(0.0, 1.0).await;
    allowed(&world, &door).await;
    assert_eq!(door.shown().len(), 1);
    // Whole: the connection that was opened with the old one is not used again.
    fs::write(at("gateway-client.pem"), &second.certificate_pem).unwrap();
    until_counted(1.0, 1.0).await;
    allowed(&world, &door).await;
    assert_eq!(door.shown(), [der(&first), der(&second)]);
    let expiry = metric(&world.metrics().await, &count("expiry_timestamp_seconds"));
    assert!(expiry.unwrap() > 1.7e9);
    world.finish().await;
}

/// Without a certificate the provider is not reached, and hears nothing.
#[tokio::test]
async fn a_provider_that_asks_for_a_certificate_gets_one_or_nothing() {
    let (ca, clients) = (Ca::new().unwrap(), Ca::new().unwrap());
    let door = Door::new(&ca.server(["localhost"]).unwrap(), &clients).await;
    let world = World::start(setup(&door, &ca)).await;
    let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
    assert_eq!(outcome.answer.status, 502);
    assert_eq!(door.behind.requests(), 0);
    world.finish().await;
}

/// An authority that is taken away is trusted no longer, nor are connections under it used again.
#[tokio::test]
async fn an_authority_of_providers_is_taken_away() {
    let world = World::start(Setup::new().set("listen.workers", 1)).await;
    let send = async || world.exchange(CONTOSO, CONTOSO).send().await;
    send().await.allowed("same_tenant");
    let file = world.directory.path().join("ca.pem");
    let (own, other) = (fs::read(&file).unwrap(), Ca::new().unwrap());
    fs::write(&file, other.pem()).unwrap();
    until("refused", async || {
        (send().await.answer.status == 502).then_some(())
    })
    .await;
    let seen = world.idp.requests().count();
    send().await.refused(502, "upstream_connect");
    assert_eq!(world.idp.requests().count(), seen);
    fs::write(&file, own).unwrap();
    until("trusted again", async || {
        (send().await.answer.status == 200).then_some(())
    })
    .await;
    world.finish().await;
}

/// Keys are fetched under the authorities in force, on no connection that was opened under others.
#[tokio::test]
async fn keys_are_fetched_under_the_authorities_in_force() {
    let world = World::start(Setup::connections()).await;
    let file = world.directory.path().join("ca.pem");
    let (own, other) = (fs::read(&file).unwrap(), Ca::new().unwrap());
    let count = async |name: &str| metric(&world.metrics().await, name).unwrap_or_default();
    let reloads = "tidegate_upstream_certificate_reloads_total{upstream=\"providers.entra\"}";
    let fetches = |result: &str| {
        format!("tidegate_key_fetches_total{{provider=\"entra\",result=\"{result}\"}}")
    };
    let (good, bad) = (fetches("ok"), fetches("connection"));
    let before = count(&good).await;
    assert_eq!(count(&bad).await, 0.0);

    fs::write(&file, other.pem()).unwrap();
    until("taken away", async || {
        (count(reloads).await == 1.0).then_some(())
    })
    .await;
    let seen = world.idp.requests().count();
    world.signal(Signal::HUP);
    until("refused", async || (count(&bad).await > 0.0).then_some(())).await;
    assert_eq!(count(&good).await, before);
    assert_eq!(world.idp.requests().count(), seen, "it heard nothing");
    // The last good keys stay in force.
    assert_eq!(world.admin("/readyz").await.0, 200);

    fs::write(&file, own).unwrap();
    until("put back", async || {
        (count(reloads).await == 2.0).then_some(())
    })
    .await;
    until("fetched", async || {
        world.signal(Signal::HUP);
        (count(&good).await > before).then_some(())
    })
    .await;
    world.finish().await;
}

/// H1, for the gateway's own requests: whoever shows a certificate of nobody we trust, itself among
/// them, is not asked for keys.
#[tokio::test]
async fn keys_are_not_fetched_from_a_server_with_a_bad_certificate() {
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let itself = Leaf {
        certificate_pem: params.self_signed(&key).unwrap().pem(),
        key_pem: key.serialize_pem(),
    };
    let foreign = Ca::new().unwrap().server(["localhost"]).unwrap();
    for (what, certificate) in [("by itself", itself), ("another authority", foreign)] {
        let provider = MockIdp::start(Options::entra().certificate(certificate)).await;
        let provider = provider.unwrap();
        let setup = Setup::connections().set("providers.entra.authority", provider.url());
        let world = World::start(setup.unready()).await;
        let bad = "tidegate_key_fetches_total{provider=\"entra\",result=\"connection\"}";
        until("refused", async || {
            metric(&world.metrics().await, bad).filter(|count| *count > 0.0)
        })
        .await;
        assert_eq!(provider.requests().count(), 0, "{what}");
        assert_eq!(world.admin("/readyz").await.0, 503, "{what}");
        let shown = world.admin("/keys").await.1;
        assert!(shown.contains("certificate"), "{what}: {shown}");
        world.finish().await;
    }
}
