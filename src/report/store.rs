//! A report out of the store of decision events.
//!
//! Invariant: one read transaction, so that what is read belongs together while the gateway goes on
//! writing. A tally that lies across the window's begin or end is counted whole, and that is said:
//! a connection too many is looked at, one too few would be blocked.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, TransactionBehavior, params};
use thiserror::Error;
use uuid::Uuid;

use super::{Ending, Gap, Gather, Observed};
use crate::core::tenant::TenantId;
use crate::events::{NAMELESS, Reader};

/// Why a store cannot be read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It holds what no gateway writes.
    #[error("it holds {0}")]
    Content(&'static str),
    /// SQLite's word for it.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Who met whom by what.
struct Subject {
    creator: Option<TenantId>,
    sign_in: Option<TenantId>,
    connector: Option<String>,
    app: Option<Uuid>,
}

/// Counts everything in a store that ended within the window.
///
/// # Errors
/// It cannot be read.
pub fn gather(reader: &Reader, report: &mut Gather) -> Result<(), StoreError> {
    let connection = reader.connection();
    // Reading alone: what the name promises is that nothing is locked.
    let whole = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let subjects = subjects(&whole, report.tenant())?;
    let own = tallies(&whole, report, &subjects)?;
    users(&whole, report, &subjects)?;
    others(&whole, report, own)?;
    begin(&whole, report)?;
    nameless(&whole, report)?;
    gaps(&whole, report)
}

fn subjects(
    connection: &Connection,
    tenant: TenantId,
) -> Result<HashMap<i64, Subject>, StoreError> {
    let sql = "SELECT id, creator, sign_in, connector, app FROM subjects \
               WHERE creator = ?1 OR sign_in = ?1";
    let mut query = connection.prepare(sql)?;
    let mut rows = query.query([bytes(tenant)])?;
    let mut subjects = HashMap::new();
    while let Some(row) = rows.next()? {
        let subject = Subject {
            creator: id(row, 1)?.map(tenant_of).transpose()?,
            sign_in: id(row, 2)?.map(tenant_of).transpose()?,
            connector: row.get(3)?,
            app: id(row, 4)?,
        };
        subjects.insert(row.get(0)?, subject);
    }
    Ok(subjects)
}

/// Tells how many there are.
fn tallies(
    connection: &Connection,
    report: &mut Gather,
    subjects: &HashMap<i64, Subject>,
) -> Result<u64, StoreError> {
    let window = report.window();
    let sql = "SELECT decision, reason, count, first, last FROM tallies \
               WHERE subject = ?1 AND last >= ?2 AND first < ?3";
    let mut query = connection.prepare(sql)?;
    let (mut all, mut straddling) = (0_u64, 0_u64);
    for (id, subject) in subjects {
        let mut rows = query.query(params![id, since(report), until(report)])?;
        while let Some(row) = rows.next()? {
            let (decision, reason): (String, String) = (row.get(0)?, row.get(1)?);
            let seen = Observed {
                ending: Ending::of(&decision).ok_or(StoreError::Content("a strange decision"))?,
                reason: &reason,
                count: number(row.get(2)?)?,
                first: moment(row, 3)?,
                last: moment(row, 4)?,
                ..subject.observed()
            };
            all = all.saturating_add(seen.count);
            if !window.holds(seen.first, seen.last) {
                straddling = straddling.saturating_add(seen.count);
            }
            report.count(&seen);
        }
    }
    if straddling > 0 {
        report.warn(format!(
            "Older exchanges are kept by the hour and by the day: up to {straddling} that lie \
             across the begin or the end of this time are counted with it."
        ));
    }
    Ok(all)
}

/// Accounts. When each signed in is known only from when until when, so of a part of that time
/// they are at most as many.
fn users(
    connection: &Connection,
    report: &mut Gather,
    subjects: &HashMap<i64, Subject>,
) -> Result<(), StoreError> {
    let sql = "SELECT user FROM users WHERE subject = ?1 AND last >= ?2 AND first < ?3";
    let mut query = connection.prepare(sql)?;
    for (subject_id, subject) in subjects {
        let mut rows = query.query(params![subject_id, since(report), until(report)])?;
        while let Some(row) = rows.next()? {
            let user = id(row, 0)?.ok_or(StoreError::Content("a user without an id"))?;
            report.user(&subject.observed(), user);
        }
    }
    Ok(())
}

/// Exchanges of other tenants: all but those that were counted.
fn others(connection: &Connection, report: &mut Gather, own: u64) -> Result<(), StoreError> {
    let sql = "SELECT ifnull(sum(count), 0) FROM tallies WHERE last >= ?1 AND first < ?2";
    let all = connection.query_row(sql, params![since(report), until(report)], |row| row.get(0))?;
    report.elsewhere(number(all)?.saturating_sub(own));
    Ok(())
}

/// Says so if records begin later than the window.
fn begin(connection: &Connection, report: &mut Gather) -> Result<(), StoreError> {
    const MINUTE: i64 = 60_000;
    let sql = "SELECT min(first) FROM tallies";
    let first: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    let Some(first) = first else {
        report.warn("The store holds no exchange yet.".to_owned());
        return Ok(());
    };
    let since = report.window().since.map(Timestamp::as_millisecond);
    if since.is_some_and(|since| first > since.saturating_add(MINUTE)) {
        let first = Timestamp::from_millisecond(first).unwrap_or_default();
        report.warn(format!(
            "Records begin at {}; what ran before is not known.",
            super::seconds(first)
        ));
    }
    Ok(())
}

/// Says so if exchanges may be missing in the tenant's rows: the store was full of combinations.
fn nameless(connection: &Connection, report: &mut Gather) -> Result<(), StoreError> {
    let sql = "SELECT value FROM meta WHERE key = ?1 AND value >= ?2";
    let mut query = connection.prepare(sql)?;
    if query.exists(params![NAMELESS, since(report)])? {
        report.warn(
            "The store had no place for more combinations of tenants: some exchanges are counted \
             without their tenants, and may be missing here. Audit records have them."
                .to_owned(),
        );
    }
    Ok(())
}

fn gaps(connection: &Connection, report: &mut Gather) -> Result<(), StoreError> {
    let sql =
        "SELECT start, end, lost, why FROM gaps WHERE end >= ?1 AND start < ?2 ORDER BY start";
    let mut query = connection.prepare(sql)?;
    let mut rows = query.query(params![since(report), until(report)])?;
    while let Some(row) = rows.next()? {
        report.gap(Gap {
            start: moment(row, 0)?,
            end: moment(row, 1)?,
            lost: row.get::<_, Option<i64>>(2)?.map(number).transpose()?,
            why: row.get(3)?,
        });
    }
    Ok(())
}

impl Subject {
    /// With counts and times to be filled in.
    fn observed(&self) -> Observed<'_> {
        Observed {
            creator: self.creator,
            sign_in: self.sign_in,
            connector: self.connector.as_deref(),
            app: self.app,
            ending: Ending::Error,
            reason: "",
            count: 0,
            first: Timestamp::UNIX_EPOCH,
            last: Timestamp::UNIX_EPOCH,
        }
    }
}

