//! One policy directory and its files, looked at without ever waiting for one.
//!
//! Invariant: a file counts as absent only if an open directory said so; everything else that
//! keeps a file from being read is a fault. Pipes and devices are never opened for their content.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};

use crate::core::policy::Version;
use crate::core::tenant::TenantId;
use crate::problem::Problem;

use super::document::Fault;

/// The largest policy file. 500 entries with long notes stay far below it.
pub(super) const LARGEST: u64 = 4 * 1024 * 1024;

/// Whose policy a file name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Nobody's: a dotfile, or a name that does not end in `.json`.
    Nobody,
    /// This tenant's.
    Tenant(TenantId),
    /// It ends in `.json` and is no tenant id: a policy that would act for nobody.
    Unclear,
}

/// Reads a file name. The ending is compared without case: `<id>.JSON` taken for no policy at all
/// would leave its tenant open.
pub(super) fn named(name: &OsStr) -> Named {
    let bytes = name.as_bytes();
    let Some((stem, ending)) = bytes.split_at_checked(bytes.len().saturating_sub(5)) else {
        return Named::Nobody;
    };
    if bytes.starts_with(b".") || !ending.eq_ignore_ascii_case(b".json") {
        return Named::Nobody;
    }
    let tenant = std::str::from_utf8(stem)
        .ok()
        .and_then(|stem| TenantId::parse(stem).ok());
    tenant.map_or(Named::Unclear, Named::Tenant)
}

/// The name a tenant's file usually has.
pub(super) fn usual_name(tenant: TenantId) -> OsString {
    format!("{tenant}.json").into()
}

/// Tells one file or directory from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    // The fields have other types on other platforms.
    #[allow(clippy::unnecessary_cast)]
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
        }
    }
}

/// Changes whenever a file's content may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) identity: Identity,
    size: u64,
    modified: i64,
    changed: i64,
}

