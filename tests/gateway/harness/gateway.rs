//! One running gateway: the binary itself.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::client::client;
use super::{DEADLINE, Lines, until};

/// The binary, serving. Killed when dropped.
pub(crate) struct Gateway {
    child: Mutex<Child>,
    pid: u32,
    /// Where clients connect.
    pub(crate) data: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub(crate) admin: SocketAddr,
    /// PEM authorities of the admin listener's certificate, where that speaks TLS.
    admin_ca: Option<String>,
    /// Standard output: audit records.
    pub(crate) stdout: Lines,
    /// Standard error: logs.
    pub(crate) log: Lines,
}

/// A gateway that did not start.
pub(crate) struct Failed {
    /// Its exit code.
    pub(crate) exit: i32,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Gateway {
    /// Starts `tidegate serve` and waits until it is ready.
    pub(crate) async fn start(config: &Path) -> Self {
        match Self::try_start(config).await {
            Ok(gateway) => gateway,
            Err(failed) => panic!("exit {}:\n{}", failed.exit, failed.stderr),
        }
    }

    /// Starts `tidegate serve` and waits until it is ready; it may refuse.
    pub(crate) async fn try_start(config: &Path) -> Result<Self, Failed> {
        let gateway = Self::try_spawn(config, &[]).await?;
        gateway.ready().await;
        Ok(gateway)
    }

    /// Starts it through other programs, each of which becomes the next: its process id stays.
    pub(crate) async fn start_under(under: &[String], config: &Path) -> Self {
        match Self::try_spawn(config, under).await {
            Ok(gateway) => {
                gateway.ready().await;
                gateway
            }
            Err(failed) => panic!("exit {}:\n{}", failed.exit, failed.stderr),
        }
    }

    async fn ready(&self) {
        until("ready", async || {
            (self.get("/readyz").await.0 == 200).then_some(())
        })
        .await;
    }

    /// Starts `tidegate serve` and waits until it listens.
    pub(crate) async fn spawn(config: &Path) -> Self {
        match Self::try_spawn(config, &[]).await {
            Ok(gateway) => gateway,
            Err(failed) => panic!("exit {}:\n{}", failed.exit, failed.stderr),
        }
    }

    async fn try_spawn(config: &Path, under: &[String]) -> Result<Self, Failed> {
        let program = env!("CARGO_BIN_EXE_tidegate").as_ref();
        let words: Vec<&OsStr> = under.iter().map(AsRef::as_ref).chain([program]).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args(["serve", "--config"])
            .arg(config)
            .env_remove("TIDEGATE_CONFIG")
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        let data = address(&log, "data").await;
        let admin = address(&log, "admin").await;
        let (Some(data), Some(admin)) = (data, admin) else {
            log.ended().await;
            let exit = child.wait().await.unwrap().code().unwrap_or(-1);
            return Err(Failed {
                exit,
                stderr: log.text(),
            });
        };
        Ok(Self {
            admin_ca: admin_ca(config),
            pid: child.id().unwrap(),
            child: Mutex::new(child),
            data,
            admin,
            stdout,
            log,
        })
    }

    /// Asks the admin listener: status and text. Status 0: no answer.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let port = self.admin.port();
        let request = match &self.admin_ca {
            None => {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                client.get(format!("http://{}{path}", self.admin))
            }
            Some(ca) => {
                client(self, ca, None, false).get(format!("https://localhost:{port}{path}"))
            }
        };
        match request.timeout(Duration::from_secs(5)).send().await {
            Ok(answer) => (
                answer.status().as_u16(),
                answer.text().await.unwrap_or_default(),
            ),
            Err(_) => (0, String::new()),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it is the process that was started, and runs.
    pub(crate) fn is_alive(&self) -> bool {
        let mut child = self.child.lock().unwrap();
        child.id() == Some(self.pid) && child.try_wait().unwrap().is_none()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended and everything it printed is here.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = timeout(DEADLINE, self.child.get_mut().unwrap().wait()).await;
        let status = status.expect("the gateway does not end").unwrap();
        self.stdout.ended().await;
        self.log.ended().await;
        status
    }
}

/// The authorities that the harness writes beside a configuration whose admin listener has TLS.
fn admin_ca(config: &Path) -> Option<String> {
    let table: toml::Table = std::fs::read_to_string(config).ok()?.parse().ok()?;
    table.get("admin")?.get("tls")?;
    std::fs::read_to_string(config.with_file_name("ca.pem")).ok()
}

/// The address in `... listening listener="data" address=127.0.0.1:40123`, or in the same as JSON.
async fn address(log: &Lines, listener: &str) -> Option<SocketAddr> {
    let is_it = |line: &str| line.contains("listening") && line.contains(listener);
    let line = log.first(&format!("listener {listener}"), is_it).await?;
    let rest = line.split("address").nth(1)?;
    let rest = rest.trim_start_matches(['"', ':', '=']);
    let end = rest.find([' ', '"', ',', '}']).unwrap_or(rest.len());
    Some(
        rest[..end]
            .parse()
            .unwrap_or_else(|_| panic!("no address in {line}")),
    )
}
