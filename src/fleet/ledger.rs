//! What is known of the policies in etcd: those in force, and what is wrong with the rest.
//!
//! Invariant: a tenant's policy changes only to one that was read whole and without a fault, and
//! goes away only when etcd says that its key is gone. All changes of one revision become visible
//! together. Nothing is applied that is not newer than what was.
//!
//! | key | effect |
//! |---|---|
//! | a tenant's, with a policy | it is in force; its version is the key's revision |
//! | a tenant's, with a fault | the last good policy stays, or the record is unreadable |
//! | a tenant's, gone | the tenant has no record |
//! | a tenant's in another spelling | a problem; without a policy in force the record is unreadable |
//! | an operator's acceptance | it is remembered, whatever becomes of the key |
//! | anybody else's | a problem |

mod held;
mod newest;
mod read;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::core::policy::{Record, Snapshot, Version};
use crate::core::tenant::TenantId;
use crate::policies::document::Fault;
use crate::problem::Problem;

use super::keys::{Keys, Owner, owner};

pub(super) use newest::Newest;
pub(super) use read::{Read, read};

/// A key as etcd has it, or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name below the policies.
    pub(super) name: Bytes,
    /// When it was written, or deleted.
    pub(super) revision: i64,
    /// None: it was deleted.
    pub(super) value: Option<Bytes>,
}

/// Which of two texts of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The last good one.
    InForce,
    /// The present one, which has faults.
    Faulty,
}

/// What the cache is to hold from now on of one text of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) name: Bytes,
    pub(super) kind: Kind,
    pub(super) revision: i64,
    /// None: nothing.
    pub(super) value: Option<Bytes>,
}

/// What applying rows brought.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// Tenants whose policy changed, with the one now in force; none where it went away.
    pub(super) changes: Vec<(TenantId, Option<Version>)>,
    /// Problems that were not there before.
    pub(super) found: Vec<Problem>,
    /// Keys that had problems and have none now.
    pub(super) mended: Vec<String>,
    /// What the cache is told.
    pub(super) kept: Vec<Kept>,
}

/// What of a snapshot the cache is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// What differs.
    Changes,
    /// Everything.
    Everything,
}

/// What is older than what was applied, in a store that should be newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Older;

/// A key with a problem.
#[derive(Clone, Debug)]
struct Faulty {
    revision: i64,
    problems: Vec<Problem>,
}

/// Most acceptances remembered.
const MOST_ACCEPTED: usize = 10_000;

/// See above.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    keys: Keys,
    snapshot: Snapshot,
    faulty: BTreeMap<Bytes, Faulty>,
    /// Acceptances that were seen, with their revisions.
    accepted: BTreeMap<Bytes, i64>,
    newest: Option<Newest>,
}

