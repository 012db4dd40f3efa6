//! How a fleet stands: what each gateway last told of itself, beside what the store holds.
//!
//! Invariant: all of it is read at one revision of etcd, so that nothing is told to be behind by
//! what was written while it was read; and against the last change of a policy, whoever wrote it. A
//! gateway that is not listed keeps no lease: it ended, hangs,
//! cannot reach etcd, refuses its history, or may not tell of itself.

use serde::Serialize;

use super::accept::cluster_id;
use super::etcd::{EtcdError, KeyValue, RangeRequest, Session};
use super::keys::Keys;
use super::latest;
use super::pages::Pages;
use super::presence::Told;

/// A fleet at a moment.
#[derive(Clone, Debug, Serialize)]
pub struct Fleet {
    /// The cluster's id, in hexadecimal digits.
    pub cluster: String,
    /// The revision at which this was read.
    pub revision: u64,
    /// The revision of the last change of a policy up to then that anybody here knows of.
    pub changed: Option<u64>,
    /// Whether there was certainly none later. False: no heartbeat came that would show it, or etcd
    /// does not have the history any more that some gateway misses.
    pub complete: bool,
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
    /// force when it told. 0: it had everything. None: it has no policies.
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
    let last = RangeRequest {
        key: keys.changed().into(),
        ..RangeRequest::default()
    };
    let first = session.range(last).await?;
    let header = first.header.unwrap_or_default();
    let written = first.kvs.first().map(|kv| kv.mod_revision);
    let all = count(session, header.revision, keys.policies()).await?;
    let beat = keys.beat();
    let beats = count(session, header.revision, (beat, Vec::new())).await?;
    let accepted = count(session, header.revision, keys.accepted()).await?;

    let mut pages = Pages::new(keys.gateways()).at(header);
    let (mut gateways, mut unreadable) = (Vec::new(), 0);
    while let Some(page) = pages.next(session).await? {
        for kv in page {
            match gateway(keys, kv) {
                Some(gateway) => gateways.push(gateway),
                None => unreadable += 1,
            }
        }
    }
    let (changed, complete) =
        last_change(session, keys, &gateways, written, header.revision).await?;
    for gateway in &mut gateways {
        let behind = |revision: u64| changed.unwrap_or(0).saturating_sub(revision);
        gateway.behind = gateway.told.revision.map(behind);
    }
    gateways
        .sort_by(|one, other| (&one.told.gateway, &one.id).cmp(&(&other.told.gateway, &other.id)));
    Ok(Fleet {
        cluster: cluster_id(header.cluster_id),
        revision: number(header.revision),
        changed,
        complete,
        policies: all.saturating_sub(beats + accepted),
        gateways,
        unreadable,
    })
}

/// The last change of a policy up to a revision, and whether it is sure that there was none later.
/// `written` is the last one by a gateway or a command.
async fn last_change(
    session: &Session,
    keys: &Keys,
    gateways: &[Gateway],
    written: Option<i64>,
    to: i64,
) -> Result<(Option<u64>, bool), EtcdError> {
    let revision = |gateway: &Gateway| i64::try_from(gateway.told.revision?).ok();
    let applied = || gateways.iter().filter_map(revision);
    // What every gateway has is no news for any.
    let from = applied()
        .min()
        .map_or(to, |least| least.max(written.unwrap_or(0)));
    let mut latest = latest::between(session, keys, from, to).await?;
    if latest.is_compacted {
        let from = applied().max().max(written).unwrap_or(to);
        latest = latest::between(session, keys, from, to).await?;
        latest.is_sure = false;
    }
    let seen = gateways.iter().filter_map(|gateway| gateway.told.changed);
    let told = seen.filter(|revision| *revision <= number(to)).max();
    let changed = latest.revision.max(written).map(number).max(told);
    Ok((changed, latest.is_sure))
}

/// How many keys there are.
async fn count(
    session: &Session,
    revision: i64,
    (key, range_end): (Vec<u8>, Vec<u8>),
) -> Result<u64, EtcdError> {
    let counted = RangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        revision,
        count_only: true,
        ..RangeRequest::default()
    };
    Ok(number(session.range(counted).await?.count))
}

fn gateway(keys: &Keys, kv: KeyValue) -> Option<Gateway> {
    let (below, _) = keys.gateways();
    let id = kv.key.strip_prefix(below.as_slice())?;
    let told: Told = serde_json::from_slice(&kv.value).ok()?;
    Some(Gateway {
        id: String::from_utf8(id.to_vec()).ok()?,
        behind: None,
        told,
    })
}

fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
