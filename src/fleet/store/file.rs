//! The cache's file.
//!
//! Invariant: `sum` is the exclusive or of the hashes of all rows, so a row that is missing, changed
//! or one too many shows; `seal` is a hash of everything beside the rows.

use std::cmp::Ordering;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::ledger::{self, Kept, Kind, Read};
use super::damage::{StoreError, damage, damage_of, make, set_aside};
use super::sum::{hash, number, seal};
use super::{Meta, Origin, Owns, Restored};
use crate::policies::parallel::{self, Pace};

/// Tells this file from others (`TGFL`), and this layout from later ones.
const APPLICATION: i32 = 0x5447_464c;
const LAYOUT: i32 = 2;

/// Another process may be about to end.
const BUSY: Duration = Duration::from_secs(5);

/// Rows read and understood at a time.
const CHUNK: usize = 20_000;

const SCHEMA: &str = "
    CREATE TABLE rows (
        name BLOB NOT NULL,
        kind INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        value BLOB NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (name, kind)
    );
    CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        prefix TEXT NOT NULL,
        endpoints TEXT NOT NULL,
        cluster INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        beat_revision INTEGER,
        beat BLOB,
        confirmed INTEGER NOT NULL,
        doubted INTEGER NOT NULL,
        sum BLOB NOT NULL,
        seal BLOB NOT NULL
    );
";

/// The file, open for its one writer.
pub(super) struct File {
    connection: Connection,
    owns: Owns,
    /// Of all rows, those not committed included.
    sum: u128,
    /// As it was at the last commit.
    committed: u128,
    open: bool,
}

impl File {
    /// Opens or makes it, and reads what it holds.
    pub(super) fn open(path: &Path, owns: &Owns) -> Result<(Self, Option<Restored>), StoreError> {
        match Self::open_once(path, owns) {
            Err(StoreError::Damaged(why)) => {
                let aside = set_aside(path)?;
                tracing::error!(
                    file = %path.display(),
                    aside = %aside.display(),
                    error = why,
                    "the cache of policies is damaged and was set aside: policies come from etcd alone"
                );
                Self::open_once(path, owns)
            }
            opened => opened,
        }
    }

    fn open_once(path: &Path, owns: &Owns) -> Result<(Self, Option<Restored>), StoreError> {
        make(path)?;
        let connection = Connection::open(path).map_err(damage)?;
        connection.busy_timeout(BUSY)?;
        // One gateway a file; its readers are that gateway.
        connection.pragma_update(None, "locking_mode", "exclusive")?;
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(damage)?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        if tables > 0 {
            if pragma("application_id")? != APPLICATION {
                return Err(StoreError::Foreign);
            }
            match pragma("user_version")?.cmp(&LAYOUT) {
                Ordering::Equal => {}
                Ordering::Greater => return Err(StoreError::Later),
                Ordering::Less => {
                    return Err(StoreError::Damaged("an earlier version made it".to_owned()));
                }
            }
        }
        connection
            .pragma_update(None, "journal_mode", "wal")
            .map_err(damage)?;
        connection.pragma_update(None, "synchronous", "normal")?;
        if tables == 0 {
            connection.execute_batch(&format!("BEGIN EXCLUSIVE; {SCHEMA} COMMIT;"))?;
            connection.pragma_update(None, "application_id", APPLICATION)?;
            connection.pragma_update(None, "user_version", LAYOUT)?;
        }
        // Takes the lock now, and not when it is too late to say so.
        connection
            .execute_batch("BEGIN IMMEDIATE; COMMIT;")
            .map_err(damage)?;
        let mut file = Self {
            connection,
            owns: owns.clone(),
            sum: 0,
            committed: 0,
            open: false,
        };
        let restored = file.restore().map_err(damage_of)?;
        Ok((file, restored))
    }

    fn restore(&mut self) -> Result<Option<Restored>, StoreError> {
        let Some((meta, origin, sum)) = self.meta()? else {
            // Nothing was ever committed: rows without it are nobody's.
            self.connection.execute("DELETE FROM rows", [])?;
            return Ok(None);
        };
        let mut query = self
            .connection
            .prepare("SELECT name, kind, revision, value FROM rows ORDER BY kind")?;
        let mut found = query.query([])?;
        let (mut rows, mut chunk, mut told) = (Vec::new(), Vec::with_capacity(CHUNK), 0);
        loop {
            let row = found.next()?;
            let more = row.is_some();
            if let Some(row) = row {
                chunk.push(kept(row)?);
            }
            if chunk.len() == CHUNK || !more {
                told ^= understand(&mut chunk, &mut rows);
            }
            if !more {
                break;
            }
        }
        drop(found);
        drop(query);
        if told != sum {
            return Err(StoreError::Damaged(
                "rows are missing or changed".to_owned(),
            ));
        }
        (self.sum, self.committed) = (sum, sum);
        Ok(Some(Restored { meta, origin, rows }))
    }

