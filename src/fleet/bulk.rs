//! All policies at once: a directory's into etcd, and etcd's into a directory.
//!
//! Invariant: as with one text (`write.rs`), nothing is put but in the place of what was looked at:
//! a policy that somebody writes meanwhile is left to them, and told.

use std::collections::BTreeMap;

use super::etcd::{EtcdError, KeyValue, Session, TxnRequest};
use super::keys::{Keys, Owner, owner};
use super::pages::Pages;
use super::write::{Originals, is_at, put};
use crate::core::tenant::TenantId;
use crate::policies::write::{Expect, WriteError};

/// Policies put in one transaction: below etcd's default bound of 128 operations.
const MOST_TEXTS: usize = 100;

/// Bytes put in one transaction: below etcd's default bound of 1.5 MiB.
const MOST_BYTES: usize = 1024 * 1024;

/// How often a batch is sent that was not answered, before its policies are put one by one.
const ATTEMPTS: usize = 3;

/// Policies to put into etcd, held against those that are there.
#[derive(Debug, Default)]
pub struct Plan {
    /// Policies that etcd does not have.
    pub new: Vec<TenantId>,
    /// Policies that it has with another text, and the revision of that.
    pub differ: Vec<(TenantId, i64)>,
    /// Policies that it has just like this.
    pub same: usize,
    /// Policies that only etcd has.
    pub others: usize,
}

/// What came of putting them.
#[derive(Debug, Default)]
pub struct Done {
    /// Policies that were put.
    pub put: usize,
    /// Policies that were not, and why.
    pub left: Vec<(TenantId, WriteError)>,
}

/// A value that stands in etcd.
#[derive(Debug)]
pub enum Found {
    /// A tenant's policy; its text is not looked into.
    Policy(TenantId, KeyValue),
    /// A key that is no tenant's, by its name.
    Stray(String),
}

/// Reads all policies.
pub struct All {
    keys: Keys,
    pages: Pages,
}

impl All {
    /// As they stand when reading begins.
    pub fn new(keys: &Keys) -> Self {
        Self {
            keys: keys.clone(),
            pages: Pages::new(keys.policies()),
        }
    }

    /// Some more of them. None: there are no more.
    ///
    /// # Errors
    /// [`EtcdError`].
    pub async fn next(&mut self, session: &Session) -> Result<Option<Vec<Found>>, EtcdError> {
        let page = self.pages.next(session).await?;
        Ok(page.map(|page| page.into_iter().filter_map(|kv| self.found(kv)).collect()))
    }

    fn found(&self, kv: KeyValue) -> Option<Found> {
        let name = self.keys.name(&kv.key)?;
        match owner(name) {
            Owner::Accepted | Owner::Beat => None,
            Owner::Tenant(tenant) => Some(Found::Policy(tenant, kv)),
            Owner::Misspelt(_) | Owner::Nobody => {
                Some(Found::Stray(String::from_utf8_lossy(name).into_owned()))
            }
        }
    }
}

/// Texts by tenant.
pub type Texts = BTreeMap<TenantId, Vec<u8>>;

/// Holds texts against those in etcd.
///
/// # Errors
/// [`EtcdError`].
pub async fn plan(session: &Session, keys: &Keys, texts: &Texts) -> Result<Plan, EtcdError> {
    let mut plan = Plan::default();
    let mut there = BTreeMap::new();
    let mut all = All::new(keys);
    while let Some(page) = all.next(session).await? {
        for found in page {
            let Found::Policy(tenant, kv) = found else {
                plan.others += 1;
                continue;
            };
            match texts.get(&tenant) {
                None => plan.others += 1,
                Some(text) => {
                    let is_same = *text == kv.value;
                    plan.same += usize::from(is_same);
                    there.insert(tenant, (kv.mod_revision, is_same));
                }
            }
        }
    }
    for tenant in texts.keys() {
        match there.get(tenant) {
            None => plan.new.push(*tenant),
            Some((revision, false)) => plan.differ.push((*tenant, *revision)),
            Some((_, true)) => {}
        }
    }
    Ok(plan)
}

