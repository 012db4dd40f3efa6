//! Where records go, in a summary: audit lines, and the store of decision events.

use std::fmt;
use std::path::PathBuf;

use bytesize::ByteSize;
use serde::Serialize;

use crate::config::{self, AuditMode, AuditOutput};

/// Audit lines.
#[derive(Serialize)]
pub(super) struct Audit {
    /// A file; none: standard output.
    file: Option<PathBuf>,
    mode: &'static str,
    /// Where they go as OTLP logs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    otlp: Option<Logs>,
}

/// Audit records as OTLP logs.
#[derive(Serialize)]
struct Logs {
    endpoint: String,
    service_name: String,
    retry_for_seconds: u64,
}

/// The store of decision events.
#[derive(Serialize)]
pub(super) struct Events {
    file: PathBuf,
    keep_seconds: u64,
    max_size_bytes: u64,
}

impl Audit {
    pub(super) fn of(audit: &config::Audit, logs: Option<&config::Logs>) -> Self {
        Self {
            file: match &audit.output {
                AuditOutput::File(file) => Some(file.clone()),
                AuditOutput::Stdout => None,
            },
            mode: match audit.mode {
                AuditMode::BestEffort => "best-effort",
                AuditMode::Required => "required",
            },
            otlp: logs.map(|logs| Logs {
                endpoint: logs.collector.url(),
                service_name: logs.collector.service_name.clone(),
                retry_for_seconds: logs.retry_for.as_secs(),
            }),
        }
    }
}

impl Events {
    pub(super) fn of(events: &config::Events) -> Self {
        Self {
            file: events.file.clone(),
            keep_seconds: events.keep.as_secs(),
            max_size_bytes: events.max_size,
        }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "audit records: to {}, {}", file.display(), self.mode)?,
            None => write!(f, "audit records: to standard output, {}", self.mode)?,
        }
        match &self.otlp {
            Some(otlp) => write!(f, "{otlp}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (endpoint, name) = (&self.endpoint, &self.service_name);
        write!(f, "; as OTLP logs to {endpoint} as {name}, best-effort")
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, keep) = (self.file.display(), span(self.keep_seconds));
        let most = ByteSize::b(self.max_size_bytes);
        write!(f, "events: in {file}, kept for {keep}, at most {most}")
    }
}

/// In the largest unit that a configuration says it in.
fn span(seconds: u64) -> String {
    const HOUR: u64 = 60 * 60;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        days if days.is_multiple_of(DAY) => format!("{}d", days / DAY),
        hours if hours.is_multiple_of(HOUR) => format!("{}h", hours / HOUR),
        _ => format!("{seconds}s"),
    }
}