impl Fingerprint {
    // The fields have other types on other platforms.
    #[allow(clippy::unnecessary_cast)]
    pub(super) fn of(stat: &Stat) -> Self {
        let nanos =
            |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self {
            identity: Identity::of(stat),
            size: stat.st_size as u64,
            modified: nanos(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: nanos(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// When the content was written, as the file tells: in microseconds, like a version.
    pub(super) fn written(&self) -> Version {
        Version(u64::try_from(self.modified / 1_000).unwrap_or(0))
    }

    /// Whether the last change is long enough ago that another one shows. Two changes within one
    /// tick of the file system's clock have the same fingerprint.
    pub(super) fn is_settled(&self) -> bool {
        const TICK: Duration = Duration::from_secs(2);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let changed = Duration::from_nanos(u64::try_from(self.changed).unwrap_or(0));
        now.abs_diff(changed) > TICK
    }
}

/// What stands under a name, as far as it shows without opening it.
#[derive(Debug)]
pub(super) enum Sight {
    /// Nothing: confirmed.
    Absent,
    /// Something.
    Present {
        /// Of the file that a link leads to; none if it leads nowhere.
        fingerprint: Option<Fingerprint>,
        /// Why it cannot be a policy file.
        fault: Option<Fault>,
        /// For a symbolic link, the directory it points into.
        link: Option<PathBuf>,
    },
}

/// The names in a directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Tenants with a policy file, with its name if that is not the usual one.
    pub(super) files: Vec<(TenantId, Option<OsString>)>,
    /// Names that are nobody's.
    pub(super) ignored: Vec<OsString>,
    /// Names that should be somebody's.
    pub(super) unclear: BTreeSet<OsString>,
}

/// A directory held open, so that what is read belongs together even while its path is being
/// given to another one.
pub(super) struct Directory {
    handle: OwnedFd,
    path: PathBuf,
    /// Which directory it is.
    pub(super) identity: Identity,
}

impl Directory {
    /// Opens a directory.
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty())
            .and_then(|handle| rustix::fs::fstat(&handle).map(|stat| (handle, stat)));
        match opened {
            Ok((handle, stat)) => Ok(Self {
                handle,
                path: path.to_owned(),
                identity: Fingerprint::of(&stat).identity,
            }),
            Err(error) => Err(unreadable(path, error.into())),
        }
    }

    /// The open directory.
    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Gives a new file in it to whom the directory belongs to: what a superuser writes must not
    /// be closed to the gateway. Best effort.
    pub(super) fn adopt(&self, file: &File) {
        if let Ok(stat) = rustix::fs::fstat(&self.handle) {
            let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            let _ = rustix::fs::fchown(file, Some(owner), Some(group));
        }
    }

    /// Whether its path still leads to it.
    pub(super) fn is_in_place(&self) -> bool {
        identity(&self.path) == Some(self.identity)
    }

    /// Where a file in it is.
    pub(super) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// A fault of a file in it.
    pub(super) fn problem(&self, name: &OsStr, fault: Fault) -> Problem {
        Problem {
            file: self.path_of(name),
            key: fault.key,
            found: fault.found,
            expected: fault.expected,
        }
    }

    /// The names in it.
    pub(super) fn list(&self) -> Result<Listing, Problem> {
        let mut listing = Listing::default();
        let entries = Dir::read_from(&self.handle);
        for entry in entries.map_err(|error| unreadable(&self.path, error.into()))? {
            let entry = entry.map_err(|error| unreadable(&self.path, error.into()))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            match named(name) {
                Named::Tenant(tenant) => {
                    let spelt = (name != usual_name(tenant)).then(|| name.to_owned());
                    listing.files.push((tenant, spelt));
                }
                Named::Unclear => {
                    listing.unclear.insert(name.to_owned());
                }
                Named::Nobody if name == "." || name == ".." => {}
                Named::Nobody => listing.ignored.push(name.to_owned()),
            }
        }
        Ok(listing)
    }

    /// Looks at a name without opening what it stands for.
    pub(super) fn look(&self, name: &OsStr) -> Sight {
        let present = |fingerprint, fault, link| Sight::Present {
            fingerprint,
            fault,
            link,
        };
        let own = match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Sight::Absent,
            Err(error) => return present(None, Some(failed(error.into())), None),
        };
        if FileType::from_raw_mode(own.st_mode) != FileType::Symlink {
            return present(Some(Fingerprint::of(&own)), kind_fault(&own), None);
        }
        let link = rustix::fs::readlinkat(&self.handle, name, Vec::new())
            .ok()
            .map(|target| PathBuf::from(OsString::from_vec(target.into_bytes())))
            .and_then(|target| target.parent().map(Path::to_owned));
        match rustix::fs::statat(&self.handle, name, AtFlags::empty()) {
            Ok(stat) => present(Some(Fingerprint::of(&stat)), kind_fault(&stat), link),
            Err(rustix::io::Errno::NOENT) => {
                present(None, Some(regular_expected("a link to nothing")), link)
            }
            Err(error) => present(None, Some(failed(error.into())), link),
        }
    }

    /// Reads a file whole, or says why not.
    pub(super) fn read(&self, name: &OsStr) -> Result<(Fingerprint, Vec<u8>), Fault> {
        // A pipe or device put in the file's place meanwhile must not hold us up either.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let failed = |error: rustix::io::Errno| failed(error.into());
        for _ in 0..ATTEMPTS {
            let handle =
                rustix::fs::openat(&self.handle, name, flags, Mode::empty()).map_err(failed)?;
            let before = rustix::fs::fstat(&handle).map_err(failed)?;
            if let Some(fault) = kind_fault(&before) {
                return Err(fault);
            }
            let file = File::from(handle);
            let bytes = read_capped(&file)?;
            let after = rustix::fs::fstat(&file).map_err(failed)?;
            let fingerprint = Fingerprint::of(&after);
            if fingerprint == Fingerprint::of(&before) {
                return Ok((fingerprint, bytes));
            }
        }
        Err(regular_expected("a file that changes while it is read"))
    }
}

