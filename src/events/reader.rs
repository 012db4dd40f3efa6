//! Reads a store, beside the gateway that writes it or long after.
//!
//! Invariant: nothing is written, whatever the user may do.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::Error;
use super::schema;

/// How long a look waits for a writer that is at its end or beginning.
const PATIENCE: Duration = Duration::from_secs(5);

/// A store, open for reading.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens a store. The gateway that writes it goes on; what it writes is seen by the next
    /// query.
    ///
    /// # Errors
    /// There is no such file, it is no store, or one of a newer version.
    pub fn open(file: &Path) -> Result<Self, Error> {
        match fs::metadata(file) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(Error::NotAStore(file.to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Missing(file.to_owned()));
            }
            Err(error) => {
                let file = file.to_owned();
                return Err(Error::Io { file, error });
            }
        }
        let looked = look(file, false);
        let cannot = |error: &rusqlite::Error| {
            error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
                || error.sqlite_error_code() == Some(ErrorCode::ReadOnly)
        };
        let opened = match looked {
            // Who may not write beside the file cannot share it with a writer; if there is none,
            // the file is all there is.
            Err(error) if cannot(&error) && !journal(file).exists() => look(file, true),
            looked => looked,
        };
        let connection = match opened {
            Ok(connection) => connection,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                return Err(Error::NotAStore(file.to_owned()));
            }
            Err(error) => return Err(error.into()),
        };
        schema::check(&connection, file)?;
        Ok(Self { connection })
    }

    /// The connection, for queries.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// The journal beside a store.
pub(super) fn journal(file: &Path) -> std::path::PathBuf {
    beside(file, "-wal")
}

/// A file whose name begins with the store's.
pub(super) fn beside(file: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn look(file: &Path, alone: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if alone {
        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(format!("{}?immutable=1", uri(file)), flags)?
    } else {
        Connection::open_with_flags(file, flags)?
    };
    connection.busy_timeout(PATIENCE)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// A path as SQLite reads it in a URI.
fn uri(file: &Path) -> String {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let bytes = absolute.as_os_str().as_encoded_bytes();
    let path = percent_encoding::percent_encode(bytes, &PATH).to_string();
    format!("file://{path}")
}

/// What stands for itself in a path of a URI.
const PATH: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.');
