//! A tenant's policy as it stands in the directory: its text, what tells it from another text, and
//! its version.

use std::fmt;
use std::path::Path;

use aws_lc_rs::digest;

use crate::core::policy::Version;
use crate::core::tenant::TenantId;
use crate::problem::Problem;

use super::Policies;
use super::document::{self, Document};
use super::file::Directory;
use super::present::{self, Present};
use super::versions;

/// A policy that stands in the directory.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The text, byte for byte.
    pub bytes: Vec<u8>,
    /// What tells this text from another one, in the quotes of an HTTP header.
    pub etag: String,
    /// Which text this is.
    pub version: Version,
    /// What the text says.
    pub document: Document,
}

/// Tells one text from another: the first half of its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(pub(super) u128);

impl Digest {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, bytes);
        let first = hash.as_ref().first_chunk::<16>();
        Self(first.map_or(0, |chunk| u128::from_be_bytes(*chunk)))
    }

    /// The strong entity tag: half of it is enough where nobody gains by two texts that share it.
    pub(super) fn etag(self) -> String {
        format!("\"{:016x}\"", self.0 >> 64)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Reads a tenant's policy as it stands in a directory now. None: there is no file.
///
/// # Errors
/// The file cannot be read, or is no policy; the directory cannot be read.
pub fn read_stored(dir: &Path, tenant: TenantId) -> Result<Option<Stored>, Vec<Problem>> {
    let directory = Directory::open(dir).map_err(|problem| vec![problem])?;
    let (name, fingerprint, bytes) = match present::find(&directory, tenant)? {
        Present::Absent => return Ok(None),
        Present::File {
            name,
            fingerprint,
            bytes,
            ..
        } => (name, fingerprint, bytes),
    };
    let (_, _, document) = document::parse(&bytes, Some(tenant)).map_err(|faults| {
        let problems = faults
            .into_iter()
            .map(|fault| directory.problem(&name, fault));
        problems.collect::<Vec<_>>()
    })?;
    let digest = Digest::of(&bytes);
    let given = versions::last_given(&directory, tenant);
    Ok(Some(Stored {
        etag: digest.etag(),
        version: versions::choose(given, digest, fingerprint.written()),
        bytes,
        document,
    }))
}

impl Policies {
    /// Reads a tenant's policy as it stands in the directory now. None: there is no file, or there
    /// is no directory because the policies are fixed. It blocks for one small file.
    ///
    /// # Errors
    /// The file cannot be read, or is no policy; the directory cannot be read.
    pub fn read_stored(&self, tenant: TenantId) -> Result<Option<Stored>, Vec<Problem>> {
        match self.directory() {
            Some(dir) => read_stored(dir, tenant),
            None => Ok(None),
        }
    }
}
