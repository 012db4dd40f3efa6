//! The tables of the store.
//!
//! | table | what |
//! |---|---|
//! | `subjects` | who met whom by what: the tenants, the connector, the application, the route |
//! | `tallies` | how often, per subject, stretch of time, decision and reason |
//! | `users` | which accounts signed in, per subject |
//! | `gaps` | when events were lost, and how many |
//! | `reports` | reports that were asked for |
//! | `batches` | the decision ids of the last transactions, so that a restart can tell what they hold |
//! | `meta` | when and how the last writer ended |
//!
//! Ids of tenants, applications and users are their 16 bytes; a stretch (`grain` seconds long)
//! begins at `start` in seconds since 1970 and is aligned to its length; other times are in
//! milliseconds. A number of lost events that is not known is NULL.
//!
//! Invariant: a file is a store if and only if its `application_id` is [`APPLICATION`]; a table's
//! meaning changes only together with [`VERSION`].

use std::path::Path;

use rusqlite::Connection;

use super::error::Error;

/// Marks a file as a store of decision events: `TdEv`.
pub(super) const APPLICATION: i64 = 0x5464_4576;

/// The schema's version.
pub(super) const VERSION: i64 = 1;

/// Lengths of stretches, in seconds: minutes become hours, hours become days.
pub(super) const MINUTE: i64 = 60;
/// An hour.
pub(super) const HOUR: i64 = 3_600;
/// A day of UTC.
pub(super) const DAY: i64 = 86_400;

/// When an exchange was last counted without its tenants, in `meta`, in milliseconds.
pub(crate) const NAMELESS: &str = "nameless";

const TABLES: &str = "
    CREATE TABLE subjects (
        id INTEGER PRIMARY KEY,
        creator BLOB,
        sign_in BLOB,
        connector TEXT,
        app BLOB,
        route TEXT NOT NULL
    );
    CREATE UNIQUE INDEX subjects_key ON subjects (
        ifnull(creator, x''), ifnull(sign_in, x''), ifnull(connector, x''), ifnull(app, x''), route
    );
    CREATE INDEX subjects_creator ON subjects (creator, sign_in);
    CREATE INDEX subjects_sign_in ON subjects (sign_in);
    CREATE TABLE tallies (
        subject INTEGER NOT NULL,
        grain INTEGER NOT NULL,
        start INTEGER NOT NULL,
        decision TEXT NOT NULL,
        reason TEXT NOT NULL,
        count INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (subject, grain, start, decision, reason)
    ) WITHOUT ROWID;
    CREATE TABLE users (
        subject INTEGER NOT NULL,
        user BLOB NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (subject, user)
    ) WITHOUT ROWID;
    CREATE TABLE gaps (
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        lost INTEGER,
        why TEXT NOT NULL
    );
    CREATE TABLE reports (
        id BLOB PRIMARY KEY,
        tenant BLOB NOT NULL,
        requested INTEGER NOT NULL,
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        status TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX reports_tenant ON reports (tenant, requested);
    CREATE TABLE batches (at INTEGER NOT NULL, ids BLOB NOT NULL);
    CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
";

/// Makes the tables in a file that holds nothing yet.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Whether a file holds nothing yet.
pub(super) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(objects == 0 && pragma(connection, "application_id")? == 0)
}

/// Whether a file that holds something is a store that is understood here.
pub(super) fn check(connection: &Connection, file: &Path) -> Result<(), Error> {
    if pragma(connection, "application_id")? != APPLICATION {
        return Err(Error::NotAStore(file.to_owned()));
    }
    match pragma(connection, "user_version")? {
        VERSION => Ok(()),
        found if found > VERSION => Err(Error::Newer {
            file: file.to_owned(),
            found,
            known: VERSION,
        }),
        _ => Err(Error::NotAStore(file.to_owned())),
    }
}

pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
