//! The lock of a policy directory: whoever writes in it, or gives versions, holds it.
//!
//! Invariant: the lock belongs to an open file, so it ends with the process that holds it, however
//! that ends. Reading policies never needs it.

use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::file::Directory;

/// The file that is locked; it stays empty.
const NAME: &str = ".tidegate.lock";

/// How often a lock that somebody holds is asked for again.
const PAUSE: Duration = Duration::from_millis(1);

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: OwnedFd,
}

impl Lock {
    /// Takes the lock, and waits for it at most so long.
    ///
    /// # Errors
    /// `WOULDBLOCK`: somebody held it all the time. Anything else: the directory cannot be written.
    pub(super) fn take(directory: &Directory, patience: Duration) -> Result<Self, Errno> {
        // A pipe in its place must not hold us up.
        let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let file = rustix::fs::openat(directory.handle(), NAME, flags | OFlags::CLOEXEC, mode)?;
        let end = Instant::now() + patience;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if Instant::now() < end => thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
        }
    }
}
