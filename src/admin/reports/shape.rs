//! Reports in Microsoft's shape, with what Tidegate knows beyond it.
//!
//! Invariant: a connection's id is the same in every report, and tells nothing: it is a hash.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::page::{Page, Place};
use crate::admin::fault::Fault;
use crate::core::policy::Direction;
use crate::core::tenant::TenantId;
use crate::problem::visible_json;
use crate::report::kept::{After, Kept};
use crate::report::{Counts, Report, Row};

/// Of connections' ids (RFC 9562, section 5.5).
const NAMESPACE: Uuid = Uuid::from_u128(0x7469_6465_6761_7465_8c6f_6e6e_6563_7473);

/// A report, or a page of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'r> {
    report_id: Uuid,
    tenant_id: TenantId,
    request_date: Timestamp,
    start_date: Timestamp,
    end_date: Timestamp,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<&'r [Box<RawValue>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    without_tenant: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<&'r RawValue>,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    next_link: Option<String>,
}

/// A page of a list.
#[derive(Serialize)]
struct List<'r> {
    value: Vec<Whole<'r>>,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    next_link: Option<String>,
}

/// What a report says, as it is kept.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'r> {
    connections: Vec<Connection<'r>>,
    without_tenant: Sides,
    warnings: &'r [String],
}

/// The same, read again.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    connections: Vec<Box<RawValue>>,
    without_tenant: Box<RawValue>,
    warnings: Box<RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection<'r> {
    tenant_id: TenantId,
    connection_type: &'static str,
    connection_id: Uuid,
    connector: Option<&'r str>,
    application_id: Option<Uuid>,
    first_seen: Timestamp,
    last_seen: Timestamp,
    #[serde(flatten)]
    counts: Numbers,
    users: u64,
}

/// Exchanges whose other tenant is not known: connections without a client tenant id, and sign-ins that
/// name no tenant.
#[derive(Default, Serialize)]
struct Sides {
    inbound: Numbers,
    outbound: Numbers,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Numbers {
    allowed: u64,
    would_block: u64,
    blocked: u64,
    passed_non_entra: u64,
    errors: u64,
}

/// What a report says, to be kept.
pub(super) fn body(report: &Report) -> String {
    let tenant = report.tenant.tenant;
    let (mut inbound, mut outbound) = (Counts::default(), Counts::default());
    for row in report.rows.iter().filter(|row| row.external.is_none()) {
        match row.direction {
            Direction::Inbound => inbound.join(&row.counts),
            Direction::Outbound => outbound.join(&row.counts),
        }
    }
    let connections = report.rows.iter();
    let body = Body {
        connections: connections
            .filter_map(|row| Connection::of(tenant, row))
            .collect(),
        without_tenant: Sides {
            inbound: Numbers::of(&inbound),
            outbound: Numbers::of(&outbound),
        },
        warnings: &report.warnings,
    };
    text(&body)
}

/// A page of a report.
pub(super) fn one(tenant: TenantId, report: &Kept, page: &Page) -> Result<String, Fault> {
    let first = match page.place {
        Some(Place::Connection(first)) => usize::try_from(first).unwrap_or(usize::MAX),
        Some(Place::Report(_)) => return Err(super::page::ELSEWHERE),
        None => 0,
    };
    let read: Read = serde_json::from_str(&report.body).map_err(|_| {
        tracing::error!(report.tenant = %tenant, report.id = %report.id, "a report that is kept is none");
        Fault::ReportStorage
    })?;
    let end = first.saturating_add(page.most).min(read.connections.len());
    let more = end < read.connections.len();
    let next = u32::try_from(end).ok().filter(|_| more);
    Ok(text(&Whole {
        connections: Some(read.connections.get(first..end).unwrap_or_default()),
        without_tenant: Some(&read.without_tenant),
        warnings: Some(&read.warnings),
        next_link: next.map(|end| page.link(Some(report.id), Place::Connection(end))),
        ..Whole::head(tenant, report)
    }))
}

/// A page of a list, of which `reports` holds one more if there is another page.
pub(super) fn list(tenant: TenantId, mut reports: Vec<Kept>, page: &Page) -> String {
    let more = reports.len() > page.most;
    reports.truncate(page.most);
    let last = reports.last().filter(|_| more).map(|last| After {
        requested: last.requested.as_millisecond(),
        id: last.id,
    });
    text(&List {
        value: reports
            .iter()
            .map(|report| Whole::head(tenant, report))
            .collect(),
        next_link: last.map(|after| page.link(None, Place::Report(after))),
    })
}

impl Whole<'_> {
    fn head(tenant: TenantId, report: &Kept) -> Self {
        Self {
            report_id: report.id,
            tenant_id: tenant,
            request_date: report.requested,
            start_date: report.start,
            end_date: report.end,
            status: "Completed",
            connections: None,
            without_tenant: None,
            warnings: None,
            next_link: None,
        }
    }
}

impl<'r> Connection<'r> {
    fn of(tenant: TenantId, row: &'r Row) -> Option<Self> {
        let external = row.external.as_ref()?.tenant;
        Some(Self {
            tenant_id: external,
            connection_type: match row.direction {
                Direction::Inbound => "Inbound",
                Direction::Outbound => "Outbound",
            },
            connection_id: connection_id(tenant, external, row),
            connector: row.connector.as_deref(),
            application_id: row.app_id,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            counts: Numbers::of(&row.counts),
            users: row.users,
        })
    }
}

impl Numbers {
    const fn of(counts: &Counts) -> Self {
        Self {
            allowed: counts.allowed,
            would_block: counts.would_block,
            blocked: counts.blocked,
            passed_non_entra: counts.passed_non_entra,
            errors: counts.errors,
        }
    }
}

/// A UUID of version 5 of what makes a row: the same in each report of the tenant.
fn connection_id(tenant: TenantId, external: TenantId, row: &Row) -> Uuid {
    // As a list, in which no two rows read alike.
    let name = text(&(tenant, row.direction, external, &row.connector, row.app_id));
    let mut bytes = NAMESPACE.as_bytes().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let first = hash.as_ref().first_chunk::<16>().copied();
    uuid::Builder::from_sha1_bytes(first.unwrap_or_default()).into_uuid()
}

fn text(value: &impl Serialize) -> String {
    // Nothing in these types refuses to be written.
    visible_json(&serde_json::to_string(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Named;

    #[test]
    fn a_connection_has_its_own_id() {
        let tenant = |digit: &str| {
            TenantId::parse(&"11111111-1111-4111-8111-111111111111".replace('1', digit)).unwrap()
        };
        let row = |direction, connector: Option<&str>| Row {
            direction,
            external: Some(Named::new(tenant("2"))),
            connector: connector.map(str::to_owned),
            app_id: None,
            counts: Counts::default(),
            users: 0,
            first_seen: Timestamp::UNIX_EPOCH,
            last_seen: Timestamp::UNIX_EPOCH,
            reasons: Default::default(),
        };
        let rows = [
            row(Direction::Inbound, None),
            row(Direction::Outbound, None),
            row(Direction::Inbound, Some("")),
            row(Direction::Inbound, Some("a")),
        ];
        let mut ids: Vec<_> = rows
            .iter()
            .map(|row| connection_id(tenant("1"), tenant("2"), row))
            .collect();
        ids.push(connection_id(tenant("3"), tenant("2"), &rows[0]));
        assert!(ids.iter().all(|id| id.get_version_num() == 5));
        // It must not change from one version of the program to the next.
        assert_eq!(ids[0].to_string(), "de3e1876-30e3-507b-8171-0f01c9420172");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5);
    }
}
