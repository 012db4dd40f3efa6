//! The last change of a policy, whoever wrote it and however: `etcdctl put` as well as a gateway.
//!
//! Invariant: it is read from etcd's own history, by a watch over what is past, so that it costs what
//! was written since, and not what stands there. A later event, at the latest the next heartbeat,
//! shows that nothing before it is missing; without one the answer says that it is not sure.

use std::time::Duration;

use tokio::time::timeout;

use super::beat::SILENCE;
use super::etcd::{EtcdError, Session, WatchCreateRequest};
use super::keys::{Keys, Owner, owner};

/// How long the next event is waited for.
const PATIENCE: Duration = SILENCE;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Latest {
    /// The last change after `from` and up to `to`; none: there was none.
    pub(super) revision: Option<i64>,
    /// Whether nothing is missing.
    pub(super) is_sure: bool,
    /// Whether etcd does not have what follows `from` any more.
    pub(super) is_compacted: bool,
}

/// The last change after the revision `from`, and not after `to`.
///
/// # Errors
/// [`EtcdError`]; that the history is not there any more is none.
pub(super) async fn between(
    session: &Session,
    keys: &Keys,
    from: i64,
    to: i64,
) -> Result<Latest, EtcdError> {
    let mut latest = Latest {
        revision: None,
        is_sure: from >= to,
        is_compacted: false,
    };
    if latest.is_sure {
        return Ok(latest);
    }
    let (key, range_end) = keys.policies();
    let request = WatchCreateRequest {
        key: key.into(),
        range_end: range_end.into(),
        start_revision: from + 1,
        fragment: true,
        ..WatchCreateRequest::default()
    };
    let mut watch = match session.watch(request).await {
        Err(EtcdError::Compacted) => {
            latest.is_compacted = true;
            return Ok(latest);
        }
        watch => watch?,
    };
    while !latest.is_sure {
        let answer = match timeout(PATIENCE, watch.next()).await {
            Err(_) => break,
            Ok(Err(EtcdError::Compacted)) => {
                latest.is_compacted = true;
                break;
            }
            Ok(answer) => answer?,
        };
        for kv in answer.events.into_iter().filter_map(|event| event.kv) {
            let revision = kv.mod_revision;
            latest.is_sure |= revision >= to;
            if revision <= to && is_policy(keys, &kv.key) {
                latest.revision = latest.revision.max(Some(revision));
            }
        }
    }
    Ok(latest)
}

/// Whether decisions may change with this key.
fn is_policy(keys: &Keys, key: &[u8]) -> bool {
    match keys.name(key).map(owner) {
        Some(Owner::Misspelt(_) | Owner::Nobody | Owner::Tenant(_)) => true,
        Some(Owner::Accepted | Owner::Beat) | None => false,
    }
}
