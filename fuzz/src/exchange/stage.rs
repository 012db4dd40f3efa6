//! The gateway on a stage: a client at one end, a provider that says what it is told at the other.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tidegate::audit::{Audit, Writer};
use tidegate::config::{self, AuditMode, AuditOutput};
use tidegate::core::isolation::Terms;
use tidegate::core::policy::{Isolation, Mode, Policy, Snapshot, Version, WithoutClientTenant};
use tidegate::core::tenant::TenantId;
use tidegate::domains::Domains;
use tidegate::gateway::{Gateway, Lane, Peer, Worker};
use tidegate::keys::KeyStore;
use tidegate::metrics::Metrics;
use tidegate::policies::Policies;
use tidegate::proxy::{self, Held};
use tidegate::recorder::Recorder;
use tidegate::tls::Certificates;
use tidegate::upstream::{Sockets, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use super::super::careless;
use super::super::material::{CREATOR, FOREIGN_TOKENS, OPAQUE, OWN_TOKEN};

/// What the client got.
#[derive(Debug)]
pub struct Answer {
    /// Everything, as it was on the wire.
    pub raw: Vec<u8>,
    /// The status.
    pub status: u16,
    /// What follows the headers.
    pub body: Vec<u8>,
}

/// Longer than any exchange takes here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Exchanges between two looks at the records.
const OFTEN: u64 = 512;

/// Never in anything that comes out.
const CODE: &str = "0.AXkAcanaryOfTheAuthorisationCode";

const CONFIG: &str = r#"
[listen]
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[limits]
reply_body = "32 KiB"

[providers.entra]
kind = "entra"
authority = "http://127.0.0.1:PORT"
insecure_plaintext = true
issuers = ["https://login.microsoftonline.com/{tenantid}/v2.0", "https://sts.windows.net/{tenantid}/"]

[providers.lax]
kind = "entra"
authority = "http://127.0.0.1:PORT"
insecure_plaintext = true
undetermined = "allow"
issuers = ["https://login.microsoftonline.com/{tenantid}/v2.0", "https://sts.windows.net/{tenantid}/"]

[providers.other]
kind = "other"
authority = "http://127.0.0.1:PORT"
insecure_plaintext = true

[[routes]]
name = "entra"
kind = "token"
provider = "entra"
path = "/entra/token"
creator = [{ tenant = "CREATOR" }]

[[routes]]
name = "lax"
kind = "token"
provider = "lax"
path = "/lax/token"
creator = [{ tenant = "CREATOR" }]

[[routes]]
name = "other"
kind = "token"
provider = "other"
path = "/other/token"
creator = [{ tenant = "CREATOR" }]
"#;

/// One gateway for all exchanges of the process.
struct Stage {
    runtime: Runtime,
    worker: Arc<Worker>,
    peer: Arc<Peer>,
    /// What the provider answers the next request with.
    script: Arc<Mutex<Vec<u8>>>,
    records: PathBuf,
    log: Log,
    /// Exchanges whose records have not been looked at.
    unseen: u64,
    _directory: TempDir,
    _writer: Writer,
}

static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| Mutex::new(Stage::set()));

/// Sends one exchange, which the provider answers with these bytes before it hangs up.
pub fn exchange(path: &str, wire: Vec<u8>) -> Answer {
    let mut stage = lock(&STAGE);
    let answer = stage.exchange(path, wire);
    if stage.unseen >= OFTEN {
        stage.settle();
    }
    answer
}

/// Waits for the records, and looks at them.
pub fn settle() {
    lock(&STAGE).settle();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage {
    fn set() -> Self {
        let log = Log::default();
        let sink = log.clone();
        // Somebody else may have one already, in a test.
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(move || sink.clone())
            .finish();
        drop(tracing::subscriber::set_global_default(subscriber));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let script = Arc::default();
        runtime.spawn(provide(listener, Arc::clone(&script)));

        let directory = TempDir::new().expect("a directory");
        fs::create_dir(directory.path().join("policies")).expect("a directory");
        let text = CONFIG
            .replace("PORT", &port.to_string())
            .replace("CREATOR", CREATOR);
        let config = config::parse(&text, &directory.path().join("tidegate.toml"));
        let config = config.unwrap_or_else(|problems| panic!("{problems:?}"));
        let records = directory.path().join("audit.jsonl");
        let output = AuditOutput::File(records.clone());
        let (audit, writer) = Audit::start(&output, AuditMode::BestEffort).expect("a file");
        let metrics = Arc::new(Metrics::new());
        let certificates = Certificates::new(&metrics);
        let sockets = Sockets {
            places: Arc::new(Semaphore::new(64)),
            idle: 8,
        };
        let recorder = Recorder::new(audit, Arc::clone(&metrics));
        let policies = Policies::fixed(isolated());
        let gateway = Arc::new(Gateway::new(
            &config,
            policies,
            recorder,
            KeyStore::default(),
        ));
        let lane = |route: &Arc<config::Route>| Lane {
            route: Arc::clone(route),
            upstream: Arc::new(
                Upstream::new(
                    &route.name,
                    &route.provider.endpoint,
                    &config.limits,
                    &certificates,
                    &sockets,
                )
                .expect("an upstream"),
            ),
            domains: Arc::new(Domains::new(route.provider.issuers.clone())),
            counts: Arc::new(metrics.of_route(route)),
            terms: Terms {
                mode: Mode::Enforce,
                absent: Isolation::Off,
                undetermined: route.provider.undetermined,
                provider: route.provider.kind,
            },
        };
        let lanes = config.routes.iter().map(lane).collect();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let peer = Arc::new(Peer::new(address, None, &config.trust));
        Self {
            runtime,
            worker: Arc::new(Worker { gateway, lanes }),
            peer,
            script,
            records,
            log,
            unseen: 0,
            _directory: directory,
            _writer: writer,
        }
    }

    fn exchange(&mut self, path: &str, wire: Vec<u8>) -> Answer {
        *lock(&self.script) = wire;
        let (worker, peer) = (Arc::clone(&self.worker), Arc::clone(&self.peer));
        let raw = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, serve_one(worker, peer, path))
                .await
                .expect("the exchange hangs")
        });
        self.unseen += 1;
        no_token_in("the log", &self.log.take());
        Answer::read(raw)
    }

    fn settle(&mut self) {
        let start = Instant::now();
        let mut lines = Vec::new();
        while u64::try_from(lines.iter().filter(|byte| **byte == b'\n').count()) != Ok(self.unseen)
        {
            assert!(
                start.elapsed() < PATIENCE,
                "not one record for each of {} exchanges",
                self.unseen
            );
            std::thread::sleep(Duration::from_millis(2));
            lines = fs::read(&self.records).expect("the records");
        }
        no_token_in("the records", &lines);
        let file = fs::OpenOptions::new()
            .write(true)
            .open(&self.records)
            .expect("the records");
        file.set_len(0).expect("the records");
        self.unseen = 0;
    }
}

