//! What writers ask etcd for.

use super::super::etcd::{Compare, PutRequest, RangeRequest, RequestOp, compare, request_op};

/// Reads one key.
pub(super) fn one(key: &[u8]) -> RangeRequest {
    RangeRequest {
        key: key.to_owned().into(),
        ..RangeRequest::default()
    }
}

/// The comparison that every write carries: the key is at this revision; 0: it is not there.
pub(in crate::fleet) fn is_at(key: &[u8], revision: i64) -> Compare {
    Compare {
        result: compare::CompareResult::Equal.into(),
        target: compare::CompareTarget::Mod.into(),
        key: key.to_owned().into(),
        target_union: Some(compare::TargetUnion::ModRevision(revision)),
    }
}

/// Puts a text.
pub(in crate::fleet) fn put(key: &[u8], bytes: &[u8]) -> RequestOp {
    RequestOp {
        request: Some(request_op::Request::RequestPut(PutRequest {
            key: key.to_owned().into(),
            value: bytes.to_owned().into(),
            ..PutRequest::default()
        })),
    }
}
