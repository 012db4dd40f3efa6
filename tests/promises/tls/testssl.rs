//! testssl.sh (Debian), an independent scanner of TLS.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::harness::scan::{Scanned, absent, quietly};

/// Runs testssl.sh: protocols, suites, forward secrecy, and every vulnerability it knows. It takes
/// most of a minute.
pub(crate) async fn testssl(address: SocketAddr, directory: &Path) -> Scanned {
    let mut program = None;
    for name in ["testssl", "testssl.sh"] {
        if quietly(Command::new(name).arg("--version")).await {
            program = Some(name);
        }
    }
    let Some(program) = program else {
        return absent("testssl", "there is no testssl.sh".to_owned());
    };
    let output = directory.join("testssl.json");
    quietly(
        Command::new(program)
            .args([
                "--quiet",
                "--color",
                "0",
                "--warnings",
                "off",
                "--openssl-timeout",
                "5",
            ])
            .args(["-p", "-s", "-f", "-U", "--jsonfile"])
            .arg(&output)
            .arg(format!("localhost:{}", address.port())),
    )
    .await;
    let report: Value = serde_json::from_slice(&std::fs::read(output).unwrap()).unwrap();
    let report = report.as_array().unwrap();
    let wrong = report.iter().filter(|found| {
        let severity = found["severity"].as_str().unwrap();
        !matches!(severity, "OK" | "INFO" | "DEBUG")
    });
    let wrong = wrong.map(|found| format!("{}: {}", found["id"], found["finding"]));
    Scanned::Done(report.len(), wrong.collect())
}
