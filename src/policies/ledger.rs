//! What is known of a policy directory: the policies in force, and what is wrong with the rest.
//!
//! Invariant: a tenant's policy changes only to one that was read whole and without a fault, and
//! goes away only when its absence is confirmed; anything else keeps the last good one. All
//! changes of one pass become visible together, in one snapshot.
//!
//! | seen | effect |
//! |---|---|
//! | a file without fault | its policy is in force |
//! | no file, twice, [`GRACE`] apart, and the directory is in place | the tenant has no record |
//! | a file with a fault, or two files for one tenant | the last good policy stays, or the record is unreadable |
//! | no directory, an unreadable one, or another one without policies | everything stays |
//!
//! A text that is another one than the last gets a greater version (`policies/versions.rs`).

mod look;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::policy::{Record, Snapshot, Version};
use crate::core::tenant::TenantId;
use crate::problem::Problem;

use super::file::{Directory, Identity, Listing, Named, Sight, named, usual_name};
use super::parallel::{self, Pace};
use super::versions::Versions;

use look::{Before, Finding, Known, Seen};
pub(super) use record::Recording;

/// What is known of a directory.
pub(super) struct Ledger {
    path: PathBuf,
    identity: Option<Identity>,
    files: HashMap<TenantId, Known>,
    faulty: BTreeMap<TenantId, Vec<Problem>>,
    unclear: BTreeMap<OsString, Problem>,
    outage: Option<Problem>,
    /// Tenants whose file was there and is not, since when.
    missing: BTreeMap<TenantId, Instant>,
    links: BTreeSet<PathBuf>,
    snapshot: Snapshot,
    versions: Versions,
    recording: Recording,
}

/// A file must be absent for this long. Some tools delete a file before they write it anew, and
/// no record means Off.
pub(super) const GRACE: Duration = Duration::from_millis(40);

/// What one look at the directory brought.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// Tenants whose policy changed, with the one now in force; none where it went away.
    pub(super) changes: Vec<(TenantId, Option<Version>)>,
    /// Problems that were not there before.
    pub(super) found: Vec<Problem>,
    /// Files, or the directory, that had problems and have none now.
    pub(super) mended: Vec<PathBuf>,
    /// What is in the directory and is nobody's policy; known after a whole look.
    pub(super) ignored: Vec<PathBuf>,
    /// Names to be looked at again after [`GRACE`]: absent, and not yet believed.
    pub(super) waiting: Vec<OsString>,
    /// The directory was replaced meanwhile: nothing was changed, look at all of it (again).
    pub(super) again: bool,
}

impl Pass {
    fn again() -> Self {
        Self {
            again: true,
            ..Self::default()
        }
    }
}

/// How closely files are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// They are read in any case.
    Content,
    /// They are read if their fingerprint changed.
    Fingerprint,
}

/// Names of files by tenant.
type Names = BTreeMap<TenantId, Vec<OsString>>;

impl Ledger {
    /// A ledger of a directory that was never looked at.
    pub(super) fn new(path: &Path, recording: Recording) -> Self {
        Self {
            path: path.to_owned(),
            identity: None,
            files: HashMap::new(),
            faulty: BTreeMap::new(),
            unclear: BTreeMap::new(),
            outage: None,
            missing: BTreeMap::new(),
            links: BTreeSet::new(),
            snapshot: Snapshot::default(),
            versions: Versions::default(),
            recording,
        }
    }

