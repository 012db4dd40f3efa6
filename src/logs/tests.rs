//! The queue, and its end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::queue::{BYTES, RECORDS};
use super::*;
use crate::config::Endpoint;
use crate::tls;

fn queue() -> Queue {
    Queue::new(Metrics::new().logs())
}

/// Everything that is in a queue that ends, batch by batch, and released.
fn drain(queue: &Queue) -> Vec<(usize, Vec<u8>)> {
    let (_end, told) = watch::channel(true);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut batches = Vec::new();
        let mut told = told;
        while let Some(batch) = queue.next(&mut told).await {
            queue.release(&batch);
            batches.push((batch.records, batch.lines));
        }
        batches
    })
}

#[test]
fn lines_stay_whole_and_in_order_in_batches_that_are_bounded() {
    let queue = queue();
    let mut expected = Vec::new();
    for number in 0..3_000 {
        // Short ones fill a batch by their number, long ones by their bytes.
        let pad = if number < 1_500 { 0 } else { 5_000 };
        let line = format!("{number} {}\n", "x".repeat(pad));
        queue.add(line.as_bytes());
        expected.extend_from_slice(line.as_bytes());
    }
    // Longer than a batch: one of its own.
    let long = [vec![b'y'; 700_000], vec![b'\n']].concat();
    queue.add(&long);
    queue.add(b"last\n");
    expected.extend_from_slice(&long);
    expected.extend_from_slice(b"last\n");
    assert_eq!(queue.metrics.queue.get(), 3_002);
    let batches = drain(&queue);
    assert!(batches.len() > 10);
    for (records, lines) in &batches {
        assert!(lines.ends_with(b"\n"));
        assert_eq!(
            lines.iter().filter(|byte| **byte == b'\n').count(),
            *records
        );
        assert!((1..=512).contains(records));
        assert!(lines.len() <= 512 * 1024 || *records == 1);
    }
    let lines: Vec<u8> = batches.into_iter().flat_map(|(_, lines)| lines).collect();
    assert_eq!(lines, expected);
    assert_eq!(queue.metrics.queue.get(), 0);
    assert_eq!(queue.metrics.dropped_by_queue.get(), 0);
    // Nobody sends any more: what comes now is counted.
    queue.add(b"late\n");
    assert_eq!(queue.metrics.dropped_by_queue.get(), 1);
}

#[test]
fn the_queue_is_bounded_by_number_and_by_bytes() {
    let (few, many) = (b"{}\n".to_vec(), vec![b'\n'; 100_000]);
    for (line, fit) in [(few, RECORDS), (many, BYTES / 100_000)] {
        let queue = queue();
        for _ in 0..fit + 7 {
            queue.add(&line);
        }
        assert_eq!(queue.metrics.queue.get(), i64::try_from(fit).unwrap());
        assert_eq!(queue.metrics.dropped_by_queue.get(), 7);
        // What is on its way counts until it has ended.
        let (_end, mut told) = watch::channel(false);
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let batch = runtime.block_on(queue.next(&mut told)).unwrap();
        queue.add(&line);
        assert_eq!(queue.metrics.dropped_by_queue.get(), 8);
        queue.release(&batch);
        queue.add(&line);
        assert_eq!(queue.metrics.dropped_by_queue.get(), 8);
        let left = fit - batch.records + 1;
        assert_eq!(queue.close(), left);
        assert_eq!(queue.metrics.queue.get(), 0);
    }
    let queue = queue();
    queue.add(&vec![b'x'; BYTES + 1]);
    assert_eq!(queue.metrics.dropped_by_queue.get(), 1);
}

/// A line that comes while nobody waits is found, and the first of a batch waits for others.
#[test]
fn a_batch_gathers_and_then_goes() {
    let queue = queue();
    queue.add(b"one\n");
    let (_end, mut told) = watch::channel(false);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let began = Instant::now();
    let batch = runtime.block_on(queue.next(&mut told)).unwrap();
    assert_eq!(batch.lines, b"one\n");
    assert!(began.elapsed() >= Duration::from_millis(900));
}

/// A collector that takes connections and never answers does not hold up who offers, nor the end
/// for as long as it would be given otherwise.
#[test]
fn a_collector_that_hangs_costs_records_and_nothing_else() {
    tls::install_provider();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = config::Logs {
        collector: config::Collector {
            endpoint: Endpoint {
                identity: None,
                authority: format!("http://{address}").parse().unwrap(),
                connect: None,
                ca: None,
            },
            path: "/v1/logs".parse().unwrap(),
            headers_file: None,
            service_name: "tidegate".to_owned(),
            timeout: Duration::from_secs(60),
        },
        retry_for: Duration::from_secs(60),
    };
    let metrics = Metrics::new();
    let certificates = Certificates::new(&Arc::default());
    let (logs, shipping) = Logs::start(&config, &certificates, &metrics).unwrap();
    for _ in 0..RECORDS + 5 {
        logs.offer(b"{}\n");
    }
    let counts = metrics.logs();
    assert_eq!(counts.dropped_by_queue.get(), 5);
    let _open = listener.accept().unwrap();
    drop(shipping);
    assert_eq!(counts.dropped_by_delivery.get(), RECORDS as u64);
    assert_eq!((counts.exported.get(), counts.queue.get()), (0, 0));
    logs.offer(b"{}\n");
    assert_eq!(counts.dropped_by_queue.get(), 6);
}
