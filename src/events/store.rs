//! The store's file, as its one writer has it.
//!
//! Invariant: who holds the lock beside the file writes it, nobody else; a transaction holds
//! whole events or nothing of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::error::Error;
use super::file::{self, Lock};
use super::gap::Gap;
use super::gather::{Gathered, Kind, Tally};
use super::reader::journal;
use super::schema::{self, pragma};
use super::subjects::Subjects;

/// How long a write waits for another connection: only the reports of the admin listener write
/// as well, one row at a time.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long decision ids are kept, in milliseconds: longer than an audit line and its event can
/// be apart.
const REMEMBERED: i64 = 10_000;

/// A store, open for writing.
pub(super) struct Store {
    pub(super) connection: Connection,
    file: PathBuf,
    /// Device and number of the file that is open: a file put in its place is another.
    identity: Option<(u64, u64)>,
    subjects: Subjects,
    /// Pages that the file may have.
    pub(super) most_pages: i64,
    /// Bytes that its journal may have between two transactions.
    most_journal: u64,
    /// Whether the file was made where there had been a store before.
    pub(super) made_again: bool,
}

/// How the last writer left the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It wrote everything, or there was none.
    Clean,
    /// It was killed; its last transaction is from this millisecond.
    Killed(i64),
}

impl Store {
    /// Opens the store, or makes one where there is no file or an empty one. The lock is held.
    pub(super) fn open(file: &Path, lock: &mut Lock, max_size: u64) -> Result<Self, Error> {
        if !lock.is_marked() && file::is_foreign(file)? {
            return Err(Error::NotAStore(file.to_owned()));
        }
        file::create(file)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(PATIENCE)?;
        // A damaged store is closed as it was found.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let new = schema::is_empty(&connection)?;
        if new {
            connection.pragma_update(None, "auto_vacuum", "incremental")?;
        } else {
            schema::check(&connection, file)?;
        }
        let (most_pages, most_journal) = bound(&connection, max_size)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.set_prepared_statement_cache_capacity(64);
        if new {
            schema::create(&mut connection)?;
        }
        let made_again = new && lock.is_marked();
        lock.mark();
        let subjects = Subjects::open(&connection)?;
        Ok(Self {
            connection,
            file: file.to_owned(),
            identity: file::identity(file),
            subjects,
            most_pages,
            most_journal,
            made_again,
        })
    }

    /// Looks whether what the store holds is whole. Takes seconds where it is large.
    pub(super) fn examine(&self) -> Result<(), Error> {
        let told: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if told == "ok" {
            return Ok(());
        }
        let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Err(rusqlite::Error::SqliteFailure(corrupt, Some(told)).into())
    }

    /// How the last writer left it.
    pub(super) fn left(&self) -> Result<Left, Error> {
        let opened = meta(&self.connection, "open")?;
        let last = meta(&self.connection, "last_commit")?;
        Ok(match opened {
            Some(opened) => Left::Killed(last.map_or(opened, |last| last.max(opened))),
            None => Left::Clean,
        })
    }

    /// What the last sweep took for now, or else the time of the last transaction, in seconds.
    pub(super) fn swept(&self) -> Result<Option<i64>, Error> {
        if let Some(swept) = meta(&self.connection, "swept")? {
            return Ok(Some(swept));
        }
        let last = meta(&self.connection, "last_commit")?;
        Ok(last.map(|last| last / 1000))
    }