    /// The policies in force.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The problems that stand.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        let files = self.faulty.values().flatten().chain(self.unclear.values());
        self.outage.iter().chain(files)
    }

    /// How many tenants have a record and no policy in force.
    pub(super) fn unreadable(&self) -> usize {
        let unreadable =
            |tenant: &&TenantId| matches!(self.snapshot.get(**tenant), Record::Unreadable);
        self.faulty.keys().filter(unreadable).count()
    }

    /// Directories that symbolic links among the files point into, relative to the directory.
    pub(super) fn links(&self) -> &BTreeSet<PathBuf> {
        &self.links
    }

    /// Whether the path leads to the directory that the policies in force came from.
    pub(super) fn is_in_place(&self) -> bool {
        self.outage.is_none() && super::file::identity(&self.path) == self.identity
    }

    /// Whether the policies in force came from this directory, or none was ever seen.
    pub(super) fn is_from(&self, directory: Option<Identity>) -> bool {
        self.outage.is_some() || self.identity == directory
    }

    /// Looks at the whole directory. Files whose fingerprint is known are not read again.
    pub(super) fn look_at_all(&mut self, pace: Pace) -> Pass {
        let opened = Directory::open(&self.path).and_then(|directory| {
            // Before the listing: what is put meanwhile is not taken for gone.
            if self.identity.is_none() {
                self.versions.catch_up(&directory);
            }
            directory.list().map(|listing| (directory, listing))
        });
        let (directory, mut listing) = match opened {
            Ok(opened) => opened,
            Err(problem) => return self.out(problem),
        };
        if let Some(problem) = self.emptied(&directory, &listing) {
            return self.out(problem);
        }
        let mut names = Names::new();
        for (tenant, spelt) in listing.files.drain(..) {
            names.entry(tenant).or_default().extend(spelt);
        }
        if self.identity.is_none() {
            self.versions
                .gone_but_for(|tenant| names.contains_key(&tenant));
        }
        // A listing made while files are renamed may miss one: absence is asked for by name.
        for tenant in self.files.keys() {
            names.entry(*tenant).or_default();
        }
        let (seen, links) = self.see(&directory, names, Depth::Fingerprint, pace);
        if !directory.is_in_place() {
            return Pass::again();
        }

        let ignored = listing
            .ignored
            .iter()
            .map(|name| directory.path_of(name))
            .collect();
        let mut pass = Pass {
            ignored,
            ..Pass::default()
        };
        self.links = links;
        self.identity = Some(directory.identity);
        pass.mended
            .extend(self.outage.take().map(|problem| problem.file));
        let gone: Vec<_> = self
            .unclear
            .keys()
            .filter(|name| !listing.unclear.contains(*name))
            .cloned()
            .collect();
        gone.iter().for_each(|name| self.clear(name, &mut pass));
        listing
            .unclear
            .into_iter()
            .for_each(|name| self.note_unclear(name, &mut pass));
        self.enter_all(&directory, seen, &mut pass);
        pass
    }

    /// Looks into the files of these names, whatever their fingerprint.
    pub(super) fn look_at(&mut self, changed: BTreeSet<OsString>) -> Pass {
        let directory = match Directory::open(&self.path) {
            Ok(directory) if self.outage.is_none() && Some(directory.identity) == self.identity => {
                directory
            }
            Ok(_) | Err(_) => return Pass::again(),
        };
        let mut names = Names::new();
        let mut unclear = Vec::new();
        for name in changed {
            match named(&name) {
                Named::Nobody => {}
                Named::Tenant(tenant) => names.entry(tenant).or_default().push(name),
                Named::Unclear => {
                    let absent = matches!(directory.look(&name), Sight::Absent);
                    unclear.push((name, absent));
                }
            }
        }
        let (seen, links) = self.see(&directory, names, Depth::Content, Pace::Fast);
        if !directory.is_in_place() {
            return Pass::again();
        }

        let mut pass = Pass::default();
        self.links.extend(links);
        for (name, absent) in unclear {
            if absent {
                self.clear(&name, &mut pass);
            } else {
                self.note_unclear(name, &mut pass);
            }
        }
        self.enter_all(&directory, seen, &mut pass);
        pass
    }

    /// A directory without policies, in place of one that held some: an unmounted volume looks
    /// like this, and it confirms nothing.
    fn emptied(&self, directory: &Directory, listing: &Listing) -> Option<Problem> {
        let emptied = self
            .identity
            .is_some_and(|known| known != directory.identity)
            && listing.files.is_empty()
            && !self.files.is_empty();
        emptied.then(|| Problem {
            file: self.path.clone(),
            key: String::new(),
            found: "another directory, without policies".to_owned(),
            expected: format!("the directory that held {} policy files", self.files.len()),
        })
    }

    /// Nothing can be learnt from the directory: everything stays.
    fn out(&mut self, problem: Problem) -> Pass {
        let mut pass = Pass::default();
        if self.outage.as_ref() != Some(&problem) {
            pass.found.push(problem.clone());
            self.outage = Some(problem);
        }
        pass
    }

    fn note_unclear(&mut self, name: OsString, pass: &mut Pass) {
        if !self.unclear.contains_key(&name) {
            let problem = Problem {
                file: self.path.join(&name),
                key: String::new(),
                found: "a name that is no tenant id".to_owned(),
                expected: "`<tenant-id>.json`; other files must not end in `.json`".to_owned(),
            };
            pass.found.push(problem.clone());
            self.unclear.insert(name, problem);
        }
    }

    fn clear(&mut self, name: &OsStr, pass: &mut Pass) {
        pass.mended
            .extend(self.unclear.remove(name).map(|problem| problem.file));
    }

    /// Looks at the files of many tenants, in parallel, and leaves out what has not changed.
    fn see(
        &self,
        directory: &Directory,
        names: Names,
        depth: Depth,
        pace: Pace,
    ) -> (Vec<Seen>, BTreeSet<PathBuf>) {
        let jobs: Vec<_> = names.into_iter().collect();
        let parts = parallel::by_parts(&jobs, pace, |part| {
            let mut links = BTreeSet::new();
            let see = |(tenant, names): &(TenantId, Vec<OsString>)| {
                let sound = !self.faulty.contains_key(tenant) && !self.missing.contains_key(tenant);
                let before = Before {
                    known: self.files.get(tenant),
                    trusted: sound && depth == Depth::Fingerprint,
                };
                look::look(directory, *tenant, names, before, &mut links)
            };
            let seen: Vec<_> = part.iter().filter_map(see).collect();
            (seen, links)
        });
        let mut all = (Vec::new(), BTreeSet::new());
        for (seen, links) in parts {
            all.0.extend(seen);
            all.1.extend(links);
        }
        all
    }

    /// Enters what was seen of one tenant.
    fn enter(&mut self, seen: Seen, pass: &mut Pass) {
        let Seen {
            tenant,
            known,
            finding,
        } = seen;
        let in_force = match self.snapshot.get(tenant) {
            Record::Absent | Record::Unreadable => None,
            Record::Present(policy) => Some(policy.version),
        };
        if matches!(finding, Finding::Absent) && self.files.contains_key(&tenant) {
            let since = *self.missing.entry(tenant).or_insert_with(Instant::now);
            if since.elapsed() < GRACE {
                return pass.waiting.push(usual_name(tenant));
            }
        }
        self.missing.remove(&tenant);
        let problems = match finding {
            Finding::Absent => {
                let had_record = self.files.remove(&tenant).is_some();
                self.snapshot.remove(tenant);
                self.versions.gone(tenant);
                if had_record {
                    pass.changes.push((tenant, None));
                }
                Vec::new()
            }
            Finding::Broken(problems) => {
                self.files.insert(tenant, known);
                self.snapshot.insert_unreadable(tenant);
                problems
            }
            Finding::Good {
                mut policy,
                text,
                written,
            } => {
                self.files.insert(tenant, known);
                policy.version = self.versions.of(tenant, text, written);
                if in_force != Some(policy.version) {
                    pass.changes.push((tenant, Some(policy.version)));
                    self.snapshot.insert(tenant, Arc::new(policy));
                }
                Vec::new()
            }
        };
        self.note_faults(tenant, problems, pass);
    }

    fn note_faults(&mut self, tenant: TenantId, problems: Vec<Problem>, pass: &mut Pass) {
        let before = self.faulty.remove(&tenant).unwrap_or_default();
        if problems.is_empty() {
            pass.mended
                .extend(before.into_iter().next().map(|problem| problem.file));
            return;
        }
        pass.found.extend(
            problems
                .iter()
                .filter(|problem| !before.contains(problem))
                .cloned(),
        );
        self.faulty.insert(tenant, problems);
    }
}

#[cfg(test)]
mod tests;
