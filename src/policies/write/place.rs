//! The place of one tenant's policy: what stands there, and putting another text there.
//!
//! Invariant: the directory's lock is held from looking to putting.

use std::ffi::{OsStr, OsString};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, RenameFlags, Stat};
use rustix::io::Errno;

use crate::core::policy::Version;
use crate::core::tenant::TenantId;
use crate::problem::Problem;

use super::super::file::{Directory, Fingerprint, Listing, usual_name};
use super::super::present::{self, Present};
use super::super::stored::Digest;
use super::super::versions::{self, Given};
use super::temporary::Temporary;
use super::{Expect, Replaced, WriteError, Written, refused};

/// The place of one tenant's policy, and what stands there.
pub(super) struct Place<'d> {
    directory: &'d Directory,
    tenant: TenantId,
    name: OsString,
    found: Option<(Stat, Fingerprint, Vec<u8>)>,
}

/// How putting a text in a place went.
pub(super) enum Put {
    /// It is there.
    Done(Written),
    /// What stood there was edited meanwhile: look again.
    Edited,
}

impl<'d> Place<'d> {
    /// Looks for the tenant's file.
    pub(super) fn look(
        directory: &'d Directory,
        listing: &Listing,
        tenant: TenantId,
    ) -> Result<Self, WriteError> {
        let usual = usual_name(tenant);
        let name = present::named(directory, listing, tenant).map_err(spoilt)?;
        let name = name.unwrap_or(usual);
        let found = match own_stat(directory, &name)? {
            None => None,
            Some(stat) => match present::read(directory, name.clone()).map_err(spoilt)? {
                Present::Absent => None,
                Present::File {
                    fingerprint, bytes, ..
                } => Some((stat, fingerprint, bytes)),
            },
        };
        Ok(Self {
            directory,
            tenant,
            name,
            found,
        })
    }

    /// Puts a text here, if what is here is what the writer expects.
    pub(super) fn put(
        self,
        bytes: &[u8],
        expect: &Expect,
        given: Option<Given>,
        last: Version,
    ) -> Result<Put, WriteError> {
        let before = self.before(given);
        compare(expect, before.as_ref())?;
        let text = Digest::of(bytes);
        let etag = text.etag();
        if let Some(same) = before.as_ref().filter(|before| before.bytes == bytes) {
            return Ok(Put::Done(Written {
                etag,
                version: same.version,
                created: false,
                unchanged: true,
                before,
            }));
        }
        let greatest = [
            Some(last),
            given.map(|given| given.version),
            before.as_ref().map(|before| before.version),
        ];
        let greatest = greatest.into_iter().flatten().max().unwrap_or_default();
        let version = now().max(greatest.next());

        let stat = self.found.as_ref().map(|(stat, ..)| stat);
        let mut temporary = Temporary::new(self.directory, self.tenant, stat).map_err(refused)?;
        temporary.fill(bytes, version)?;
        if self.is_edited() || !self.replace(&mut temporary)? {
            return Ok(Put::Edited);
        }
        let given = Given {
            version,
            text: Some(text),
        };
        // The time of the file tells it as well, as long as there is the file.
        if let Err(error) = versions::note(self.directory, self.tenant, given) {
            tracing::debug!(policy.tenant = %self.tenant, %error, "version is not noted");
        }
        match rustix::fs::fsync(self.directory.handle()) {
            // Some file systems cannot, and need not.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(WriteError::Storage(error.into())),
        }
        Ok(Put::Done(Written {
            etag,
            version,
            created: before.is_none(),
            unchanged: false,
            before,
        }))
    }

    fn before(&self, given: Option<Given>) -> Option<Replaced> {
        self.found.as_ref().map(|(_, fingerprint, bytes)| {
            let text = Digest::of(bytes);
            Replaced {
                bytes: bytes.clone(),
                etag: text.etag(),
                version: versions::choose(given, text, fingerprint.written()),
            }
        })
    }

    /// Whether the file is another one than that which was compared.
    fn is_edited(&self) -> bool {
        let now = rustix::fs::statat(
            self.directory.handle(),
            &self.name,
            AtFlags::SYMLINK_NOFOLLOW,
        );
        match (&self.found, now) {
            (Some((_, known, _)), Ok(stat)) => Fingerprint::of(&stat) != *known,
            // Renaming over nothing says it by itself.
            (None, _) => false,
            (Some(_), Err(_)) => true,
        }
    }

    /// False: a file has appeared where there was none.
    fn replace(&self, temporary: &mut Temporary<'_>) -> Result<bool, WriteError> {
        let flags = if self.found.is_some() {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        match temporary.rename(&self.name, flags) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(refused(error)),
        }
    }
}

/// Whether what is there is what the writer expects.
pub(crate) fn compare(expect: &Expect, before: Option<&Replaced>) -> Result<(), WriteError> {
    let fits = match expect {
        Expect::Absent => before.is_none(),
        Expect::Any => true,
        Expect::Match(etag) => before.is_some_and(|before| before.etag == *etag),
        Expect::Present => before.is_some(),
    };
    if fits {
        Ok(())
    } else {
        let etag = before.map(|before| before.etag.clone());
        Err(WriteError::Changed { etag })
    }
}

/// What stands under a name; a link, and what is no file, is somebody else's.
fn own_stat(directory: &Directory, name: &OsStr) -> Result<Option<Stat>, WriteError> {
    let stat = match rustix::fs::statat(directory.handle(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(refused(error)),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Some(stat)),
        FileType::Symlink => Err(WriteError::Elsewhere(
            "the file is a symbolic link".to_owned(),
        )),
        FileType::BlockDevice
        | FileType::CharacterDevice
        | FileType::Directory
        | FileType::Fifo
        | FileType::Socket
        | FileType::Unknown => Err(WriteError::Elsewhere(
            "what stands in the file's place is no file".to_owned(),
        )),
    }
}

/// Now, as a version.
fn now() -> Version {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Version(u64::try_from(since.as_micros()).unwrap_or(0))
}

/// What stands in the file's place cannot even be compared.
fn spoilt(problems: Vec<Problem>) -> WriteError {
    let found = problems.into_iter().map(|problem| problem.found);
    WriteError::Storage(io::Error::other(found.collect::<Vec<_>>().join("; ")))
}
