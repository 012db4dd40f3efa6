//! Starting, the log, protocols, and stopping.

use std::sync::Arc;

use tidegate_mock::tls::Ca;
use tidegate_mock::{MockIdp, Options};
use tokio::net::TcpStream;

use crate::harness::{client, entra, start};

const PATH: &str = "/common/v2.0/.well-known/openid-configuration";

#[tokio::test]
async fn speaks_http2_and_http1_over_tls() {
    let mock = entra().await;
    assert_eq!(mock.get(PATH).await.version(), http::Version::HTTP_2);
    let old = client(mock.idp.ca_pem()).http1_only().build().unwrap();
    let response = old
        .get(format!("{}{PATH}", mock.idp.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(response.version(), http::Version::HTTP_11);
    let log = mock.idp.requests().all();
    assert_eq!(log[0].version, http::Version::HTTP_2);
    assert_eq!(log[0].header("host"), log[1].header("host"));
    assert_eq!(mock.idp.requests().connections(), 2);
}

#[tokio::test]
async fn speaks_plain_http_when_told() {
    let mock = start(Options::entra().plain()).await;
    assert!(mock.idp.url().starts_with("http://"));
    assert_eq!(mock.get(PATH).await.status(), 200);
}

#[tokio::test]
async fn the_log_keeps_everything_in_order() {
    let mock = entra().await;
    mock.get("/common/discovery/keys?x=1").await;
    mock.post("/common/oauth2/v2.0/token", &[("grant_type", "g&h")])
        .await;
    let log = mock.idp.requests();
    assert_eq!(
        (
            log.count(),
            log.token_posts(),
            log.count_to("/common/discovery/keys")
        ),
        (2, 1, 1)
    );
    assert_eq!(log.all()[0].target(), "/common/discovery/keys?x=1");
    let last = log.last().unwrap();
    assert_eq!(last.field("grant_type").as_deref(), Some("g&h"));
    assert_eq!(last.text(), "grant_type=g%26h");
    log.clear();
    assert!(log.all().is_empty() && log.connections() == 0);
}

#[tokio::test]
async fn the_log_is_bounded() {
    let mock = start(Options {
        log_limit: 2,
        ..Options::entra()
    })
    .await;
    for path in ["/a", "/b", "/c"] {
        mock.get(path).await;
    }
    let paths: Vec<String> = mock
        .idp
        .requests()
        .all()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(
        (paths, mock.idp.requests().count()),
        (vec!["/b".into(), "/c".into()], 3)
    );
}

#[tokio::test]
async fn several_providers_share_a_ca_and_a_bad_certificate_is_bad() {
    let ca = Arc::new(Ca::new().unwrap());
    let first = start(Options::entra().ca(Arc::clone(&ca))).await;
    let second = MockIdp::start(Options::azure_devops().ca(Arc::clone(&ca)))
        .await
        .unwrap();
    let url = format!("{}/oauth2/token", second.url());
    assert_eq!(first.client.get(url).send().await.unwrap().status(), 405);

    let foreign = ca.server(["other.example"]).unwrap();
    let wrong = MockIdp::start(Options::entra().ca(ca).certificate(foreign))
        .await
        .unwrap();
    assert!(
        first
            .client
            .get(format!("{}{PATH}", wrong.url()))
            .send()
            .await
            .is_err()
    );
    assert_eq!(wrong.requests().count(), 0);
}

#[tokio::test]
async fn stops_when_told_and_when_dropped() {
    let mock = entra().await;
    let address = mock.idp.address();
    mock.idp.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());

    let dropped = entra().await;
    let address = dropped.idp.address();
    drop(dropped);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while TcpStream::connect(address).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "still listening");
        tokio::task::yield_now().await;
    }
}
