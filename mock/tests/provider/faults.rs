//! Scripted answers: any status, header and byte, and connections that break.

use std::time::Duration;

use tidegate_mock::{Options, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Fixture, entra, start};

const PATH: &str = "/common/oauth2/v2.0/token";

#[tokio::test]
async fn scripts_come_before_the_mocks_own_answer() {
    let mock = entra().await;
    mock.idp.script(PATH, Reply::new(418, "always"));
    mock.idp
        .script_once(PATH, Reply::new(503, "first").header("retry-after", "1"));
    mock.idp
        .script_once(PATH, Reply::redirect(307, "http://169.254.169.254/"));
    let first = mock.get(PATH).await;
    assert_eq!(
        (first.status().as_u16(), &first.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(mock.get(PATH).await.status(), 307);
    assert_eq!(mock.get(PATH).await.text().await.unwrap(), "always");
    mock.idp.clear_scripts();
    assert_eq!(mock.get(PATH).await.status(), 400);
}

#[tokio::test]
async fn a_hook_sees_the_request_and_may_leave_it() {
    let mock = entra().await;
    mock.idp.hook(|request| {
        (request.field("code").as_deref() == Some("odd")).then(|| {
            let twice = Reply::new(200, vec![0xff, 0xfe]).header("content-type", "text/html");
            twice.header("content-type", "image/png")
        })
    });
    let url = format!("{}{PATH}", mock.idp.url());
    let odd = mock
        .client
        .post(&url)
        .form(&[("code", "odd")])
        .send()
        .await
        .unwrap();
    assert_eq!(odd.headers().get_all("content-type").iter().count(), 2);
    assert_eq!(odd.bytes().await.unwrap().as_ref(), [0xff, 0xfe]);
    let even = mock
        .client
        .post(&url)
        .form(&[("code", "even")])
        .send()
        .await
        .unwrap();
    assert_eq!(even.status(), 400);
}

/// What arrives on a plain socket until the mock closes, and how it ends.
async fn raw(mock: &Fixture) -> (Vec<u8>, std::io::Result<usize>) {
    let mut socket = TcpStream::connect(mock.idp.address()).await.unwrap();
    let request = format!("GET {PATH} HTTP/1.1\r\nhost: mock\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let end = socket.read_to_end(&mut received).await;
    (received, end)
}

#[tokio::test]
async fn wire_bytes_go_out_as_they_are() {
    let mock = start(Options::entra().plain()).await;
    let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZZ\r\nnonsense";
    mock.idp.script(PATH, Reply::wire(bytes.as_slice()));
    let (received, end) = raw(&mock).await;
    assert_eq!(received, bytes);
    assert!(end.is_ok());
}

#[tokio::test]
async fn wire_bytes_go_through_tls() {
    let mock = entra().await;
    mock.idp.script(
        PATH,
        Reply::wire("HTTP/1.1 299 Odd\r\ncontent-length: 2\r\n\r\nok"),
    );
    let client = crate::harness::client(mock.idp.ca_pem())
        .http1_only()
        .build()
        .unwrap();
    let response = client
        .get(format!("{}{PATH}", mock.idp.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 299);
    assert_eq!(response.text().await.unwrap(), "ok");
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let mock = start(Options::entra().plain()).await;
    mock.idp.script(PATH, Reply::reset());
    let (received, end) = raw(&mock).await;
    assert!(received.is_empty());
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_cut_answer_sends_what_it_has_and_stops() {
    let mock = start(Options::entra().plain()).await;
    mock.idp
        .script(PATH, Reply::cut(200, 1000, vec![b'x'; 500]));
    let (received, _) = raw(&mock).await;
    let text = String::from_utf8(received).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 1000"), "{head}");
    assert_eq!(body.len(), 500);

    let secure = entra().await;
    secure
        .idp
        .script(PATH, Reply::cut(200, 1000, vec![b'x'; 500]));
    let response = secure.get(PATH).await;
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn a_drip_takes_its_time() {
    let mock = entra().await;
    mock.idp.script(
        PATH,
        Reply::drip(200, b"abcd", 1, Duration::from_millis(20)),
    );
    let start = std::time::Instant::now();
    assert_eq!(mock.get(PATH).await.text().await.unwrap(), "abcd");
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn silence_lasts() {
    let mock = entra().await;
    mock.idp.script(PATH, Reply::silent());
    let get = mock.client.get(format!("{}{PATH}", mock.idp.url()));
    let error = get
        .timeout(Duration::from_millis(100))
        .send()
        .await
        .unwrap_err();
    assert!(error.is_timeout());
}
