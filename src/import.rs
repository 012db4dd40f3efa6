//! Policies as other tools keep them, read into Microsoft's document.
//!
//! | format | what it is |
//! |---|---|
//! | `microsoft` | the document itself |
//! | `powershell` | `Get-PowerAppTenantIsolationPolicy` through `ConvertTo-Json` |
//! | `m365dsc` | `PPTenantIsolationSettings` of Microsoft365DSC: an exported configuration, or its JSON report |
//! | `terraform` | a state file (version 4), or `terraform show -json`, with `powerplatform_tenant_isolation_policy` |
//!
//! Invariant: pure, and nothing is dropped silently: what is read is in the document, told as a
//! remark, or a fault. What two readers could take differently is a fault.
//!
//! Source: Microsoft.PowerApps.Administration.PowerShell; Microsoft365DSC, `PPTenantIsolationSettings`;
//! the Terraform provider `microsoft/power-platform`, `tenant_isolation_policy`.

mod dsc;
mod json;
mod powershell;
mod terraform;
mod text;

use std::fmt;

use serde::Serialize;

use crate::core::tenant::TenantId;
use crate::policies::document::Fault;

/// How a policy is kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Microsoft365DSC.
    M365Dsc,
    /// Microsoft's document itself.
    Microsoft,
    /// PowerShell.
    PowerShell,
    /// Terraform.
    Terraform,
}

impl Format {
    /// The word for it on a command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::M365Dsc => "m365dsc",
            Self::Microsoft => "microsoft",
            Self::PowerShell => "powershell",
            Self::Terraform => "terraform",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What it was read as.
    pub format: Format,
    /// Microsoft's document, to be put as it is; an entry may name a tenant by a domain.
    pub document: String,
    /// What was there and is not in the document, or is there in another form.
    pub remarks: Vec<String>,
}

/// Reads `tenant`'s policy; without a format, as what it looks like.
///
/// # Errors
/// Every fault found in it.
pub fn read(
    bytes: &[u8],
    format: Option<Format>,
    tenant: TenantId,
) -> Result<Imported, Vec<Fault>> {
    let text = text::decoded(bytes).map_err(|fault| vec![fault])?;
    let format = match format {
        Some(format) => format,
        None => look(&text).map_err(|fault| vec![fault])?,
    };
    let mut remarks = Vec::new();
    let document = match format {
        Format::M365Dsc => dsc::read(&text, tenant, &mut remarks)?,
        Format::Microsoft => text.into_owned(),
        Format::PowerShell => powershell::read(&text, tenant, &mut remarks)?,
        Format::Terraform => terraform::read(&text, tenant, &mut remarks)?,
    };
    Ok(Imported {
        format,
        document,
        remarks,
    })
}

/// What a text looks like.
fn look(text: &str) -> Result<Format, Fault> {
    if !text.trim_start().starts_with(['{', '[']) {
        return if dsc::is_configuration(text) {
            Ok(Format::M365Dsc)
        } else {
            Err(fault("", "a text of no known kind", KNOWN))
        };
    }
    let value = json::parse(text)?;
    if terraform::is_state(&value) {
        Ok(Format::Terraform)
    } else if dsc::is_report(&value) {
        Ok(Format::M365Dsc)
    } else if value.pointer("/properties/tenantId").is_some() {
        Ok(Format::Microsoft)
    } else if powershell::is_policy(&value) {
        Ok(Format::PowerShell)
    } else {
        Err(fault("", "JSON of no known kind", KNOWN))
    }
}

const KNOWN: &str = "Microsoft's document, PowerShell's JSON, a Microsoft365DSC export or a \
                     Terraform state; --format says which";

fn fault(key: &str, found: &str, expected: &str) -> Fault {
    Fault {
        key: key.to_owned(),
        found: found.to_owned(),
        expected: expected.to_owned(),
    }
}

/// A document written from scratch, for formats that hold no more than this.
#[derive(Serialize)]
struct Written {
    properties: WrittenProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenProperties {
    tenant_id: TenantId,
    is_disabled: bool,
    allowed_tenants: Vec<WrittenEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEntry {
    tenant_id: String,
    direction: WrittenDirection,
}

#[derive(Serialize)]
struct WrittenDirection {
    inbound: bool,
    outbound: bool,
}

impl WrittenEntry {
    fn new(tenant_id: String, inbound: bool, outbound: bool) -> Self {
        Self {
            tenant_id,
            direction: WrittenDirection { inbound, outbound },
        }
    }
}

fn written(tenant: TenantId, is_disabled: bool, entries: Vec<WrittenEntry>) -> String {
    let document = Written {
        properties: WrittenProperties {
            tenant_id: tenant,
            is_disabled,
            allowed_tenants: entries,
        },
    };
    pretty(&document)
}

fn pretty(value: &impl Serialize) -> String {
    // Nothing in these types refuses to be written.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text + "\n"
}

#[cfg(test)]
mod tests;
