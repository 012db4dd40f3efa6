//! Keeps the store within its bounds: minutes become hours and hours become days, what is too old
//! goes, and where there is too much of it the oldest goes first.
//!
//! A sweep goes through the subjects in steps of a few milliseconds each, between transactions of
//! the writer. Where the size presses, detail goes before age: first all but the last hour becomes
//! hours and all but the last day becomes days; if that is not enough, each further sweep drops an
//! eighth of the time that is left.
//!
//! What is too old is told by a clock that follows the system's at most [`PACE`] times as fast as
//! time passes: one that is set years ahead by mistake costs a month of records a day, not all of
//! them at once.
//!
//! Invariant: a tally is never in two stretches, and sums over what is kept stay true.

use std::time::{Duration, Instant};

use rusqlite::{Transaction, TransactionBehavior, params};

use super::error::Error;
use super::schema::{DAY, HOUR, MINUTE};
use super::store::{Store, set};

/// How long minutes are kept, in seconds.
const MINUTES: i64 = 2 * DAY;

/// How long hours are kept, in seconds.
const HOURS: i64 = 60 * DAY;

/// Between sweeps where nothing presses.
const PAUSE: Duration = Duration::from_secs(600);

/// What one step should take at the most.
const STEP: Duration = Duration::from_millis(20);

/// Subjects of one step.
const MOST_SUBJECTS: i64 = 4_096;

/// Pages that one step gives back to the file system.
const PAGES: i64 = 1_000;

/// How much faster than time a clock may run that things grow old by.
const PACE: i64 = 30;

/// How far it may be ahead of that, in seconds.
const LEEWAY: i64 = HOUR;

/// Gaps that are kept.
const GAPS: i64 = 10_000;

/// How far a squeeze has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Press {
    /// There is room.
    Not,
    /// Detail goes.
    Detail,
    /// What lies before this second goes.
    Before(i64),
}

/// Keeps the bounds of one store.
pub(super) struct Keeper {
    /// Seconds.
    keep: i64,
    press: Press,
    sweep: Option<Sweep>,
    next: Option<Instant>,
    /// Subjects of the next step.
    subjects: i64,
    /// What the last sweep took for now, in seconds, and when that was.
    believed: Option<i64>,
    since: Instant,
}

/// One way through all subjects.
struct Sweep {
    next: i64,
    last: i64,
    bounds: Bounds,
    /// The oldest that is left, in seconds.
    oldest: Option<i64>,
}

/// Seconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// What ended before goes.
    horizon: i64,
    /// Minutes before become hours.
    minutes: i64,
    /// Hours before become days.
    hours: i64,
}

impl Keeper {
    /// Sweeps soon after the start.
    pub(super) fn new(keep: Duration) -> Self {
        Self {
            keep: i64::try_from(keep.as_secs()).unwrap_or(i64::MAX),
            press: Press::Not,
            sweep: None,
            next: None,
            subjects: 64,
            believed: None,
            since: Instant::now(),
        }
    }

    /// Whether there is something to do at once.
    pub(super) fn is_busy(&self) -> bool {
        self.sweep.is_some() || self.press != Press::Not
    }

    /// How long nothing needs to be done.
    pub(super) fn idle(&self) -> Duration {
        if self.is_busy() {
            return Duration::ZERO;
        }
        self.next.map_or(Duration::ZERO, |next| {
            next.saturating_duration_since(Instant::now())
        })
    }

    /// Notes how many pages are in use: close to all, and room is made.
    pub(super) fn weigh(&mut self, used: i64, most: i64) {
        if self.press == Press::Not && used > most / 20 * 19 {
            self.press = Press::Detail;
            self.sweep = None;
        }
    }

    /// Makes room at once, however long it takes: for a store that is larger than it may be.
    pub(super) fn make_room(&mut self, store: &mut Store, now: i64) -> Result<(), Error> {
        if self.press == Press::Not {
            self.press = Press::Detail;
            self.sweep = None;
        }
        while self.is_busy() {
            self.step(store, now)?;
        }
        Ok(())
    }

    /// Does a little of what is to be done; `now` in seconds since 1970.
    pub(super) fn step(&mut self, store: &mut Store, now: i64) -> Result<(), Error> {
        if self.idle() > Duration::ZERO {
            return Ok(());
        }
        let mut sweep = match self.sweep.take() {
            Some(sweep) => sweep,
            None => self.begin(store, now)?,
        };
        if sweep.next <= sweep.last {
            let began = Instant::now();
            sweep.step(store, self.subjects, self.press != Press::Not)?;
            let took = began.elapsed();
            if took > STEP {
                self.subjects = (self.subjects / 2).max(1);
            } else if took < STEP / 4 {
                self.subjects = (self.subjects * 2).min(MOST_SUBJECTS);
            }
            self.sweep = Some(sweep);
            return Ok(());
        }
        if shrink(store)? {
            self.sweep = Some(sweep);
            return Ok(());
        }
        self.end(store, &sweep, now)
    }

