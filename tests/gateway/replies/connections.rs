//! Connections to the provider: kept as long as nothing went wrong on them, secure or not at all,
//! and never a reason to send a token request twice.

use tidegate_mock::{MockIdp, Options, Reply};

use super::{contoso_on, given, signed};
use crate::harness::{After, BareProvider, CONTOSO, FABRIKAM, Setup, World, until};

/// A token request is sent once. A provider that reads it and goes away has perhaps acted on it.
#[tokio::test]
async fn a_token_request_is_never_sent_again() {
    let world = World::start(contoso_on().set("listen.workers", 1)).await;
    for reused in [false, true, true] {
        if reused {
            world
                .exchange(CONTOSO, CONTOSO)
                .send()
                .await
                .allowed("same_tenant");
        }
        for reply in [Reply::reset(), Reply::wire("")] {
            let before = world.idp.requests().token_posts();
            given(&world, reply)
                .await
                .refused(502, "upstream_incomplete");
            assert_eq!(world.idp.requests().token_posts(), before + 1);
        }
        world.check(if reused { 3 } else { 2 }).await;
    }
    world.finish().await;
}

/// Connections are kept as long as nothing went wrong on them, and never after.
#[tokio::test]
async fn connections_are_reused_until_a_fault() {
    let world = World::start(contoso_on().set("listen.workers", 1)).await;
    let connections = || world.idp.requests().connections();
    for _ in 0..5 {
        world
            .exchange(CONTOSO, CONTOSO)
            .send()
            .await
            .allowed("same_tenant");
        // A block and an error of the provider are no faults of the connection.
        world
            .exchange(CONTOSO, FABRIKAM)
            .send()
            .await
            .decided("block", "outbound_block");
        given(
            &world,
            Reply::json_bytes(400, r#"{"error":"invalid_grant"}"#),
        )
        .await
        .allowed("no_token");
    }
    assert_eq!(connections(), 1);
    given(&world, Reply::cut(200, 1000, "{}"))
        .await
        .refused(502, "upstream_incomplete");
    world
        .exchange(CONTOSO, CONTOSO)
        .send()
        .await
        .allowed("same_tenant");
    assert_eq!(connections(), 2);
    world.check(17).await;
    world.finish().await;
}

/// What follows an answer unasked was never asked for by anybody: it is nobody's answer.
#[tokio::test]
async fn an_answer_too_many_is_nobodys() {
    let provider = BareProvider::start().await;
    let world = World::start(in_front_of(&provider)).await;
    let mint = world.idp.mint();
    let (own, foreign) = (
        signed(&mint, CONTOSO).to_vec(),
        signed(&mint, FABRIKAM).to_vec(),
    );
    provider.next([answer(&own), answer(&foreign)].concat(), After::Keep);
    provider.next(answer(&own), After::Keep);
    for request in 1..=2 {
        let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
        outcome.allowed("same_tenant");
        assert_eq!(outcome.answer.body, own);
        assert_eq!(provider.requests(), request);
    }
    world.finish().await;
}

/// A connection that the provider closed while it was idle costs nothing: the request goes to a
/// new one.
#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let provider = BareProvider::start().await;
    let world = World::start(in_front_of(&provider)).await;
    let whole = answer(&signed(&world.idp.mint(), CONTOSO).to_vec());
    for round in 1..=3 {
        provider.next(whole.clone(), After::Close);
        world
            .exchange(CONTOSO, CONTOSO)
            .send()
            .await
            .allowed("same_tenant");
        until("closed", async || (provider.open() == 0).then_some(())).await;
        assert_eq!(provider.requests(), round);
    }
    world.finish().await;
}

/// A provider that cannot be reached, or not securely: nothing is sent to it.
#[tokio::test]
async fn an_unreachable_provider_is_a_502() {
    let setup = contoso_on().good(None, CONTOSO);
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = setup.set(
        "providers.azure-devops.authority",
        format!("https://localhost:{}", free.port()),
    );
    let world = World::start(nobody.good(Some(CONTOSO), CONTOSO)).await;
    let outcome = world
        .exchange(CONTOSO, FABRIKAM)
        .path("/oauth2/token")
        .field("assertion", "for:x")
        .send()
        .await;
    outcome.refused(502, "upstream_connect");
    world.check(0).await;
    // G2: a secret where none belongs is not logged with the failure either.
    let secret = world.secrets.canary();
    let path = format!("/oauth2/token?client_secret={secret}&code={secret}");
    let outcome = world.exchange(CONTOSO, FABRIKAM).path(&path).send().await;
    outcome.refused(502, "upstream_connect");
    world.check(0).await;
    world.finish().await;
}

/// H1: a certificate that is not the provider's, or not good: not a byte of the request leaves.
#[tokio::test]
async fn a_provider_with_a_bad_certificate_hears_nothing() {
    let ca = std::sync::Arc::new(tidegate_mock::tls::Ca::new().unwrap());
    let other = tidegate_mock::tls::Ca::new().unwrap();
    let mut expired = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let itself = {
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        tidegate_mock::tls::Leaf {
            certificate_pem: params.self_signed(&key).unwrap().pem(),
            key_pem: key.serialize_pem(),
        }
    };
    let certificates = [
        ("by itself", itself),
        ("wrong name", ca.server(["other.test"]).unwrap()),
        ("expired", ca.issue(expired).unwrap()),
        ("another authority", other.server(["localhost"]).unwrap()),
        ("for clients", ca.client(["localhost"]).unwrap()),
    ];
    for (what, certificate) in certificates {
        let provider = MockIdp::start(Options::azure_devops().certificate(certificate))
            .await
            .unwrap();
        let world = World::start(
            contoso_on()
                .set("providers.azure-devops.authority", provider.url())
                .extra_ca(ca.pem()),
        )
        .await;
        let exchange = world.exchange(CONTOSO, FABRIKAM).path("/oauth2/token");
        let outcome = exchange.send().await;
        assert_eq!(outcome.record["reason"], "upstream_connect", "{what}");
        outcome.refused(502, "upstream_connect");
        assert_eq!(provider.requests().count(), 0, "{what}");
        world.check(0).await;
        world.finish().await;
    }
}

/// C34: a TCP reset after half of the body.
#[tokio::test]
async fn a_reset_in_the_middle_is_refused() {
    let provider = BareProvider::start().await;
    let world = World::start(in_front_of(&provider)).await;
    let whole = answer(&signed(&world.idp.mint(), CONTOSO).to_vec());
    provider.next(whole[..whole.len() / 2].to_vec(), After::Reset);
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.refused(502, "upstream_incomplete");
    assert_eq!(provider.requests(), 1);
    provider.next(whole, After::Keep);
    world
        .exchange(CONTOSO, FABRIKAM)
        .send()
        .await
        .allowed("same_tenant");
    assert_eq!(provider.requests(), 2);
    world.finish().await;
}

/// A gateway whose Entra is this one.
fn in_front_of(provider: &BareProvider) -> Setup {
    contoso_on()
        .set("listen.workers", 1)
        .set("providers.entra.authority", provider.url())
        .set("providers.entra.insecure_plaintext", true)
}

/// A whole answer, as bytes.
fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
