//! One fault in what an operator wrote: which file, where in it, what was found, what was expected.
//!
//! Invariant: a problem is told in one line, whatever the file holds.

mod visible;

use std::fmt;
use std::path::PathBuf;

pub(crate) use visible::{visible, visible_json, visible_lines};

/// A fault the operator can mend. `check` prints all of them; `serve` refuses to start on any.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The key path in it, like `routes[2].creator[0].header`; empty for the file as a whole.
    pub key: String,
    /// What stands there. Never a secret: no file that holds one is quoted.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", visible(&self.file.to_string_lossy()))?;
        if !self.key.is_empty() {
            write!(f, "{}: ", visible(&self.key))?;
        }
        let (found, expected) = (visible(&self.found), visible(&self.expected));
        write!(f, "found {found}, expected {expected}")
    }
}
