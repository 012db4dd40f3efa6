//! Which version each text has, remembered beside the policies.
//!
//! Invariant: a tenant's versions only go up, whatever the clock and the files' times say, whoever
//! writes, and over restarts: a text that is not the one the last version was given to gets the
//! time of its file, or one more than the last version if that is greater.
//!
//! What was given stands in `.tidegate.versions`, one line each: tenant, version, and the start of
//! the text's SHA-256 (`-` once the file was seen to be gone). The last line of a tenant counts. The
//! file only grows, under the directory's lock, until it is written anew. Where it cannot be
//! written, versions hold for as long as the process runs, and the files' times are all that
//! stays. A line that cannot be read is passed over: one was cut short, by a full disk.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use memchr::memmem;
use rustix::fs::{Mode, OFlags, Stat};

use crate::core::policy::Version;
use crate::core::tenant::TenantId;

use super::file::{Directory, Identity};
use super::stored::Digest;

const NAME: &str = ".tidegate.versions";
const NEW_NAME: &str = ".tidegate.versions.tmp";

/// About the length of a line; the file is written anew once it is far longer than its tenants
/// need.
const LINE: u64 = 87;
const SLACK: u64 = 1024 * 1024;

/// No version read from the file is above this, so that there is always a next one.
const GREATEST: u64 = u64::MAX >> 1;

/// The last version given to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) version: Version,
    /// The text it was given to; none once that is gone.
    pub(super) text: Option<Digest>,
}

/// The version of a text. `written`: the time of its file.
pub(super) fn choose(given: Option<Given>, text: Digest, written: Version) -> Version {
    match given {
        None => written,
        Some(given) if given.text == Some(text) => given.version,
        Some(given) => written.max(given.version.next()),
    }
}

/// The last version given to one tenant, by anybody.
pub(super) fn last_given(directory: &Directory, tenant: TenantId) -> Option<Given> {
    let bytes = open(directory, OFlags::RDONLY)
        .and_then(|file| read_from(&file, 0))
        .unwrap_or_default();
    let name = tenant.to_string();
    // Lines cut short and lines after them are passed over here as they are in `Versions`.
    let finder = memmem::Finder::new(name.as_bytes());
    let lines = finder.find_iter(&bytes).filter_map(|at| {
        let line = bytes.get(at..)?.split(|byte| *byte == b'\n').next()?;
        let starts = at
            .checked_sub(1)
            .is_none_or(|at| bytes.get(at) == Some(&b'\n'));
        starts.then(|| parse(line)).flatten()
    });
    lines.map(|(_, given)| given).reduce(later)
}

/// Writes down what was given, for one tenant. The lock must be held.
pub(super) fn note(directory: &Directory, tenant: TenantId, given: Given) -> io::Result<()> {
    append(directory, line(tenant, given)).map(drop)
}

fn later(one: Given, other: Given) -> Given {
    if other.version >= one.version {
        other
    } else {
        one
    }
}

/// What is known of all versions given in one directory.
#[derive(Debug, Default)]
pub(super) struct Versions {
    given: HashMap<TenantId, Given>,
    /// How much of which file is known.
    known: Option<(Identity, u64)>,
    /// What the file does not hold yet.
    unwritten: Vec<TenantId>,
}

