//! The last change of a policy that was seen, by which another history is told.
//!
//! Invariant: it is one that was applied, or read with everything else.

use bytes::Bytes;

use super::super::etcd::KeyValue;
use super::Row;

/// See above.
#[derive(Clone, Debug)]
pub(in crate::fleet) struct Newest {
    pub(in crate::fleet) name: Bytes,
    pub(in crate::fleet) revision: i64,
    /// None: it went away. Empty: nobody knows any more.
    pub(in crate::fleet) value: Option<Bytes>,
}

impl Newest {
    pub(super) fn of(row: &Row, known: Option<Self>) -> Option<Self> {
        let newer = Self {
            name: row.name.clone(),
            revision: row.revision,
            value: row.value.clone(),
        };
        known
            .filter(|known| known.revision >= row.revision)
            .or(Some(newer))
    }

    /// Whether this is the key as it was then.
    pub(in crate::fleet) fn is(&self, found: Option<&KeyValue>) -> bool {
        match (&self.value, found) {
            (None, None) => true,
            (Some(value), Some(kv)) => {
                kv.mod_revision == self.revision && (value.is_empty() || *value == kv.value)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}
