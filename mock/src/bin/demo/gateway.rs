//! The gateway as a child process: started, awaited, read and stopped.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, ChildStdout, Command};

use crate::Failure;
use crate::lines::Lines;

/// How long the gateway may take to start, to stop, or to write a record.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway, and what reads its audit records. It is killed when this is dropped.
pub(crate) struct Gateway<A = Followed> {
    child: Child,
    url: String,
    admin: String,
    audit: A,
    log: Lines,
}

/// Audit records as they come into a file.
pub(crate) struct Followed {
    lines: Lines,
    /// Whether nothing more is written.
    ended: Arc<AtomicBool>,
}

impl Gateway<Followed> {
    /// Starts the gateway with a configuration, which has its audit records go to this file, and
    /// waits until it is ready.
    pub(crate) async fn start(binary: &Path, config: &Path, audit: &Path) -> Result<Self, Failure> {
        let follow = |_: ChildStdout| {
            let file =
                File::open(audit).map_err(|error| format!("{}: {error}", audit.display()))?;
            let ended = Arc::new(AtomicBool::new(false));
            let lines = Lines::follow(file, Arc::clone(&ended));
            Ok(Followed { lines, ended })
        };
        Self::with(binary, config, follow).await
    }

    /// The audit record of an exchange.
    pub(crate) async fn record(&self, correlation_id: &str) -> Result<Value, Failure> {
        let lines = &self.audit.lines;
        let found = lines
            .wait(PATIENCE, |line| record_of(line, correlation_id))
            .await;
        found.ok_or_else(|| self.explain("an exchange left no audit record"))
    }

    /// How many audit records an exchange has.
    pub(crate) fn records(&self, correlation_id: &str) -> usize {
        let lines = &self.audit.lines;
        lines.count(|line| record_of(line, correlation_id).is_some())
    }

    /// Asks the gateway to end and waits until it did, all its output read.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        self.end().await?;
        self.audit.ended.store(true, Ordering::Release);
        self.audit.lines.ended().await;
        Ok(())
    }
}

impl<A> Gateway<A> {
    /// Starts the gateway with a reader of its audit records, and waits until it is ready.
    pub(crate) async fn with(
        binary: &Path,
        config: &Path,
        read: impl FnOnce(ChildStdout) -> Result<A, Failure>,
    ) -> Result<Self, Failure> {
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(config)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let stdout = child.stdout.take();
        let log = Lines::collect(
            child
                .stderr
                .take()
                .ok_or("the gateway has no standard error")?,
        );
        let data = address(&log, "data").await?;
        let admin = address(&log, "admin").await?;
        let url = format!("https://localhost:{}", port(&data)?);
        // The gateway listens, so its audit file is there as well.
        let audit = read(stdout.ok_or("the gateway has no standard output")?)?;
        let gateway = Self {
            child,
            url,
            admin: format!("http://{admin}"),
            audit,
            log,
        };
        gateway.ready().await?;
        Ok(gateway)
    }

    /// What reads the audit records.
    pub(crate) const fn audit(&self) -> &A {
        &self.audit
    }

    /// What has read the audit records, once the gateway has ended.
    pub(crate) fn into_audit(self) -> A {
        self.audit
    }

    /// The data plane's base URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The admin listener's base URL.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    async fn ready(&self) -> Result<(), Failure> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let answer = client.get(format!("{}/readyz", self.admin)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(self.explain("the gateway did not become ready"))
    }

    /// How many warnings the log has so far.
    pub(crate) fn warnings(&self) -> usize {
        self.log.count(is_warning)
    }

    /// How many warnings followed the first `before` ones. The log comes by another pipe than the
    /// audit record, so a moment passes before the count is taken for final.
    pub(crate) async fn warnings_after(&self, before: usize) -> usize {
        let deadline = Instant::now() + PATIENCE;
        while self.warnings() == before && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.warnings().saturating_sub(before)
    }

    /// Asks the gateway to end and waits until it did, its log read.
    pub(crate) async fn end(&mut self) -> Result<(), Failure> {
        let id = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(id.ok_or("the gateway is gone already")?, Signal::TERM)?;
        let status = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .map_err(|_| "the gateway did not end when asked to")??;
        self.log.ended().await;
        if status.success() {
            Ok(())
        } else {
            Err(self.explain(&format!("the gateway ended with {status}")))
        }
    }

    /// A problem, with the end of the log.
    pub(crate) fn explain(&self, problem: &str) -> Failure {
        explain(problem, &self.log)
    }
}

fn explain(problem: &str, log: &Lines) -> Failure {
    format!("{problem}. The end of its log:\n{}", log.tail(15)).into()
}

/// The address a listener is bound to, once the gateway has logged it.
async fn address(log: &Lines, listener: &str) -> Result<String, Failure> {
    let problem = format!("the gateway did not say where its {listener} listener is");
    log.wait(PATIENCE, |line| listening(line, listener))
        .await
        .ok_or_else(|| explain(&problem, log))
}

/// The address in the log line `... listening listener=<listener> address=<address>`; values may be
/// quoted.
fn listening(line: &str, listener: &str) -> Option<String> {
    let value = |name: &str| {
        let mut words = line.split_whitespace();
        words
            .find_map(|word| word.strip_prefix(name))
            .map(|value| value.trim_matches('"').to_owned())
    };
    let ours = line.contains("listening") && value("listener=").as_deref() == Some(listener);
    value("address=").filter(|_| ours)
}

/// Whether a log line is a warning. The level follows the time.
fn is_warning(line: &str) -> bool {
    line.split_whitespace().take(3).any(|word| word == "WARN")
}

fn port(address: &str) -> Result<&str, Failure> {
    address
        .rsplit_once(':')
        .map(|(_, port)| port)
        .ok_or_else(|| format!("{address} has no port").into())
}

fn record_of(line: &str, correlation_id: &str) -> Option<Value> {
    // A cheap look first: the text of the line holds the id if its member does.
    let record: Value = line
        .contains(correlation_id)
        .then(|| serde_json::from_str(line).ok())??;
    (record.get("correlation_id")? == correlation_id).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::{is_warning, listening, record_of};

    #[test]
    fn finds_addresses_with_and_without_quotes() {
        let line = r#"2026-11-21T09:00:00Z  INFO tidegate::app: listening listener="data" address=127.0.0.1:40123"#;
        assert_eq!(listening(line, "data").as_deref(), Some("127.0.0.1:40123"));
        assert_eq!(listening(line, "admin"), None);
        let bare = "INFO listening listener=admin address=127.0.0.1:1";
        assert_eq!(listening(bare, "admin").as_deref(), Some("127.0.0.1:1"));
    }

    #[test]
    fn knows_a_warning_by_its_level() {
        assert!(is_warning("2026-11-21T09:00:00Z  WARN tidegate: passed"));
        assert!(!is_warning(
            "2026-11-21T09:00:00Z  INFO tidegate: some words and then WARN"
        ));
    }

    #[test]
    fn a_record_is_found_by_its_member_alone() {
        assert!(record_of(r#"{"correlation_id":"c-1"}"#, "c-1").is_some());
        assert!(record_of(r#"{"correlation_id":"c-2","connector":"c-1"}"#, "c-1").is_none());
        assert!(record_of("c-1 is no JSON", "c-1").is_none());
    }
}
