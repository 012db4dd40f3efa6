//! What counting an ended exchange costs: by one worker, and by four at once. Beside it the same
//! through lookups that all workers share, which [`RouteMetrics`] is there to avoid.
//!
//! Run with `cargo bench --bench metrics`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "fixtures that are wrong may stop the benchmark"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tidegate::config::{self, Route};
use tidegate::metrics::{Ended, Metrics, RouteMetrics};

/// Exchanges as they come: most allowed, some not.
const MIX: [(&str, &str); 4] = [
    ("allow", "same_tenant"),
    ("allow", "both_allow"),
    ("allow", "same_tenant"),
    ("block", "outbound_block"),
];

fn ended(number: usize) -> Ended {
    let (decision, reason) = MIX.get(number % MIX.len()).copied().unwrap();
    Ended {
        decision,
        reason,
        token_kind: Some("entra"),
        total: Duration::from_micros(1200),
        upstream: Some(Duration::from_micros(900)),
    }
}

/// Has each of some threads do it `times`, all at once, and tells how long the slowest took.
fn together(times: u64, work: Vec<Box<dyn Fn(usize) + Send>>) -> Duration {
    let threads = work.into_iter().map(|work| {
        thread::spawn(move || {
            let started = Instant::now();
            for number in 0..usize::try_from(times).unwrap() {
                work(number);
            }
            started.elapsed()
        })
    });
    let threads: Vec<_> = threads.collect();
    let took = threads.into_iter().map(|thread| thread.join().unwrap());
    took.max().unwrap()
}

fn route() -> Arc<Route> {
    let text = r#"
        [listen]
        address = "127.0.0.1:0"
        [admin]
        address = "127.0.0.1:0"
        [policies]
        directory = "."
        [providers.entra]
        kind = "entra"
        [[routes]]
        name = "token-v2"
        kind = "token"
        provider = "entra"
        path = "/token"
        creator = [{ tenant = "cccccccc-0000-4000-8000-000000000000" }]
    "#;
    let config = config::parse(text, "tidegate.toml".as_ref()).unwrap();
    Arc::clone(config.routes.first().unwrap())
}

fn counted(criterion: &mut Criterion) {
    let metrics = Metrics::new();
    let configured = route();
    let route: RouteMetrics = metrics.of_route(&configured);
    let mut number = 0;
    criterion.bench_function("an exchange counted", |bench| {
        bench.iter(|| {
            number += 1;
            route.ended(black_box(ended(number)));
        });
    });
    criterion.bench_function("an exchange counted, by four workers", |bench| {
        bench.iter_custom(|times| {
            let work = (0..4).map(|_| {
                let route = metrics.of_route(&configured);
                Box::new(move |number| route.ended(black_box(ended(number)))) as Box<_>
            });
            together(times, work.collect())
        });
    });
}

type Shared = Family<[(&'static str, &'static str); 4], Counter>;

/// The same by way of the library's families, whose locks all workers share.
fn looked_up(criterion: &mut Criterion) {
    let exchanges = Shared::default();
    let histogram = || Histogram::new([0.000_25, 0.001, 0.005, 0.025, 0.1, 1.0]);
    let (own, upstream) = (Arc::new(histogram()), Arc::new(histogram()));
    let one = move |number: usize| {
        let ended = ended(number);
        let labels = [
            ("route", "token-v2"),
            ("decision", ended.decision),
            ("reason", ended.reason),
            ("token_kind", "entra"),
        ];
        exchanges.get_or_create(black_box(&labels)).inc();
        own.observe(black_box(0.0003));
        upstream.observe(black_box(0.0009));
    };
    let mut number = 0;
    criterion.bench_function("an exchange looked up and counted", |bench| {
        bench.iter(|| {
            number += 1;
            one(number);
        });
    });
    criterion.bench_function(
        "an exchange looked up and counted, by four workers",
        |bench| {
            bench.iter_custom(|times| {
                let work = (0..4).map(|_| Box::new(one.clone()) as Box<_>);
                together(times, work.collect())
            });
        },
    );
}

criterion_group!(benches, counted, looked_up);
criterion_main!(benches);
