//! A report for a terminal.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table};

use crate::cli::output::{json, plural, table};
use crate::core::policy::Direction;
use crate::problem::visible;
use crate::report::{Counts, Named, Recommendation, Report, Row, Totals};

/// Rows in the table; JSON and CSV have them all.
const MOST_ROWS: usize = 50;

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    write_report(&mut text, report).unwrap_or_default();
    text
}

fn write_report(text: &mut String, report: &Report) -> std::fmt::Result {
    let since = report.since.map_or("the first record".to_owned(), seconds);
    writeln!(text, "cross-tenant connections of {}", told(&report.tenant))?;
    writeln!(text, "from {since} to {}", seconds(report.until))?;
    for warning in &report.warnings {
        writeln!(text, "warning: {}", visible(warning))?;
    }
    writeln!(text)?;
    totals(text, Direction::Inbound, &report.inbound)?;
    totals(text, Direction::Outbound, &report.outbound)?;
    others(text, report)?;
    if !report.rows.is_empty() {
        writeln!(text, "\n{}", rows(report))?;
    }
    let hidden = report.rows.len().saturating_sub(MOST_ROWS);
    if hidden > 0 {
        writeln!(
            text,
            "and {} more, which --format csv tells",
            plural(hidden as u64, "row")
        )?;
    }
    recommendation(text, &report.recommendation)
}

fn totals(text: &mut String, direction: Direction, totals: &Totals) -> std::fmt::Result {
    let counts = &totals.counts;
    writeln!(
        text,
        "{:<9} {}, {}: {}",
        format!("{}:", direction.as_str()),
        plural(totals.tenants, "tenant"),
        plural(totals.users, "user"),
        endings(counts)
    )
}

/// What there is any of.
fn endings(counts: &Counts) -> String {
    let all = [
        (counts.allowed, "allowed"),
        (counts.would_block, "would block"),
        (counts.blocked, "blocked"),
        (counts.passed_non_entra, "passed without an Entra token"),
        (counts.errors, "ended in an error"),
    ];
    let told = all.iter().filter(|(count, _)| *count > 0);
    let told: Vec<_> = told
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if told.is_empty() {
        "no exchange".to_owned()
    } else {
        told.join(", ")
    }
}

fn others(text: &mut String, report: &Report) -> std::fmt::Result {
    let others = &report.others;
    let all = [
        (others.same_tenant.total(), "within the tenant"),
        (others.no_token, "without a token in the reply"),
        (
            others.errors,
            "ended in an error before the other tenant was known",
        ),
        (others.beyond.total(), "in more rows than are told apart"),
        (
            others.other_tenants,
            "of other tenants only, or of nobody known",
        ),
    ];
    let told = all.iter().filter(|(count, _)| *count > 0);
    let told: Vec<_> = told
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    writeln!(text, "in no row: {}", told.join(", "))
}

fn rows(report: &Report) -> Table {
    let mut table = table([
        "direction",
        "external tenant",
        "connector\napplication",
        "allowed",
        "would\nblock",
        "blocked",
        "not\nEntra's",
        "errors",
        "users",
        "first seen\nlast seen",
    ]);
    table.add_rows(report.rows.iter().take(MOST_ROWS).map(cells));
    for column in 3..9 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cells(row: &Row) -> [String; 10] {
    let external = row.external.as_ref();
    let connector = row.connector.as_deref().map(visible).unwrap_or_default();
    let app = row.app_id.map(|id| format!("\n{id}")).unwrap_or_default();
    let counts = &row.counts;
    [
        row.direction.as_str().to_owned(),
        external.map_or_else(|| row.nobody().to_owned(), two_lines),
        connector + &app,
        counts.allowed.to_string(),
        counts.would_block.to_string(),
        counts.blocked.to_string(),
        counts.passed_non_entra.to_string(),
        counts.errors.to_string(),
        row.users.to_string(),
        format!("{}\n{}", seconds(row.first_seen), seconds(row.last_seen)),
    ]
}

fn recommendation(text: &mut String, it: &Recommendation) -> std::fmt::Result {
    if it.all().next().is_none() {
        writeln!(
            text,
            "\nno other tenant's exchanges got through: turning isolation On breaks none"
        )?;
    } else {
        writeln!(
            text,
            "\nto turn isolation On without breaking what runs today, allow these tenants:"
        )?;
        writeln!(text, "{}", recommended(it))?;
        let hidden = it.all().count().saturating_sub(MOST_ROWS);
        if hidden > 0 {
            writeln!(
                text,
                "and {} more, which --format json tells",
                plural(hidden as u64, "tenant")
            )?;
        }
    }
    for sentence in &it.notes {
        writeln!(text, "note: {sentence}")?;
    }
    if let Some(policy) = &it.policy {
        writeln!(
            text,
            "\nthe policy, for `tidegate policy import` (--recommend FILE writes it):"
        )?;
        write!(text, "{}", json(policy))?;
    }
    Ok(())
}

fn recommended(it: &Recommendation) -> Table {
    let mut table = table([
        "tenant",
        "direction",
        "entry",
        "got through",
        "blocked",
        "last seen",
    ]);
    let shown = it.all().take(MOST_ROWS);
    table.add_rows(shown.map(|tenant| {
        [
            two_lines(&tenant.tenant),
            tenant.directions().to_owned(),
            tenant.entry.as_str().to_owned(),
            tenant.passed.to_string(),
            tenant.blocked.to_string(),
            seconds(tenant.last_seen),
        ]
    }));
    for column in 3..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn two_lines(named: &Named) -> String {
    let name = named
        .name
        .as_deref()
        .map(|name| format!("\n{}", visible(name)));
    format!("{named}{}", name.unwrap_or_default())
}

fn told(named: &Named) -> String {
    match &named.name {
        Some(name) => format!("{} ({named})", visible(name)),
        None => named.to_string(),
    }
}

fn seconds(time: jiff::Timestamp) -> String {
    crate::report::seconds(time)
}
