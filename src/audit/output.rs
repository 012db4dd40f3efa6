//! Where audit lines are written to.
//!
//! Invariant: a file begins with a line of ours at the beginning of a line: what a killed process
//! left of one is ended first.

use std::io::{self, Write};

use super::appended::Appended;
use crate::config::AuditOutput;

/// An open output.
pub(super) enum Output {
    /// Appended to.
    File(Appended),
    /// Standard output.
    Stdout(io::Stdout),
}

impl Output {
    /// Opens it.
    pub(super) fn open(output: &AuditOutput) -> io::Result<Self> {
        match output {
            AuditOutput::File(path) => Ok(Self::File(Appended::open(path)?)),
            AuditOutput::Stdout => Ok(Self::Stdout(io::stdout())),
        }
    }

    /// Goes on where the output's name leads, if that is elsewhere by now. True: it is.
    ///
    /// # Errors
    /// The file was removed, and there is no other.
    pub(super) fn follow(&mut self) -> io::Result<bool> {
        match self {
            Self::File(file) => file.follow(),
            Self::Stdout(_) => Ok(false),
        }
    }

    /// Whether what was written last is nowhere.
    pub(super) fn is_removed(&self) -> bool {
        match self {
            Self::File(file) => file.is_removed(),
            Self::Stdout(_) => false,
        }
    }

    /// Writes lines; on failure, tells how many bytes went out before.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
            let step = match self {
                Self::File(file) => file.write(rest),
                Self::Stdout(stdout) => stdout.write(rest),
            };
            match step {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        match self {
            Self::File(_) => Ok(()),
            Self::Stdout(stdout) => stdout.flush().map_err(|error| (written, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_of_a_line_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let output = AuditOutput::File(path.clone());
        let table = [
            ("", "{}\n"),
            ("{\"a\":1}\n", "{\"a\":1}\n{}\n"),
            ("{\"a\":", "{\"a\":\n{}\n"),
        ];
        for (before, after) in table {
            std::fs::write(&path, before).unwrap();
            Output::open(&output).unwrap().write(b"{}\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }
}
