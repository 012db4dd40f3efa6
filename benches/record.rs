//! What the record of an exchange costs on the request path: opened, told what the request and the
//! decision say, and dropped, which writes the audit line, counts, and tells whoever is configured.
//! First alone, then with what may be configured beside it, so that the difference is its price.
//!
//! Run with `cargo bench --bench record`. Each kind is done in rounds, in turn with the others, and
//! the fastest round counts: what else the machine does makes rounds slower, never faster. With a
//! kind's name and a number (`-- alone 10000`) only that is done, for a program that counts
//! instructions of `exchange`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "fixtures that are wrong may stop the benchmark, which prints what it found"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tidegate::audit::{self, Audit, Exchange, Seen};
use tidegate::config::{self, AuditMode, AuditOutput, Config, Route};
use tidegate::core::creator::{Creator, Source};
use tidegate::core::isolation::{
    Decision, OnUndetermined, Outcome, Provider, SignIn, Terms, decide,
};
use tidegate::core::policy::{
    Isolation, Mode, Policy, Snapshot, UnixSeconds, Version, WithoutClientTenant,
};
use tidegate::core::tenant::TenantId;
use tidegate::core::token::issuer::{Cloud, Issuers};
use tidegate::core::token::reply::{Tokens, inspect};
use tidegate::events::{self, Events};
use tidegate::logs::{Logs, Shipping};
use tidegate::metrics::{Metrics, RouteMetrics};
use tidegate::recorder::Recorder;
use tidegate::tls::{self, Certificates};
use tidegate::traces::{Exporting, Traces};
use tidegate::webhooks::{Deliveries, Webhooks};

const NOW: UnixSeconds = 1_800_000_000;

/// Exchanges of a round: their lines and events find room in the queues.
const ROUND: usize = 5_000;
const ROUNDS: usize = 30;
const WORKERS: usize = 4;

/// Creators; warnings about each gather apart.
const CREATORS: u8 = 64;

const CONFIG: &str = r#"
    [listen]
    address = "127.0.0.1:0"
    [admin]
    address = "127.0.0.1:0"
    [policies]
    directory = "."
    [events]
    file = "events.sqlite"
    [audit.otlp]
    endpoint = "http://127.0.0.1:9/v1/logs"
    [traces]
    endpoint = "http://127.0.0.1:9/v1/traces"
    [[webhooks]]
    name = "operator"
    url = "http://127.0.0.1:9/"
    secret_file = "secret"
    tenants = "*"
    [[webhooks]]
    name = "tenant"
    url = "http://127.0.0.1:9/"
    secret_file = "secret"
    tenants = ["bbbbbbbb-0000-4000-8000-000000000001"]
    [providers.entra]
    kind = "entra"
    [[routes]]
    name = "token-v2"
    kind = "token"
    provider = "entra"
    path = "/{tenant}/oauth2/v2.0/token"
    connector_header = "x-connector-name"
    creator = [{ header = "x-ms-client-tenant-id" }]
"#;

/// What an exchange comes with.
struct Fixture {
    config: Config,
    headers: HeaderMap,
    /// The same, and the trace it belongs to.
    traced: HeaderMap,
    creators: Vec<TenantId>,
    sign_in: TenantId,
    tokens: Tokens,
    allow: Decision,
    block: Decision,
}

impl Fixture {
    fn new(directory: &Path) -> Self {
        std::fs::write(
            directory.join("secret"),
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        )
        .unwrap();
        let config = config::parse(CONFIG, &directory.join("tidegate.toml")).unwrap();
        let mut headers = HeaderMap::new();
        let mut add = |name, value| headers.insert(name, HeaderValue::from_static(value));
        add("client-request-id", "2d2f5f6a-3c0e-4f1e-9d0c-7a4b1c2d3e4f");
        add("x-connector-name", "shared_sharepointonline");
        add("content-type", "application/x-www-form-urlencoded");
        let mut traced = headers.clone();
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        traced.insert("traceparent", HeaderValue::from_static(parent));
        let id = |kind: &str, number| format!("{kind}-0000-4000-8000-{number:012x}");
        let tenant = |kind, number: u8| TenantId::parse(&id(kind, number)).unwrap();
        let creators: Vec<_> = (0..CREATORS).map(|n| tenant("aaaaaaaa", n)).collect();
        let sign_in = tenant("bbbbbbbb", 1);
        let tokens = tokens(sign_in);
        let decision = |isolation| {
            let without = WithoutClientTenant::Block;
            let policy = Policy::new(isolation, without, Mode::Enforce, Version(1), Vec::new());
            let mut snapshot = Snapshot::default();
            snapshot.insert(sign_in, Arc::new(policy));
            let terms = Terms {
                mode: Mode::Enforce,
                absent: Isolation::Off,
                undetermined: OnUndetermined::Block,
                provider: Provider::Entra,
            };
            let shown = SignIn::of(&tokens, Outcome::Success, terms.provider);
            decide(creators.first().copied(), &shown, &snapshot, terms, NOW)
        };
        let (allow, block) = (decision(Isolation::Off), decision(Isolation::On));
        assert_eq!(allow.verdict.as_str(), "allow");
        assert_eq!(block.verdict.as_str(), "block");
        Self {
            config,
            headers,
            traced,
            sign_in,
            tokens,
            allow,
            block,
            creators,
        }
    }
}

