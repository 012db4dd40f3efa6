//! A report's rows for a spreadsheet.
//!
//! Invariant: no cell that somebody outside chose is taken for a formula, and none holds a control
//! character or one that changes the direction of writing.
//!
//! Source: RFC 4180; OWASP, "CSV Injection".

use super::{Named, Report, Row};
use crate::problem::visible;

const HEADER: [&str; 15] = [
    "direction",
    "external_tenant",
    "external_tenant_name",
    "connector",
    "app_id",
    "allowed",
    "would_block",
    "blocked",
    "passed_non_entra",
    "errors",
    "users",
    "first_seen",
    "last_seen",
    "reasons",
    "tenant",
];

/// The rows, one a line after a line of names.
///
/// # Errors
/// None is known; the writer of CSV has the word.
pub fn csv(report: &Report) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    let tenant = report.tenant.tenant.to_string();
    for row in &report.rows {
        writer.write_record(record(row, &tenant))?;
    }
    writer
        .into_inner()
        .map_err(|error| error.into_error().into())
}

fn record(row: &Row, tenant: &str) -> [String; HEADER.len()] {
    let external = row.external.as_ref();
    let name = external.and_then(|named| named.name.as_deref());
    let reasons = row
        .reasons
        .iter()
        .map(|(reason, count)| format!("{reason}={count}"));
    let counts = &row.counts;
    [
        row.direction.as_str().to_owned(),
        external.map(Named::to_string).unwrap_or_default(),
        cell(name.unwrap_or_default()),
        cell(row.connector.as_deref().unwrap_or_default()),
        row.app_id.map(|id| id.to_string()).unwrap_or_default(),
        counts.allowed.to_string(),
        counts.would_block.to_string(),
        counts.blocked.to_string(),
        counts.passed_non_entra.to_string(),
        counts.errors.to_string(),
        row.users.to_string(),
        row.first_seen.to_string(),
        row.last_seen.to_string(),
        cell(&reasons.collect::<Vec<_>>().join(" ")),
        tenant.to_owned(),
    ]
}

/// A text as no spreadsheet takes it for a formula: an apostrophe before it makes it a text. Signs
/// that count as formulas in their wide forms too, and after spaces, which some programs pass over.
fn cell(text: &str) -> String {
    let shown = visible(text);
    let first = shown.trim_start().chars().next();
    match first {
        Some('=' | '+' | '-' | '@' | '|' | '%' | '＝' | '＋' | '－' | '＠') => {
            format!("'{shown}")
        }
        Some(_) | None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("sharepoint", "sharepoint"),
            ("a=b", "a=b"),
            ("", ""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("  =1", "'  =1"),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\t=1", "\\t=1"),
            ("\r=1", "\\r=1"),
            ("\n=1", "\\n=1"),
            ("\u{202e}=1", "\\u{202e}=1"),
            ("＝1", "'＝1"),
            ("%0A=1", "'%0A=1"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
