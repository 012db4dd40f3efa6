//! One file, followed by its name.
//!
//! | what happens | what is done |
//! |---|---|
//! | it grows | what was added is read |
//! | it is renamed or removed, and another appears in its place | the old one is read on for a while, then the other from its start |
//! | it is cut off and written anew (`copytruncate`) | it is read from its start |
//! | it is not there | it is waited for |
//!
//! Invariant: each whole line is handed over once, in the file's order.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Failed;
use super::last;
use super::pieces::Pieces;
use crate::cli::output::note;
use crate::problem::visible;

/// How long a file that was replaced is read on: its writer may not have noticed.
const GRACE: Duration = Duration::from_secs(10);

/// Files that were replaced and are read on.
const MOST_OLD: usize = 8;

/// So many bytes before the place where reading goes on must be what they were.
const REMEMBERED: usize = 64;

pub(super) struct Follow {
    path: PathBuf,
    open: Option<Open>,
    old: Vec<(Open, Instant)>,
    /// Whether it was told that the file is not there.
    missed: bool,
}

/// Takes a line.
type Take<'t> = dyn FnMut(&[u8]) -> Result<(), Failed> + 't;

impl Follow {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: None,
            old: Vec::new(),
            missed: false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file, if it is there, to be followed from the end of its last whole line.
    pub(super) fn begin_at_end(&mut self) -> Result<Option<(&File, u64)>, Failed> {
        self.reopen()?;
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let end = last::end_of_lines(&open.file).and_then(|end| open.skip(end).map(|()| end));
        let end = end.map_err(|error| (self.path.clone(), error))?;
        Ok(Some((&open.file, end)))
    }

    /// Hands over every line that is new; at the `last` look, also what stands after the last end
    /// of a line.
    pub(super) fn look(&mut self, last: bool, take: &mut Take<'_>) -> Result<(), Failed> {
        // What was replaced comes before what replaced it.
        let mut old = std::mem::take(&mut self.old);
        // One that is cut off is somebody else's by now, like a copy of what replaced it.
        old.retain(|(open, since)| since.elapsed() < GRACE && !open.is_cut());
        for (open, _) in &mut old {
            self.read(open, take)?;
        }
        self.old = old;
        if let Some(mut open) = self.open.take() {
            self.read(&mut open, take)?;
            self.open = Some(open);
        }
        if self.reopen()?
            && let Some(mut open) = self.open.take()
        {
            self.read(&mut open, take)?;
            self.open = Some(open);
        }
        if last && let Some(open) = &mut self.open {
            let rest = open.pieces.rest();
            if super::Record::read(&rest).is_some() {
                take(&rest)?;
            }
        }
        Ok(())
    }

    fn read(&self, open: &mut Open, take: &mut Take<'_>) -> Result<(), Failed> {
        open.read(&self.path, take)
    }

    /// Opens what stands under the name, if it is another file than the open one.
    fn reopen(&mut self) -> Result<bool, Failed> {
        match self.another() {
            Ok(Some(next)) => {
                if let Some(replaced) = self.open.replace(next) {
                    if self.old.len() == MOST_OLD {
                        self.old.remove(0);
                    }
                    self.old.push((replaced, Instant::now()));
                }
                self.missed = false;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.open.is_none() {
                    self.miss("does not exist");
                }
                Ok(false)
            }
            // Whoever rotates may be about to change its owner.
            Err(error) if self.open.is_some() => {
                self.miss(&error.to_string());
                Ok(false)
            }
            Err(error) => Err((self.path.clone(), error)),
        }
    }

    fn another(&self) -> io::Result<Option<Open>> {
        let found = self.path.metadata()?;
        match &self.open {
            Some(open) if open.id == id(&found) => Ok(None),
            Some(_) | None => File::open(&self.path).and_then(Open::new).map(Some),
        }
    }

    /// Tells once that there is no file to read.
    fn miss(&mut self, why: &str) {
        if !std::mem::replace(&mut self.missed, true) {
            let name = visible(&self.path.to_string_lossy());
            note(&format!("{name}: {why}; it is waited for"));
        }
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

struct Open {
    file: File,
    id: (u64, u64),
    offset: u64,
    pieces: Pieces,
    /// The last bytes before `offset`.
    before: Vec<u8>,
}

impl Open {
    fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            id: id(&file.metadata()?),
            file,
            offset: 0,
            pieces: Pieces::default(),
            before: Vec::new(),
        })
    }

    /// Leaves out what stands before `offset`.
    fn skip(&mut self, offset: u64) -> io::Result<()> {
        let remembered = offset.min(u64::try_from(REMEMBERED).unwrap_or_default());
        self.before = vec![0; usize::try_from(remembered).unwrap_or_default()];
        self.offset = offset;
        self.file
            .read_exact_at(&mut self.before, offset - remembered)
    }

    fn read(&mut self, path: &Path, take: &mut Take<'_>) -> Result<(), Failed> {
        let failed = |error| (path.to_owned(), error);
        if self.file.metadata().map_err(failed)?.len() == self.offset && !self.is_cut() {
            return Ok(());
        }
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let bytes = match self.file.read_at(&mut buffer, self.offset) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            // Looked at after reading, so that what was read is known to follow what was before.
            if self.is_cut() {
                self.offset = 0;
                self.pieces = Pieces::default();
                self.before.clear();
                continue;
            }
            let Some(read) = buffer.get(..bytes).filter(|read| !read.is_empty()) else {
                return Ok(());
            };
            self.offset += u64::try_from(bytes).unwrap_or_default();
            self.before.extend_from_slice(read);
            let forget = self.before.len().saturating_sub(REMEMBERED);
            self.before.drain(..forget);
            self.pieces.feed(read, take)?;
        }
    }

    /// Whether what was read last does not stand where it stood: the file was cut off, and may have
    /// grown beyond this place again.
    fn is_cut(&self) -> bool {
        let mut now = vec![0; self.before.len()];
        let start = self.offset - u64::try_from(now.len()).unwrap_or_default();
        self.file.read_exact_at(&mut now, start).is_err() || now != self.before
    }
}