/// The creator is On and lists nobody.
fn isolated() -> Snapshot {
    let creator = TenantId::parse(CREATOR).expect("a tenant id");
    let policy = Policy::new(
        Isolation::On,
        WithoutClientTenant::Block,
        Mode::Enforce,
        Version(1),
        Vec::new(),
    );
    let mut snapshot = Snapshot::default();
    snapshot.insert(creator, Arc::new(policy));
    snapshot
}

/// Neither whole nor in part.
fn no_token_in(what: &str, output: &[u8]) {
    let text = String::from_utf8_lossy(output);
    assert!(!careless::holds_a_foreign_token(output), "{what}: {text}");
    let parts = FOREIGN_TOKENS
        .iter()
        .chain([&*OWN_TOKEN])
        .flat_map(|token| token.split('.'));
    for part in parts.chain([OPAQUE, CODE]).filter(|part| part.len() > 16) {
        assert!(
            !text.contains(&part[..16]),
            "part of a token in {what}: {text}"
        );
    }
}

/// One client, one connection, one request.
async fn serve_one(worker: Arc<Worker>, peer: Arc<Peer>, path: &str) -> Vec<u8> {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let service = service_fn(move |request| {
        proxy::serve(Arc::clone(&worker), Arc::clone(&peer), request, Nothing)
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let form = format!("grant_type=authorization_code&client_secret={CODE}&code={CODE}");
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway.example\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let ask = async {
        client
            .write_all(request.as_bytes())
            .await
            .expect("the gateway reads");
        let mut raw = Vec::new();
        client
            .read_to_end(&mut raw)
            .await
            .expect("the gateway answers");
        raw
    };
    let (served, raw) = tokio::join!(connection, ask);
    drop(served);
    raw
}

/// Answers each connection's first request with the script, and hangs up.
async fn provide(listener: TcpListener, script: Arc<Mutex<Vec<u8>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(answer(stream, Arc::clone(&script)));
    }
}

async fn answer(mut stream: TcpStream, script: Arc<Mutex<Vec<u8>>>) {
    let mut request = Vec::new();
    let whole = |request: &[u8]| request.ends_with(CODE.as_bytes());
    while !whole(&request) {
        match stream.read_buf(&mut request).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let wire = lock(&script).clone();
    drop(stream.write_all(&wire).await);
    drop(stream.shutdown().await);
    // Until the gateway has read all of it: a socket with unread bytes would be reset.
    drop(stream.read_to_end(&mut request).await);
}

impl Answer {
    /// Reads what the gateway wrote, which is always one answer with its length.
    fn read(raw: Vec<u8>) -> Self {
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(&raw)));
        let head = String::from_utf8_lossy(&raw[..end]).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {head}"));
        let body = raw[end + 4..].to_vec();
        let mut lengths = head
            .lines()
            .filter_map(|line| line.strip_prefix("content-length:"));
        if let Some(length) = lengths.next() {
            assert_eq!(length.trim().parse(), Ok(body.len()), "{head}");
        }
        let recoded = head
            .lines()
            .any(|line| line.starts_with("transfer-encoding:"));
        assert!(lengths.next().is_none() && !recoded, "{head}");
        Self { raw, status, body }
    }

    /// Whether the gateway wrote it itself.
    pub fn is_our_own(&self) -> bool {
        let members = [
            "error",
            "error_description",
            "timestamp",
            "trace_id",
            "correlation_id",
        ];
        serde_json::from_slice::<Value>(&self.body).is_ok_and(|body| {
            members
                .iter()
                .all(|name| body.get(name).is_some_and(Value::is_string))
        })
    }
}

/// There is no listener that would hold anything.
struct Nothing;

impl Held for Nothing {
    fn answered(&self) {}
}

/// Log lines, in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.0))
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
