//! Exchanges on their way into a report, counted.
//!
//! Invariant: what is counted is counted once. Rows are told apart up to a bound, because whoever
//! sends requests chooses connectors: beyond it they are put together by external tenant, then
//! counted as `beyond`.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::recommend::{Passed, Today};
use super::{Counts, Day, Ending, Gap, Named, Others, Report, Row, Totals, Window, recommend};
use crate::core::policy::Direction;
use crate::core::tenant::TenantId;

const DAY: i64 = 86_400;

/// Exchanges that are alike: one, or as many as a tally says.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'o> {
    /// The creator tenant.
    pub creator: Option<TenantId>,
    /// The sign-in tenant.
    pub sign_in: Option<TenantId>,
    /// The connector's label.
    pub connector: Option<&'o str>,
    /// The application that tokens were issued to.
    pub app: Option<Uuid>,
    /// How they ended.
    pub ending: Ending,
    /// Why.
    pub reason: &'o str,
    /// How many.
    pub count: u64,
    /// When the first one ended.
    pub first: Timestamp,
    /// When the last one ended.
    pub last: Timestamp,
}

/// A report that grows.
#[derive(Debug)]
pub struct Gather {
    tenant: TenantId,
    window: Window,
    most_rows: usize,
    rows: HashMap<Key, Tally>,
    users: [HashSet<Uuid>; 2],
    days: BTreeMap<i64, [Counts; 2]>,
    others: Others,
    span: Option<(Timestamp, Timestamp)>,
    is_folded: bool,
    gaps: Vec<Gap>,
    warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    direction: Direction,
    external: Option<TenantId>,
    connector: Option<Box<str>>,
    app: Option<Uuid>,
}

#[derive(Debug)]
struct Tally {
    counts: Counts,
    users: HashSet<Uuid>,
    first: Timestamp,
    last: Timestamp,
    reasons: BTreeMap<Box<str>, u64>,
}

/// Where an exchange belongs.
enum Place {
    Elsewhere,
    Row(Direction, Option<TenantId>),
    Within,
}

