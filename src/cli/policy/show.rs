//! `show` and `export`: a policy as it is.

use std::fmt;
use std::io::{self, IsTerminal};

use serde::Serialize;

use super::changes::{isolation, report_only, without_client_tenant};
use super::place::{Current, Place, PlaceArgs};
use super::{ExportArgs, ShowArgs};
use crate::cli::Exit;
use crate::cli::fault::Fault;
use crate::cli::output::{note, plural, print, print_bytes, table};
use crate::cli::tenants::{Named, told};
use crate::clock;
use crate::core::policy::{Subject, UnixSeconds};
use crate::core::tenant::TenantId;
use crate::policies::document::AllowedTenant;
use crate::problem::{visible, visible_json};

pub(super) fn export(args: &ExportArgs) -> Result<Exit, Fault> {
    let (named, current) = read(&args.place, &args.tenant)?;
    let text =
        String::from_utf8(current.bytes).map_err(|error| Fault::Failed(error.to_string()))?;
    named
        .stored
        .iter()
        .for_each(|stored| note(&stored.to_string()));
    // A terminal obeys what a file keeps.
    if io::stdout().is_terminal() {
        return Ok(print(&visible_json(&text), Exit::Done));
    }
    Ok(print_bytes(&text, Exit::Done))
}

pub(super) fn run(args: &ShowArgs) -> Result<Exit, Fault> {
    let (named, current) = read(&args.place, &args.tenant)?;
    let shown = Shown::of(named.tenant, &current, clock::now());
    let text = told(&shown, named.stored.as_slice(), args.json);
    Ok(print(&text, Exit::Done))
}

fn read(place: &PlaceArgs, tenant: &str) -> Result<(Named, Current), Fault> {
    let place = Place::open(place)?;
    let named = place.tenant_to_read(tenant)?;
    match place.read(named.tenant)? {
        Some(current) => Ok((named, current)),
        None => {
            named
                .stored
                .iter()
                .for_each(|stored| note(&stored.to_string()));
            let tenant = named.tenant;
            Err(Fault::Failed(format!("there is no policy of {tenant}")))
        }
    }
}

#[derive(Serialize)]
struct Shown<'c> {
    tenant: TenantId,
    isolation: &'static str,
    report_only: bool,
    connections_without_client_tenant: &'static str,
    version: Option<&'c str>,
    etag: Option<&'c str>,
    entries: Vec<Entry<'c>>,
}

#[derive(Serialize)]
struct Entry<'c> {
    #[serde(flatten)]
    entry: &'c AllowedTenant,
    expired: bool,
}

impl<'c> Shown<'c> {
    fn of(tenant: TenantId, current: &'c Current, now: UnixSeconds) -> Self {
        let properties = &current.document.properties;
        let entry = |entry: &'c AllowedTenant| Entry {
            entry,
            expired: entry.expires_on.is_some_and(|end| end.as_second() <= now),
        };
        Self {
            tenant,
            isolation: isolation(properties),
            report_only: report_only(properties) == "yes",
            connections_without_client_tenant: without_client_tenant(properties),
            version: current.version.as_deref(),
            etag: current.etag.as_deref(),
            entries: properties.allowed_tenants.iter().map(entry).collect(),
        }
    }
}

impl Entry<'_> {
    fn cells(&self) -> [String; 7] {
        let entry = self.entry;
        let yes = |is| if is { "yes" } else { "" }.to_owned();
        let text = |text: &Option<String>| text.as_deref().map(visible).unwrap_or_default();
        let expires = entry.expires_on.map(|end| match self.expired {
            true => format!("{end} (expired)"),
            false => end.to_string(),
        });
        [
            match entry.tenant_id {
                Subject::Any => "*".to_owned(),
                Subject::Tenant(tenant) => tenant.to_string(),
            },
            yes(entry.direction.inbound),
            yes(entry.direction.outbound),
            text(&entry.tenant_name),
            text(&entry.tenant_domain),
            expires.unwrap_or_default(),
            text(&entry.note),
        ]
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report_only = if self.report_only { "yes" } else { "no" };
        let without = self.connections_without_client_tenant;
        writeln!(f, "policy of {}", self.tenant)?;
        writeln!(f, "isolation: {}", self.isolation)?;
        writeln!(f, "report-only: {report_only}")?;
        writeln!(f, "connections without client tenant id: {without}")?;
        if let Some(version) = self.version {
            writeln!(f, "version: {version}")?;
        }
        if let Some(etag) = self.etag {
            writeln!(f, "entity tag: {etag}")?;
        }
        let entries = self.entries.len();
        writeln!(f, "\n{}", plural(entries as u64, "entry"))?;
        if entries == 0 {
            return Ok(());
        }
        let mut table = table([
            "tenant", "inbound", "outbound", "name", "domain", "expires", "note",
        ]);
        table.add_rows(self.entries.iter().map(Entry::cells));
        writeln!(f, "{table}")
    }
}
