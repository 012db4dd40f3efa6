//! What a cache may be instead of one that can be used, and what becomes of it then.
//!
//! Invariant: what may be somebody else's file is left as it is; what is ours and damaged is moved
//! aside, never deleted.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// How every database of SQLite's begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Why the cache cannot be used.
#[derive(Debug, Error)]
pub(in crate::fleet) enum StoreError {
    /// It is damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Something else of the operator's.
    #[error("something that is no cache of policies, or one whose beginning is damaged")]
    Foreign,
    /// Others may write it.
    #[error("{0}, so that others may decide what is in it")]
    Exposed(&'static str),
    /// A later version made it.
    #[error("a cache of a later version")]
    Later,
    /// It belongs to other keys.
    #[error("a cache of policies below {0}")]
    Prefix(String),
    /// The system refuses.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The system refuses.
    #[error("{0}")]
    System(#[from] io::Error),
    /// No thread.
    #[error("no thread to write it with ({0})")]
    Thread(io::Error),
}

/// What SQLite says of a file that it cannot understand.
pub(super) fn damage(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => StoreError::Damaged(error.to_string()),
        _ => StoreError::Sqlite(error),
    }
}

/// Rows of other types are damage as well.
pub(super) fn damage_of(error: StoreError) -> StoreError {
    match error {
        StoreError::Sqlite(
            error @ (rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)),
        ) => StoreError::Damaged(error.to_string()),
        StoreError::Sqlite(error) => damage(error),
        other @ (StoreError::Damaged(_)
        | StoreError::Exposed(_)
        | StoreError::Foreign
        | StoreError::Later
        | StoreError::Prefix(_)
        | StoreError::System(_)
        | StoreError::Thread(_)) => other,
    }
}

/// Makes the file, where there is none, for this user alone. What is there and is nobody's database
/// is left as it is: it may be anything of the operator's.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(StoreError::Exposed("a link")),
        Ok(found) if !found.is_file() => return Err(StoreError::Foreign),
        Ok(_) | Err(_) => {}
    }
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    let mut first = Vec::new();
    let file = options.open(path)?;
    look_whose(&file.metadata()?)?;
    file.take(MAGIC.len() as u64).read_to_end(&mut first)?;
    if first.is_empty() || first == MAGIC {
        Ok(())
    } else {
        Err(StoreError::Foreign)
    }
}

/// Whoever can write the file decides what this gateway enforces. (A group may: Kubernetes gives
/// volumes to one.)
fn look_whose(file: &fs::Metadata) -> Result<(), StoreError> {
    let own = rustix::process::geteuid().as_raw();
    if ![own, 0].contains(&file.uid()) {
        return Err(StoreError::Exposed("a file of another user"));
    }
    if file.mode() & 0o002 != 0 {
        return Err(StoreError::Exposed("a file that every user may write"));
    }
    Ok(())
}

/// Out of the way, for whoever wants to know what happened.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = beside(".damaged");
    fs::rename(path, &aside)?;
    for journal in ["-wal", "-shm"] {
        match fs::remove_file(beside(journal)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}
