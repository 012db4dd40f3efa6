//! The one place that writes policies: into a directory, or through [`crate::fleet::write`] into etcd.
//!
//! Invariant: at any moment, and whatever ends the process then, a tenant's file is whole: the
//! text before or the text after. Whoever writes holds the directory's lock from reading what is
//! there to putting another text in its place, so that of two writers who expect the same text one
//! is refused. (Who edits by hand takes no lock; a change of theirs is looked for until the last
//! moment.)
//!
//! 1. Take the lock; remove what killed writers left.
//! 2. Read what is there, and compare it with what the writer expects.
//! 3. Write a temporary file, with the time of the new version, down to the disk.
//! 4. Rename it to the tenant's file, down to the disk; note the version.
//!
//! A directory that somebody else manages is refused: one that cannot be written, one of
//! Kubernetes' volumes, files that are links.

mod place;
mod temporary;

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::AtFlags;
use rustix::io::Errno;
use thiserror::Error;

use crate::core::policy::{Record, Version};
use crate::core::tenant::TenantId;
use crate::fleet::{Fleet, write};
use crate::problem::Problem;

use super::Policies;
use super::document::{self, Fault};
use super::file::{Directory, LARGEST};
use super::lock::Lock;
use super::versions;

pub(crate) use place::compare;
use place::{Place, Put};

pub(super) use temporary::remove_leftovers;

/// What the writer expects to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing (`If-None-Match: *`).
    Absent,
    /// Anything or nothing.
    Any,
    /// The text with this entity tag, quotes and all (`If-Match`).
    Match(String),
    /// Any text (`If-Match: *`).
    Present,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// What tells the text from another one.
    pub etag: String,
    /// Its version.
    pub version: Version,
    /// Whether the tenant had no file before.
    pub created: bool,
    /// Whether the same text was there already: then nothing was written.
    pub unchanged: bool,
    /// What it replaced, which may have been no policy.
    pub before: Option<Replaced>,
}

impl Written {
    /// Of a text of which nobody knows whether it is written: it has no entity tag, and the version
    /// of a text that was never in force.
    pub(crate) const fn unknown(before: Option<Replaced>) -> Self {
        Self {
            etag: String::new(),
            version: Version(0),
            created: before.is_none(),
            unchanged: false,
            before,
        }
    }
}

/// A text that was replaced.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// The text.
    pub bytes: Vec<u8>,
    /// What tells it from another one.
    pub etag: String,
    /// Its version.
    pub version: Version,
}

/// Why a policy was not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// Others write in the directory without end, or one of them hangs: try again.
    #[error("the policy directory is busy")]
    Busy,
    /// What is there is not what the writer expected.
    #[error("the policy was changed meanwhile")]
    Changed {
        /// What is there.
        etag: Option<String>,
    },
    /// The directory, or the file, is managed by somebody else.
    #[error("the policy is managed elsewhere: {0}")]
    Elsewhere(String),
    /// The document has faults.
    #[error("the document is no policy")]
    Faults(Vec<Fault>),
    /// It is written, and decisions may not use it yet: the directory hangs or was replaced.
    #[error("the policy is written and not in force yet")]
    NotInForce(Box<Written>),
    /// The system refuses: most often the disk is full. What was there is there, unless the disk
    /// failed in the very last step.
    #[error("the policy cannot be written: {0}")]
    Storage(#[from] io::Error),
    /// Nobody can tell whether it is written, or will be: the store was asked and did not answer.
    /// It replaces nothing but what was there when it was asked for.
    #[error("the policy may be written or not ({why}): read it again")]
    Unknown {
        /// What was there then.
        before: Option<Replaced>,
        /// What happened instead of an answer.
        why: String,
    },
}

/// How long a writer waits for others.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a writer waits until what etcd has taken is in force here.
const IN_FORCE: Duration = Duration::from_secs(5);

/// How often a file is compared that is edited by hand meanwhile.
const ATTEMPTS: usize = 5;

/// Writes a tenant's policy into a directory that no gateway of this process watches (one of
/// another process takes it up by itself). It blocks.
///
/// # Errors
/// [`WriteError`]; the policy is the old one then.
pub fn put_in(
    dir: &Path,
    tenant: TenantId,
    bytes: &[u8],
    expect: &Expect,
) -> Result<Written, WriteError> {
    put_above(dir, tenant, bytes, expect, Version::default())
}

