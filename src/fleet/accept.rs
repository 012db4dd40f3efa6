//! An operator's word that etcd's history is as it should be, although it is not the one that
//! gateways applied: a backup that was restored, a cluster that was set up anew.
//!
//! Invariant: each gateway obeys each acceptance at most once, and only one that names the cluster
//! it stands in and the cluster whose policies this gateway has. An acceptance is a key among the
//! policies, so that whoever follows a history has seen every acceptance in it, in its place; what
//! was seen is remembered over restarts. So one that comes back with another backup is an old one
//! to whoever saw it, and after a day to everybody.
//!
//! 1. The operator looks which cluster and revision there are, and names both; and the cluster that
//!    is given up, if it is another.
//! 2. A gateway that refuses the history looks for an acceptance it has not seen, not older than a
//!    day.
//! 3. It reads everything, and puts it in force in the place of all it had, at once.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::etcd::{EtcdError, KeyValue, RangeRequest, Session, TxnRequest};
use super::keys::Keys;
use super::write::{is_at, put};
use crate::core::policy::UnixSeconds;

/// Longest text of an acceptance, in bytes.
pub const LONGEST: usize = 512;

/// Most acceptances looked at: each is an operator's act.
const MOST: i64 = 10_000;

/// Seconds for which an acceptance counts: whoever was away for longer waits for another word.
const GOOD_FOR: UnixSeconds = 24 * 60 * 60;

/// What an operator said, as it stands in etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The cluster's id, in hexadecimal digits.
    pub cluster: String,
    /// The revision that was looked at.
    pub revision: u64,
    /// The cluster that is given up for it: the same, where a backup of it was restored.
    pub instead_of: String,
    /// When, by the operator's clock.
    pub time: Timestamp,
    /// Who, as they say.
    pub by: String,
    /// Why, as they say.
    pub note: Option<String>,
}

/// An acceptance and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Its id.
    pub id: String,
    /// The revision at which it was written.
    pub written: u64,
    /// What it says.
    #[serde(flatten)]
    pub acceptance: Acceptance,
}

/// One history: a cluster at a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The cluster's id.
    pub cluster: u64,
    /// Its revision.
    pub revision: i64,
}

/// What a gateway did on an operator's word, for its audit records.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Obeyed {
    /// The history that was in force.
    before: History,
    /// The one that is.
    after: History,
    acceptance: Accepted,
}

impl Obeyed {
    pub(super) const fn new(before: History, after: History, acceptance: Accepted) -> Self {
        Self {
            before,
            after,
            acceptance,
        }
    }
}

/// A cluster's id as it is shown and named.
pub fn cluster_id(cluster: u64) -> String {
    format!("{cluster:016x}")
}

impl Serialize for History {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut history = serializer.serialize_struct("History", 2)?;
        history.serialize_field("cluster", &cluster_id(self.cluster))?;
        history.serialize_field("revision", &self.revision.to_string())?;
        history.end()
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", cluster_id(self.cluster), self.revision)
    }
}

impl Acceptance {
    /// Whether its texts fit into a record.
    fn is_short(&self) -> bool {
        let note = self.note.as_ref().map_or(0, String::len);
        self.by.len() <= LONGEST && note <= LONGEST
    }

    /// Whether it can be about this history, where it was written at `written`.
    fn fits(&self, history: History, written: u64) -> bool {
        let revision = u64::try_from(history.revision).unwrap_or(0);
        self.cluster == cluster_id(history.cluster)
            && self.revision < written
            && written <= revision
    }
}

impl Accepted {
    /// Whether it is about this history.
    pub(super) fn fits(&self, history: History) -> bool {
        self.acceptance.fits(history, self.written)
    }

    /// Whether it speaks to whoever has this cluster's policies, now.
    pub(super) fn speaks_to(&self, cluster: u64, now: UnixSeconds) -> bool {
        let since = now.saturating_sub(self.acceptance.time.as_second());
        let is_good = (-GOOD_FOR..=GOOD_FOR).contains(&since);
        is_good && self.acceptance.instead_of == cluster_id(cluster)
    }
}

/// Acceptances that stand in a cluster.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// In the order in which they were written.
    pub accepted: Vec<Accepted>,
    /// How many more there are that cannot be read.
    pub unreadable: usize,
}

/// Every acceptance that stands there, and the history that was looked at.
///
/// # Errors
/// [`EtcdError`].
pub async fn read(session: &Session, keys: &Keys) -> Result<(Found, History), EtcdError> {
    let (key, range_end) = keys.accepted();
    let request = RangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        limit: MOST,
        ..RangeRequest::default()
    };
    let answer = session.range(request).await?;
    let header = answer.header.unwrap_or_default();
    let read = answer.kvs.iter().filter_map(|kv| accepted(keys, kv));
    let mut read: Vec<_> = read.collect();
    read.sort_by_key(|accepted| accepted.written);
    let found = Found {
        unreadable: answer.kvs.len() - read.len(),
        accepted: read,
    };
    let history = History {
        cluster: header.cluster_id,
        revision: header.revision,
    };
    Ok((found, history))
}

