//! The table, and what is not as documented.

use std::collections::HashSet;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::gateway::Gateway;
use crate::play::{Performance, Played, sides, text};
use crate::rows::{Expected, SignIn, name};

/// Wide enough for the longest policies in two lines, narrow enough for most terminals.
const WIDTH: u16 = 160;

/// Prints everything; true if all rows are as documented and every exchange has exactly one audit
/// record.
pub(crate) fn show(performance: &Performance, gateway: &Gateway) -> bool {
    println!("{}", table(&performance.rows));
    let refusals = performance
        .rows
        .iter()
        .filter(|played| played.answer.status == 403);
    if let Some(refusal) = refusals.max_by_key(|played| sides(&played.record).len()) {
        println!(
            "\nA refusal in full:\n{}",
            text(&refusal.answer.body, "error_description")
        );
    }
    let mut problems: Vec<String> = performance.rows.iter().filter_map(problem).collect();
    problems.extend(records(performance, gateway));
    println!(
        "\n{} rows, {} exchanges; the slowest policy change took effect after {} ms.",
        performance.rows.len(),
        performance.exchanges.len(),
        performance.slowest_change.as_millis()
    );
    if problems.is_empty() {
        println!("Every row is as documented, and every exchange has exactly one audit record.");
        return true;
    }
    println!("NOT as documented:");
    for problem in &problems {
        println!("  {problem}");
    }
    false
}

fn table(rows: &[Played]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header([
            "creator",
            "sign-in",
            "policies",
            "expected",
            "decision",
            "the client received",
            "",
        ]);
    if let Some(received) = table.column_mut(5) {
        received.set_constraint(ColumnConstraint::ContentWidth);
    }
    for played in rows {
        table.add_row([
            played.row.creator.map_or("none (legacy)", name).to_owned(),
            sign_in(played.row.sign_in),
            played.policies.to_owned(),
            expected(played.row.expected),
            decision(&played.record),
            received(played),
            if played.problems.is_empty() {
                "ok"
            } else {
                "WRONG"
            }
            .to_owned(),
        ]);
    }
    table
}

fn sign_in(sign_in: SignIn) -> String {
    match sign_in {
        SignIn::AzureDevOps => "Azure DevOps".to_owned(),
        SignIn::Guest => "Contoso (guest)".to_owned(),
        SignIn::User(tenant) => name(tenant).to_owned(),
    }
}

fn expected(expected: Expected) -> String {
    match expected {
        Expected::Allow => "allow".to_owned(),
        Expected::Block(sides) => block(sides.iter().copied()),
        Expected::PassNonEntra => "pass_non_entra, one warning".to_owned(),
    }
}

/// The decision as the audit record has it.
fn decision(record: &Value) -> String {
    let sides = sides(record);
    if sides.is_empty() {
        text(record, "decision").to_owned()
    } else {
        block(sides.into_iter())
    }
}

fn block<'s>(sides: impl Iterator<Item = (&'s str, &'s str)>) -> String {
    let sides: Vec<String> = sides
        .map(|(tenant, direction)| format!("{} {direction}", name(tenant)))
        .collect();
    format!("block: {}", sides.join(", "))
}

fn received(played: &Played) -> String {
    let body = &played.answer.body;
    let what = match (text(body, "suberror"), text(body, "error")) {
        ("", "") if played.row.sign_in == SignIn::AzureDevOps => {
            "tokens of Azure DevOps".to_owned()
        }
        ("", "") => format!(
            "tokens of {}",
            played.row.sign_in.tenant().map_or("nobody", name)
        ),
        ("", error) => error.to_owned(),
        (suberror, _) => suberror.to_owned(),
    };
    format!("{} {what}", played.answer.status)
}

fn problem(played: &Played) -> Option<String> {
    let row = &played.row;
    (!played.problems.is_empty()).then(|| {
        format!(
            "{} -> {} ({}): {}",
            row.creator.map_or("none", name),
            sign_in(row.sign_in),
            played.policies,
            played.problems.join("; ")
        )
    })
}

/// Exchanges without exactly one audit record.
fn records(performance: &Performance, gateway: &Gateway) -> Vec<String> {
    let distinct: HashSet<&String> = performance.exchanges.iter().collect();
    let count = |id: &&&String| gateway.records(id) != 1;
    let wrong = distinct.iter().filter(count).count();
    if wrong == 0 {
        Vec::new()
    } else {
        vec![format!(
            "{wrong} exchanges do not have exactly one audit record"
        )]
    }
}
