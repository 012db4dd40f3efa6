//! The file in which a text is written before it takes its tenant's place.
//!
//! Invariant: it is nobody's policy, its name says so, and it goes when this is dropped. Those of
//! killed writers are removed by the next one, who holds the lock and so knows that they are dead.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use uuid::Uuid;

use crate::core::policy::Version;
use crate::core::tenant::TenantId;

use super::super::file::{Directory, Listing};

/// A file that is being written.
pub(super) struct Temporary<'d> {
    directory: &'d Directory,
    name: OsString,
    file: File,
    renamed: bool,
}

impl<'d> Temporary<'d> {
    /// Makes one, with the permissions and the owner of the file it is to replace, or the owner
    /// of the directory.
    pub(super) fn new(
        directory: &'d Directory,
        tenant: TenantId,
        replaces: Option<&Stat>,
    ) -> Result<Self, Errno> {
        let random = Uuid::now_v7().as_u64_pair().1;
        let name = OsString::from(format!(".{tenant}.json.{random:016x}.tmp"));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let file = File::from(rustix::fs::openat(directory.handle(), &name, flags, mode)?);
        let temporary = Self {
            directory,
            name,
            file,
            renamed: false,
        };
        match replaces {
            None => directory.adopt(&temporary.file),
            Some(stat) => {
                // A gateway that runs as another user must be able to read it as before.
                let _ = rustix::fs::fchown(&temporary.file, owner(stat), group(stat));
                rustix::fs::fchmod(&temporary.file, Mode::from_raw_mode(stat.st_mode & 0o777))?;
            }
        }
        Ok(temporary)
    }

    /// Writes the text, down to the disk; the file's time is the version.
    pub(super) fn fill(&mut self, bytes: &[u8], version: Version) -> io::Result<()> {
        self.file.write_all(bytes)?;
        let time = Timespec {
            tv_sec: i64::try_from(version.0 / 1_000_000).unwrap_or(i64::MAX),
            tv_nsec: (version.0 % 1_000_000 * 1_000).try_into().unwrap_or(0),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        // A file system that cannot hold such a time holds a lesser one; versions are noted, too.
        let _ = rustix::fs::futimens(&self.file, &times);
        self.file.sync_all()
    }

    /// Gives it the name of what it replaces.
    pub(super) fn rename(&mut self, name: &OsStr, flags: RenameFlags) -> Result<(), Errno> {
        let dir = self.directory.handle();
        match rustix::fs::renameat_with(dir, &self.name, dir, name, flags) {
            // Some file systems know no flags.
            Err(Errno::INVAL | Errno::NOSYS) if !flags.is_empty() => {
                if rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                    return Err(Errno::EXIST);
                }
                rustix::fs::renameat(dir, &self.name, dir, name)?;
            }
            result => result?,
        }
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            remove(self.directory, &self.name);
        }
    }
}

/// Removes what killed writers left. The lock must be held.
pub(in super::super) fn remove_leftovers(directory: &Directory, listing: &Listing) {
    let leftovers = listing.ignored.iter().filter(|name| is_temporary(name));
    leftovers.for_each(|name| remove(directory, name));
}

fn remove(directory: &Directory, name: &OsStr) {
    // It is nobody's policy, so it does no harm where it cannot be removed.
    let _ = rustix::fs::unlinkat(directory.handle(), name, AtFlags::empty());
}

/// `.<tenant>.json.<16 hexadecimal digits>.tmp`, and nothing else.
fn is_temporary(name: &OsStr) -> bool {
    let parts = || {
        let name = std::str::from_utf8(name.as_bytes()).ok()?;
        let (tenant, random) = name
            .strip_prefix('.')?
            .strip_suffix(".tmp")?
            .split_once(".json.")?;
        Some((TenantId::parse(tenant).ok()?, random))
    };
    parts().is_some_and(|(_, random)| {
        random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn owner(stat: &Stat) -> Option<rustix::fs::Uid> {
    Some(rustix::fs::Uid::from_raw(stat.st_uid))
}

fn group(stat: &Stat) -> Option<rustix::fs::Gid> {
    Some(rustix::fs::Gid::from_raw(stat.st_gid))
}