/// What the inspection of a reply of an Entra-like provider finds.
fn tokens(tenant: TenantId) -> Tokens {
    let segment =
        |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string().into_bytes());
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE"});
    let claims = json!({
        "aud": "https://graph.microsoft.com", "iss": format!("https://sts.windows.net/{tenant}/"),
        "iat": NOW, "nbf": NOW, "exp": NOW + 4_200, "tid": tenant.to_string(), "ver": "1.0",
        "appid": "6731de76-14a6-49ae-97bc-6eba6914391e",
        "oid": "8a1d9d52-6d0d-4a6d-9d3a-3f2a4b1c9e77",
    });
    let signature = URL_SAFE_NO_PAD.encode([0x5a; 256]);
    let token = format!("{}.{}.{signature}", segment(&header), segment(&claims));
    let body = json!({"token_type": "Bearer", "access_token": token}).to_string();
    let issuers = Issuers::of_clouds(&[Cloud::Public]);
    inspect(body.as_bytes(), [], &issuers).unwrap()
}

/// One exchange's record, from its first word to its last.
#[inline(never)]
fn exchange(
    recorder: &Recorder,
    route: &Arc<Route>,
    counts: &Arc<RouteMetrics>,
    request: &HeaderMap,
    creator: TenantId,
    (decision, sign_in, seen): (&Decision, TenantId, Seen),
) {
    let (route, counts) = (Arc::clone(route), Arc::clone(counts));
    let mut exchange = Exchange::open(recorder.clone(), route, counts, Mode::Enforce);
    exchange.identify(request);
    exchange.creator = Some(Creator::Known(creator, Source::Header));
    exchange.grant_type = Some("authorization_code");
    exchange.forwarded = true;
    exchange.upstream_status = Some(200);
    exchange.upstream_us = 900;
    exchange.decided(decision, Some(sign_in), Some(seen));
    exchange.status = Some(200);
    drop(exchange);
}

/// What takes the end of an exchange, and what ends it.
struct Kind {
    name: &'static str,
    recorder: Recorder,
    blocks: bool,
    traced: bool,
    workers: usize,
    /// The fastest round, for one exchange.
    best: Duration,
    /// Exchanges so far.
    done: u64,
    _ends: Ends,
}

type Ends = (
    audit::Writer,
    Option<events::Writer>,
    Option<Shipping>,
    Option<Exporting>,
    Option<Deliveries>,
);

/// What a record is told to beside the audit line and the counters.
#[derive(Clone, Copy, Default)]
struct Beside {
    /// Lines go to a collector, too.
    logs: bool,
    store: bool,
    webhooks: bool,
    /// The share of traces that is sampled.
    traces: Option<f64>,
}

impl Kind {
    fn new(name: &'static str, fixture: &Fixture, beside: Beside, directory: &Path) -> Self {
        let metrics = Arc::new(Metrics::new());
        let certificates = Certificates::new(&metrics);
        let output = AuditOutput::File("/dev/null".into());
        let config = &fixture.config;
        let logs = beside.logs.then(|| {
            let mut logs = config.logs.clone().unwrap();
            let address = format!("http://{}", collector());
            logs.collector.endpoint.authority = address.parse().unwrap();
            Logs::start(&logs, &certificates, &metrics).unwrap()
        });
        let (logs, shipping) = logs.unzip();
        let (audit, writer) = Audit::start_with(&output, AuditMode::BestEffort, logs).unwrap();
        let mut recorder = Recorder::new(audit, Arc::clone(&metrics));
        let store = beside.store.then(|| {
            let mut events = config.events.clone().unwrap();
            events.file = directory.join(format!("{name}.sqlite"));
            Events::start(&events, &config.audit, metrics.events.clone()).unwrap()
        });
        let (events, storing) = store.unzip();
        recorder.events = events;
        let traces = beside.traces.map(|sample| {
            let mut traces = config.traces.clone().unwrap();
            traces.sample = sample;
            Traces::start(&traces, &certificates, &metrics).unwrap()
        });
        let (traces, exporting) = traces.unzip();
        recorder.traces = traces;
        let hooks = beside
            .webhooks
            .then(|| Webhooks::start(&config.webhooks, &certificates, &metrics).unwrap());
        let (webhooks, deliveries) = hooks.unzip();
        recorder.webhooks = webhooks;
        Self {
            name,
            recorder,
            blocks: false,
            traced: false,
            workers: 1,
            best: Duration::MAX,
            done: 0,
            _ends: (writer, storing, shipping, exporting, deliveries),
        }
    }