    fn meta(&self) -> Result<Option<(Meta, Origin, u128)>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            let beat: (Option<i64>, Option<Vec<u8>>) = (row.get(4)?, row.get(5)?);
            let meta = Meta {
                cluster: row.get::<_, i64>(2)?.cast_unsigned(),
                revision: row.get(3)?,
                beat: beat.0.zip(beat.1.map(Bytes::from)),
                confirmed: row.get(6)?,
                doubted: row.get(7)?,
            };
            let endpoints: String = row.get(1)?;
            let owns = Owns {
                prefix: row.get(0)?,
                endpoints: endpoints.lines().map(str::to_owned).collect(),
            };
            let (sum, sealed): (Vec<u8>, Vec<u8>) = (row.get(8)?, row.get(9)?);
            Ok((owns, meta, sum, sealed))
        };
        let found = self
            .connection
            .query_row(
                "SELECT prefix, endpoints, cluster, revision, beat_revision, beat, confirmed, \
                 doubted, sum, seal FROM meta",
                [],
                read,
            )
            .optional()?;
        let Some((owns, meta, sum, sealed)) = found else {
            return Ok(None);
        };
        let sum = <[u8; 16]>::try_from(sum).map(u128::from_be_bytes);
        let sum = sum.map_err(|_| StoreError::Damaged("no sum".to_owned()))?;
        if sealed != seal(&owns, &meta, sum) {
            return Err(StoreError::Damaged(
                "its description was changed".to_owned(),
            ));
        }
        if owns.prefix != self.owns.prefix {
            return Err(StoreError::Prefix(owns.prefix));
        }
        let is_here = |endpoint: &String| self.owns.endpoints.contains(endpoint);
        let origin = if owns.endpoints.iter().any(is_here) {
            Origin::Here
        } else {
            Origin::Elsewhere
        };
        Ok(Some((meta, origin, sum)))
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if !self.open {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.open = true;
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        self.begin()?;
        self.connection.execute("DELETE FROM rows", [])?;
        self.sum = 0;
        Ok(())
    }

    pub(super) fn add(&mut self, rows: &[Kept]) -> Result<(), StoreError> {
        self.begin()?;
        let mut known = self
            .connection
            .prepare_cached("SELECT hash FROM rows WHERE name = ?1 AND kind = ?2")?;
        let mut put = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO rows (name, kind, revision, value, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM rows WHERE name = ?1 AND kind = ?2")?;
        let mut sum = self.sum;
        for row in rows {
            let (name, kind) = (&row.name[..], number(row.kind));
            let before: Option<[u8; 16]> = known
                .query_row(params![name, kind], |row| row.get(0))
                .optional()?;
            sum ^= before.map_or(0, u128::from_be_bytes);
            if let Some(value) = &row.value {
                let hash = hash(row);
                put.execute(params![
                    name,
                    kind,
                    row.revision,
                    &value[..],
                    hash.to_be_bytes()
                ])?;
                sum ^= hash;
            } else if before.is_some() {
                delete.execute(params![name, kind])?;
            }
        }
        self.sum = sum;
        Ok(())
    }

    pub(super) fn commit(&mut self, meta: &Meta) -> Result<(), StoreError> {
        self.begin()?;
        let (beat_revision, beat) = meta
            .beat
            .as_ref()
            .map_or((None, None), |(revision, value)| {
                (Some(*revision), Some(value.to_vec()))
            });
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO meta VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                self.owns.prefix,
                self.owns.endpoints.join("\n"),
                meta.cluster.cast_signed(),
                meta.revision,
                beat_revision,
                beat,
                meta.confirmed,
                meta.doubted,
                self.sum.to_be_bytes(),
                seal(&self.owns, meta, self.sum),
            ])?;
        self.connection.execute_batch("COMMIT")?;
        (self.open, self.committed) = (false, self.sum);
        Ok(())
    }

    pub(super) fn roll_back(&mut self) {
        if self.open {
            // Where that fails, SQLite has rolled it back already.
            drop(self.connection.execute_batch("ROLLBACK"));
            (self.open, self.sum) = (false, self.committed);
        }
    }
}

fn kept(row: &rusqlite::Row<'_>) -> Result<Kept, StoreError> {
    let kind = match row.get::<_, i64>(1)? {
        0 => Kind::InForce,
        1 => Kind::Faulty,
        _ => return Err(StoreError::Damaged("a row of no kind".to_owned())),
    };
    Ok(Kept {
        name: row.get::<_, Vec<u8>>(0)?.into(),
        kind,
        revision: row.get(2)?,
        value: Some(row.get::<_, Vec<u8>>(3)?.into()),
    })
}

/// Hashes and reads rows, and keeps their text only where it has faults.
fn understand(chunk: &mut Vec<Kept>, rows: &mut Vec<(Kept, Read)>) -> u128 {
    let parts = parallel::by_parts(chunk, Pace::Fast, |part| {
        let read = |row: &Kept| {
            let mut light = row.clone();
            let read = ledger::read(&row.name, row.value.as_deref(), row.revision);
            light.value = Some(Bytes::new());
            (light, read)
        };
        let sum = part.iter().map(hash).fold(0, |sum, hash| sum ^ hash);
        (sum, part.iter().map(read).collect::<Vec<_>>())
    });
    chunk.clear();
    let mut sum = 0;
    for (of_part, part) in parts {
        sum ^= of_part;
        rows.extend(part);
    }
    sum
}
