//! A record as a line for people: when, what, between whom, why, where.
//!
//! Invariant: texts of the record are bounded, and what is hidden in them is escaped; colour is the
//! only thing here that a terminal obeys.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::record::{Caller, Record};
use crate::audit::bounded;
use crate::problem::visible;

/// The longest decision, and a tenant id.
const DECISION: usize = 14;
const TENANT: usize = 36;

/// Columns grow with what stands in them, up to this.
const WIDEST: usize = 32;

/// The columns, as wide as they have been.
pub(super) struct Show {
    reason: usize,
    route: usize,
}

impl Default for Show {
    fn default() -> Self {
        Self {
            reason: 14,
            route: 12,
        }
    }
}

impl Show {
    pub(super) fn line(&mut self, record: &Record) -> String {
        let mut line = match &record.event {
            None => self.exchange(record),
            Some(event) => of_event(event, record),
        };
        line.truncate(line.trim_end().len());
        line
    }

    fn exchange(&mut self, record: &Record) -> String {
        let decision = shown(record.decision.as_ref());
        let reason = column(shown(record.reason.as_ref()), &mut self.reason);
        let route = column(shown(record.route.as_ref()), &mut self.route);
        let (creator, sign_in) = (
            shown(record.creator_tenant.as_ref()),
            shown(record.sign_in_tenant.as_ref()),
        );
        let connector = match &record.connector {
            Some(connector) => visible(bounded(connector)),
            None => String::new(),
        };
        format!(
            "{}  {creator:TENANT$} -> {sign_in:TENANT$}  {reason}  {route}  {connector}",
            head(record.time, &decision, style(&decision)),
        )
    }
}

/// What is no exchange: whose policy, what came of it, who asked.
fn of_event(event: &str, record: &Record) -> String {
    let event = visible(bounded(event));
    let tenant = shown(record.tenant.as_ref());
    let (outcome, reason) = (
        shown(record.outcome.as_ref()),
        shown(record.reason.as_ref()),
    );
    let version = |text: &Option<super::record::Text>| {
        let text = text.as_ref()?;
        Some(shown(text.version.as_ref()))
    };
    let versions = match (version(&record.before), version(&record.after)) {
        (None, None) => String::new(),
        (before, after) => format!(
            ", version {} -> {}",
            before.unwrap_or_else(|| "none".to_owned()),
            after.unwrap_or_else(|| "none".to_owned())
        ),
    };
    let who = record.caller.as_ref().map(who).unwrap_or_default();
    let style = AnsiColor::Blue.on_default();
    let head = head(record.time, &event, style);
    format!("{head}  {tenant:TENANT$}  {outcome} ({reason}){versions}{who}")
}

fn who(caller: &Caller) -> String {
    if caller.name.is_some() {
        return format!(", by the operator {}", shown(caller.name.as_ref()));
    }
    let account = caller.object_id.as_ref().or(caller.app_id.as_ref());
    let (account, tenant) = (shown(account), shown(caller.tenant.as_ref()));
    format!(", by {account} of {tenant}")
}

fn head(time: Timestamp, word: &str, style: Style) -> String {
    let dim = Style::new().dimmed();
    format!("{dim}{time:.3}{dim:#}  {style}{word:DECISION$}{style:#}")
}

fn style(decision: &str) -> Style {
    match decision {
        "allow" => AnsiColor::Green.on_default(),
        "block" => AnsiColor::Red.on_default().bold(),
        "pass_non_entra" => AnsiColor::Magenta.on_default(),
        "would_block" => AnsiColor::Yellow.on_default(),
        // An error, or a word of a later version.
        _ => AnsiColor::Red.on_default(),
    }
}

fn shown(text: Option<&String>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| visible(bounded(text)))
}

fn column(text: String, width: &mut usize) -> String {
    *width = text.chars().count().min(WIDEST).max(*width);
    format!("{text:width$}", width = *width)
}