    fn blocked(self) -> Self {
        Self {
            blocks: true,
            ..self
        }
    }

    fn traced(self) -> Self {
        Self {
            traced: true,
            ..self
        }
    }

    fn by_workers(self) -> Self {
        Self {
            workers: WORKERS,
            ..self
        }
    }

    /// Does so many exchanges, shared among its workers, and waits until all is written.
    fn round(&mut self, fixture: &Fixture, times: usize) {
        let each = times / self.workers;
        let took = thread::scope(|scope| {
            let workers = (0..self.workers).map(|_| scope.spawn(|| self.work(fixture, each)));
            let workers: Vec<_> = workers.collect();
            let took = workers.into_iter().map(|worker| worker.join().unwrap());
            took.max().unwrap()
        });
        self.best = self.best.min(took / u32::try_from(each).unwrap());
        self.done += (each * self.workers) as u64;
        let metrics = &self.recorder.metrics.events;
        let is_written = || {
            self.recorder.audit.standing().waiting == 0
                && (self.recorder.events.is_none() || metrics.written.get() == self.done)
                && self.recorder.metrics.logs().queue.get() < ROUND as i64
        };
        while !is_written() {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(self.recorder.audit.dropped() + metrics.dropped.get(), 0);
        assert_eq!(self.recorder.metrics.logs().dropped_by_queue.get(), 0);
    }

    /// The part of one worker, and how long it took.
    fn work(&self, fixture: &Fixture, times: usize) -> Duration {
        let route = fixture.config.routes.first().unwrap();
        let counts = Arc::new(self.recorder.metrics.of_route(route));
        let seen: Vec<_> = (0..times)
            .map(|_| Seen::Replied(fixture.tokens.clone()))
            .collect();
        let creators = fixture.creators.iter().cycle();
        let decision = if self.blocks {
            &fixture.block
        } else {
            &fixture.allow
        };
        let request = if self.traced {
            &fixture.traced
        } else {
            &fixture.headers
        };
        let began = Instant::now();
        for (seen, creator) in seen.into_iter().zip(creators) {
            let decided = (decision, fixture.sign_in, seen);
            exchange(&self.recorder, route, &counts, request, *creator, decided);
        }
        began.elapsed()
    }
}

/// A collector that takes everything.
fn collector() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = BufReader::new(stream.unwrap());
            thread::spawn(move || take(stream));
        }
    });
    address
}

fn take(mut stream: BufReader<TcpStream>) -> io::Result<()> {
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        io::copy(&mut stream.by_ref().take(length), &mut io::sink())?;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        stream.get_mut().write_all(answer)?;
    }
}

fn kinds(fixture: &Fixture, directory: &Path) -> Vec<Kind> {
    let kind = |name, beside| Kind::new(name, fixture, beside, directory);
    let alone = Beside::default();
    let store = Beside {
        store: true,
        ..alone
    };
    let all = Beside {
        webhooks: true,
        ..store
    };
    let traces = |sample| Beside {
        traces: Some(sample),
        ..alone
    };
    let logs = Beside {
        logs: true,
        ..alone
    };
    vec![
        kind("alone", alone),
        kind("logs", logs),
        kind("traceparent", alone).traced(),
        kind("store", store),
        kind("store+webhooks", all),
        kind("block", alone).blocked(),
        kind("block,store", store).blocked(),
        kind("block,store+webhooks", all).blocked(),
        kind("traces,none-sampled", traces(0.0)),
        kind("traces,all-sampled", traces(1.0)),
        kind("workers", alone).by_workers(),
        kind("workers,store", store).by_workers(),
        kind("workers,logs", logs).by_workers(),
    ]
}

fn main() {
    tls::install_provider();
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(directory.path());
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut kinds = kinds(&fixture, directory.path());
    if let [name, times, ..] = words[..] {
        let kind = kinds.iter_mut().find(|kind| kind.name == name);
        kind.unwrap().round(&fixture, times.parse().unwrap());
        return;
    }
    for _ in 0..ROUNDS {
        for kind in &mut kinds {
            kind.round(&fixture, ROUND);
        }
    }
    println!("{:<22} {:>12}", "with", "an exchange");
    for kind in &kinds {
        println!("{:<22} {:>9} ns", kind.name, kind.best.as_nanos());
    }
}