impl Ledger {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            snapshot: Snapshot::default(),
            faulty: BTreeMap::new(),
            accepted: BTreeMap::new(),
            newest: None,
        }
    }

    /// Of another history: nothing is known but what was seen of acceptances.
    pub(super) fn anew(&self) -> Self {
        Self {
            accepted: self.accepted.clone(),
            ..Self::new(self.keys.clone())
        }
    }

    /// Whether an acceptance was seen, by its name. Beyond a bound nobody can tell any more, and
    /// every one counts as that.
    pub(super) fn has_seen(&self, acceptance: &[u8]) -> bool {
        self.accepted.len() >= MOST_ACCEPTED || self.accepted.contains_key(acceptance)
    }

    /// Notes that an acceptance was seen, and tells whether that is news.
    pub(super) fn see(&mut self, acceptance: &[u8], revision: i64) -> bool {
        let is_news = !self.accepted.contains_key(acceptance);
        let is_kept = is_news && self.accepted.len() < MOST_ACCEPTED;
        if is_kept {
            // A part of an answer would keep all of it in memory.
            let name = Bytes::copy_from_slice(acceptance);
            self.accepted.insert(name, revision);
        }
        is_kept
    }

    /// What the cache is to hold of acceptances that were seen.
    pub(super) fn seen(&self) -> Vec<Kept> {
        let kept = |(name, revision): (&Bytes, &i64)| Kept {
            name: name.clone(),
            kind: Kind::InForce,
            revision: *revision,
            value: Some(Bytes::new()),
        };
        self.accepted.iter().map(kept).collect()
    }

    /// The policies in force.
    pub(super) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The revision of the last change of a policy that was seen; 0: none was.
    pub(super) const fn changed(&self) -> i64 {
        match &self.newest {
            Some(newest) => newest.revision,
            None => 0,
        }
    }

    /// That change.
    pub(super) const fn newest(&self) -> Option<&Newest> {
        self.newest.as_ref()
    }

    /// The problems that stand.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.faulty.values().flat_map(|faulty| &faulty.problems)
    }

    /// How many tenants have a record and no policy in force.
    pub(super) fn unreadable(&self) -> usize {
        let tenants: HashSet<_> = self.faulty.keys().filter_map(|name| tenant(name)).collect();
        let unreadable = |whose: &&TenantId| self.is_unreadable(**whose);
        tenants.iter().filter(unreadable).count()
    }

    /// Enters rows in their order.
    pub(super) fn apply(&mut self, rows: impl IntoIterator<Item = Row>) -> Pass {
        let mut pass = Pass::default();
        for row in rows {
            self.enter(row, &mut pass);
        }
        pass
    }

    /// Enters what a snapshot holds and is not known yet. Where everything up to a revision is known
    /// of the history that was applied, a snapshot that has something else from before is of another.
    ///
    /// # Errors
    /// Something is older than what was applied, or not the same.
    pub(super) fn apply_newer(
        &mut self,
        rows: Vec<Row>,
        keep: Keep,
        known_up_to: Option<i64>,
    ) -> Result<Pass, Older> {
        let (mut newer, mut known_already) = (Vec::new(), Vec::new());
        for row in rows {
            let is_old = known_up_to.is_some_and(|known| row.revision <= known);
            match self.revision_of(&row.name) {
                Some(known) if known > row.revision => return Err(Older),
                Some(known) if known == row.revision => {
                    if known_up_to.is_some() && self.differs(&row) {
                        return Err(Older);
                    }
                    let faulty = self.faulty.contains_key(&row.name);
                    let kind = if faulty { Kind::Faulty } else { Kind::InForce };
                    known_already.push((row, kind));
                }
                Some(_) | None if is_old && owner(&row.name) != Owner::Accepted => {
                    return Err(Older);
                }
                Some(_) | None => newer.push(row),
            }
        }
        let mut pass = self.apply(newer);
        if keep == Keep::Everything {
            let kept = known_already.iter().map(|(row, kind)| row.kept(*kind));
            pass.kept.extend(kept);
        }
        Ok(pass)
    }

    /// Forgets whatever is not among these names: a snapshot at `revision` holds no others.
    pub(super) fn retain(&mut self, names: &HashSet<Bytes>, revision: i64) -> Pass {
        let known = self
            .snapshot
            .tenants()
            .map(|tenant| Bytes::from(tenant.to_string()));
        let known: HashSet<Bytes> = known.chain(self.faulty.keys().cloned()).collect();
        let gone = known.into_iter().filter(|name| !names.contains(name));
        let gone = gone.map(|name| Row {
            name,
            revision,
            value: None,
        });
        self.apply(gone.collect::<Vec<_>>())
    }

    /// Enters what the cache held: policies first, then what has faults.
    pub(super) fn restore(&mut self, kept: Vec<(Kept, Read)>) {
        let mut pass = Pass::default();
        for (kept, read) in kept {
            let row = Row {
                name: kept.name,
                revision: kept.revision,
                value: kept.value,
            };
            self.enter_read(row, read, &mut pass);
        }
    }

    /// The revision of the present text of a key.
    fn revision_of(&self, name: &Bytes) -> Option<i64> {
        if let Some(faulty) = self.faulty.get(name) {
            return Some(faulty.revision);
        }
        let Owner::Tenant(tenant) = owner(name) else {
            return None;
        };
        match self.snapshot.get(tenant) {
            Record::Absent | Record::Unreadable => None,
            Record::Present(policy) => i64::try_from(policy.version.0).ok(),
        }
    }

    fn is_unreadable(&self, tenant: TenantId) -> bool {
        matches!(self.snapshot.get(tenant), Record::Unreadable)
    }

    fn enter(&mut self, row: Row, pass: &mut Pass) {
        let read = read(&row.name, row.value.as_deref(), row.revision);
        self.enter_read(row, read, pass);
    }

    fn enter_read(&mut self, row: Row, read: Read, pass: &mut Pass) {
        if !matches!(read, Read::Accepted | Read::Beat) {
            self.newest = Newest::of(&row, self.newest.take());
        }
        match read {
            Read::Beat => {}
            Read::Accepted => {
                if self.see(&row.name, row.revision) {
                    pass.kept.push(row.kept(Kind::InForce));
                }
            }
            Read::Good(tenant, policy) => {
                pass.changes.push((tenant, Some(policy.version)));
                self.snapshot.insert(tenant, Arc::new(policy));
                self.clear(&row.name, pass);
                pass.kept.push(row.kept(Kind::InForce));
            }
            Read::Gone => self.remove(&row, pass),
            Read::Faulty(faults) => {
                if let Some(tenant) = tenant(&row.name) {
                    self.snapshot.insert_unreadable(tenant);
                }
                self.note(&row, faults, pass);
                pass.kept.push(row.kept(Kind::Faulty));
            }
        }
    }

    fn remove(&mut self, row: &Row, pass: &mut Pass) {
        self.clear(&row.name, pass);
        let Some(whose) = tenant(&row.name) else {
            return;
        };
        let had = !matches!(self.snapshot.get(whose), Record::Absent);
        match owner(&row.name) {
            Owner::Tenant(_) => {
                self.snapshot.remove(whose);
                if had {
                    pass.changes.push((whose, None));
                }
                pass.kept.push(row.kept(Kind::InForce));
            }
            Owner::Misspelt(_) if self.is_unreadable(whose) => self.snapshot.remove(whose),
            Owner::Accepted | Owner::Beat | Owner::Misspelt(_) | Owner::Nobody => {}
        }
        // Its record may stand under another spelling still.
        if self.faulty.keys().any(|name| tenant(name) == Some(whose)) {
            self.snapshot.insert_unreadable(whose);
        }
    }

    fn note(&mut self, row: &Row, faults: Vec<Fault>, pass: &mut Pass) {
        let file = PathBuf::from(self.keys.shown(&row.name));
        let problem = |fault: Fault| Problem {
            file: file.clone(),
            key: fault.key,
            found: fault.found,
            expected: fault.expected,
        };
        let problems: Vec<_> = faults.into_iter().map(problem).collect();
        let before = self.faulty.get(&row.name);
        let known =
            |problem: &&Problem| before.is_some_and(|before| before.problems.contains(problem));
        let new = problems.iter().filter(|problem| !known(problem)).cloned();
        pass.found.extend(new);
        let revision = row.revision;
        // A part of an answer would keep all of it in memory.
        let name = Bytes::copy_from_slice(&row.name);
        self.faulty.insert(name, Faulty { revision, problems });
    }

    fn clear(&mut self, name: &Bytes, pass: &mut Pass) {
        if self.faulty.remove(name).is_some() {
            pass.mended.push(self.keys.shown(name));
            pass.kept.push(Kept {
                name: name.clone(),
                kind: Kind::Faulty,
                revision: 0,
                value: None,
            });
        }
    }
}

impl Row {
    fn kept(&self, kind: Kind) -> Kept {
        // Of what is no tenant's, only that it is there matters.
        let value = match owner(&self.name) {
            Owner::Tenant(_) => self.value.clone(),
            Owner::Accepted | Owner::Beat | Owner::Misspelt(_) | Owner::Nobody => {
                self.value.as_ref().map(|_| Bytes::new())
            }
        };
        Kept {
            name: self.name.clone(),
            kind,
            revision: self.revision,
            value,
        }
    }
}

/// The tenant that a key concerns, whatever its spelling.
fn tenant(name: &[u8]) -> Option<TenantId> {
    match owner(name) {
        Owner::Misspelt(tenant) | Owner::Tenant(tenant) => Some(tenant),
        Owner::Accepted | Owner::Beat | Owner::Nobody => None,
    }
}

#[cfg(test)]
mod tests;
