//! Paths that are declared to carry no tokens: relayed as they are, and held to it.

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use serde_json::json;
use std::io::Write;
use tidegate_mock::{Reply, jwt};

use crate::harness::{Answer, CONTOSO, FABRIKAM, Setup, World};

const KEYS: &str = "/common/discovery/v2.0/keys";

async fn given(world: &World, reply: Reply) -> Answer {
    world.remember_tokens(reply.bytes());
    world.idp.script_once(KEYS, reply);
    world.get(KEYS).await
}

/// Keys and instance discovery, byte for byte, with the query; no record, no cookies.
#[tokio::test]
async fn keys_and_instance_discovery_are_relayed() {
    let world = World::start(Setup::new()).await;
    let direct = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(world.ca.pem().as_bytes()).unwrap()])
        .no_proxy()
        .build()
        .unwrap();
    for path in [
        KEYS.to_owned(),
        format!("/{CONTOSO}/discovery/v2.0/keys"),
        "/common/discovery/keys?appid=1".to_owned(),
        format!(
            "/common/discovery/instance?api-version=1.1&authorization_endpoint=\
             https%3A%2F%2Flogin.microsoftonline.com%2F{CONTOSO}%2Foauth2%2Fv2.0%2Fauthorize"
        ),
    ] {
        let from_provider = direct
            .get(format!("{}{path}", world.idp.url()))
            .send()
            .await
            .unwrap();
        let from_provider = from_provider.bytes().await.unwrap();
        for http2 in [false, true] {
            let answer = world
                .client(http2)
                .get(format!("{}{path}", world.url()))
                .send()
                .await
                .unwrap();
            let answer = Answer::of(answer).await.unwrap();
            assert_eq!(
                (answer.status, &answer.body),
                (200, &from_provider),
                "{path}"
            );
            assert_eq!(answer.header("set-cookie"), None);
            assert_eq!(
                answer.header("cache-control"),
                Some("max-age=86400, private")
            );
            assert_eq!(world.idp.requests().last().unwrap().target(), path);
        }
        world.check(3).await;
    }
    world.finish().await;
}

/// HEAD is asked as GET, so that there is something to inspect; other methods are not taken.
#[tokio::test]
async fn methods_are_the_routes_own() {
    let world = World::start(Setup::new()).await;
    let get = world.get(KEYS).await;
    let head = world.send(Method::HEAD, KEYS).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    let head = world
        .client(true)
        .head(format!("{}{KEYS}", world.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(
        head.headers()["content-length"],
        get.header("content-length").unwrap()
    );
    assert!(head.bytes().await.unwrap().is_empty());
    assert!(
        world
            .idp
            .requests()
            .all()
            .iter()
            .all(|request| request.method == Method::GET)
    );
    world.check(3).await;
    for (path, method, allow) in [
        (KEYS, Method::POST, "GET, HEAD"),
        (KEYS, Method::OPTIONS, "GET, HEAD"),
        ("/common/oauth2/v2.0/devicecode", Method::GET, "POST"),
        ("/common/oauth2/v2.0/devicecode", Method::HEAD, "POST"),
    ] {
        let answer = world.send(method.clone(), path).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some(allow)),
            "{method} {path}"
        );
        if method != Method::HEAD {
            answer.is_refusal(405, "method");
        }
        world.check(0).await;
    }
    world.finish().await;
}

/// The declaration is held to: a token that turns up all the same is withheld.
#[tokio::test]
async fn a_token_on_a_relay_is_withheld() {
    let world = World::start(Setup::new()).await;
    let mint = world.idp.mint();
    let own = mint.access_token(CONTOSO).build();
    let page = |token: &str| format!("<html><script>var t = \"{token}\";</script></html>");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(page(&own).as_bytes()).unwrap();
    for reply in [
        Reply::json(200, &json!({ "access_token": own })),
        Reply::json(200, &json!({ "keys": [{ "x": own }] })),
        Reply::json(200, &json!({ "access_token": jwt::opaque_personal() })),
        Reply::json(400, &json!({ "error": "x", "id_token": own })),
        Reply::new(200, format!("access_token={own}&token_type=bearer")),
        Reply::new(200, page(&own)).header("content-type", "text/html"),
        Reply::new(200, gzip.finish().unwrap()).header("content-encoding", "gzip"),
        Reply::json(200, &json!({})).header("x-token", &own),
        Reply::redirect(
            302,
            &format!("https://app.example/#access_token={own}&state=1"),
        ),
        Reply::redirect(302, &format!("https://app.example/#id_token={own}")),
        Reply::redirect(
            302,
            &format!(
                "https://app.example/#access_token={}",
                jwt::opaque_personal()
            ),
        ),
    ] {
        let answer = given(&world, reply).await;
        answer.is_refusal(502, "upstream_token");
        world
            .secrets
            .assert_none_in("the answer", &answer.everything());
        world.check(1).await;
    }
    let coded = Reply::new(200, page(&own)).header("content-encoding", "br");
    given(&world, coded)
        .await
        .is_refusal(502, "upstream_encoding");
    world.check(1).await;
    world.finish().await;
}

/// What is no token passes, whatever it looks like: redirects with a code, pages, an application's
/// own signed state.
#[tokio::test]
async fn what_is_no_token_is_relayed() {
    let world = World::start(Setup::new()).await;
    let state = jwt::hs256(
        br#"{"alg":"HS256"}"#,
        br#"{"iss":"https://app.example","r":1}"#,
        b"k",
    );
    for reply in [
        Reply::redirect(
            302,
            &format!(
                "https://app.example/?code={}&state={state}",
                world.secrets.canary()
            ),
        ),
        Reply::new(200, format!("<html>{state}</html>")).header("content-type", "text/html"),
        Reply::new(200, vec![0xff; 100]).header("content-type", "image/png"),
        Reply::new(304, ""),
        Reply::new(404, "gone"),
        Reply::json(500, &json!({ "error": "x" })),
    ] {
        let (status, body) = (reply.status.as_u16(), reply.bytes().to_vec());
        let location = reply.headers.get("location").cloned();
        world.idp.script_once(KEYS, reply);
        let answer = world.get(KEYS).await;
        assert_eq!((answer.status, answer.body.to_vec()), (status, body));
        assert_eq!(answer.headers.get("location"), location.as_ref());
        world.check(1).await;
    }
    world.finish().await;
}

/// Report-only withholds nothing here either.
#[tokio::test]
async fn a_report_only_gateway_relays_all() {
    let world = World::start(Setup::new().set("mode", "report-only")).await;
    let token = world.idp.mint().access_token(FABRIKAM).build();
    let answer = given(&world, Reply::json(200, &json!({ "access_token": token }))).await;
    assert_eq!(answer.status, 200);
    world.check(1).await;
    world.finish().await;
}

/// A relay that fails says so without a record: it is no exchange.
#[tokio::test]
async fn a_relay_that_fails_is_refused() {
    let world = World::start(
        Setup::new()
            .set("limits.upstream_timeout", "400ms")
            .set("limits.connect_timeout", "300ms"),
    )
    .await;
    for (reply, status, reason) in [
        (Reply::reset(), 502, "upstream_incomplete"),
        (Reply::silent(), 504, "upstream_deadline"),
        (
            Reply::json_bytes(200, vec![b' '; 2 * 1024 * 1024]),
            502,
            "upstream_too_large",
        ),
    ] {
        given(&world, reply).await.is_refusal(status, reason);
        world.check(1).await;
    }
    world.finish().await;
}