/// How often a file is read that changes meanwhile; its writer's next event comes anyway.
const ATTEMPTS: usize = 3;

/// Which directory a path leads to now.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    let stat = rustix::fs::stat(path).ok()?;
    Some(Fingerprint::of(&stat).identity)
}

fn read_capped(file: &File) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large("more"));
    }
    Ok(bytes)
}

/// Why something cannot be a policy file, judged by its kind and size.
fn kind_fault(stat: &Stat) -> Option<Fault> {
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
            return (size > LARGEST).then(|| too_large(&format!("{size} bytes")));
        }
        FileType::BlockDevice | FileType::CharacterDevice => "a device",
        FileType::Directory => "a directory",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::Symlink | FileType::Unknown => "something unknown",
    };
    Some(regular_expected(found))
}

fn too_large(found: &str) -> Fault {
    fault(found, &format!("at most {LARGEST} bytes"))
}

fn failed(error: io::Error) -> Fault {
    regular_expected(&error.to_string())
}

fn regular_expected(found: &str) -> Fault {
    fault(found, "a regular file that can be read")
}

fn fault(found: &str, expected: &str) -> Fault {
    Fault {
        key: String::new(),
        found: found.to_owned(),
        expected: expected.to_owned(),
    }
}

fn unreadable(path: &Path, error: io::Error) -> Problem {
    Problem {
        file: path.to_owned(),
        key: String::new(),
        found: error.to_string(),
        expected: "a directory that can be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
        let tenant = Named::Tenant(TenantId::parse(id).unwrap());
        let table = [
            (format!("{id}.json"), tenant),
            (format!("{}.json", id.to_uppercase()), tenant),
            (format!("{id}.JSON"), tenant),
            (format!("{{{id}}}.json"), Named::Unclear),
            (format!("{id} .json"), Named::Unclear),
            ("contoso.com.json".to_owned(), Named::Unclear),
            ("common.json".to_owned(), Named::Unclear),
            (format!(".{id}.json"), Named::Nobody),
            (".json".to_owned(), Named::Nobody),
            ("..data".to_owned(), Named::Nobody),
            (format!("{id}.json.swp"), Named::Nobody),
            (format!("{id}.json~"), Named::Nobody),
            (id.to_owned(), Named::Nobody),
            ("json".to_owned(), Named::Nobody),
            ("x".to_owned(), Named::Nobody),
            (String::new(), Named::Nobody),
        ];
        for (name, expected) in table {
            assert_eq!(named(OsStr::new(&name)), expected, "{name}");
        }
        assert_eq!(named(OsStr::from_bytes(b"\xff.json")), Named::Unclear);
    }

    #[test]
    fn a_pipe_put_in_a_files_place_does_not_hold_the_reader_up() {
        let temporary = tempfile::tempdir().unwrap();
        let pipe = temporary.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR).unwrap();
        let directory = Directory::open(temporary.path()).unwrap();
        let fault = directory.read(OsStr::new("pipe")).unwrap_err();
        assert_eq!(fault.found, "a named pipe");
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        std::fs::write(&path, vec![b' '; 3 * 1024 * 1024]).unwrap();
        let directory = Directory::open(temporary.path()).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                use std::os::unix::fs::FileExt;
                let file = File::options().write(true).open(&path).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    file.write_all_at(b"x", 0).unwrap();
                }
            });
            let end = std::time::Instant::now() + Duration::from_secs(20);
            let refused = std::iter::repeat_with(|| directory.read(OsStr::new("file")))
                .take_while(|_| std::time::Instant::now() < end)
                .find_map(Result::err);
            stop.store(true, Ordering::Relaxed);
            let found = refused.map(|fault| fault.found);
            assert_eq!(
                found.as_deref(),
                Some("a file that changes while it is read")
            );
        });
    }
}
