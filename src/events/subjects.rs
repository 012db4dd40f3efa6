//! Finds the row of a subject, or makes it.
//!
//! Whoever reaches the gateway chooses connectors, and many choose tenants and applications. So
//!
//! 1. two tenants meet by at most [`OF_A_PAIR`] connectors, applications and routes; more of them
//!    count without connector and application;
//! 2. above [`MANY`] subjects in all no new one with a connector or an application is made;
//! 3. above [`MOST`] no new one with tenants is made.
//!
//! Invariant: so there are at most [`MOST`] subjects and one for each route; what is folded is
//! counted, and sums stay true.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::gather::{Id, Subject};

/// Subjects of two tenants.
pub(super) const OF_A_PAIR: i64 = 1_000;

/// Subjects from which on connectors and applications are left out of new ones.
pub(super) const MANY: i64 = 100_000;

/// Subjects from which on tenants are left out of new ones.
pub(super) const MOST: i64 = 120_000;

/// Rows that are known without asking.
const KNOWN: usize = 20_000;

/// One subject's place in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: i64,
    /// Whether something of the subject is left out there.
    pub(super) folded: bool,
    /// Whether its tenants are there, so that accounts mean something.
    pub(super) names_users: bool,
}

/// The rows that are known.
pub(super) struct Subjects {
    known: HashMap<Subject, Place>,
    /// How many subjects two tenants have.
    pairs: HashMap<(Option<Id>, Option<Id>), i64>,
    count: i64,
}

impl Subjects {
    /// Knows none yet.
    pub(super) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            known: HashMap::new(),
            pairs: HashMap::new(),
            count: total(connection)?,
        })
    }

    /// Forgets what a transaction that failed made, when there were `count` before it.
    pub(super) fn forget(&mut self, count: i64) {
        self.known.clear();
        self.pairs.clear();
        self.count = count;
    }

    /// How many there are.
    pub(super) const fn count(&self) -> i64 {
        self.count
    }

    /// The row of a subject.
    pub(super) fn place(
        &mut self,
        transaction: &Transaction<'_>,
        subject: &Subject,
    ) -> rusqlite::Result<Place> {
        if let Some(place) = self.known.get(subject) {
            return Ok(*place);
        }
        let place = self.look(transaction, subject)?;
        // A folded one may find its place once old subjects are gone.
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(subject.clone(), place);
        Ok(place)
    }

    fn look(
        &mut self,
        transaction: &Transaction<'_>,
        subject: &Subject,
    ) -> rusqlite::Result<Place> {
        let place = |id, folded, names_users| Place {
            id,
            folded,
            names_users,
        };
        if let Some(id) = find(transaction, subject)? {
            return Ok(place(id, false, true));
        }
        let plain = subject.connector.is_none() && subject.app.is_none();
        if plain && self.count < MOST
            || self.count < MANY && self.of_pair(transaction, subject)? < OF_A_PAIR
        {
            return Ok(place(self.make(transaction, subject)?, false, true));
        }
        let mut less = Subject {
            connector: None,
            app: None,
            ..subject.clone()
        };
        if let Some(id) = find(transaction, &less)? {
            return Ok(place(id, !plain, true));
        }
        if self.count < MOST {
            return Ok(place(self.make(transaction, &less)?, true, true));
        }
        (less.creator, less.sign_in) = (None, None);
        let id = match find(transaction, &less)? {
            Some(id) => id,
            None => self.make(transaction, &less)?,
        };
        Ok(place(id, true, false))
    }

    /// How many subjects these tenants have.
    fn of_pair(
        &mut self,
        transaction: &Transaction<'_>,
        subject: &Subject,
    ) -> rusqlite::Result<i64> {
        let pair = (subject.creator, subject.sign_in);
        if let Some(count) = self.pairs.get(&pair) {
            return Ok(*count);
        }
        let count = transaction
            .prepare_cached("SELECT count(*) FROM subjects WHERE creator IS ?1 AND sign_in IS ?2")?
            .query_row(params![pair.0, pair.1], |row| row.get(0))?;
        if self.pairs.len() >= KNOWN {
            self.pairs.clear();
        }
        self.pairs.insert(pair, count);
        Ok(count)
    }

    fn make(&mut self, transaction: &Transaction<'_>, subject: &Subject) -> rusqlite::Result<i64> {
        transaction
            .prepare_cached(
                "INSERT INTO subjects (creator, sign_in, connector, app, route)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                subject.creator,
                subject.sign_in,
                subject.connector,
                subject.app,
                subject.route
            ])?;
        self.count += 1;
        if let Some(count) = self.pairs.get_mut(&(subject.creator, subject.sign_in)) {
            *count += 1;
        }
        Ok(transaction.last_insert_rowid())
    }
}

fn find(transaction: &Transaction<'_>, subject: &Subject) -> rusqlite::Result<Option<i64>> {
    transaction
        .prepare_cached(
            "SELECT id FROM subjects WHERE ifnull(creator, x'') = ifnull(?1, x'')
               AND ifnull(sign_in, x'') = ifnull(?2, x'')
               AND ifnull(connector, x'') = ifnull(?3, x'')
               AND ifnull(app, x'') = ifnull(?4, x'') AND route = ?5",
        )?
        .query_row(
            params![
                subject.creator,
                subject.sign_in,
                subject.connector,
                subject.app,
                subject.route
            ],
            |row| row.get(0),
        )
        .optional()
}

fn total(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM subjects", [], |row| row.get(0))
}
