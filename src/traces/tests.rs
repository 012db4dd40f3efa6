//! The queue, and what leaves for the collector.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;
use http::Request;
use opentelemetry_http::HttpClient;

use super::*;
use crate::config::Endpoint;
use crate::tls;

/// A collector that answers each request as `answer` says, and the requests it got.
fn collector(answer: Option<&'static str>) -> (config::Traces, Receiver<String>) {
    tls::install_provider();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = channel();
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            seen.send(head(&mut stream)).unwrap();
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                None => open.push(stream),
            }
        }
    });
    let config = config::Traces {
        collector: config::Collector {
            endpoint: Endpoint {
                identity: None,
                authority: format!("http://{address}").parse().unwrap(),
                connect: None,
                ca: None,
            },
            path: "/v1/traces".parse().unwrap(),
            headers_file: None,
            service_name: "tidegate".to_owned(),
            timeout: Duration::from_secs(60),
        },
        sample: 1.0,
    };
    (config, requests)
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn ended() -> Ended {
    Ended {
        attributes: vec![status_code(200)],
        error: None,
    }
}

/// Polls a future that never waits: the collector has a runtime of its own.
fn at_once<T>(mut future: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// A collector that hangs has so many spans wait and no more, whole exchanges; adding never waits.
#[test]
fn the_queue_is_bounded_and_counts_what_it_drops() {
    let (config, requests) = collector(None);
    let metrics = Arc::new(Metrics::new());
    let certificates = Certificates::new(&metrics);
    let (traces, exporting) = Traces::start(&config, &certificates, &metrics).unwrap();
    let exchange = || {
        let mut trace = traces.begin(&HeaderMap::new());
        let now = trace.clock().unwrap();
        trace.step("evaluate", now, now, Vec::new());
        trace.step("keys", now, now, Vec::new());
        trace.end(|| "exchange".to_owned(), ended);
    };
    let counts = metrics.traces();
    for _ in 0..5_000 {
        exchange();
    }
    // The first are on their way, and count.
    requests.recv().unwrap();
    let fit = 8192 / 3;
    assert_eq!(counts.dropped_by_queue.get(), (5_000 - fit) * 3);
    assert_eq!(counts.dropped_by_delivery.get() + counts.exported.get(), 0);
    exchange();
    assert_eq!(counts.dropped_by_queue.get(), (5_001 - fit) * 3);
    drop(exporting);
    exchange();
    assert_eq!(counts.dropped_by_queue.get(), (5_002 - fit) * 3);
}

/// The exporter takes headers from the environment: none of them leaves.
#[test]
fn only_the_body_of_the_exporters_request_leaves() {
    let (config, requests) = collector(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    let certificates = Certificates::new(&Arc::default());
    let collector = Collector::new(&config.collector, &certificates).unwrap();
    let request = Request::post("http://elsewhere.example/other")
        .header("x-from-the-environment", "canary")
        .header("content-encoding", "gzip")
        .body(Bytes::from_static(b"spans"))
        .unwrap();
    let answer = at_once(collector.send_bytes(request)).unwrap();
    assert_eq!(answer.status(), 200);
    let head = requests.recv().unwrap().to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf\r\n"),
        "{head}"
    );
    for absent in ["canary", "gzip", "elsewhere"] {
        assert!(!head.contains(absent), "{head}");
    }
    assert!(format!("{collector:?}").starts_with("Collector { to: Collector, "));
}
