//! Tokens that were verified: what they claim, never a verdict.
//!
//! Invariant: a token is found only under the provider and the very keys that it was verified with;
//! with other keys in force it is as if it had never been seen. Bounded in number, large tokens
//! counting for more.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;

use super::in_force::Version;
use crate::core::token::verified::{Authentic, LONGEST};

/// A larger token counts for several: most have less than this, in bytes.
const ORDINARY: usize = 2048;

/// What a token is found by: a digest of provider, keys and the whole token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; 32]);

/// Verified tokens, of all providers.
pub(super) struct Remembered {
    tokens: Cache<Digest, Entry>,
    most: u64,
}

#[derive(Clone)]
struct Entry {
    authentic: Authentic,
    weight: u32,
}

impl Remembered {
    /// Room for `most` tokens, none of which is kept longer than `longest`.
    pub(super) fn new(most: u64, longest: Duration) -> Self {
        Self {
            tokens: Cache::builder()
                .max_capacity(most)
                .weigher(|_, entry: &Entry| entry.weight)
                .time_to_live(longest)
                .build(),
            most,
        }
    }

    /// What this token would be found by. None: it is not remembered in any case.
    pub(super) fn digest(&self, provider: &str, version: &Version, token: &str) -> Option<Digest> {
        if self.most == 0 || token.len() > LONGEST {
            return None;
        }
        let mut context = Context::new(&SHA256);
        // No part can be taken for another: the version has a fixed length, and no name a zero byte.
        context.update(version);
        context.update(provider.as_bytes());
        context.update(&[0]);
        context.update(token.as_bytes());
        context.finish().as_ref().try_into().ok().map(Digest)
    }

    /// A token that was verified before.
    pub(super) fn find(&self, digest: &Digest) -> Option<Authentic> {
        self.tokens.get(digest).map(|entry| entry.authentic)
    }

    /// Remembers a token of `length` bytes.
    pub(super) fn keep(&self, digest: Digest, authentic: Authentic, length: usize) {
        let weight = u32::try_from(1 + length / ORDINARY).unwrap_or(u32::MAX);
        self.tokens.insert(digest, Entry { authentic, weight });
    }

    /// Forgets everything: keys have changed.
    pub(super) fn forget(&self) {
        self.tokens.invalidate_all();
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.tokens.run_pending_tasks();
        self.tokens.iter().count()
    }
}
