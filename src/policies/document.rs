//! The policy document: Microsoft's own, with our additions.
//!
//! Invariant: a [`Document`] is exactly one meaning. What another reader could take differently
//! is a fault, never a guess, and where a member may be left out its absence is the closed choice.
//!
//! | member | absent | otherwise |
//! |---|---|---|
//! | `properties` | fault | an object |
//! | `properties.tenantId` | fault | the tenant of the file's name |
//! | `properties.isDisabled` | false: isolation is On | `true`, `false` |
//! | `properties.allowedTenants` | no entries | at most 500 entries |
//! | `properties.connectionsWithoutClientTenant` * | `block` | `block`, `allow` |
//! | `properties.reportOnly` * | false | `true`, `false` |
//! | entry `tenantId` | fault | a tenant id or `*` (never a domain: see below) |
//! | entry `direction` | fault: the entry would mean nothing | an object |
//! | `direction.inbound`, `.outbound` | false: what is not written is not allowed | `true`, `false` |
//! | entry `expiresOn` * | the entry does not expire | RFC 3339 with its offset |
//! | entry `tenantDomain` * | | a domain in ASCII; describes, is never compared |
//! | entry `tenantName` * | | text or null; describes, is never compared |
//! | entry `note` * | | text |
//!
//! `*` marks our additions. A domain in the place of an entry's tenant id is resolved when the
//! entry is written; what is read here must hold the id already, or a domain that changes hands
//! would change what a policy allows.
//!
//! Unknown members: near misses of the names above are faults, the rest is Microsoft's and kept
//! byte for byte (`document/members.rs` holds the rule). Members named twice are faults in any
//! case, and so are a byte order mark, UTF-16, text after the end, and a list for an object.
//!
//! Entries with both directions false, entries that name the own tenant and entries that name a
//! tenant again are kept: Microsoft's exports hold them, and they do what they say.
//!
//! Source: the tenant isolation policy API as Microsoft's Terraform provider and PowerShell use it.

mod draft;
mod json;
mod members;
mod read;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::core::policy::{Entry, Isolation, Mode, Policy, Subject, Version, WithoutClientTenant};
use crate::core::tenant::TenantId;

pub use draft::{Draft, Resolved, Unresolved, parse_for_write};

/// One fault in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key path, like `properties.allowedTenants[3].direction.inbound`; empty for the
    /// document as a whole.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// A whole policy document. Serialises to what Microsoft's tools read.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// The policy; Microsoft's name for it.
    pub properties: Properties,
    #[serde(flatten)]
    unknown: Unknown,
}

/// The policy proper.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Properties {
    /// Whose policy it is.
    pub tenant_id: TenantId,
    /// True: isolation is Off. Always written, because readers disagree about its absence.
    pub is_disabled: bool,
    /// The allowlist, in the document's order.
    pub allowed_tenants: Vec<AllowedTenant>,
    /// Our addition: the tenant's choice for connections without a client tenant id.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_choice"
    )]
    pub connections_without_client_tenant: Option<WithoutClientTenant>,
    /// Our addition: true makes this tenant's blocks `would_block`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_only: Option<bool>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// One allowlist entry.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedTenant {
    /// Whom it names.
    #[serde(serialize_with = "write_subject")]
    pub tenant_id: Subject,
    /// Which ways it allows.
    pub direction: Directions,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_name: Option<String>,
    /// Our addition: the domain that was resolved to the id when the entry was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_domain: Option<String>,
    /// Our addition: a remark for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Our addition: the entry stops acting at this time.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_time")]
    pub expires_on: Option<jiff::Timestamp>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Which ways an entry allows.
#[derive(Clone, Debug, Serialize)]
pub struct Directions {
    /// The named tenant's connections may sign in here.
    pub inbound: bool,
    /// This tenant's connections may sign in there.
    pub outbound: bool,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Members of Microsoft's that nobody here interprets, kept as they were written.
#[derive(Clone, Debug, Default)]
struct Unknown(Vec<(String, Box<RawValue>)>);

impl Unknown {
    fn names(&self, member: &str) -> bool {
        self.0.iter().any(|(name, _)| name == member)
    }
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Reads a document, collecting all its faults. `expected_tenant` is whose policy it must be:
/// the tenant of the file's name, or of the path it was sent to.
///
/// The policy's version is 0: which number a text has, the directory it stands in knows.
///
/// # Errors
/// Every fault found in it, the operator's to mend.
pub fn parse(
    bytes: &[u8],
    expected_tenant: Option<TenantId>,
) -> Result<(TenantId, Policy, Document), Vec<Fault>> {
    let document = read::document(bytes, expected_tenant)?;
    let policy = document.policy(Version::default());
    Ok((document.properties.tenant_id, policy, document))
}

impl Document {
    /// A policy of `tenant` that is On and allows nobody.
    pub fn new(tenant: TenantId) -> Self {
        Self {
            properties: Properties {
                tenant_id: tenant,
                is_disabled: false,
                allowed_tenants: Vec::new(),
                connections_without_client_tenant: None,
                report_only: None,
                unknown: Unknown::default(),
            },
            unknown: Unknown::default(),
        }
    }

    /// The text of it, as it is stored.
    ///
    /// # Errors
    /// None is known; the writer of JSON has the word.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// The form decisions read.
    pub fn policy(&self, version: Version) -> Policy {
        let properties = &self.properties;
        Policy::new(
            if properties.is_disabled {
                Isolation::Off
            } else {
                Isolation::On
            },
            properties
                .connections_without_client_tenant
                .unwrap_or(WithoutClientTenant::Block),
            match properties.report_only {
                Some(true) => Mode::ReportOnly,
                Some(false) | None => Mode::Enforce,
            },
            version,
            properties
                .allowed_tenants
                .iter()
                .map(AllowedTenant::entry)
                .collect(),
        )
    }
}

impl AllowedTenant {
    /// An entry that says no more than this.
    pub fn new(tenant: Subject, inbound: bool, outbound: bool) -> Self {
        Self {
            tenant_id: tenant,
            direction: Directions {
                inbound,
                outbound,
                unknown: Unknown::default(),
            },
            tenant_name: None,
            tenant_domain: None,
            note: None,
            expires_on: None,
            unknown: Unknown::default(),
        }
    }

    fn entry(&self) -> Entry {
        Entry {
            subject: self.tenant_id,
            inbound: self.direction.inbound,
            outbound: self.direction.outbound,
            expires_on: self.expires_on.map(jiff::Timestamp::as_second),
        }
    }
}

fn write_subject<S: Serializer>(subject: &Subject, serializer: S) -> Result<S::Ok, S::Error> {
    match subject {
        Subject::Any => serializer.serialize_str("*"),
        Subject::Tenant(tenant) => tenant.serialize(serializer),
    }
}

fn write_choice<S: Serializer>(
    choice: &Option<WithoutClientTenant>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match choice {
        Some(WithoutClientTenant::Allow) => serializer.serialize_str("allow"),
        Some(WithoutClientTenant::Block) => serializer.serialize_str("block"),
        None => serializer.serialize_none(),
    }
}

fn write_time<S: Serializer>(
    time: &Option<jiff::Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