impl Gather {
    /// Begins a report that tells `most_rows` rows apart.
    pub fn new(tenant: TenantId, window: Window, most_rows: usize) -> Self {
        Self {
            tenant,
            window,
            most_rows,
            rows: HashMap::new(),
            users: Default::default(),
            days: BTreeMap::new(),
            others: Others::default(),
            span: None,
            is_folded: false,
            gaps: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Whose report it is.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// From when until when.
    pub const fn window(&self) -> Window {
        self.window
    }

    fn place(&self, creator: Option<TenantId>, sign_in: Option<TenantId>) -> Place {
        let own = Some(self.tenant);
        match (creator == own, sign_in == own) {
            (true, true) => Place::Within,
            (true, false) => Place::Row(Direction::Outbound, sign_in),
            (false, true) => Place::Row(Direction::Inbound, creator),
            (false, false) => Place::Elsewhere,
        }
    }

    /// Counts exchanges that ended within the window.
    pub fn count(&mut self, seen: &Observed<'_>) {
        let place = self.place(seen.creator, seen.sign_in);
        let others = &mut self.others;
        let (direction, external) = match place {
            Place::Elsewhere => {
                others.other_tenants += seen.count;
                return;
            }
            Place::Within => {
                others.same_tenant.add(seen.ending, seen.count);
                return;
            }
            Place::Row(_, None) if seen.ending == Ending::Error => {
                others.errors += seen.count;
                return;
            }
            Place::Row(_, None) if is_without_token(seen) => {
                others.no_token += seen.count;
                return;
            }
            Place::Row(direction, external) => (direction, external),
        };
        self.row(direction, external, seen);
    }

    fn row(&mut self, direction: Direction, external: Option<TenantId>, seen: &Observed<'_>) {
        let span = self.span.get_or_insert((seen.first, seen.last));
        *span = (span.0.min(seen.first), span.1.max(seen.last));
        let Some(key) = self.key(direction, external, seen.connector, seen.app) else {
            self.others.beyond.add(seen.ending, seen.count);
            return;
        };
        let row = self.rows.entry(key).or_insert_with(|| Tally {
            counts: Counts::default(),
            users: HashSet::new(),
            first: seen.first,
            last: seen.last,
            reasons: BTreeMap::new(),
        });
        row.counts.add(seen.ending, seen.count);
        row.first = row.first.min(seen.first);
        row.last = row.last.max(seen.last);
        match row.reasons.get_mut(seen.reason) {
            Some(count) => *count += seen.count,
            None => {
                row.reasons.insert(seen.reason.into(), seen.count);
            }
        }
        let day = seen.first.as_second().div_euclid(DAY);
        let [inbound, outbound] = self.days.entry(day).or_default();
        match direction {
            Direction::Inbound => inbound.add(seen.ending, seen.count),
            Direction::Outbound => outbound.add(seen.ending, seen.count),
        }
    }

    /// The row that counts these, as far as rows are told apart.
    fn key(
        &mut self,
        direction: Direction,
        external: Option<TenantId>,
        connector: Option<&str>,
        app: Option<Uuid>,
    ) -> Option<Key> {
        let key = Key {
            direction,
            external,
            connector: connector.map(Into::into),
            app,
        };
        if self.rows.len() < self.most_rows || self.rows.contains_key(&key) {
            return Some(key);
        }
        self.is_folded = true;
        let (connector, app) = (None, None);
        let folded = Key {
            connector,
            app,
            ..key
        };
        let room = self.rows.len() < self.most_rows.saturating_mul(2);
        (room || self.rows.contains_key(&folded)).then_some(folded)
    }

    /// Notes an account that signed in, after its exchanges were counted.
    pub fn user(&mut self, seen: &Observed<'_>, user: Uuid) {
        let Place::Row(direction, external) = self.place(seen.creator, seen.sign_in) else {
            return;
        };
        let Some(key) = self.key(direction, external, seen.connector, seen.app) else {
            return;
        };
        if let Some(row) = self.rows.get_mut(&key) {
            row.users.insert(user);
            let [inbound, outbound] = &mut self.users;
            match direction {
                Direction::Inbound => inbound.insert(user),
                Direction::Outbound => outbound.insert(user),
            };
        }
    }

    /// Counts exchanges that the tenant takes no part in.
    pub const fn elsewhere(&mut self, count: u64) {
        let counter = &mut self.others.other_tenants;
        *counter = counter.saturating_add(count);
    }

    /// Notes a time in which records were lost.
    pub fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// Notes something that the records do not tell.
    pub fn warn(&mut self, sentence: String) {
        self.warnings.push(sentence);
    }

    /// The report.
    pub fn report(mut self, today: &Today, made: Timestamp) -> Report {
        self.warn_of_bounds();
        let users = self.users.each_ref().map(|users| users.len() as u64);
        let passed = self.passed();
        let recommendation = recommend::of(self.tenant, &passed, today, made);
        let mut rows: Vec<Row> = self
            .rows
            .into_iter()
            .map(|(key, row)| row.into_row(key))
            .collect();
        sort(&mut rows);
        let totals = |direction, users| {
            let mut totals = Totals {
                users,
                tenants: Report::tenants(&rows, direction),
                ..Totals::default()
            };
            let of_direction = rows.iter().filter(|row| row.direction == direction);
            of_direction.for_each(|row| totals.counts.join(&row.counts));
            totals
        };
        let [inbound, outbound] = users;
        let days = self.days.into_iter().filter_map(|(day, counts)| {
            let [inbound, outbound] = counts;
            let day = Timestamp::from_second(day.checked_mul(DAY)?).ok()?;
            Some(Day {
                day,
                inbound,
                outbound,
            })
        });
        Report {
            tenant: Named::new(self.tenant),
            made,
            since: self.window.since,
            until: self.window.until,
            first_seen: self.span.map(|(first, _)| first),
            last_seen: self.span.map(|(_, last)| last),
            warnings: self.warnings,
            inbound: totals(Direction::Inbound, inbound),
            outbound: totals(Direction::Outbound, outbound),
            days: days.collect(),
            rows,
            others: self.others,
            gaps: self.gaps,
            recommendation,
        }
    }

    fn warn_of_bounds(&mut self) {
        if !self.gaps.is_empty() {
            let (times, all_known) = (self.gaps.len(), self.gaps.iter().all(|g| g.lost.is_some()));
            let lost: u64 = self.gaps.iter().filter_map(|gap| gap.lost).sum();
            let at_least = if all_known { "" } else { "at least " };
            self.warnings.push(format!(
                "Records were lost {times} times within this time: {at_least}{lost} exchanges are \
                 missing here."
            ));
        }
        if self.is_folded {
            let beyond = self.others.beyond.total();
            self.warnings.push(format!(
                "There are more than {} combinations of tenant, connector and application: others \
                 are put together by tenant, and {beyond} exchanges are in no row.",
                self.most_rows
            ));
        }
    }

    /// What passed, by tenant and direction.
    fn passed(&self) -> Passed {
        let mut passed = Passed::default();
        for (key, row) in &self.rows {
            passed.join(key.direction, key.external, &row.counts, row.last);
        }
        passed
    }
}

/// Whether nothing was decided: the reply held no token.
fn is_without_token(seen: &Observed<'_>) -> bool {
    seen.ending == Ending::Allow && seen.reason == "no_token"
}

impl Tally {
    fn into_row(self, key: Key) -> Row {
        let reasons = self.reasons.into_iter();
        Row {
            direction: key.direction,
            external: key.external.map(Named::new),
            connector: key.connector.map(Into::into),
            app_id: key.app,
            counts: self.counts,
            users: self.users.len() as u64,
            first_seen: self.first,
            last_seen: self.last,
            reasons: reasons
                .map(|(reason, count)| (reason.into(), count))
                .collect(),
        }
    }
}

/// Inbound first; within a direction tenants by their exchanges, then rows by theirs.
fn sort(rows: &mut [Row]) {
    let tenant = |row: &Row| row.external.as_ref().map(|named| named.tenant);
    let mut sums: HashMap<(Direction, Option<TenantId>), u64> = HashMap::new();
    for row in &*rows {
        *sums.entry((row.direction, tenant(row))).or_default() += row.counts.total();
    }
    let sum = |row: &Row| sums.get(&(row.direction, tenant(row))).copied();
    rows.sort_by(|one, other| {
        let by_direction = one.direction.cmp(&other.direction);
        let by_tenant = sum(other)
            .cmp(&sum(one))
            .then(tenant(one).cmp(&tenant(other)));
        let by_row = other.counts.total().cmp(&one.counts.total());
        let by_name = (&one.connector, one.app_id).cmp(&(&other.connector, other.app_id));
        by_direction.then(by_tenant).then(by_row).then(by_name)
    });
}
