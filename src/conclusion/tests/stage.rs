//! A gateway with one route that nobody has asked yet, and what it writes and logs.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::*;
use crate::audit::{Audit, Writer};
use crate::config::{self, AuditOutput};
use crate::domains::Domains;
use crate::keys::KeyStore;
use crate::policies::Policies;
use crate::recorder::Recorder;
use crate::tls::Certificates;
use crate::upstream::{Sockets, Upstream};

const CONFIG: &str = r#"
[policies]
directory = "."
[providers.there]
kind = "other"
authority = "http://127.0.0.1:1"
insecure_plaintext = true
[[routes]]
name = "token"
kind = "token"
provider = "there"
path = "/token"
creator = [{ tenant = "aaaaaaaa-0000-4000-8000-00000000000a" }]
"#;

/// What takes no byte.
pub(super) const FULL: &str = "/dev/full";

/// A gateway with one route that nobody has asked yet.
pub(super) struct Stage {
    pub(super) gateway: Gateway,
    pub(super) lane: Lane,
    written: PathBuf,
    _directory: TempDir,
    writer: Writer,
}

impl Stage {
    pub(super) fn set(mode: AuditMode, policies: Snapshot) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let written = directory.path().join("audit");
        Self::writing(mode, written, policies, directory)
    }

    /// A gateway whose records do not find room.
    pub(super) fn full(mode: AuditMode) -> Self {
        let stage = Self::writing(
            mode,
            FULL.into(),
            Snapshot::default(),
            tempfile::tempdir().unwrap(),
        );
        drop(stage.open());
        while !stage.gateway.recorder.audit.standing().failing {
            std::thread::yield_now();
        }
        stage
    }

    fn writing(mode: AuditMode, written: PathBuf, policies: Snapshot, directory: TempDir) -> Self {
        let output = AuditOutput::File(written.clone());
        let config = config::parse(CONFIG, &directory.path().join("tidegate.toml")).unwrap();
        let (audit, writer) = Audit::start(&output, mode).unwrap();
        let recorder = Recorder::new(audit, Arc::default());
        let route = Arc::clone(&config.routes[0]);
        let certificates = Certificates::new(&recorder.metrics);
        let sockets = Sockets {
            places: Arc::new(Semaphore::new(1)),
            idle: 1,
        };
        let endpoint = &route.provider.endpoint;
        let upstream =
            Upstream::new("there", endpoint, &config.limits, &certificates, &sockets).unwrap();
        let lane = Lane {
            upstream: Arc::new(upstream),
            domains: Arc::new(Domains::new(route.provider.issuers.clone())),
            terms: terms(Mode::Enforce),
            counts: Arc::new(recorder.metrics.of_route(&route)),
            route,
        };
        let policies = Policies::fixed(policies);
        Self {
            gateway: Gateway::new(&config, policies, recorder, KeyStore::default()),
            lane,
            written,
            _directory: directory,
            writer,
        }
    }

    pub(super) fn open(&self) -> Exchange {
        self.gateway.open_record(&self.lane)
    }

    /// The one record that was written.
    pub(super) fn record(self) -> Value {
        drop((self.gateway, self.lane, self.writer));
        let written = fs::read_to_string(self.written).unwrap();
        assert_eq!(written.lines().count(), 1);
        serde_json::from_str(&written).unwrap()
    }
}

/// Every line that is logged while something is done.
pub(super) fn logged<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let sink = Arc::new(file.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(sink)
        .finish();
    let done = tracing::subscriber::with_default(subscriber, work);
    let lines = fs::read_to_string(file.path()).unwrap();
    (
        done,
        lines
            .lines()
            .map(|line| line.trim_start().to_owned())
            .collect(),
    )
}

pub(super) fn body_of(reply: Reply) -> String {
    let mut body = std::pin::pin!(http_body_util::BodyExt::collect(reply.into_body()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Ok(body)) = body.as_mut().poll(&mut context) else {
        panic!("a body that is whole is ready");
    };
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}
