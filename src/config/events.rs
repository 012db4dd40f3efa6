//! The store of decision events, as configured.

use std::path::PathBuf;
use std::time::Duration;

/// Where events are kept, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// The store's file; beside it stand its journal and its lock.
    pub file: PathBuf,
    /// What is older goes.
    pub keep: Duration,
    /// Most bytes of the file and its journal; beyond, the oldest goes first.
    pub max_size: u64,
}
