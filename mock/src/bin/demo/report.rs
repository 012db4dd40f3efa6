//! The tables, and what is not as documented.

mod by_policies;
mod connections;

use std::collections::HashSet;

use serde_json::Value;

use crate::gateway::Gateway;
use crate::play::{Performance, Played, sides, text};
use crate::rows::{SignIn, name};
use crate::stage::Stage;

/// Prints everything; true if all rows are as documented, every exchange has exactly one audit
/// record, and the connection service saw no request but those it had to see.
pub(crate) fn show(performance: &Performance, stage: &Stage) -> bool {
    println!("Tokens in replies (token routes)\n");
    println!("{}", tokens(&performance.rows));
    println!("\n\nTokens in requests (connection routes)\n");
    println!("{}", connections::table(&performance.connections));
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
    problems.extend(
        performance
            .connections
            .iter()
            .filter_map(connections::problem),
    );
    problems.extend(records(performance, &stage.gateway));
    problems.extend(connections::unaccounted(performance, stage));
    println!(
        "\n{} rows, {} exchanges; the slowest policy change took effect after {} ms.",
        performance.rows.len() + performance.connections.len(),
        performance.exchanges.len(),
        performance.slowest_change.as_millis()
    );
    if problems.is_empty() {
        println!(
            "Every row is as documented, every exchange has exactly one audit record, and the\n\
             connection service saw the {} requests that were allowed, byte for byte, and no other.",
            performance.forwarded
        );
        return true;
    }
    println!("NOT as documented:");
    for problem in &problems {
        println!("  {problem}");
    }
    false
}

fn tokens(rows: &[Played]) -> String {
    let header = ["creator", "sign-in", "decision", "the client received", ""];
    let cells = |played: &Played| {
        [
            played.row.creator.map_or("none (legacy)", name).to_owned(),
            sign_in(played.row.sign_in),
            decision(&played.record),
            received(played),
            verdict(&played.problems),
        ]
    };
    let rows = rows.iter().map(|played| (played.policies, cells(played)));
    by_policies::table(header, rows)
}

fn verdict(problems: &[String]) -> String {
    if problems.is_empty() { "ok" } else { "WRONG" }.to_owned()
}

fn sign_in(sign_in: SignIn) -> String {
    match sign_in {
        SignIn::AzureDevOps => "Azure DevOps".to_owned(),
        SignIn::Guest => "Contoso (guest)".to_owned(),
        SignIn::User(tenant) => name(tenant).to_owned(),
    }
}

/// The decision as the audit record has it. Of two sides that block, the creator's is outbound.
fn decision(record: &Value) -> String {
    match sides(record).as_slice() {
        [] => text(record, "decision").to_owned(),
        [(tenant, direction)] => format!("block: {} {direction}", name(tenant)),
        [_, _, ..] => "block: outbound, inbound".to_owned(),
    }
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
