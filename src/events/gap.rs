//! Stretches of time in which events were lost, so that a report can say what it does not know.

use rusqlite::{Transaction, params};

/// A stretch of time in which events were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Milliseconds since 1970.
    pub(super) start: i64,
    pub(super) end: i64,
    /// How many; none is not known.
    pub(super) lost: Option<u64>,
    pub(super) why: &'static str,
}

/// Gaps of one kind that are no further apart are one, in milliseconds.
const NEAR: i64 = 60_000;

impl Gap {
    /// Adds it, or makes the last one longer.
    pub(super) fn add(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let lost = self
            .lost
            .map(|lost| i64::try_from(lost).unwrap_or(i64::MAX));
        if lost.is_some() {
            let joined = transaction.execute(
                "UPDATE gaps SET end = max(end, ?2), lost = lost + ?3
                 WHERE rowid = (SELECT max(rowid) FROM gaps)
                   AND why = ?4 AND lost IS NOT NULL AND ?1 - end <= ?5",
                params![self.start, self.end, lost, self.why, NEAR],
            )?;
            if joined > 0 {
                return Ok(());
            }
        }
        transaction.execute(
            "INSERT INTO gaps (start, end, lost, why) VALUES (?1, ?2, ?3, ?4)",
            params![self.start, self.end, lost, self.why],
        )?;
        Ok(())
    }
}