impl Versions {
    /// Learns what others have given since, and says to whom.
    pub(super) fn catch_up(&mut self, directory: &Directory) -> HashSet<TenantId> {
        let mut news = HashSet::new();
        // None there, or unreadable: what is known already counts.
        let Ok(file) = open(directory, OFlags::RDONLY) else {
            self.known = None;
            return news;
        };
        let Ok(stat) = rustix::fs::fstat(&file) else {
            return news;
        };
        let (identity, size) = (Identity::of(&stat), size(&stat));
        let start = match self.known {
            Some((known, read)) if known == identity && read <= size => read,
            Some(_) | None => 0,
        };
        let Ok(bytes) = read_from(&file, start) else {
            return news;
        };
        // A last line that is still being written is read again next time.
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1);
        let lines = bytes.get(..whole).unwrap_or_default();
        for (tenant, given) in lines.split(|byte| *byte == b'\n').filter_map(parse) {
            let known = self.given.get(&tenant).copied();
            let last = known.map_or(given, |known| later(known, given));
            if known != Some(last) {
                self.given.insert(tenant, last);
                news.insert(tenant);
            }
        }
        let read = u64::try_from(whole).unwrap_or(u64::MAX);
        self.known = Some((identity, start.saturating_add(read)));
        news
    }

    /// The version of a text that stands in a tenant's file now.
    pub(super) fn of(&mut self, tenant: TenantId, text: Digest, written: Version) -> Version {
        let last = self.given.get(&tenant).copied();
        let version = choose(last, text, written);
        let given = Given {
            version,
            text: Some(text),
        };
        self.give(tenant, given, last);
        version
    }

    /// A tenant's file is gone: the same text in another file will be another version.
    pub(super) fn gone(&mut self, tenant: TenantId) {
        if let Some(last) = self.given.get(&tenant).copied() {
            self.give(tenant, Given { text: None, ..last }, Some(last));
        }
    }

    /// As [`Versions::gone`], for all tenants but those that have a file.
    pub(super) fn gone_but_for(&mut self, has_file: impl Fn(TenantId) -> bool) {
        let gone: Vec<_> = self
            .given
            .iter()
            .filter(|(tenant, given)| given.text.is_some() && !has_file(**tenant))
            .map(|(tenant, _)| *tenant)
            .collect();
        gone.into_iter().for_each(|tenant| self.gone(tenant));
    }

    fn give(&mut self, tenant: TenantId, given: Given, last: Option<Given>) {
        if last != Some(given) {
            self.given.insert(tenant, given);
            self.unwritten.push(tenant);
        }
    }

    /// Writes down what was given since. The lock must be held.
    ///
    /// # Errors
    /// The system's; what was given still counts, and is written next time.
    pub(super) fn write(&mut self, directory: &Directory) -> io::Result<()> {
        // A file that was taken away, or belongs to another directory, holds nothing of ours.
        let anew = self.known.is_none();
        if self.unwritten.is_empty() && !anew {
            return Ok(());
        }
        let needed = LINE.saturating_mul(self.given.len() as u64);
        let long = |(_, size): (Identity, u64)| size > needed.saturating_mul(2) + SLACK;
        if anew || self.known.is_some_and(long) {
            self.write_anew(directory)?;
        } else {
            let lines: String = self
                .unwritten
                .iter()
                .filter_map(|tenant| Some(line(*tenant, *self.given.get(tenant)?)))
                .collect();
            append(directory, lines)?;
        }
        self.unwritten.clear();
        Ok(())
    }

    fn write_anew(&mut self, directory: &Directory) -> io::Result<()> {
        let lines: String = self
            .given
            .iter()
            .map(|(tenant, given)| line(*tenant, *given))
            .collect();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let handle =
            rustix::fs::openat(directory.handle(), NEW_NAME, flags | OFlags::CLOEXEC, MODE)?;
        let mut file = File::from(handle);
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        directory.adopt(&file);
        rustix::fs::renameat(directory.handle(), NEW_NAME, directory.handle(), NAME)?;
        let stat = rustix::fs::fstat(&file)?;
        self.known = Some((Identity::of(&stat), size(&stat)));
        Ok(())
    }
}

const MODE: Mode = Mode::from_raw_mode(0o644);

fn line(tenant: TenantId, given: Given) -> String {
    match given.text {
        Some(text) => format!("{tenant} {} {text}\n", given.version),
        None => format!("{tenant} {} -\n", given.version),
    }
}

fn parse(line: &[u8]) -> Option<(TenantId, Given)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (tenant, version, text) = (words.next()?, words.next()?, words.next()?);
    let version: u64 = version.parse().ok()?;
    let text = match text {
        "-" => None,
        // One that was cut short is none.
        text if text.len() == 32 => Some(Digest(u128::from_str_radix(text, 16).ok()?)),
        _ => return None,
    };
    let sound = words.next().is_none() && version <= GREATEST;
    sound.then_some(())?;
    let given = Given {
        version: Version(version),
        text,
    };
    Some((TenantId::parse(tenant).ok()?, given))
}

fn append(directory: &Directory, mut lines: String) -> io::Result<()> {
    let file = open(directory, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE)?;
    let stat = rustix::fs::fstat(&file)?;
    let size = size(&stat);
    if size == 0 {
        directory.adopt(&file);
    } else {
        // What a full disk or a crash cut short must not swallow the next line.
        let mut last = [0];
        file.read_exact_at(&mut last, size - 1)?;
        if last != *b"\n" {
            lines.insert(0, '\n');
        }
    }
    (&file).write_all(lines.as_bytes())
}

fn open(directory: &Directory, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(directory.handle(), NAME, flags, MODE)?;
    Ok(File::from(handle))
}

fn read_from(file: &File, start: u64) -> io::Result<Vec<u8>> {
    use std::io::Seek;
    let mut file = file;
    file.seek(io::SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

#[cfg(test)]
mod tests;
