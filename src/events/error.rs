//! Why a store of events cannot be used.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why a store cannot be opened, read or written. The file is named by whoever asked for it.
#[derive(Debug, Error)]
pub enum Error {
    /// Another gateway writes it.
    #[error("{} is held by another gateway", .0.display())]
    Held(PathBuf),
    /// The system refuses a file.
    #[error("{}: {error}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no file.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// A later version wrote it.
    #[error(
        "{} was written by a newer version of Tidegate (its schema is {found}, this one knows {known})",
        file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema.
        found: i64,
        /// The one that is known here.
        known: i64,
    },
    /// The file is something else.
    #[error("{} is not a store of decision events", .0.display())]
    NotAStore(PathBuf),
    /// SQLite refuses.
    #[error("{error}")]
    Sqlite {
        /// Why.
        #[from]
        error: rusqlite::Error,
    },
}

impl Error {
    /// Whether what the file holds is damaged.
    pub fn is_corrupt(&self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
    }

    /// Whether a disk is full or fails: it may work again later.
    pub(super) fn may_pass(&self) -> bool {
        if let Self::Io { error, .. } = self {
            let kind = error.kind();
            return kind == io::ErrorKind::StorageFull || kind == io::ErrorKind::QuotaExceeded;
        }
        matches!(
            self.code(),
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::DatabaseBusy)
        )
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite { error } => error.sqlite_error_code(),
            Self::Held(_)
            | Self::Io { .. }
            | Self::Missing(_)
            | Self::Newer { .. }
            | Self::NotAStore(_) => None,
        }
    }
}
