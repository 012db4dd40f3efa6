//! The policy directory, read once: one `<tenant-id>.json` per tenant.
//!
//! Invariant: the whole directory or none of it. Dotfiles and names that do not end in `.json` are
//! left alone; everything else must be a readable policy of the tenant it is named after, and no
//! tenant has two.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::core::policy::Snapshot;
use crate::core::tenant::TenantId;
use crate::problem::Problem;

use super::document::{self, Document, Fault};
use super::file::{Directory, usual_name};
use super::ledger::{Ledger, Pass, Recording};
use super::parallel::{self, Pace};

/// A directory in which every policy file could be read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policies.
    pub snapshot: Snapshot,
    /// What is in the directory and is no policy file: dotfiles, names that do not end in `.json`.
    pub ignored: Vec<PathBuf>,
}

/// Loads a policy directory.
///
/// # Errors
/// Every problem found in it, the operator's to mend.
pub fn load(dir: &Path) -> Result<Loaded, Vec<Problem>> {
    let (ledger, pass) = open(dir, Recording::No)?;
    Ok(Loaded {
        snapshot: ledger.snapshot().clone(),
        ignored: pass.ignored,
    })
}

/// Reads the documents of a policy directory, with what decisions do not need: names, domains,
/// notes, and Microsoft's own members. Sorted by tenant.
///
/// # Errors
/// Every problem found in it, the operator's to mend.
pub fn documents(dir: &Path) -> Result<Vec<(TenantId, Document)>, Vec<Problem>> {
    read(dir, |_, document| document)
}

/// Reads the texts of a policy directory, byte for byte. Sorted by tenant.
///
/// # Errors
/// Every problem found in it, the operator's to mend.
pub fn texts(dir: &Path) -> Result<Vec<(TenantId, Vec<u8>)>, Vec<Problem>> {
    read(dir, |text, _| text)
}

/// Reads what `take` takes of each policy.
fn read<T: Send>(
    dir: &Path,
    take: impl Fn(Vec<u8>, Document) -> T + Sync,
) -> Result<Vec<(TenantId, T)>, Vec<Problem>> {
    open(dir, Recording::No)?;
    let directory = Directory::open(dir).map_err(|problem| vec![problem])?;
    let mut files = directory.list().map_err(|problem| vec![problem])?.files;
    files.sort();
    let read = |(tenant, spelt): &(TenantId, Option<OsString>)| {
        let name = &spelt.clone().unwrap_or_else(|| usual_name(*tenant));
        let problems = |faults: Vec<Fault>| -> Vec<Problem> {
            faults
                .into_iter()
                .map(|fault| directory.problem(name, fault))
                .collect()
        };
        let (_, bytes) = directory
            .read(name)
            .map_err(|fault| problems(vec![fault]))?;
        let (_, _, document) = document::parse(&bytes, Some(*tenant)).map_err(problems)?;
        Ok((*tenant, take(bytes, document)))
    };
    let parts = parallel::by_parts(&files, Pace::Fast, |part| {
        part.iter().map(read).collect::<Vec<_>>()
    });
    parts.into_iter().flatten().collect()
}

/// Looks at a directory for the first time.
pub(super) fn open(dir: &Path, recording: Recording) -> Result<(Ledger, Pass), Vec<Problem>> {
    let mut ledger = Ledger::new(dir, recording);
    for _ in 0..ATTEMPTS {
        let pass = ledger.look_at_all(Pace::Fast);
        if !pass.again {
            let problems: Vec<_> = ledger.problems().cloned().collect();
            return if problems.is_empty() {
                Ok((ledger, pass))
            } else {
                Err(problems)
            };
        }
    }
    Err(vec![Problem {
        file: dir.to_owned(),
        key: String::new(),
        found: "a directory that is replaced again and again".to_owned(),
        expected: "one at rest".to_owned(),
    }])
}

/// How often a directory is looked at that is replaced meanwhile.
const ATTEMPTS: usize = 5;
