//! Looks at one tenant's file, or files.
//!
//! Invariant: nothing is decided here about what is in force; this is what stands in the directory
//! and nothing else.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::core::policy::{Policy, Version};
use crate::core::tenant::TenantId;
use crate::problem::Problem;

use super::super::document::{self, Fault};
use super::super::file::{Directory, Fingerprint, Sight, usual_name};
use super::super::present::conflict;
use super::super::stored::Digest;

/// What is known of one tenant's file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its names other than the usual one; nearly always none.
    spellings: Box<[OsString]>,
    /// None: it is to be read again next time.
    fingerprint: Option<Fingerprint>,
}

/// What was known before.
pub(super) struct Before<'k> {
    pub(super) known: Option<&'k Known>,
    /// Whether a file with the known fingerprint need not be read again.
    pub(super) trusted: bool,
}

/// What was seen of one tenant's files.
pub(super) struct Seen {
    pub(super) tenant: TenantId,
    pub(super) known: Known,
    pub(super) finding: Finding,
}

/// What is to be made of it.
pub(super) enum Finding {
    /// There is no file.
    Absent,
    /// There is one, or several, and no policy can be taken from it.
    Broken(Vec<Problem>),
    /// There is a policy, whose version is to be given.
    Good {
        policy: Policy,
        text: Digest,
        written: Version,
    },
}

/// A name under which there is something.
struct Candidate<'n> {
    name: &'n OsStr,
    fingerprint: Option<Fingerprint>,
    fault: Option<Fault>,
}

/// Looks at the files of `tenant` under `names`, under its usual name and under those known
/// before. None: nothing changed. Directories that links point into are added to `links`.
pub(super) fn look(
    directory: &Directory,
    tenant: TenantId,
    names: &[OsString],
    before: Before<'_>,
    links: &mut BTreeSet<PathBuf>,
) -> Option<Seen> {
    let usual = usual_name(tenant);
    let spelt = before.known.map_or(&[][..], |known| &known.spellings);
    let names = names
        .iter()
        .chain(spelt)
        .chain([&usual])
        .map(OsString::as_os_str)
        .collect();
    let present = present(directory, names, links);

    let spellings = present
        .iter()
        .map(|file| file.name)
        .filter(|name| *name != usual);
    let mut known = Known {
        spellings: spellings.map(OsStr::to_owned).collect(),
        fingerprint: None,
    };
    let finding = match present.as_slice() {
        [] => Finding::Absent,
        [
            Candidate {
                name,
                fault: Some(fault),
                ..
            },
        ] => Finding::Broken(vec![directory.problem(name, fault.clone())]),
        [
            Candidate {
                name,
                fingerprint,
                fault: None,
            },
        ] => {
            known.fingerprint = *fingerprint;
            if before.trusted && before.known == Some(&known) {
                return None;
            }
            let (fingerprint, finding) = read(directory, name, tenant);
            known.fingerprint = fingerprint;
            finding
        }
        several => Finding::Broken(
            several
                .iter()
                .map(|file| directory.problem(file.name, conflict()))
                .collect(),
        ),
    };
    Some(Seen {
        tenant,
        known,
        finding,
    })
}

/// The names under which there is something. One file under two names (a file system that ignores
/// case shows it so) is one file.
fn present<'n>(
    directory: &Directory,
    names: BTreeSet<&'n OsStr>,
    links: &mut BTreeSet<PathBuf>,
) -> Vec<Candidate<'n>> {
    let mut present: Vec<Candidate<'n>> = Vec::new();
    for name in names {
        let Sight::Present {
            fingerprint,
            fault,
            link,
        } = directory.look(name)
        else {
            continue;
        };
        links.extend(link);
        let same = |file: &Candidate<'_>| {
            let identities = file.fingerprint.zip(fingerprint);
            identities.is_some_and(|(one, other)| one.identity == other.identity)
        };
        if !present.iter().any(same) {
            present.push(Candidate {
                name,
                fingerprint,
                fault,
            });
        }
    }
    present
}

/// Reads a file. A fingerprint that another change could leave as it is, is not kept.
fn read(directory: &Directory, name: &OsStr, tenant: TenantId) -> (Option<Fingerprint>, Finding) {
    let broken = |faults: Vec<Fault>| {
        let problems = faults
            .into_iter()
            .map(|fault| directory.problem(name, fault));
        Finding::Broken(problems.collect())
    };
    match directory.read(name) {
        // Deleted since it was looked at.
        Err(_) if matches!(directory.look(name), Sight::Absent) => (None, Finding::Absent),
        Err(fault) => (None, broken(vec![fault])),
        Ok((fingerprint, bytes)) => match document::parse(&bytes, Some(tenant)) {
            Ok((_, policy, _)) => {
                let good = Finding::Good {
                    policy,
                    text: Digest::of(&bytes),
                    written: fingerprint.written(),
                };
                (Some(fingerprint).filter(Fingerprint::is_settled), good)
            }
            Err(faults) => (None, broken(faults)),
        },
    }
}
