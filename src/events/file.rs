//! The files of a store: who may write it, what stands in its place, where a damaged one goes.
//!
//! Invariant: a file that was never a store is never written to, and none is ever deleted.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::reader::beside;

/// What the lock's file says once the file beside it was a store.
const MARK: &[u8] = b"tidegate events\n";

/// The bytes that SQLite's files begin with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The lock beside a store, held until it is dropped.
pub(super) struct Lock {
    file: File,
    marked: bool,
}

impl Lock {
    /// Takes the lock of a store.
    pub(super) fn take(store: &Path) -> Result<Self, Error> {
        let path = beside(store, ".lock");
        let refused = |error| Error::Io {
            file: path.clone(),
            error,
        };
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(nofollow)
            .open(&path)
            .map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {
                let marked = file.metadata().map_err(refused)?.len() > 0;
                Ok(Self { file, marked })
            }
            Err(TryLockError::WouldBlock) => Err(Error::Held(store.to_owned())),
            Err(TryLockError::Error(error)) => Err(refused(error)),
        }
    }

    /// Whether the file beside it was a store once.
    pub(super) const fn is_marked(&self) -> bool {
        self.marked
    }

    /// Notes that the file beside is a store: should its head be damaged later, it is known that
    /// it was no other file.
    pub(super) fn mark(&mut self) {
        if !self.marked {
            self.marked = self.file.write_all(MARK).is_ok();
        }
    }
}

/// Makes an empty file that nobody else may read, where there is none.
pub(super) fn create(file: &Path) -> Result<(), Error> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::Io {
            file: file.to_owned(),
            error,
        }),
        _ => Ok(()),
    }
}

/// Whether a file holds something that is not SQLite's.
pub(super) fn is_foreign(file: &Path) -> Result<bool, Error> {
    let refused = |error| Error::Io {
        file: file.to_owned(),
        error,
    };
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(refused(error)),
        Ok(found) if !found.is_file() => return Ok(true),
        Ok(found) if found.len() == 0 => return Ok(false),
        Ok(_) => {}
    }
    let mut head = [0; MAGIC.len()];
    let read = File::open(file).and_then(|mut file| io::Read::read_exact(&mut file, &mut head));
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
        Err(error) => Err(refused(error)),
        Ok(()) => Ok(head != MAGIC),
    }
}

/// Device and number of the file of this name.
pub(super) fn identity(file: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(file).ok()?;
    Some((found.dev(), found.ino()))
}

/// Renames a damaged store, its journal with it, and tells the new name, which nothing had.
pub(super) fn set_aside(file: &Path, now: i64) -> io::Result<PathBuf> {
    let second = now / 1000;
    let first = beside(file, &format!(".corrupt-{second}"));
    let others = (1..1_000).map(|number| beside(file, &format!(".corrupt-{second}-{number}")));
    let mut names = std::iter::once(first).chain(others);
    let is_free = |name: &PathBuf| fs::symlink_metadata(name).is_err();
    let aside = names.find(is_free).ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(file, &aside)?;
    for suffix in ["-wal", "-shm"] {
        match fs::rename(beside(file, suffix), beside(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}
