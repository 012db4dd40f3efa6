//! What a document leaves to the text that is stored: Tidegate's additions, where whoever wrote it
//! knows Microsoft's members alone and writes back what they read.
//!
//! Invariant: nothing lasts longer, or acts otherwise, for having been read and written back by such
//! a tool. A document that has any addition says them all, and does not come here.

use http::HeaderMap;

use super::fault::Fault;
use crate::core::tenant::TenantId;
use crate::policies::Stored;
use crate::policies::document::{self, AllowedTenant, Document};

/// The header with which a client that knows Tidegate's additions says so: its document is taken
/// [`LITERAL`]ly.
pub const HEADER: &str = "x-tidegate-additions";
/// What the header says.
pub const LITERAL: &str = "literal";

/// Whether a client says that its document is to be taken literally.
///
/// # Errors
/// [`Fault::Additions`]: it says something else.
pub(super) fn literally(headers: &HeaderMap) -> Result<bool, Fault> {
    let mut values = headers.get_all(HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        (Some(value), None) if value == LITERAL => Ok(true),
        (Some(_), _) => Err(Fault::Additions),
    }
}

/// The text to store: as it was written if there is nothing to carry over; the stored text if it
/// says the same then.
pub(super) fn carried_over(
    bytes: Vec<u8>,
    tenant: TenantId,
    stored: &Stored,
) -> Result<Vec<u8>, Fault> {
    let (_, _, mut document) = document::parse(&bytes, Some(tenant)).map_err(Fault::Document)?;
    if !inherit(&mut document, &stored.document) {
        return Ok(bytes);
    }
    let text = |document: &Document| document.to_bytes().map_err(|_| Fault::Storage);
    let carried = text(&document)?;
    if carried == text(&stored.document)? {
        return Ok(stored.bytes.clone());
    }
    Ok(carried)
}

/// Tells whether there was anything.
fn inherit(document: &mut Document, stored: &Document) -> bool {
    let (ours, theirs) = (&mut document.properties, &stored.properties);
    ours.connections_without_client_tenant = theirs.connections_without_client_tenant;
    ours.report_only = theirs.report_only;
    let mut any = ours.report_only.is_some() || ours.connections_without_client_tenant.is_some();
    for entry in &mut ours.allowed_tenants {
        inherit_entry(entry, &theirs.allowed_tenants);
        any |= entry.expires_on.is_some() || entry.note.is_some();
    }
    any
}

/// Entries have no name but their tenant's, which may stand in several. One with the same
/// directions lasts as long as they did; any other, no longer than any of the tenant's.
fn inherit_entry(entry: &mut AllowedTenant, stored: &[AllowedTenant]) {
    let ways = |entry: &AllowedTenant| (entry.direction.inbound, entry.direction.outbound);
    let of_tenant = |old: &&AllowedTenant| old.tenant_id == entry.tenant_id;
    let all: Vec<_> = stored.iter().filter(of_tenant).collect();
    let mut alike = all.clone();
    alike.retain(|old| ways(old) == ways(entry));
    let note = alike.iter().chain(&all).find_map(|old| old.note.clone());
    entry.expires_on = if alike.is_empty() {
        all.iter().filter_map(|old| old.expires_on).min()
    } else if alike.iter().any(|old| old.expires_on.is_none()) {
        None
    } else {
        alike.iter().filter_map(|old| old.expires_on).max()
    };
    entry.note = note;
}
