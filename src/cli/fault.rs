//! Why a command came to nothing, by whose fault it is.

use super::Exit;
use super::output::{tell, tell_problems};
use crate::problem::Problem;

/// Why a command came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// Something failed that is no fault of what was asked.
    Failed(String),
    /// Files that are wrong.
    Problems(Vec<Problem>),
    /// What was asked is wrong.
    Wrong(String),
}

impl Fault {
    /// Tells it on standard error.
    pub(super) fn tell(&self) -> Exit {
        match self {
            Self::Failed(sentence) => tell(sentence, Exit::Failed),
            Self::Problems(problems) => tell_problems(problems),
            Self::Wrong(sentence) => tell(sentence, Exit::Wrong),
        }
    }
}

impl From<Vec<Problem>> for Fault {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}