/// One text to put in the place of that of a revision; 0: where there is none.
type Job<'t> = (TenantId, i64, &'t [u8]);

/// Puts what is new and what differs. `progress` is told how many were seen to.
///
/// # Errors
/// [`EtcdError`], where even asking failed; what was put stays, and a further run puts the rest.
pub async fn apply(
    session: &Session,
    originals: &Originals,
    keys: &Keys,
    plan: &Plan,
    texts: &Texts,
    mut progress: impl FnMut(usize),
) -> Result<Done, EtcdError> {
    let new = plan.new.iter().map(|tenant| (*tenant, 0));
    let jobs = new.chain(plan.differ.iter().copied());
    let jobs: Vec<Job<'_>> = jobs
        .filter_map(|(tenant, revision)| Some((tenant, revision, texts.get(&tenant)?.as_slice())))
        .collect();
    let mut done = Done::default();
    let mut rest = jobs.as_slice();
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(fitting(rest));
        if put_together(session, keys, batch).await? {
            done.put += batch.len();
        } else {
            for job in batch {
                put_alone(originals, *job, &mut done).await?;
            }
        }
        rest = after;
        progress(jobs.len() - rest.len());
    }
    Ok(done)
}

/// How many jobs fit into one transaction; at least one.
fn fitting(jobs: &[Job<'_>]) -> usize {
    let mut bytes = 0_usize;
    let fits = |(_, _, text): &&Job<'_>| {
        bytes = bytes.saturating_add(text.len() + 256);
        bytes <= MOST_BYTES
    };
    jobs.iter().take(MOST_TEXTS).take_while(fits).count().max(1)
}

/// Puts all of a batch, or nothing. False: something is not as it was, or nobody knows.
async fn put_together(
    session: &Session,
    keys: &Keys,
    batch: &[Job<'_>],
) -> Result<bool, EtcdError> {
    let key = |tenant: &TenantId| keys.policy(*tenant);
    let last = batch.last().map(|(tenant, ..)| tenant.to_string());
    let changed = put(&keys.changed(), last.unwrap_or_default().as_bytes());
    let puts = batch
        .iter()
        .map(|(tenant, _, text)| put(&key(tenant), text));
    let request = TxnRequest {
        compare: batch
            .iter()
            .map(|(tenant, revision, _)| is_at(&key(tenant), *revision))
            .collect(),
        success: puts.chain([changed]).collect(),
        failure: Vec::new(),
    };
    for _ in 0..ATTEMPTS {
        match session.txn(request.clone()).await {
            Ok(answer) => return Ok(answer.succeeded),
            Err(error @ (EtcdError::Denied | EtcdError::SignIn | EtcdError::Password)) => {
                return Err(error);
            }
            Err(_) => {}
        }
    }
    Ok(false)
}

/// Puts one text, unless it stands there already, or another one than was looked at.
async fn put_alone(
    originals: &Originals,
    (tenant, revision, text): Job<'_>,
    done: &mut Done,
) -> Result<(), EtcdError> {
    let found = originals.read(tenant).await?;
    if found.as_ref().is_some_and(|found| found.bytes == text) {
        done.put += 1;
        return Ok(());
    }
    let expect = match revision {
        0 => Expect::Absent,
        revision => Expect::Match(super::write::etag(revision)),
    };
    match originals.put(tenant, text, &expect, 0).await {
        Ok(_) => done.put += 1,
        Err(error) => done.left.push((tenant, error)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_stay_below_the_bounds_of_etcd() {
        let tenant = TenantId::parse("11111111-1111-4111-8111-111111111111").unwrap();
        let text = vec![b' '; 300 * 1024];
        let job = |length| (tenant, 0, text.get(..length).unwrap());
        assert_eq!(fitting(&vec![job(10); 1_000]), MOST_TEXTS);
        assert_eq!(fitting(&vec![job(10); 7]), 7);
        assert_eq!(fitting(&vec![job(300 * 1024); 7]), 3);
        assert_eq!(fitting(&[job(10)]), 1);
    }
}
