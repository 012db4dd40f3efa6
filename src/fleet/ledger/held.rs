//! What is told again, held against what is known.

use super::super::keys::{Owner, owner};
use super::read::{Read, read};
use super::{Ledger, Row};
use crate::core::policy::Record;

impl Ledger {
    /// Whether a change that is told late was never applied.
    pub(in crate::fleet) fn misses(&self, row: &Row) -> bool {
        let known = self.revision_of(&row.name);
        match (owner(&row.name), &row.value) {
            (Owner::Accepted | Owner::Beat, _) => false,
            (Owner::Misspelt(_) | Owner::Nobody | Owner::Tenant(_), Some(_)) => {
                known.is_none_or(|known| known < row.revision)
            }
            (Owner::Misspelt(_) | Owner::Nobody | Owner::Tenant(_), None) => {
                known.is_some_and(|known| known < row.revision)
            }
        }
    }

    /// Whether the policy in force is not the one of this text, although its revision is.
    pub(super) fn differs(&self, row: &Row) -> bool {
        if self.faulty.contains_key(&row.name) {
            return false;
        }
        match read(&row.name, row.value.as_deref(), row.revision) {
            Read::Good(tenant, policy) => {
                !matches!(self.snapshot.get(tenant), Record::Present(known) if *known == policy)
            }
            Read::Accepted | Read::Beat => false,
            Read::Faulty(_) | Read::Gone => true,
        }
    }
}
