//! Key servers that are down, slow or wrong: nothing is believed without keys, and the last good
//! keys stay (B33).

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tidegate_mock::{Document, KeyName, MockIdp, Reply, Trouble};

use super::contoso_on;
use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, Setup, World, until};

/// Someone who must never be asked.
struct Canary(TcpListener);

impl Canary {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("https://{}/keys", self.0.local_addr().unwrap())
    }

    fn was_not_asked(&self) {
        let asked = self.0.accept();
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

/// Keys cannot be had from the start: 503 and not ready, for what needs them; then it recovers by
/// itself.
async fn down_at_start(trouble: impl Fn(&MockIdp) + Send + 'static) {
    let setup = contoso_on()
        .set("verification.key_timeout", "1s")
        .before(trouble)
        .unready();
    let world = World::start(setup).await;
    assert_eq!(world.admin("/readyz").await.0, 503);
    assert_eq!(world.admin("/livez").await.0, 200);
    for (creator, sign_in) in [(CONTOSO, CONTOSO), (CONTOSO, FABRIKAM)] {
        let outcome = world.creation(creator, sign_in).send().await;
        outcome.refused(503, "keys_unavailable").tenants(None, None);
        assert!(outcome.answer.header("retry-after").is_some());
    }
    // What needs no keys goes on.
    let outcome = world.exchange(NORTHWIND, NORTHWIND).send().await;
    outcome.allowed("same_tenant");
    world.idp.requests().clear();
    for document in [Document::Keys, Document::Discovery] {
        world.idp.keys().mend(document);
    }
    until("ready", async || {
        (world.admin("/readyz").await.0 == 200).then_some(())
    })
    .await;
    let outcome = world.creation(CONTOSO, CONTOSO).send().await;
    outcome.created("same_tenant");
    world.forwarded(1).await;
    world.finish().await;
}

#[tokio::test]
async fn the_key_server_is_down_at_start() {
    down_at_start(|idp| idp.keys().trouble(Document::Keys, Trouble::Down)).await;
}

#[tokio::test]
async fn the_metadata_is_wrong_at_start() {
    down_at_start(|idp| idp.keys().trouble(Document::Discovery, Trouble::Empty)).await;
}

#[tokio::test]
async fn the_key_server_does_not_answer_at_start() {
    down_at_start(|idp| idp.keys().trouble(Document::Keys, Trouble::Silent)).await;
}

/// A key set without keys is no reason to believe anything, least of all keys of our own.
#[tokio::test]
async fn the_key_set_is_empty_at_start() {
    down_at_start(|idp| idp.keys().trouble(Document::Keys, Trouble::Empty)).await;
}

/// Slow is not down.
#[tokio::test]
async fn the_key_server_is_slow_at_start() {
    let setup = contoso_on().before(|idp| {
        let slow = Trouble::Slow(Duration::from_millis(600));
        idp.keys().trouble(Document::Keys, slow);
    });
    let world = World::start(setup).await;
    let outcome = world.creation(CONTOSO, CONTOSO).send().await;
    outcome.created("same_tenant");
    world.forwarded(1).await;
    world.finish().await;
}

fn short() -> Setup {
    contoso_on()
        .set("verification.insecure_key_cooldown", true)
        .set("verification.key_cooldown", "0s")
        .set("verification.key_timeout", "1s")
}

/// Fetches that failed so far.
async fn failures(world: &World) -> u64 {
    let metrics = world.metrics().await;
    let failed = metrics.lines().filter(|line| {
        line.starts_with("tidegate_key_fetches_total") && !line.contains(r#"result="ok""#)
    });
    failed
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

/// An answer that is wrong changes nothing but an alarm: the keys of before stay, and no others
/// come.
async fn keeps_the_keys(world: &World, what: &str) {
    println!("{what}");
    let before = failures(world).await;
    world.signal(Signal::HUP);
    until("a failed fetch", async || {
        (failures(world).await > before).then_some(())
    })
    .await;
    assert!(world.warnings() > 0, "an alarm");
    let (_, shown) = world.admin("/keys").await;
    assert!(!shown.contains(r#""last_error":null"#), "{shown}");
    let outcome = world.creation(CONTOSO, CONTOSO).send().await;
    outcome.created("same_tenant");
    world.forwarded(1).await;
    let token = world.sign_in(CONTOSO).signed_by(KeyName::Unpublished);
    let creation = world.creation(CONTOSO, CONTOSO).json_token(&token.build());
    let outcome = creation.send().await;
    assert!(
        [401, 503].contains(&outcome.answer.status),
        "{:?}",
        outcome.answer
    );
    outcome.stayed_here();
    world.forwarded(0).await;
    assert_eq!(world.admin("/readyz").await.0, 200);
}

/// B33: the key set.
#[tokio::test]
async fn a_wrong_key_set_keeps_the_previous_one() {
    let world = World::start(short()).await;
    let canary = Canary::new();
    let keys = world.idp.keys();
    let text = |text: &str| Trouble::Reply(Reply::json_bytes(200, text.to_owned()));
    let unpublished = keys.jwk(KeyName::Unpublished);
    let status = Reply::json(404, &json!({ "keys": [unpublished] }));
    let troubles = [
        ("down", Trouble::Down),
        ("empty", Trouble::Empty),
        ("a page", Trouble::Html),
        ("10 MB", Trouble::Huge(10 * 1024 * 1024)),
        ("a redirect", Trouble::Redirect(canary.url())),
        ("a reset", Trouble::Reset),
        ("half", Trouble::Truncated),
        ("no answer", Trouble::Silent),
        ("a list", text("[]")),
        ("nothing", text("")),
        ("no list", text(r#"{"keys":{}}"#)),
        (
            "no key of use",
            text(r#"{"keys":[{"kty":"oct","k":"AA","kid":"a"}]}"#),
        ),
        ("keys with an error", Trouble::Reply(status)),
    ];
    for (what, trouble) in troubles {
        keys.trouble(Document::Keys, trouble);
        keeps_the_keys(&world, what).await;
    }
    canary.was_not_asked();
    // And when it is mended, the new key is there.
    keys.mend(Document::Keys);
    keys.add(KeyName::Unpublished);
    keys.sign_with(KeyName::Unpublished);
    let outcome = world.creation(CONTOSO, CONTOSO).send().await;
    outcome.created("same_tenant");
    world.forwarded(1).await;
    world.finish().await;
}

/// H6 and B33: metadata that leads elsewhere is not followed.
#[tokio::test]
async fn wrong_metadata_keeps_the_previous_keys() {
    let world = World::start(short()).await;
    let canary = Canary::new();
    let keys = world.idp.keys();
    for (what, trouble) in [
        ("down", Trouble::Down),
        ("empty", Trouble::Empty),
        ("a page", Trouble::Html),
        ("10 MB", Trouble::Huge(10 * 1024 * 1024)),
        ("a redirect", Trouble::Redirect(canary.url())),
    ] {
        keys.trouble(Document::Discovery, trouble);
        keeps_the_keys(&world, what).await;
    }
    keys.mend(Document::Discovery);
    let authority = world.idp.url();
    let port = world.idp.address().port();
    for uri in [
        canary.url(),
        canary.url().replace("https", "http"),
        format!("http://localhost:{port}/common/discovery/v2.0/keys"),
        format!("https://a:b@localhost:{port}/common/discovery/v2.0/keys"),
        format!("https://127.0.0.1:{port}/common/discovery/v2.0/keys"),
        format!("{authority}.evil.test/keys"),
        "https://169.254.169.254/keys".to_owned(),
        "file:///etc/passwd".to_owned(),
        "/common/discovery/v2.0/keys".to_owned(),
        String::new(),
    ] {
        keys.jwks_uri(&uri);
        keeps_the_keys(&world, &uri).await;
    }
    canary.was_not_asked();
    keys.reset();
    for issuer in [
        "https://login.microsoftonline.com.evil.test/{tenantid}/v2.0",
        "https://login.microsoftonline.us/{tenantid}/v2.0",
        "",
    ] {
        keys.issuer(issuer);
        keeps_the_keys(&world, issuer).await;
    }
    world.finish().await;
}

/// Who waits for keys takes no place from others: junk with unknown key names, while the key
/// server is silent.
#[tokio::test]
async fn who_waits_for_keys_takes_no_place() {
    let setup = contoso_on()
        .set("limits.in_flight", 1)
        .set("verification.key_timeout", "20s");
    let world = World::start(setup).await;
    world
        .creation(CONTOSO, CONTOSO)
        .send()
        .await
        .created("same_tenant");
    world.forwarded(1).await;
    world.idp.requests().clear();
    world
        .idp
        .keys()
        .trouble(Document::Discovery, Trouble::Silent);
    let junk = world
        .sign_in(CONTOSO)
        .signed_by(KeyName::Unpublished)
        .build();
    let waiting = world.creation(CONTOSO, CONTOSO).json_token(&junk);
    let good = async {
        until("somebody waits for keys", async || {
            (world.idp.requests().discovery_fetches() > 0).then_some(())
        })
        .await;
        for _ in 0..3 {
            let answer = world.creation(CONTOSO, CONTOSO).send_unrecorded().await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    };
    tokio::select! {
        answer = waiting.send_unrecorded() => panic!("nobody waited: {answer:?}"),
        () = good => {}
    }
}
