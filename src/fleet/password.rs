//! A password in a file: etcd wants it as it is, so it cannot be kept as a digest.
//!
//! Invariant: nothing prints it, and it is forgotten after each sign-in.

use std::fmt;
use std::path::Path;

use crate::secret::{self, Unusable};

const MOST: usize = 1024;

/// A password.
pub(crate) struct Password(String);

impl Password {
    /// As it is sent.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Reads a file that holds a password and at most an end of line after it.
pub(crate) fn read(path: &Path) -> Result<Password, Unusable> {
    // One more than the longest with its end of line.
    let bytes = secret::content(path, MOST + 3)?;
    let text = String::from_utf8(bytes).map_err(|_| Unusable::Content)?;
    let password = text
        .strip_suffix("\r\n")
        .or_else(|| text.strip_suffix('\n'))
        .unwrap_or(&text);
    let sound = (1..=MOST).contains(&password.len()) && !password.contains(char::is_control);
    sound
        .then(|| Password(password.to_owned()))
        .ok_or(Unusable::Content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_with_or_without_an_end_of_line_and_never_printed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        for (content, expected) in [
            ("pass word", Some("pass word")),
            ("secret\n", Some("secret")),
            ("secret\r\n", Some("secret")),
            ("", None),
            ("\n", None),
            ("two\nlines\n", None),
            ("secret\n\n", None),
        ] {
            std::fs::write(&path, content).unwrap();
            let password = read(&path).ok();
            assert_eq!(
                password.as_ref().map(Password::reveal),
                expected,
                "{content:?}"
            );
            assert!(!format!("{password:?}").contains("secret"));
        }
        std::fs::write(&path, "p".repeat(MOST + 1)).unwrap();
        assert!(read(&path).is_err());
        assert!(read(directory.path()).is_err());
    }
}
