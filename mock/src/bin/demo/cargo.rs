//! Building the gateway with the cargo that runs this.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::Failure;

/// The gateway's binary, built if it is not up to date.
pub(crate) async fn build_gateway() -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--package",
            "tidegate",
            "--bin",
            "tidegate",
        ])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        return Err(format!("building the gateway failed ({})", output.status).into());
    }
    let messages = String::from_utf8(output.stdout)?;
    messages
        .lines()
        .rev()
        .find_map(executable)
        .ok_or_else(|| "cargo named no gateway binary".into())
}

/// The binary that a line of cargo's messages announces, if it is the gateway's.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let ours = message.get("target")?.get("name")? == "tidegate";
    message
        .get("executable")?
        .as_str()
        .filter(|_| ours)
        .map(PathBuf::from)
}
