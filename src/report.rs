//! Who connects where, and what isolation did about it: one tenant's report, from the store of
//! events or from audit records.
//!
//! Invariant: every exchange of the window is counted in exactly one place, so that sums agree with
//! the audit records:
//! 1. another tenant takes part, or one that is not known got through or was blocked: a row, inbound
//!    if the sign-in tenant is the report's, outbound if the creator tenant is;
//! 2. both tenants are the report's, or nothing was decided about one of its connections: `others`;
//! 3. the tenant takes no part, or nobody knows that it does: `others` as well.
//!
//! A report says how many accounts signed in, never which: those of other tenants are not its
//! tenant's to know.

mod charts;
mod counts;
mod csv;
mod gather;
mod html;
pub mod kept;
mod recommend;
mod record;
mod store;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::core::policy::Direction;
use crate::core::tenant::TenantId;

pub use self::csv::csv;
pub use counts::{Counts, Ending};
pub use gather::{Gather, Observed};
pub use html::html;
pub use recommend::{Recommendation, Recommended, Standing, State, Today};
pub use record::{Reading, read};
pub use store::{StoreError, gather as from_store};
pub use window::{Window, moment};

/// One tenant's report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whose it is.
    #[serde(flatten)]
    pub tenant: Named,
    /// When it was made.
    pub made: Timestamp,
    /// From when exchanges are in it; none: from the first record on.
    pub since: Option<Timestamp>,
    /// Until when.
    pub until: Timestamp,
    /// When the first and last of them ended.
    pub first_seen: Option<Timestamp>,
    /// See `first_seen`.
    pub last_seen: Option<Timestamp>,
    /// What the records do not tell, each as a sentence.
    pub warnings: Vec<String>,
    /// Connections of other tenants that signed in here.
    pub inbound: Totals,
    /// This tenant's connections that signed in elsewhere.
    pub outbound: Totals,
    /// By direction, external tenant, connector and application.
    pub rows: Vec<Row>,
    /// Exchanges that are in no row.
    pub others: Others,
    /// When records were lost.
    pub gaps: Vec<Gap>,
    /// By day (UTC).
    pub days: Vec<Day>,
    /// What to allow before isolation is turned On.
    pub recommendation: Recommendation,
}

/// A tenant, and its name where a policy gives one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its id.
    pub tenant: TenantId,
    /// Its name: whoever wrote a policy chose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// All rows of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// How they ended.
    #[serde(flatten)]
    pub counts: Counts,
    /// Distinct external tenants.
    pub tenants: u64,
    /// Distinct accounts that signed in.
    pub users: u64,
}

/// Exchanges of one direction, external tenant, connector and application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// As the report's tenant sees it.
    pub direction: Direction,
    /// The other tenant. None: inbound, a connection without a client tenant id; outbound, a sign-in
    /// tenant that is not known.
    pub external: Option<Named>,
    /// The connector's label: whoever made the connection may have chosen it.
    pub connector: Option<String>,
    /// The application that tokens were issued to.
    pub app_id: Option<Uuid>,
    /// How they ended.
    #[serde(flatten)]
    pub counts: Counts,
    /// Distinct accounts that signed in.
    pub users: u64,
    /// When the first one ended.
    pub first_seen: Timestamp,
    /// When the last one ended.
    pub last_seen: Timestamp,
    /// How often each reason, in the words of audit records.
    pub reasons: BTreeMap<String, u64>,
}

/// Exchanges that are in no row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Others {
    /// Within the tenant.
    pub same_tenant: Counts,
    /// This tenant's, and no token came with the reply, so that there was nothing to decide.
    pub no_token: u64,
    /// This tenant's, and ended in an error before the other tenant was known.
    pub errors: u64,
    /// Of other tenants, or of nobody known.
    pub other_tenants: u64,
    /// In more groups than are told apart.
    pub beyond: Counts,
}

/// A time in which records were lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Its begin.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// How many; none: not known.
    pub lost: Option<u64>,
    /// Why, in a word.
    pub why: String,
}

/// How exchanges of rows ended within some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Day {
    /// When it began.
    pub day: Timestamp,
    /// Inbound.
    pub inbound: Counts,
    /// Outbound.
    pub outbound: Counts,
}

/// A time without the parts of a second.
pub(crate) fn seconds(time: Timestamp) -> String {
    let whole = Timestamp::from_second(time.as_second());
    whole.unwrap_or(time).to_string()
}

impl Named {
    /// A tenant whose name is not known.
    pub const fn new(tenant: TenantId) -> Self {
        Self { tenant, name: None }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.tenant, f)
    }
}