    /// From now on it counts as killed until [`Self::close`]. Where it was killed before, since
    /// then: until something is written, what was missed is still missed.
    pub(super) fn begin(&mut self, now: i64) -> Result<(), Error> {
        let transaction = immediate(&mut self.connection)?;
        if meta(&transaction, "open")?.is_none() {
            set(&transaction, "open", now)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Adds what gathered, and gaps, in one transaction.
    pub(super) fn write(
        &mut self,
        gathered: &Gathered,
        gaps: &[Gap],
        now: i64,
    ) -> Result<Written, Error> {
        let before = self.subjects.count();
        let transaction = immediate(&mut self.connection)?;
        let added = add(&transaction, &mut self.subjects, gathered)
            .and_then(|folded| {
                for gap in gaps {
                    gap.add(&transaction)?;
                }
                remember(&transaction, gathered, now)?;
                Ok(folded)
            })
            .and_then(|folded| transaction.commit().map(|()| folded));
        match added {
            Ok(folded) => Ok(Written { folded }),
            Err(error) => {
                self.subjects.forget(before);
                Err(error.into())
            }
        }
    }

    /// Ends well.
    pub(super) fn close(mut self, now: i64) -> Result<(), Error> {
        let transaction = immediate(&mut self.connection)?;
        transaction.execute("DELETE FROM meta WHERE key = 'open'", [])?;
        set(&transaction, "clean_end", now)?;
        transaction.commit()?;
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        self.connection.close().map_err(|(_, error)| error.into())
    }

    /// The decision ids of the last transactions, one after another.
    pub(super) fn remembered(&self) -> Result<Vec<u8>, Error> {
        let mut query = self.connection.prepare("SELECT ids FROM batches")?;
        let ids = query.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        let mut all = Vec::new();
        for some in ids {
            all.extend(some?);
        }
        Ok(all)
    }

    /// Whether the file that is open still stands under its name.
    pub(super) fn is_in_place(&self) -> bool {
        file::identity(&self.file) == self.identity
    }

    /// Gives back what a large transaction took for its journal. A reader may hold it.
    pub(super) fn trim(&self, size: &Size) -> Result<(), Error> {
        if size.journal > self.most_journal {
            // Who reads is not waited for.
            self.connection.busy_timeout(Duration::ZERO)?;
            let trimmed = self
                .connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            self.connection.busy_timeout(PATIENCE)?;
            trimmed?;
        }
        Ok(())
    }

    /// Bytes of the file in use, of the file, and of its journal.
    pub(super) fn size(&self) -> Result<Size, Error> {
        let page = pragma(&self.connection, "page_size")?;
        let pages = pragma(&self.connection, "page_count")?;
        let free = pragma(&self.connection, "freelist_count")?;
        let journal = fs::metadata(journal(&self.file)).map_or(0, |found| found.len());
        Ok(Size {
            used_pages: pages - free,
            file: (pages * page).unsigned_abs(),
            journal,
        })
    }

    /// What is known of subjects may be wrong from now on.
    pub(super) fn forget_subjects(&mut self) -> Result<(), Error> {
        self.subjects = Subjects::open(&self.connection)?;
        Ok(())
    }
}

/// What one transaction did.
pub(super) struct Written {
    /// Events that lost their connector, application or tenants.
    pub(super) folded: u64,
}

/// How large a store is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) used_pages: i64,
    pub(super) file: u64,
    pub(super) journal: u64,
}

fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn add(
    transaction: &Transaction<'_>,
    subjects: &mut Subjects,
    gathered: &Gathered,
) -> rusqlite::Result<u64> {
    let mut tallies = transaction.prepare_cached(
        "INSERT INTO tallies (subject, grain, start, decision, reason, count, first, last)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET count = count + excluded.count,
            first = min(first, excluded.first), last = max(last, excluded.last)",
    )?;
    let mut users = transaction.prepare_cached(
        "INSERT INTO users (subject, user, first, last, count) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET count = count + excluded.count,
            first = min(first, excluded.first), last = max(last, excluded.last)",
    )?;
    let mut folded = 0;
    let mut nameless = None;
    for (subject, about) in &gathered.subjects {
        let place = subjects.place(transaction, subject)?;
        if place.folded {
            folded += about.tallies.values().map(|tally| tally.count).sum::<u64>();
        }
        if !place.names_users {
            let last = about.tallies.values().map(|tally| tally.last).max();
            nameless = nameless.max(last);
        }
        for (kind, tally) in &about.tallies {
            let Kind {
                start,
                decision,
                reason,
            } = kind;
            let Tally { first, last, .. } = tally;
            let grain = schema::MINUTE;
            let count = count(tally.count);
            tallies.execute(params![
                place.id, grain, start, decision, reason, count, first, last
            ])?;
        }
        let named = about.users.iter().filter(|_| place.names_users);
        for (user, tally) in named {
            let count = count(tally.count);
            users.execute(params![place.id, user, tally.first, tally.last, count])?;
        }
    }
    if let Some(last) = nameless {
        let before = meta(transaction, schema::NAMELESS)?;
        set(
            transaction,
            schema::NAMELESS,
            before.map_or(last, |before| before.max(last)),
        )?;
    }
    Ok(folded)
}

/// Notes what this transaction holds, and when it was.
fn remember(transaction: &Transaction<'_>, gathered: &Gathered, now: i64) -> rusqlite::Result<()> {
    if !gathered.ids.is_empty() {
        transaction
            .prepare_cached("DELETE FROM batches WHERE at < ?1")?
            .execute([now - REMEMBERED])?;
        transaction
            .prepare_cached("INSERT INTO batches (at, ids) VALUES (?1, ?2)")?
            .execute(params![now, gathered.ids])?;
    }
    set(transaction, "last_commit", now)?;
    let events = count(gathered.events);
    transaction
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES ('written', ?1)
             ON CONFLICT DO UPDATE SET value = value + excluded.value",
        )?
        .execute([events])?;
    Ok(())
}

fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get(0)
        })
        .optional()
}

pub(super) fn set(connection: &Connection, key: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute(params![key, value])?;
    Ok(())
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Bounds the file and its journal, and tells how many pages the one and bytes the other may have.
fn bound(connection: &Connection, max_size: u64) -> Result<(i64, u64), Error> {
    /// Of the journal, in bytes, between two transactions.
    const MOST_JOURNAL: u64 = 8 * 1024 * 1024;
    let page = pragma(connection, "page_size")?.unsigned_abs().max(512);
    let journal = (max_size / 4).min(MOST_JOURNAL);
    let pages = count((max_size - journal) / page);
    connection.pragma_update(None, "wal_autocheckpoint", count(journal / page / 2))?;
    connection.pragma_update(None, "journal_size_limit", count(journal / 2))?;
    Ok((pages, journal))
}
