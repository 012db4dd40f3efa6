//! Enters what was seen, with the versions that texts have in their directory.
//!
//! Invariant: versions are given under the directory's lock, so that everybody who watches it
//! gives the same ones. A lock that is not to be had soon holds no policy up.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::file::Directory;
use super::super::lock::Lock;
use super::super::write::remove_leftovers;
use super::look::{self, Before, Seen};
use super::{Ledger, Pass};

/// Whether versions are written down, so that they stay over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Recording {
    /// Nothing is written: one look.
    No,
    /// They are.
    Yes,
}

/// How long a lock is waited for that somebody else holds.
const PATIENCE: Duration = Duration::from_millis(100);

fn look_again(directory: &Directory, seen: Seen) -> Seen {
    let before = Before {
        known: Some(&seen.known),
        trusted: false,
    };
    // Where the links lead is known from the first look.
    look::look(directory, seen.tenant, &[], before, &mut BTreeSet::new()).unwrap_or(seen)
}

impl Ledger {
    /// Enters what was seen of many tenants.
    pub(super) fn enter_all(&mut self, directory: &Directory, seen: Vec<Seen>, pass: &mut Pass) {
        if seen.is_empty() {
            return;
        }
        let lock = match self.recording {
            Recording::No => None,
            Recording::Yes => Lock::take(directory, PATIENCE).ok(),
        };
        let news = self.versions.catch_up(directory);
        for seen in seen {
            // Read before somebody put another text there, perhaps: the text that is no more must
            // not get a version above that one's.
            let seen = if news.contains(&seen.tenant) {
                look_again(directory, seen)
            } else {
                seen
            };
            self.enter(seen, pass);
        }
        if lock.is_some()
            && let Err(error) = self.versions.write(directory)
        {
            tracing::debug!(%error, "versions are not noted");
        }
    }

    /// Removes what killed writers left in the directory.
    pub(in super::super) fn remove_leftovers(&self) {
        let opened = Directory::open(&self.path)
            .and_then(|directory| directory.list().map(|listing| (directory, listing)));
        if let Ok((directory, listing)) = opened
            && let Ok(_lock) = Lock::take(&directory, PATIENCE)
        {
            remove_leftovers(&directory, &listing);
        }
    }
}
