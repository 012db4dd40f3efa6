//! How exchanges ended, and how many of them.

use serde::Serialize;

/// How exchanges ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Allowed by both policies.
    pub allowed: u64,
    /// Let through, and would be blocked if every side enforced.
    pub would_block: u64,
    /// Blocked.
    pub blocked: u64,
    /// Let through without an Entra token, from a provider declared so.
    pub passed_non_entra: u64,
    /// Ended in an error, so that nothing was released.
    pub errors: u64,
}

/// The word for how an exchange ended, as in audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `allow`.
    Allow,
    /// `block`.
    Block,
    /// `error`.
    Error,
    /// `pass_non_entra`.
    PassNonEntra,
    /// `would_block`.
    WouldBlock,
}

impl Counts {
    /// What was asked for and would get through with isolation Off.
    pub const fn passed(&self) -> u64 {
        self.allowed + self.would_block
    }

    /// All of them.
    pub const fn total(&self) -> u64 {
        self.passed() + self.blocked + self.passed_non_entra + self.errors
    }

    /// Counts `count` more.
    pub const fn add(&mut self, ending: Ending, count: u64) {
        let counter = match ending {
            Ending::Allow => &mut self.allowed,
            Ending::Block => &mut self.blocked,
            Ending::Error => &mut self.errors,
            Ending::PassNonEntra => &mut self.passed_non_entra,
            Ending::WouldBlock => &mut self.would_block,
        };
        *counter = counter.saturating_add(count);
    }

    /// Counts all of `other` too.
    pub const fn join(&mut self, other: &Self) {
        self.add(Ending::Allow, other.allowed);
        self.add(Ending::Block, other.blocked);
        self.add(Ending::Error, other.errors);
        self.add(Ending::PassNonEntra, other.passed_non_entra);
        self.add(Ending::WouldBlock, other.would_block);
    }
}

impl Ending {
    /// The ending that a record's word says.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "allow" => Self::Allow,
            "block" => Self::Block,
            "error" => Self::Error,
            "pass_non_entra" => Self::PassNonEntra,
            "would_block" => Self::WouldBlock,
            _ => return None,
        })
    }
}
