//! Rows of a page's tables, as texts.
//!
//! Invariant: a text that somebody outside chose holds nothing hidden; the template escapes it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::problem::visible;
use crate::report::{Counts, Day, Gap, Named, Recommended, Row, seconds};

pub(super) struct DayRow {
    pub(super) day: String,
    pub(super) numbers: [String; 8],
}

/// Rows of one external tenant.
pub(super) struct Group {
    pub(super) name: Option<String>,
    pub(super) external: String,
    pub(super) is_known: bool,
    pub(super) sum: String,
    pub(super) rows: Vec<TableRow>,
}

pub(super) struct TableRow {
    pub(super) connector: String,
    pub(super) app: String,
    pub(super) allowed: String,
    pub(super) would_block: String,
    pub(super) blocked: String,
    pub(super) non_entra: String,
    pub(super) errors: String,
    pub(super) users: String,
    pub(super) first: String,
    pub(super) last: String,
}

pub(super) struct GapRow {
    pub(super) start: String,
    pub(super) end: String,
    pub(super) why: String,
    pub(super) lost: String,
}

pub(super) struct AdviceRow {
    pub(super) name: Option<String>,
    pub(super) tenant: String,
    pub(super) direction: &'static str,
    pub(super) entry: &'static str,
    pub(super) passed: String,
    pub(super) blocked: String,
    pub(super) last: String,
}

/// Rows stand by external tenant.
pub(super) fn groups(rows: &[&Row]) -> Vec<Group> {
    let alike = |one: &&Row, other: &&Row| one.external == other.external;
    rows.chunk_by(alike).filter_map(Group::of).collect()
}

impl Group {
    pub(super) fn of(rows: &[&Row]) -> Option<Self> {
        let first = rows.first()?;
        let external = first.external.as_ref();
        let sum = rows.iter().map(|row| row.counts.total()).sum();
        Some(Self {
            name: external.and_then(name),
            external: external.map_or_else(|| first.nobody().to_owned(), Named::to_string),
            is_known: external.is_some(),
            sum: plural(sum, "exchange"),
            rows: rows.iter().map(|row| TableRow::of(row)).collect(),
        })
    }
}

impl TableRow {
    pub(super) fn of(row: &Row) -> Self {
        let counts = &row.counts;
        Self {
            connector: row.connector.as_deref().map(visible).unwrap_or_default(),
            app: row.app_id.map(|id| id.to_string()).unwrap_or_default(),
            allowed: grouped(counts.allowed),
            would_block: grouped(counts.would_block),
            blocked: grouped(counts.blocked),
            non_entra: grouped(counts.passed_non_entra),
            errors: grouped(counts.errors),
            users: grouped(row.users),
            first: minute(row.first_seen),
            last: minute(row.last_seen),
        }
    }
}

impl DayRow {
    pub(super) fn of(day: &Day) -> Self {
        let numbers = |counts: &Counts| {
            [
                counts.allowed,
                counts.would_block,
                counts.passed_non_entra,
                counts.blocked,
            ]
            .map(grouped)
        };
        let [a, b, c, d] = numbers(&day.inbound);
        let [e, f, g, h] = numbers(&day.outbound);
        Self {
            day: day.day.to_zoned(TimeZone::UTC).date().to_string(),
            numbers: [a, b, c, d, e, f, g, h],
        }
    }
}

impl GapRow {
    pub(super) fn of(gap: &Gap) -> Self {
        Self {
            start: seconds(gap.start),
            end: seconds(gap.end),
            why: visible(&gap.why),
            lost: gap.lost.map_or("not known".to_owned(), grouped),
        }
    }
}

impl AdviceRow {
    pub(super) fn of(recommended: &Recommended) -> Self {
        Self {
            name: name(&recommended.tenant),
            tenant: recommended.tenant.to_string(),
            direction: recommended.directions(),
            entry: recommended.entry.as_str(),
            passed: grouped(recommended.passed),
            blocked: grouped(recommended.blocked),
            last: minute(recommended.last_seen),
        }
    }
}

pub(super) fn name(named: &Named) -> Option<String> {
    named.name.as_deref().map(visible)
}

/// A number as people read it: 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn plural(number: u64, word: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {word}{ending}", grouped(number))
}

pub(super) fn minute(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    let date = time.date();
    format!("{date} {:02}:{:02}", time.hour(), time.minute())
}