    fn begin(&mut self, store: &Store, now: i64) -> Result<Sweep, Error> {
        let before = match self.believed {
            Some(before) => Some(before),
            None => store.swept()?,
        };
        let believed = follow(before, self.since.elapsed(), now);
        (self.believed, self.since) = (Some(believed), Instant::now());
        if believed < now {
            tracing::warn!(
                ahead = now - believed,
                "the clock went ahead by more seconds than passed: decision events grow old slowly"
            );
        }
        let last = store.connection.query_row(
            "SELECT max(ifnull((SELECT max(id) FROM subjects), 0))",
            [],
            |row| row.get(0),
        )?;
        Ok(Sweep {
            next: 1,
            last,
            bounds: self.bounds(now, believed),
            oldest: None,
        })
    }

    fn bounds(&self, now: i64, believed: i64) -> Bounds {
        let too_old = believed.saturating_sub(self.keep);
        let (horizon, minutes, hours) = match self.press {
            Press::Not => (too_old, MINUTES, HOURS),
            Press::Detail => (too_old, HOUR, DAY),
            Press::Before(horizon) => (horizon.max(too_old), HOUR, DAY),
        };
        let aligned = |age: i64, to: i64| now.saturating_sub(age).div_euclid(to) * to;
        Bounds {
            horizon,
            minutes: aligned(minutes, HOUR),
            hours: aligned(hours, DAY),
        }
    }

    fn end(&mut self, store: &mut Store, sweep: &Sweep, now: i64) -> Result<(), Error> {
        let horizon = sweep.bounds.horizon * 1000;
        let now = self.believed.unwrap_or(now);
        let transaction = immediate(store)?;
        transaction.execute("DELETE FROM gaps WHERE end < ?1", [horizon])?;
        transaction.execute(
            "DELETE FROM gaps WHERE rowid <= (SELECT max(rowid) FROM gaps) - ?1",
            [GAPS],
        )?;
        transaction.execute("DELETE FROM reports WHERE requested < ?1", [horizon])?;
        set(&transaction, "swept", now)?;
        transaction.commit()?;
        self.next = Some(Instant::now() + PAUSE);
        self.press = match (self.press, sweep.oldest) {
            (Press::Not, _) => Press::Not,
            _ if store.size()?.used_pages <= store.most_pages / 20 * 17 => Press::Not,
            // Nothing is left that could go.
            (_, None) => Press::Not,
            (Press::Before(horizon), Some(oldest)) => {
                Press::Before(later(horizon.max(oldest), now))
            }
            (Press::Detail, Some(oldest)) => Press::Before(later(oldest, now)),
        };
        if let Press::Before(horizon) = self.press {
            tracing::warn!(
                horizon,
                "the store of decision events is full: what is older than this second goes"
            );
        }
        Ok(())
    }
}

impl Sweep {
    /// Takes the next few subjects through all bounds; looks how old they are if asked to.
    fn step(&mut self, store: &mut Store, subjects: i64, looks: bool) -> Result<(), Error> {
        let (from, to) = (self.next, self.next + subjects - 1);
        let bounds = self.bounds;
        let transaction = immediate(store)?;
        drop_old(&transaction, (from, to), bounds.horizon)?;
        merge(&transaction, (from, to), (MINUTE, HOUR), bounds.minutes)?;
        merge(&transaction, (from, to), (HOUR, DAY), bounds.hours)?;
        let removed = transaction
            .prepare_cached(
                "DELETE FROM subjects WHERE id BETWEEN ?1 AND ?2
                   AND NOT EXISTS (SELECT 1 FROM tallies WHERE subject = id)
                   AND NOT EXISTS (SELECT 1 FROM users WHERE subject = id)",
            )?
            .execute([from, to])?;
        if looks {
            let oldest: Option<i64> = transaction
                .prepare_cached(
                    "SELECT min(at) FROM (
                        SELECT min(start) AS at FROM tallies WHERE subject BETWEEN ?1 AND ?2
                        UNION ALL
                        SELECT min(last) / 1000 FROM users WHERE subject BETWEEN ?1 AND ?2)",
                )?
                .query_row([from, to], |row| row.get(0))?;
            self.oldest = [self.oldest, oldest].into_iter().flatten().min();
        }
        transaction.commit()?;
        if removed > 0 {
            store.forget_subjects()?;
        }
        self.next = to + 1;
        Ok(())
    }
}

