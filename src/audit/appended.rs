//! A file that is appended to under its name, through rotation.
//!
//! Invariant: what is written is in the file of that name, or in one that had it when it was
//! written; a file that nobody can open any more counts as one that takes nothing.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An open file, and its name.
pub(super) struct Appended {
    path: PathBuf,
    file: File,
    /// Whether it was told that the file was moved and no other can be opened.
    stranded: bool,
}

impl Appended {
    /// Opens it. What a killed process left of a line in it is ended.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if is_torn(path) {
            // Who cannot write this cannot write what comes either, and says so then.
            drop(file.write_all(b"\n"));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            stranded: false,
        })
    }

    /// Goes on in the file that has the name, if that is another by now. True: it is.
    ///
    /// # Errors
    /// The open file was removed, and there is no other.
    pub(super) fn follow(&mut self) -> io::Result<bool> {
        let named = self.path.metadata();
        if let (Ok(named), Ok(open)) = (&named, self.file.metadata())
            && id(named) == id(&open)
        {
            self.stranded = false;
            return Ok(false);
        }
        match Self::open(&self.path) {
            Ok(next) => {
                *self = next;
                tracing::info!(file = %self.path.display(), "the audit file was moved: a new one is begun");
                Ok(true)
            }
            Err(error) if self.is_removed() => Err(error),
            Err(error) => {
                if !self.stranded {
                    self.stranded = true;
                    let file = self.path.display();
                    tracing::warn!(%file, %error, "the audit file was moved, and no new one can be begun");
                }
                Ok(false)
            }
        }
    }

    /// Whether the open file has no name any more.
    pub(super) fn is_removed(&self) -> bool {
        let open = self.file.metadata();
        open.is_ok_and(|open| open.is_file() && open.nlink() == 0)
    }

    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.file.write(lines)
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Whether a file ends within a line. One that cannot be read, or is none, does not tell.
fn is_torn(path: &Path) -> bool {
    let last = || {
        if !std::fs::metadata(path)?.is_file() {
            return Ok(b'\n');
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [b'\n'];
        file.read_exact(&mut last)?;
        let [last] = last;
        Ok::<_, io::Error>(last)
    };
    last().is_ok_and(|last| last != b'\n')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(file: &mut Appended, line: &str) -> io::Result<bool> {
        let moved = file.follow()?;
        assert_eq!(file.write(line.as_bytes())?, line.len());
        Ok(moved)
    }

    #[test]
    fn it_goes_on_in_the_file_that_has_the_name() {
        let directory = tempfile::tempdir().unwrap();
        let [path, moved, target] =
            ["audit.jsonl", "audit.jsonl.1", "other"].map(|name| directory.path().join(name));
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let mut file = Appended::open(&path).unwrap();
        assert!(!write(&mut file, "1\n").unwrap());
        fs::rename(&path, &moved).unwrap();
        assert!(write(&mut file, "2\n").unwrap());
        assert!(!write(&mut file, "3\n").unwrap());
        assert_eq!((read(&moved), read(&path)), ("1\n".into(), "2\n3\n".into()));

        // Cut off: it is the same file.
        fs::write(&path, "").unwrap();
        assert!(!write(&mut file, "4\n").unwrap());
        assert_eq!(read(&path), "4\n");

        // Removed, and another put there.
        fs::remove_file(&path).unwrap();
        assert!(file.is_removed());
        fs::write(&path, "theirs").unwrap();
        assert!(write(&mut file, "5\n").unwrap());
        assert!(!file.is_removed());
        assert_eq!(read(&path), "theirs\n5\n");

        // A link that leads elsewhere.
        fs::rename(&path, &moved).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(write(&mut file, "6\n").unwrap());
        assert!(!write(&mut file, "7\n").unwrap());
        assert_eq!(read(&target), "6\n7\n");
    }

    #[test]
    fn a_file_that_was_moved_is_kept_where_no_other_can_be_opened_and_a_removed_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (here, there) = (
            directory.path().join("here"),
            directory.path().join("there"),
        );
        fs::create_dir(&here).unwrap();
        let mut file = Appended::open(&here.join("audit.jsonl")).unwrap();
        fs::rename(&here, &there).unwrap();
        assert!(!write(&mut file, "1\n").unwrap());
        let moved = there.join("audit.jsonl");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "1\n");
        fs::remove_file(&moved).unwrap();
        assert_eq!(file.follow().unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::create_dir(&here).unwrap();
        assert!(write(&mut file, "2\n").unwrap());
    }
}