impl Row {
    /// What stands for a tenant that is not known.
    pub const fn nobody(&self) -> &'static str {
        match self.direction {
            Direction::Inbound => "no client tenant id",
            Direction::Outbound => "not known",
        }
    }
}

impl Report {
    /// Gives tenants the names that policies have for them.
    pub fn name<'n>(&mut self, name: impl Fn(TenantId) -> Option<&'n str>) {
        let rows = self.rows.iter_mut().filter_map(|row| row.external.as_mut());
        let recommended = self.recommendation.tenants.iter_mut();
        let recommended = recommended.chain(&mut self.recommendation.left_out);
        for named in rows
            .chain(recommended.map(|it| &mut it.tenant))
            .chain([&mut self.tenant])
        {
            named.name = name(named.tenant).map(str::to_owned);
        }
    }

    /// Leaves the rows of one direction only; totals and recommendation stay.
    pub fn only(&mut self, direction: Direction) {
        self.rows.retain(|row| row.direction == direction);
    }

    /// Rows by external tenant: its counts in both directions, the most exchanges first.
    pub fn partners(&self) -> Vec<Partner> {
        let mut partners: BTreeMap<TenantId, Partner> = BTreeMap::new();
        for row in &self.rows {
            let Some(external) = &row.external else {
                continue;
            };
            let partner = partners.entry(external.tenant).or_insert_with(|| Partner {
                tenant: external.clone(),
                inbound: Counts::default(),
                outbound: Counts::default(),
            });
            match row.direction {
                Direction::Inbound => partner.inbound.join(&row.counts),
                Direction::Outbound => partner.outbound.join(&row.counts),
            }
        }
        let mut partners: Vec<_> = partners.into_values().collect();
        partners.sort_by_key(|partner| std::cmp::Reverse(partner.total()));
        partners
    }

    /// Every exchange of the window, wherever it is counted.
    pub fn exchanges(&self) -> u64 {
        let others = &self.others;
        self.inbound.counts.total()
            + self.outbound.counts.total()
            + others.same_tenant.total()
            + others.no_token
            + others.errors
            + others.other_tenants
            + others.beyond.total()
    }

    /// The days put together so that there are at most `most` of them, each as long as the others:
    /// so many days to one.
    pub fn spans(&self, most: usize) -> (usize, Vec<Day>) {
        const DAY: i64 = 86_400;
        let day_of = |day: &Day| day.day.as_second().div_euclid(DAY);
        let (Some(first), Some(last)) = (self.days.first(), self.days.last()) else {
            return (1, Vec::new());
        };
        let (first, last) = (day_of(first), day_of(last));
        let days = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(1);
        let width = days.div_ceil(most.max(1)).max(1);
        let starts = (0..days).step_by(width);
        let mut spans: Vec<Day> = starts
            .filter_map(|offset| {
                let day = first.checked_add(i64::try_from(offset).ok()?)?;
                Some(Day::new(
                    Timestamp::from_second(day.checked_mul(DAY)?).ok()?,
                ))
            })
            .collect();
        for day in &self.days {
            let offset = usize::try_from(day_of(day).saturating_sub(first)).unwrap_or(0);
            if let Some(span) = spans.get_mut(offset / width) {
                span.inbound.join(&day.inbound);
                span.outbound.join(&day.outbound);
            }
        }
        (width, spans)
    }

    /// Distinct external tenants of a direction's rows.
    fn tenants(rows: &[Row], direction: Direction) -> u64 {
        let of_direction = rows.iter().filter(|row| row.direction == direction);
        let tenants = of_direction.filter_map(|row| row.external.as_ref());
        let distinct: BTreeSet<_> = tenants.map(|named| named.tenant).collect();
        distinct.len() as u64
    }
}

/// What passed between the report's tenant and another.
#[derive(Clone, Debug)]
pub struct Partner {
    /// The other tenant.
    pub tenant: Named,
    /// Its connections that signed in here.
    pub inbound: Counts,
    /// The report's tenant's connections that signed in there.
    pub outbound: Counts,
}

impl Partner {
    /// Exchanges in both directions.
    pub const fn total(&self) -> u64 {
        self.inbound.total() + self.outbound.total()
    }
}

impl Day {
    const fn new(day: Timestamp) -> Self {
        const NONE: Counts = Counts {
            allowed: 0,
            would_block: 0,
            blocked: 0,
            passed_non_entra: 0,
            errors: 0,
        };
        Self {
            day,
            inbound: NONE,
            outbound: NONE,
        }
    }
}

#[cfg(test)]
mod tests;
