//! Tells the operator what came from etcd.
//!
//! Invariant: a bounded number of lines, however much came at once.

use super::ledger::{Ledger, Pass};

/// Most lines of one kind for one pass.
const MOST_LINES: usize = 100;

/// Writes the lines for one pass.
pub(super) fn announce(ledger: &Ledger, pass: &Pass, revision: i64) {
    for problem in pass.found.iter().take(MOST_LINES) {
        tracing::error!(
            policy.file = %problem.file.display(),
            policy.key = %problem.key,
            found = %problem.found,
            expected = %problem.expected,
            "policy refused"
        );
    }
    if pass.found.len() > MOST_LINES {
        tracing::error!(
            policy.problems = pass.found.len() - MOST_LINES,
            "policies refused: more problems than are listed"
        );
    }
    for key in pass.mended.iter().take(MOST_LINES) {
        tracing::info!(policy.file = %key, "policy problem mended");
    }
    for (tenant, version) in pass.changes.iter().take(MOST_LINES) {
        match version {
            Some(version) => tracing::debug!(
                policy.tenant = %tenant, policy.version = %version, "policy in force"
            ),
            None => tracing::debug!(policy.tenant = %tenant, "policy removed"),
        }
    }
    if !pass.changes.is_empty() {
        tracing::info!(
            policy.changes = pass.changes.len(),
            policy.count = ledger.snapshot().len(),
            policy.problems = ledger.problems().count(),
            policy.revision = revision,
            "policies reloaded"
        );
    }
}
