//! Reports that were asked for, kept beside the events: one per tenant and day (UTC).
//!
//! Invariant: a report is found only by the tenant that it is about; one that is made stays as it is.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior, params};
use uuid::Uuid;

use super::store::{self, StoreError};
use crate::core::tenant::TenantId;

/// For the gateway's own writer, and for other reports that are being put here.
const PATIENCE: Duration = Duration::from_secs(5);

const COLUMNS: &str = "id, requested, start, end, body";

/// A report that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is asked for by.
    pub id: Uuid,
    /// When it was asked for.
    pub requested: Timestamp,
    /// From when exchanges are in it.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// What it says, as whoever made it wrote it.
    pub body: String,
}

/// Where a page of a list begins: after this report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// When it was asked for, in milliseconds.
    pub requested: i64,
    /// Its id.
    pub id: Uuid,
}

/// The report of the day of `now`, if there is one.
///
/// # Errors
/// The store cannot be read.
pub fn of_day(
    connection: &Connection,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Option<Kept>, StoreError> {
    // A clock that was ahead may have left reports of days to come.
    const DAY: i64 = 86_400_000;
    let begin = now.as_millisecond().div_euclid(DAY) * DAY;
    let sql = format!(
        "SELECT {COLUMNS} FROM reports \
         WHERE tenant = ?1 AND requested >= ?2 AND requested < ?3 ORDER BY requested LIMIT 1"
    );
    let mut query = connection.prepare(&sql)?;
    let mut rows = query.query(params![store::bytes(tenant), begin, begin + DAY])?;
    rows.next()?.map(kept).transpose()
}

/// One report of a tenant.
///
/// # Errors
/// The store cannot be read.
pub fn one(
    connection: &Connection,
    tenant: TenantId,
    id: Uuid,
) -> Result<Option<Kept>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM reports WHERE id = ?1 AND tenant = ?2");
    let mut query = connection.prepare(&sql)?;
    let mut rows = query.query(params![id.as_bytes(), store::bytes(tenant)])?;
    rows.next()?.map(kept).transpose()
}

/// A tenant's reports, the latest first, without what they say.
///
/// # Errors
/// The store cannot be read.
pub fn list(
    connection: &Connection,
    tenant: TenantId,
    after: Option<After>,
    most: usize,
) -> Result<Vec<Kept>, StoreError> {
    let sql = "SELECT id, requested, start, end, '' FROM reports \
               WHERE tenant = ?1 AND (?2 IS NULL OR (requested, id) < (?2, ?3)) \
               ORDER BY requested DESC, id DESC LIMIT ?4";
    let mut query = connection.prepare(sql)?;
    let (requested, id) = after.map(|after| (after.requested, after.id)).unzip();
    let id = id.map(Uuid::into_bytes);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = query.query(params![store::bytes(tenant), requested, id, most])?;
    let mut reports = Vec::new();
    while let Some(row) = rows.next()? {
        reports.push(kept(row)?);
    }
    Ok(reports)
}

/// Keeps a report, unless one of its day was put there meanwhile: that one counts then. Tells whether
/// it was kept.
///
/// # Errors
/// The store cannot be written.
pub fn keep(file: &Path, tenant: TenantId, report: Kept) -> Result<(Kept, bool), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let whole = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(there) = of_day(&whole, tenant, report.requested)? {
        return Ok((there, false));
    }
    let sql = "INSERT INTO reports (id, tenant, requested, start, end, status, body) \
               VALUES (?1, ?2, ?3, ?4, ?5, 'Completed', ?6)";
    whole.execute(
        sql,
        params![
            report.id.as_bytes(),
            store::bytes(tenant),
            report.requested.as_millisecond(),
            report.start.as_millisecond(),
            report.end.as_millisecond(),
            report.body,
        ],
    )?;
    whole.commit()?;
    Ok((report, true))
}

fn kept(row: &Row<'_>) -> Result<Kept, StoreError> {
    Ok(Kept {
        id: store::id(row, 0)?.ok_or(StoreError::Content("a report without an id"))?,
        requested: store::moment(row, 1)?,
        start: store::moment(row, 2)?,
        end: store::moment(row, 3)?,
        body: row.get(4)?,
    })
}