impl Policies {
    /// Writes a tenant's policy, and returns once decisions use it. It blocks; async callers take
    /// [`Policies::put`].
    ///
    /// # Errors
    /// [`WriteError`]; the policy is the old one then, but for [`WriteError::NotInForce`].
    pub fn put_blocking(
        &self,
        tenant: TenantId,
        bytes: &[u8],
        expect: &Expect,
    ) -> Result<Written, WriteError> {
        let Some(dir) = self.directory() else {
            return Err(WriteError::Elsewhere("these policies are fixed".to_owned()));
        };
        let in_force = match self.snapshot().get(tenant) {
            Record::Absent | Record::Unreadable => Version::default(),
            Record::Present(policy) => policy.version,
        };
        let written = put_above(dir, tenant, bytes, expect, in_force)?;
        if self.await_in_force(tenant, written.version) {
            Ok(written)
        } else {
            Err(WriteError::NotInForce(Box::new(written)))
        }
    }

    /// [`Policies::put_blocking`] on a thread of the runtime's. What it began goes on even if
    /// nobody awaits it any more.
    ///
    /// # Errors
    /// As [`Policies::put_blocking`].
    pub async fn put(
        &self,
        tenant: TenantId,
        bytes: Vec<u8>,
        expect: Expect,
    ) -> Result<Written, WriteError> {
        if let Some(fleet) = self.source() {
            return self.put_in_etcd(fleet, tenant, &bytes, &expect).await;
        }
        let policies = self.clone();
        let work = move || policies.put_blocking(tenant, &bytes, &expect);
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(WriteError::Storage(io::Error::other(error))),
        }
    }
}

impl Policies {
    /// Writes a tenant's policy into etcd, and returns once this gateway's decisions use it.
    async fn put_in_etcd(
        &self,
        fleet: &Fleet,
        tenant: TenantId,
        bytes: &[u8],
        expect: &Expect,
    ) -> Result<Written, WriteError> {
        let stats = fleet.standing().stats();
        if stats.regressed {
            return Err(write::older());
        }
        let applied = stats.freshness.map_or(0, |fresh| fresh.revision);
        let put = fleet.originals().put(tenant, bytes, expect, applied);
        let written = put.await?;
        // What was applied before it was written cannot be it, in one and the same history.
        let is_new = written.unchanged || written.version.0 > applied;
        let reached = is_new && fleet.standing().reaches(written.version.0, IN_FORCE).await;
        if reached && self.is_in_force(tenant, written.version) {
            Ok(written)
        } else {
            Err(WriteError::NotInForce(Box::new(written)))
        }
    }
}

/// Writes a policy whose version is above `last`, among others.
fn put_above(
    dir: &Path,
    tenant: TenantId,
    bytes: &[u8],
    expect: &Expect,
    last: Version,
) -> Result<Written, WriteError> {
    check(bytes, tenant)?;
    let directory = Directory::open(dir).map_err(unreadable)?;
    let _lock = Lock::take(&directory, PATIENCE).map_err(|error| match error {
        Errno::WOULDBLOCK => WriteError::Busy,
        error => refused(error),
    })?;
    // Whoever replaced it meanwhile has a lock of another one.
    if !directory.is_in_place() {
        return Err(WriteError::Busy);
    }
    let listing = directory.list().map_err(unreadable)?;
    remove_leftovers(&directory, &listing);
    if is_managed(&directory) {
        let found = "the directory is a volume of Kubernetes (a ConfigMap or Secret)";
        return Err(WriteError::Elsewhere(found.to_owned()));
    }
    for _ in 0..ATTEMPTS {
        let place = Place::look(&directory, &listing, tenant)?;
        let given = versions::last_given(&directory, tenant);
        match place.put(bytes, expect, given, last)? {
            Put::Done(written) => return Ok(written),
            Put::Edited => {}
        }
    }
    Err(WriteError::Busy)
}

/// Whether a text may be put: it is a policy of this tenant.
pub(crate) fn check(bytes: &[u8], tenant: TenantId) -> Result<(), WriteError> {
    if bytes.len() as u64 > LARGEST {
        return Err(WriteError::Faults(vec![Fault {
            key: String::new(),
            found: format!("{} bytes", bytes.len()),
            expected: format!("at most {LARGEST} bytes"),
        }]));
    }
    let parsed = document::parse(bytes, Some(tenant));
    parsed.map(drop).map_err(WriteError::Faults)
}

/// Whether Kubernetes fills the directory.
fn is_managed(directory: &Directory) -> bool {
    rustix::fs::statat(directory.handle(), "..data", AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

fn refused(error: Errno) -> WriteError {
    match error {
        Errno::ROFS | Errno::ACCESS | Errno::PERM => {
            WriteError::Elsewhere(format!("the directory cannot be written ({error})"))
        }
        error => WriteError::Storage(error.into()),
    }
}

fn unreadable(problem: Problem) -> WriteError {
    WriteError::Storage(io::Error::other(problem.found))
}
