//! What differs between two documents, in words and as JSON.

use std::fmt;

use serde::Serialize;

use crate::core::policy::{Subject, WithoutClientTenant};
use crate::policies::document::{AllowedTenant, Document, Properties};
use crate::problem::visible;

/// One difference.
#[derive(Debug, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(super) enum Change<'d> {
    /// An entry that was not there.
    Added { entry: &'d AllowedTenant },
    /// An entry of which only members differ that nobody here interprets.
    Described { entry: &'d AllowedTenant },
    /// The same entries in another order.
    Order,
    /// Members that nobody here interprets.
    Other,
    /// An entry that is no longer there.
    Removed { entry: &'d AllowedTenant },
    /// A setting.
    Setting {
        setting: &'static str,
        before: &'static str,
        after: &'static str,
    },
}

/// What differs. With nothing before, everything is new.
pub(super) fn between<'d>(before: Option<&'d Document>, after: &'d Document) -> Vec<Change<'d>> {
    let old = before.map(|before| &before.properties);
    let new = &after.properties;
    let settings = settings(Some(new)).into_iter().zip(settings(old));
    let settings = settings.filter(|((_, after), (_, before))| after != before);
    let mut changes: Vec<_> = settings
        .map(|((setting, after), (_, before))| Change::Setting {
            setting,
            before,
            after,
        })
        .collect();
    let was: &'d [AllowedTenant] = old.map_or(&[], |old| &old.allowed_tenants);
    let mut removed = without(was, &new.allowed_tenants);
    let mut added = without(&new.allowed_tenants, was);
    let same = removed.is_empty() && added.is_empty();
    added.retain(|entry| {
        let says_the_same =
            |other: &&AllowedTenant| InOneLine(other).to_string() == InOneLine(entry).to_string();
        let twin = removed.iter().position(says_the_same);
        if let Some(twin) = twin {
            removed.remove(twin);
            changes.push(Change::Described { entry });
        }
        twin.is_none()
    });
    changes.extend(removed.into_iter().map(|entry| Change::Removed { entry }));
    changes.extend(added.into_iter().map(|entry| Change::Added { entry }));
    if same && texts(was) != texts(&new.allowed_tenants) {
        changes.push(Change::Order);
    }
    if before.is_some_and(|before| rest(before) != rest(after)) {
        changes.push(Change::Other);
    }
    changes
}

/// The members that nobody here interprets, outside entries.
fn rest(document: &Document) -> Option<serde_json::Value> {
    let mut rest = document.clone();
    rest.properties.allowed_tenants.clear();
    rest.properties.is_disabled = false;
    rest.properties.report_only = None;
    rest.properties.connections_without_client_tenant = None;
    serde_json::to_value(rest).ok()
}

const NONE: &str = "no policy";

fn settings(properties: Option<&Properties>) -> [(&'static str, &'static str); 3] {
    let or_none = |word: Option<&'static str>| word.unwrap_or(NONE);
    [
        ("isolation", or_none(properties.map(isolation))),
        ("report-only", or_none(properties.map(report_only))),
        (
            "connections without client tenant id",
            or_none(properties.map(without_client_tenant)),
        ),
    ]
}

pub(super) const fn isolation(properties: &Properties) -> &'static str {
    if properties.is_disabled { "Off" } else { "On" }
}

pub(super) const fn report_only(properties: &Properties) -> &'static str {
    match properties.report_only {
        Some(true) => "yes",
        Some(false) | None => "no",
    }
}

pub(super) const fn without_client_tenant(properties: &Properties) -> &'static str {
    match properties.connections_without_client_tenant {
        Some(WithoutClientTenant::Allow) => "allow",
        Some(WithoutClientTenant::Block) | None => "block",
    }
}

fn texts(entries: &[AllowedTenant]) -> Vec<Option<serde_json::Value>> {
    entries
        .iter()
        .map(|entry| serde_json::to_value(entry).ok())
        .collect()
}

/// The entries that are not among others; one that is there twice must be there twice.
fn without<'d>(entries: &'d [AllowedTenant], others: &[AllowedTenant]) -> Vec<&'d AllowedTenant> {
    let mut others = texts(others);
    let is_new = |entry: &&AllowedTenant| {
        let text = serde_json::to_value(entry).ok();
        let found = others.iter().position(|other| *other == text);
        found.map(|at| others.swap_remove(at)).is_none()
    };
    entries.iter().filter(is_new).collect()
}

/// An entry in one line.
pub(super) struct InOneLine<'d>(pub(super) &'d AllowedTenant);

impl fmt::Display for InOneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.0;
        match entry.tenant_id {
            Subject::Any => f.write_str("*")?,
            Subject::Tenant(tenant) => write!(f, "{tenant}")?,
        }
        let names = [&entry.tenant_name, &entry.tenant_domain];
        let names = names.into_iter().flatten().filter(|name| !name.is_empty());
        let names: Vec<_> = names.map(|name| visible(name)).collect();
        if !names.is_empty() {
            write!(f, " ({})", names.join(", "))?;
        }
        f.write_str(match (entry.direction.inbound, entry.direction.outbound) {
            (true, true) => ": inbound, outbound",
            (true, false) => ": inbound",
            (false, true) => ": outbound",
            (false, false) => ": no direction",
        })?;
        if let Some(end) = entry.expires_on {
            write!(f, ", until {end}")?;
        }
        let note = entry.note.as_deref();
        note.iter()
            .try_for_each(|note| write!(f, ", note {note:?}"))
    }
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { entry } => write!(f, "+ {}", InOneLine(entry)),
            Self::Described { entry } => {
                write!(f, "~ {}: members that mean nothing here", InOneLine(entry))
            }
            Self::Order => f.write_str("~ the order of the entries"),
            Self::Other => f.write_str("~ members that mean nothing here"),
            Self::Removed { entry } => write!(f, "- {}", InOneLine(entry)),
            Self::Setting {
                setting,
                before,
                after,
            } => write!(f, "~ {setting}: {before} -> {after}"),
        }
    }
}
