//! A bearer token that is kept in a file and compared with what somebody shows.
//!
//! Invariant: the token itself is not kept, only its digest; nothing here prints either, and a
//! comparison takes the same time whatever is shown.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, SHA256};
use rustix::fs::{Mode, OFlags};

/// Fewer characters could be guessed.
const LEAST: usize = 32;

const MOST: usize = 1024;

/// A token, as its digest.
pub(crate) struct Secret(digest::Digest);

/// Why a file gives no token. Nothing of its content is told.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// It holds something else.
    Content,
    /// It cannot be read.
    Unreadable(io::Error),
}

/// Reads a file that holds a token and at most an end of line after it.
pub(crate) fn read(path: &Path) -> Result<Secret, Unusable> {
    // One character more than the longest token with its end of line.
    let bytes = content(path, MOST + 3)?;
    let token = bytes
        .strip_suffix(b"\r\n")
        .or_else(|| bytes.strip_suffix(b"\n"))
        .unwrap_or(&bytes);
    let sound = (LEAST..=MOST).contains(&token.len()) && token.iter().all(u8::is_ascii_graphic);
    sound
        .then(|| Secret(digest::digest(&SHA256, token)))
        .ok_or(Unusable::Content)
}

/// What a file holds, its first `most` bytes.
pub(crate) fn content(path: &Path, most: usize) -> Result<Vec<u8>, Unusable> {
    // A pipe must not hold us up.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|error| Unusable::Unreadable(error.into()))?;
    if !file.metadata().map_err(Unusable::Unreadable)?.is_file() {
        return Err(Unusable::Content);
    }
    let mut bytes = Vec::new();
    file.take(u64::try_from(most).unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)
        .map_err(Unusable::Unreadable)?;
    Ok(bytes)
}

impl Secret {
    /// Whether this is the token.
    pub(crate) fn is(&self, shown: &str) -> bool {
        let shown = digest::digest(&SHA256, shown.as_bytes());
        verify_slices_are_equal(self.0.as_ref(), shown.as_ref()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8]) -> Result<Secret, Unusable> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, content).unwrap();
        read(&path)
    }

    #[test]
    fn a_token_is_read_with_or_without_an_end_of_line() {
        let token = "t".repeat(32);
        for end in ["", "\n", "\r\n"] {
            let secret = of(format!("{token}{end}").as_bytes()).unwrap();
            assert!(secret.is(&token));
            for other in [
                "",
                &token[1..],
                &format!("{token}t"),
                &format!("{token}{end}\n"),
            ] {
                assert!(!secret.is(other), "{other:?}");
            }
            assert_eq!(format!("{secret:?}"), "Secret");
        }
        assert!(of("t".repeat(MOST).as_bytes()).is_ok());
    }

    #[test]
    fn anything_else_is_no_token() {
        let long = "t".repeat(MOST + 1);
        let spaced = format!("{} {}", "t".repeat(20), "t".repeat(20));
        let lines = format!("{}\n\n", "t".repeat(40));
        let table: [&[u8]; 7] = [
            &b""[..],
            b"\n",
            "t".repeat(31).as_bytes(),
            long.as_bytes(),
            spaced.as_bytes(),
            lines.as_bytes(),
            "тттттттттттттттттттттттттттттттт".as_bytes(),
        ]
        .map(|content: &[u8]| content.to_vec().leak() as &[u8]);
        for content in table {
            assert!(matches!(of(content), Err(Unusable::Content)), "{content:?}");
        }
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read(directory.path()), Err(Unusable::Content)));
        let absent = directory.path().join("absent");
        assert!(matches!(read(&absent), Err(Unusable::Unreadable(_))));
    }
}
