//! The lock of a policy directory: whoever writes in it, or gives versions, holds it.
//!
//! Invariant: the lock belongs to an open file, so it ends with the process that holds it, however
//! that ends. Reading policies never needs it. Nobody but the directory's owner can open it: who
//! may merely read the directory cannot hold up those who write.

use std::fs::File;
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
    _file: File,
}

impl Lock {
    /// Takes the lock, and waits for it at most so long.
    ///
    /// # Errors
    /// `WOULDBLOCK`: somebody held it all the time. Anything else: the directory cannot be written.
    pub(super) fn take(directory: &Directory, patience: Duration) -> Result<Self, Errno> {
        // A pipe in its place must not hold us up.
        let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(directory.handle(), NAME, flags | OFlags::CLOEXEC, mode)?;
        let file = File::from(file);
        narrow(directory, &file);
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

/// Takes from others what an earlier lock let them do, and gives a superuser's to the directory's
/// owner, for whom it would be closed. Only for a lock of our own, and as far as it goes.
fn narrow(directory: &Directory, file: &File) {
    let Ok(stat) = rustix::fs::fstat(file) else {
        return;
    };
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return;
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::RWXG | Mode::RWXO) {
        let _ = rustix::fs::fchmod(file, Mode::RUSR | Mode::WUSR);
    }
    directory.adopt(file);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_its_owner_can_open_it() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::open(temporary.path()).unwrap();
        let path = temporary.path().join(NAME);
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        let take = || Lock::take(&directory, Duration::ZERO).unwrap();
        drop(take());
        assert_eq!(mode(), 0o600);
        for wider in [0o644, 0o666, 0o610, 0o604] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(wider)).unwrap();
            drop(take());
            assert_eq!(mode(), 0o600, "{wider:o}");
        }
    }
}