fn since(report: &Gather) -> i64 {
    report
        .window()
        .since
        .map_or(i64::MIN, Timestamp::as_millisecond)
}

fn until(report: &Gather) -> i64 {
    report.window().until.as_millisecond()
}

pub(super) fn moment(row: &Row<'_>, column: usize) -> Result<Timestamp, StoreError> {
    let moment = Timestamp::from_millisecond(row.get(column)?);
    moment.map_err(|_| StoreError::Content("a time that is none"))
}

fn number(count: i64) -> Result<u64, StoreError> {
    u64::try_from(count).map_err(|_| StoreError::Content("a count below zero"))
}

pub(super) fn id(row: &Row<'_>, column: usize) -> Result<Option<Uuid>, StoreError> {
    let bytes: Option<[u8; 16]> = row.get(column)?;
    Ok(bytes.map(Uuid::from_bytes))
}

fn tenant_of(id: Uuid) -> Result<TenantId, StoreError> {
    let tenant = TenantId::parse(id.hyphenated().encode_lower(&mut [0; 36]));
    tenant.map_err(|_| StoreError::Content("a tenant without an id"))
}

/// A tenant as it is stored.
pub(super) fn bytes(tenant: TenantId) -> [u8; 16] {
    let id = Uuid::try_parse(tenant.encode(&mut [0; 36]));
    // A tenant id is a GUID.
    id.unwrap_or_default().into_bytes()
}
