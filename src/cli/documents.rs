//! Policies that a command is given: a directory of them, or one document.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::fault::Fault;
use crate::compare::Policies;
use crate::core::policy::{Isolation, Mode, Version};
use crate::core::tenant::TenantId;
use crate::policies::directory;
use crate::policies::document::{self, Document};
use crate::problem::Problem;

/// Policy documents by tenant.
pub(super) type Documents = Vec<(TenantId, Document)>;

/// The largest document that is read.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Every policy of a directory, or the one document in a file (`-`: standard input).
pub(super) fn read(path: &Path) -> Result<Documents, Fault> {
    if path.is_dir() {
        return Ok(directory::documents(path)?);
    }
    let bytes = bytes(path)?;
    let (tenant, _, document) =
        document::parse(&bytes, None).map_err(|faults| problems(path, faults))?;
    Ok(vec![(tenant, document)])
}

/// A file, or standard input where its name is `-`.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        let file = fs::File::open(path);
        file.and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| Fault::Wrong(format!("{}: {error}", path.display())))?;
    if bytes.len() as u64 > LARGEST {
        let found = format!("{}: larger than {LARGEST} bytes", path.display());
        return Err(Fault::Wrong(found));
    }
    Ok(bytes)
}

/// Faults of a document, as problems of the file it came from.
pub(super) fn problems(path: &Path, faults: Vec<document::Fault>) -> Fault {
    let problem = |fault: document::Fault| Problem {
        file: path.to_owned(),
        key: fault.key,
        found: fault.found,
        expected: fault.expected,
    };
    Fault::Problems(faults.into_iter().map(problem).collect())
}

/// What these documents decide.
pub(super) fn policies(documents: &Documents, mode: Mode, absent: Isolation) -> Policies {
    let policy =
        |(tenant, document): &(TenantId, Document)| (*tenant, document.policy(Version::default()));
    Policies::new(documents.iter().map(policy), mode, absent)
}
