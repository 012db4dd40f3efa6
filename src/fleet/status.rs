//! How a fleet stands: what each gateway last told of itself, beside what the store holds.
//!
//! Invariant: all of it is read at one revision of etcd, so that nothing is told to be behind by
//! what was written while it was read. A gateway that is not listed keeps no lease: it ended, hangs,
//! cannot reach etcd, refuses its history, or may not tell of itself.

use serde::Serialize;

use super::etcd::{EtcdError, KeyValue, RangeRequest, Session};
use super::keys::Keys;
use super::pages::Pages;
use super::presence::Told;

/// A fleet at a moment.
#[derive(Clone, Debug, Serialize)]
pub struct Fleet {
    /// The cluster's id, in hexadecimal digits.
    pub cluster: String,
    /// The revision at which this was read.
    pub revision: u64,
    /// The revision of the last change of a policy by a gateway or a command, if there was one.
    pub changed: Option<u64>,
    /// Policies in the store.
    pub policies: u64,
    /// The gateways, by name.
    pub gateways: Vec<Gateway>,
    /// Keys among the gateways' that nobody here can read, such as a later program's.
    pub unreadable: usize,
}

/// One gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Gateway {
    /// Its id among those of one name.
    pub id: String,
    /// What it told.
    #[serde(flatten)]
    pub told: Told,
    /// How many revisions of the store lie between the last change of a policy and what it had in
    /// force when it told. 0: it has everything. None: it has no policies.
    pub behind: Option<u64>,
}

impl Fleet {
    /// Gateways that did not have every policy when they told.
    pub fn behind(&self) -> usize {
        let behind = |gateway: &&Gateway| gateway.behind != Some(0);
        self.gateways.iter().filter(behind).count()
    }
}

/// Reads how the fleet stands.
///
/// # Errors
/// [`EtcdError`].
pub async fn read(session: &Session, keys: &Keys) -> Result<Fleet, EtcdError> {
    let changed = RangeRequest {
        key: keys.changed().into(),
        ..RangeRequest::default()
    };
    let first = session.range(changed).await?;
    let header = first.header.unwrap_or_default();
    let changed = first.kvs.first().map(|kv| number(kv.mod_revision));
    let (key, range_end) = keys.policies();
    let counted = RangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        revision: header.revision,
        count_only: true,
        ..RangeRequest::default()
    };
    let policies = number(session.range(counted).await?.count);
    let beat = RangeRequest {
        key: keys.beat().into(),
        revision: header.revision,
        count_only: true,
        ..RangeRequest::default()
    };
    let beats = number(session.range(beat).await?.count);

    let mut pages = Pages::new(keys.gateways()).at(header);
    let (mut gateways, mut unreadable) = (Vec::new(), 0);
    while let Some(page) = pages.next(session).await? {
        for kv in page {
            match gateway(keys, kv, changed.unwrap_or(0)) {
                Some(gateway) => gateways.push(gateway),
                None => unreadable += 1,
            }
        }
    }
    gateways
        .sort_by(|one, other| (&one.told.gateway, &one.id).cmp(&(&other.told.gateway, &other.id)));
    Ok(Fleet {
        cluster: format!("{:016x}", header.cluster_id),
        revision: number(header.revision),
        changed,
        policies: policies.saturating_sub(beats),
        gateways,
        unreadable,
    })
}

fn gateway(keys: &Keys, kv: KeyValue, changed: u64) -> Option<Gateway> {
    let (below, _) = keys.gateways();
    let id = kv.key.strip_prefix(below.as_slice())?;
    let told: Told = serde_json::from_slice(&kv.value).ok()?;
    let behind = |revision: u64| changed.saturating_sub(revision);
    Some(Gateway {
        id: String::from_utf8(id.to_vec()).ok()?,
        behind: told.revision.map(behind),
        told,
    })
}

fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