fn accepted(keys: &Keys, kv: &KeyValue) -> Option<Accepted> {
    let (below, _) = keys.accepted();
    let id = std::str::from_utf8(kv.key.strip_prefix(below.as_slice())?).ok()?;
    // In one spelling only: by its id it is known again.
    let is_canonical = |uuid: &Uuid| uuid.to_string() == id;
    Some(Accepted {
        id: Uuid::parse_str(id).ok().filter(is_canonical)?.to_string(),
        written: u64::try_from(kv.mod_revision).ok()?,
        acceptance: serde_json::from_slice(&kv.value)
            .ok()
            .filter(Acceptance::is_short)?,
    })
}

/// Says it to every gateway of this cluster, and returns the id.
///
/// # Errors
/// [`EtcdError`]; it may have been said nevertheless, even later.
pub async fn say(
    session: &Session,
    keys: &Keys,
    acceptance: &Acceptance,
) -> Result<String, EtcdError> {
    let id = Uuid::now_v7().to_string();
    let key = keys.acceptance(&id);
    let value = serde_json::to_vec(acceptance);
    let value = value.map_err(|error| EtcdError::Refused(error.to_string()))?;
    let request = TxnRequest {
        compare: vec![is_at(&key, 0)],
        success: vec![put(&key, &value)],
        failure: Vec::new(),
    };
    if session.txn(request).await?.succeeded {
        Ok(id)
    } else {
        Err(EtcdError::Refused("the key is there already".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acceptance_is_about_one_cluster_and_what_was_looked_at() {
        let acceptance = Acceptance {
            cluster: cluster_id(0xab),
            revision: 500,
            instead_of: cluster_id(0xab),
            time: Timestamp::UNIX_EPOCH,
            by: "operator".to_owned(),
            note: None,
        };
        let history = |cluster, revision| History { cluster, revision };
        for (cluster, revision, written, fits) in [
            (0xab, 501, 501, true),
            (0xab, 900, 501, true),
            // Another cluster.
            (0xac, 501, 501, false),
            // It was copied here from where more was.
            (0xab, 501, 500, false),
            (0xab, 501, 499, false),
            // It is later than what is looked at.
            (0xab, 501, 502, false),
        ] {
            let found = acceptance.fits(history(cluster, revision), written);
            assert_eq!(found, fits, "{cluster:x} {revision} {written}");
        }
    }

    #[test]
    fn an_acceptance_speaks_to_those_who_have_what_is_given_up_and_for_a_day() {
        const SAID: UnixSeconds = 1_800_000_000;
        let accepted = Accepted {
            id: Uuid::nil().to_string(),
            written: 501,
            acceptance: Acceptance {
                cluster: cluster_id(0xab),
                revision: 500,
                instead_of: cluster_id(0xcd),
                time: Timestamp::from_second(SAID).unwrap(),
                by: "operator".to_owned(),
                note: None,
            },
        };
        for (cluster, now, speaks) in [
            (0xcd, SAID, true),
            (0xcd, SAID + GOOD_FOR, true),
            (0xcd, SAID - GOOD_FOR, true),
            (0xcd, SAID + GOOD_FOR + 1, false),
            (0xcd, SAID - GOOD_FOR - 1, false),
            (0xcd, UnixSeconds::MAX, false),
            (0xcd, UnixSeconds::MIN, false),
            // Its own cluster is another than the one that is given up.
            (0xab, SAID, false),
        ] {
            assert_eq!(
                accepted.speaks_to(cluster, now),
                speaks,
                "{cluster:x} {now}"
            );
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let keys = Keys::below("/tidegate/");
        let read = |id: &str| {
            let value = serde_json::json!({
                "cluster": cluster_id(1), "revision": 1, "instead_of": cluster_id(1),
                "time": "2026-11-22T10:00:00Z", "by": "operator", "note": null,
            });
            let kv = KeyValue {
                key: keys.acceptance(id).into(),
                value: value.to_string().into_bytes().into(),
                mod_revision: 2,
                ..KeyValue::default()
            };
            accepted(&keys, &kv).is_some()
        };
        let id = "0193e5f0-0000-7000-8000-00000000000a";
        assert!(read(id));
        for odd in [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            format!(" {id}"),
            String::new(),
        ] {
            assert!(!read(&odd), "{odd}");
        }
    }
}
