//! An ASGI application in a process of its own, served by uvicorn over HTTPS.

use std::path::Path;

use tempfile::TempDir;
use tidegate_mock::tls::Ca;
use tokio::process::Child;

use crate::harness::Lines;
use crate::python::{command, file};

/// A running application. Killed when dropped.
pub(super) struct Server {
    pub(super) url: String,
    _child: Child,
    _files: TempDir,
}

/// How uvicorn says where it listens.
const RUNNING: &str = "Uvicorn running on ";

impl Server {
    /// Serves `tests/asgi/{application}.py` at a free port, with a certificate of this authority.
    pub(super) async fn start(python: &Path, application: &str, ca: &Ca) -> Self {
        let files = TempDir::new().unwrap();
        let leaf = ca.server(["127.0.0.1"]).unwrap();
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| files.path().join(name));
        std::fs::write(&certificate, &leaf.certificate_pem).unwrap();
        std::fs::write(&key, &leaf.key_pem).unwrap();
        let mut child = command(python)
            .args(["-m", "uvicorn", "--host", "127.0.0.1", "--port", "0"])
            .args([
                "--workers",
                "1",
                "--lifespan",
                "off",
                "--no-access-log",
                "--no-use-colors",
            ])
            .arg("--ssl-certfile")
            .arg(certificate)
            .arg("--ssl-keyfile")
            .arg(key)
            .arg("--app-dir")
            .arg(file("asgi"))
            .arg(format!("{application}:app"))
            .spawn()
            .unwrap();
        let log = Lines::of(child.stderr.take().unwrap());
        let line = log.first(application, |line| line.contains(RUNNING)).await;
        let line = line.unwrap_or_else(|| panic!("{application} ended: {}", log.text()));
        let url = line.split_once(RUNNING).unwrap().1;
        Self {
            url: url.split(' ').next().unwrap().to_owned(),
            _child: child,
            _files: files,
        }
    }
}
