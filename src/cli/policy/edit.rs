//! What `allow` and `revoke` do to a document.
//!
//! Invariant: entries about others are not touched, and what is said of an entry (its note, its end,
//! Microsoft's own members) is never lost by widening it.

use jiff::Timestamp;

use crate::core::policy::{Direction, Subject};
use crate::policies::document::{AllowedTenant, Document};

/// What is to be allowed.
pub(super) struct Grant<'a> {
    pub(super) subject: Subject,
    /// The domain that the subject was resolved from.
    pub(super) domain: Option<&'a str>,
    pub(super) inbound: bool,
    pub(super) outbound: bool,
    pub(super) note: Option<&'a str>,
    pub(super) expires_on: Option<Timestamp>,
}

/// Which directions are taken away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) inbound: bool,
    pub(super) outbound: bool,
}

/// Widens the entry that already says the same of the same tenant, or adds one.
pub(super) fn allow(document: &mut Document, grant: &Grant<'_>) {
    let entries = &mut document.properties.allowed_tenants;
    let fits = |entry: &&mut AllowedTenant| {
        let same_note = match (entry.note.as_deref(), grant.note) {
            (_, None) | (None, Some(_)) => true,
            (Some(written), Some(given)) => written == given,
        };
        entry.tenant_id == grant.subject && entry.expires_on == grant.expires_on && same_note
    };
    if let Some(entry) = entries.iter_mut().find(fits) {
        entry.direction.inbound |= grant.inbound;
        entry.direction.outbound |= grant.outbound;
        describe(entry, grant);
        return;
    }
    let mut entry = AllowedTenant::new(grant.subject, grant.inbound, grant.outbound);
    entry.expires_on = grant.expires_on;
    describe(&mut entry, grant);
    entries.push(entry);
}

fn describe(entry: &mut AllowedTenant, grant: &Grant<'_>) {
    if let Some(note) = grant.note {
        entry.note = Some(note.to_owned());
    }
    if let Some(domain) = grant.domain {
        entry.tenant_domain = Some(domain.to_owned());
    }
}

/// Takes directions out of every entry that names a tenant; entries that are left without any go.
pub(super) fn revoke(document: &mut Document, subject: Subject, taken: Taken) {
    let entries = &mut document.properties.allowed_tenants;
    entries.retain_mut(|entry| {
        if entry.tenant_id != subject {
            return true;
        }
        let direction = &mut entry.direction;
        let was_empty = !direction.inbound && !direction.outbound;
        direction.inbound &= !taken.inbound;
        direction.outbound &= !taken.outbound;
        let is_empty = !direction.inbound && !direction.outbound;
        // One that allowed nothing before goes only where everything about the tenant does.
        !is_empty || (was_empty && !(taken.inbound && taken.outbound))
    });
}

/// The directions, of those taken, in which `*` still allows what was revoked.
pub(super) fn still_allowed(document: &Document, subject: Subject, taken: Taken) -> Vec<Direction> {
    if subject == Subject::Any {
        return Vec::new();
    }
    let entries = document.properties.allowed_tenants.iter();
    let wildcards: Vec<_> = entries
        .filter(|entry| entry.tenant_id == Subject::Any)
        .map(|entry| &entry.direction)
        .collect();
    let inbound = taken.inbound && wildcards.iter().any(|direction| direction.inbound);
    let outbound = taken.outbound && wildcards.iter().any(|direction| direction.outbound);
    let both = [
        (inbound, Direction::Inbound),
        (outbound, Direction::Outbound),
    ];
    both.into_iter()
        .filter_map(|(is_allowed, direction)| is_allowed.then_some(direction))
        .collect()
}

#[cfg(test)]
mod tests;
