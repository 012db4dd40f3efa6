//! A tenant's isolation policy and the snapshot of all of them, in the form decisions read.
//!
//! Invariant: a policy is compact and immutable; entries are sorted by tenant, so a lookup costs
//! the same however many tenants or entries there are (it grows with their logarithm). The wire
//! document is read and checked at the edge, in `policies/document.rs`.

use imbl::HashMap;
use std::sync::Arc;

use super::tenant::TenantId;

/// Seconds since 1970-01-01T00:00:00Z. The core is told the time; it never asks.
pub type UnixSeconds = i64;

/// A time that two clocks show, which may be apart. What expires is held against the later of them,
/// what is not valid yet against the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The earlier.
    pub earliest: UnixSeconds,
    /// The later.
    pub latest: UnixSeconds,
}

impl From<UnixSeconds> for Moment {
    fn from(time: UnixSeconds) -> Self {
        Self {
            earliest: time,
            latest: time,
        }
    }
}

/// Most allowlist entries a policy may hold (the service's own limit).
pub const MAX_ENTRIES: usize = 500;

/// Tenant isolation On or Off for one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Everything cross-tenant is blocked but for the allowlist.
    On,
    /// Nothing is blocked; entries may be edited and act once isolation is On.
    Off,
}

/// What a policy that is On does with connections that carry no client tenant id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutClientTenant {
    /// They may sign in to this tenant.
    Allow,
    /// They may not (the default).
    Block,
}

/// Whether a block takes effect or is only recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A block withholds the reply.
    Enforce,
    /// Everything is evaluated and recorded, nothing is withheld.
    ReportOnly,
}

impl Mode {
    /// The word used in configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::ReportOnly => "report-only",
        }
    }
}

/// The way a connection crosses a tenant's border, seen from that tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A foreign tenant's connection signs in here.
    Inbound,
    /// This tenant's connection signs in elsewhere.
    Outbound,
}

impl Direction {
    /// The word used in policies, answers and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// Whom an allowlist entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Every tenant (`*` in the document).
    Any,
    /// One tenant.
    Tenant(TenantId),
}

/// One allowlist entry (rule). Both directions false is kept and allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Whom it names.
    pub subject: Subject,
    /// The named tenant's connections may sign in here.
    pub inbound: bool,
    /// This tenant's connections may sign in there.
    pub outbound: bool,
    /// The entry stops acting at this time.
    pub expires_on: Option<UnixSeconds>,
}

impl Entry {
    fn allows(&self, direction: Direction, now: UnixSeconds) -> bool {
        let in_force = self.expires_on.is_none_or(|end| now < end);
        in_force
            && match direction {
                Direction::Inbound => self.inbound,
                Direction::Outbound => self.outbound,
            }
    }
}

/// One tenant's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// On or Off.
    pub isolation: Isolation,
    /// The tenant's choice for connections without a client tenant id.
    pub without_client_tenant: WithoutClientTenant,
    /// This tenant's own mode.
    pub mode: Mode,
    /// Which text of the policy this is; recorded with every decision that used it.
    pub version: Version,
    /// Sorted, by subject first: `*`, then tenants. Wholly, so that which of two equal entries is
    /// recorded does not depend on their order in the document.
    entries: Box<[Entry]>,
}

/// Numbers the texts of one tenant's policy: a text put in force later has a greater one.
/// Microseconds since 1970-01-01T00:00:00Z, more or less: when the text was written, raised where
/// that would not be greater. 0: a text that was never in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

impl Version {
    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Policy {
    /// Builds a policy from entries in any order.
    pub fn new(
        isolation: Isolation,
        without_client_tenant: WithoutClientTenant,
        mode: Mode,
        version: Version,
        mut entries: Vec<Entry>,
    ) -> Self {
        entries.sort_unstable();
        Self {
            isolation,
            without_client_tenant,
            mode,
            version,
            entries: entries.into_boxed_slice(),
        }
    }

    /// The most permissive matching entry: any one that names `other` (or `*`), acts in
    /// `direction` and has not expired. An entry that names the tenant is preferred for the
    /// record; the decision is the same.
    pub fn rule_for(
        &self,
        other: TenantId,
        direction: Direction,
        now: UnixSeconds,
    ) -> Option<&Entry> {
        let names_lesser = |entry: &Entry| match entry.subject {
            Subject::Any => true,
            Subject::Tenant(tenant) => tenant < other,
        };
        let first = self.entries.partition_point(names_lesser);
        let about = |subject| move |entry: &&Entry| entry.subject == subject;
        let (before, from) = self.entries.split_at(first);
        let named = from.iter().take_while(about(Subject::Tenant(other)));
        let wildcards = before.iter().take_while(about(Subject::Any));
        named
            .chain(wildcards)
            .find(|entry| entry.allows(direction, now))
    }

    /// All entries, sorted by subject.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// What the store knows of one tenant's policy.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// The store confirmed that there is no record.
    Absent,
    /// The policy in force.
    Present(&'a Policy),
    /// There is a record, but no version of it could ever be read.
    Unreadable,
}

/// All policies at one moment. A decision takes one snapshot and reads both sides from it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    records: HashMap<TenantId, Option<Arc<Policy>>>,
    /// Nothing is known of anybody.
    unavailable: bool,
}

impl Snapshot {
    /// The snapshot of a store that was never reached, or too long ago: no policy can be had, and
    /// no absence is confirmed.
    pub fn unavailable() -> Self {
        Self {
            records: HashMap::default(),
            unavailable: true,
        }
    }

    /// What is known of `tenant`.
    pub fn get(&self, tenant: TenantId) -> Record<'_> {
        match self.records.get(&tenant) {
            None if self.unavailable => Record::Unreadable,
            None => Record::Absent,
            Some(None) => Record::Unreadable,
            Some(Some(policy)) => Record::Present(policy),
        }
    }

    /// Puts a policy in force.
    pub fn insert(&mut self, tenant: TenantId, policy: Arc<Policy>) {
        self.records.insert(tenant, Some(policy));
    }

    /// Notes a record that cannot be read. A policy in force stays: the last good one acts.
    pub fn insert_unreadable(&mut self, tenant: TenantId) {
        self.records.entry(tenant).or_insert(None);
    }

    /// Forgets a tenant: its absence is confirmed.
    pub fn remove(&mut self, tenant: TenantId) {
        self.records.remove(&tenant);
    }

    /// The policies in force, in no order.
    pub fn policies(&self) -> impl Iterator<Item = (TenantId, &Policy)> {
        self.records
            .iter()
            .filter_map(|(tenant, policy)| Some((*tenant, &**policy.as_ref()?)))
    }

    /// The tenants that have a record, in no order.
    pub fn tenants(&self) -> impl Iterator<Item = TenantId> {
        self.records.keys().copied()
    }

    /// How many tenants have a record.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no tenant has a record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_lists_what_is_in_force() {
        let id = |text| TenantId::parse(text).unwrap();
        let [on, broken] = [
            id("aaaaaaaa-0000-4000-8000-00000000000a"),
            id("bbbbbbbb-0000-4000-8000-00000000000b"),
        ];
        let policy = Policy::new(
            Isolation::On,
            WithoutClientTenant::Block,
            Mode::Enforce,
            Version(7),
            Vec::new(),
        );
        let mut snapshot = Snapshot::default();
        snapshot.insert(on, Arc::new(policy.clone()));
        snapshot.insert_unreadable(broken);
        assert_eq!(snapshot.policies().collect::<Vec<_>>(), [(on, &policy)]);
        assert_eq!((snapshot.len(), snapshot.is_empty()), (2, false));
    }
}
