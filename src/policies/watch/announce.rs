//! Tells the operator what a look at the policy directory brought.
//!
//! Invariant: what has not changed since the last look is not told again; a pass writes a bounded
//! number of lines, however many files it concerns.

use crate::core::policy::{Record, Snapshot};
use crate::problem::Problem;

use super::super::Asked;
use super::super::file::{Named, named};
use super::super::ledger::{Ledger, Pass};

/// Most lines of one kind that a pass writes.
const MOST_LINES: usize = 100;

/// Writes the lines for one pass.
pub(super) fn announce(ledger: &Ledger, pass: &Pass, asked: Asked) {
    for problem in pass.found.iter().take(MOST_LINES) {
        tracing::error!(
            policy.file = %problem.file.display(),
            policy.key = %problem.key,
            found = %problem.found,
            expected = %problem.expected,
            policy.in_force = in_force(problem, ledger.snapshot()),
            "policy refused"
        );
    }
    if pass.found.len() > MOST_LINES {
        tracing::error!(
            policy.problems = pass.found.len() - MOST_LINES,
            "policies refused: more problems than are listed; `tidegate check` lists all"
        );
    }
    for file in pass.mended.iter().take(MOST_LINES) {
        tracing::info!(policy.file = %file.display(), "policy problem mended");
    }
    for (tenant, version) in pass.changes.iter().take(MOST_LINES) {
        match version {
            Some(version) => tracing::debug!(
                policy.tenant = %tenant, policy.version = %version, "policy in force"
            ),
            None => tracing::debug!(policy.tenant = %tenant, "policy removed"),
        }
    }
    if !pass.changes.is_empty() || asked == Asked::Yes {
        tracing::info!(
            policy.changes = pass.changes.len(),
            policy.count = ledger.snapshot().len(),
            policy.problems = ledger.problems().count(),
            "policies reloaded"
        );
    }
}

/// What acts for the tenant of a faulty file.
fn in_force(problem: &Problem, snapshot: &Snapshot) -> &'static str {
    match problem.file.file_name().map(named) {
        Some(Named::Tenant(tenant)) => match snapshot.get(tenant) {
            Record::Absent | Record::Unreadable => "none",
            Record::Present(_) => "last_good",
        },
        Some(Named::Nobody | Named::Unclear) | None => "unchanged",
    }
}