/// What is taken for now, so long after a sweep that took `before` for it.
fn follow(before: Option<i64>, passed: Duration, now: i64) -> i64 {
    let passed = i64::try_from(passed.as_secs()).unwrap_or(i64::MAX);
    let most =
        |before: i64| before.saturating_add(passed.saturating_mul(PACE).saturating_add(LEEWAY));
    before.map_or(now, |before| now.min(most(before)))
}

/// An eighth of the way to now, or an hour.
fn later(from: i64, now: i64) -> i64 {
    from.saturating_add((now.saturating_sub(from) / 8).max(HOUR))
}

fn drop_old(
    transaction: &Transaction<'_>,
    (from, to): (i64, i64),
    horizon: i64,
) -> rusqlite::Result<()> {
    for grain in [MINUTE, HOUR, DAY] {
        // With each subject named, what is old is found by the key.
        transaction
            .prepare_cached(
                "DELETE FROM tallies WHERE grain = ?3 AND start <= ?4 AND subject IN
                    (SELECT id FROM subjects WHERE id BETWEEN ?1 AND ?2)",
            )?
            .execute([from, to, grain, horizon - grain])?;
    }
    transaction
        .prepare_cached("DELETE FROM users WHERE subject BETWEEN ?1 AND ?2 AND last < ?3")?
        .execute([from, to, horizon.saturating_mul(1000)])?;
    Ok(())
}

/// Turns short stretches before a second into longer ones.
fn merge(
    transaction: &Transaction<'_>,
    (from, to): (i64, i64),
    (short, long): (i64, i64),
    before: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO tallies (subject, grain, start, decision, reason, count, first, last)
             SELECT subject, ?4, start - start % ?4, decision, reason,
                    sum(count), min(first), max(last)
             FROM tallies WHERE grain = ?3 AND start < ?5 AND subject IN
                (SELECT id FROM subjects WHERE id BETWEEN ?1 AND ?2)
             GROUP BY 1, 3, 4, 5
             ON CONFLICT DO UPDATE SET count = count + excluded.count,
                first = min(first, excluded.first), last = max(last, excluded.last)",
        )?
        .execute([from, to, short, long, before])?;
    transaction
        .prepare_cached(
            "DELETE FROM tallies WHERE grain = ?3 AND start < ?4 AND subject IN
                (SELECT id FROM subjects WHERE id BETWEEN ?1 AND ?2)",
        )?
        .execute([from, to, short, before])?;
    Ok(())
}

/// Gives some of the pages that are not in use back to the file system; whether there are more to
/// give. A quarter of the file may stay free for what comes.
fn shrink(store: &Store) -> Result<bool, Error> {
    let free = super::schema::pragma(&store.connection, "freelist_count")?;
    let pages = super::schema::pragma(&store.connection, "page_count")?;
    let roomy = |free, pages| free * 4 <= pages && pages <= store.most_pages;
    if free == 0 || roomy(free, pages) {
        return Ok(false);
    }
    let mut vacuum = store
        .connection
        .prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = vacuum.query(params![])?;
    while rows.next()?.is_some() {}
    drop(rows);
    let left = super::schema::pragma(&store.connection, "freelist_count")?;
    Ok(left < free && left > 0 && !roomy(left, pages - (free - left)))
}

fn immediate(store: &mut Store) -> rusqlite::Result<Transaction<'_>> {
    store
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_followed_at_a_pace() {
        let table = [
            (None, 0, 5_000_000, 5_000_000),
            (Some(1_000_000), 600, 1_000_600, 1_000_600),
            // Set back, or a little ahead.
            (Some(1_000_000), 600, 7, 7),
            (Some(1_000_000), 0, 1_003_600, 1_003_600),
            // A machine that slept; one whose clock is years ahead.
            (Some(1_000_000), 600, 1_021_600, 1_021_600),
            (Some(1_000_000), 600, 99_000_000, 1_021_600),
            (Some(1_000_000), u64::MAX, i64::MAX, i64::MAX),
        ];
        for (before, passed, now, expected) in table {
            let found = follow(before, Duration::from_secs(passed), now);
            assert_eq!(found, expected, "{before:?} {passed} {now}");
        }
    }
}
