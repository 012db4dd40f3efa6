//! Whether the other endpoints are members of the cluster that answers.
//!
//! Invariant: where nothing was ever applied, nothing is of a cluster that not all of the endpoints
//! which answer belong to: one in three gateways would enforce a stranger's policies, and none of
//! them could tell. (Later on a stranger is told by its id.)

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::etcd::{RangeRequest, Session};
use super::{End, Source};

/// How long all of them have to answer. Who does not is not waited for: a cluster with a member that
/// is down is one that policies are read from.
const PATIENCE: Duration = Duration::from_secs(1);

impl Source {
    /// Asks every endpoint but the one that is talked to.
    pub(super) async fn ask_the_others(&self, session: &Session) -> Result<(), End> {
        let own = session.cluster();
        let mut asked = JoinSet::new();
        for member in &self.etcd.endpoints {
            if member == session.member() {
                continue;
            }
            let (etcd, tls) = (Arc::clone(&self.etcd), self.tls.now());
            let (member, beat) = (member.clone(), self.keys.beat());
            asked.spawn(async move {
                let session = Session::open(&etcd, &tls, &member).await.ok()?;
                let request = RangeRequest {
                    key: beat.into(),
                    serializable: true,
                    ..RangeRequest::default()
                };
                session.range(request).await.ok()?;
                Some(session.cluster())
            });
        }
        let other = async {
            while let Some(answer) = asked.join_next().await {
                match answer {
                    Ok(Some(cluster)) if cluster != own => return Some(cluster),
                    Ok(_) | Err(_) => {}
                }
            }
            None
        };
        match timeout(PATIENCE, other).await {
            Ok(Some(other)) => Err(End::Divided(own, other)),
            Ok(None) | Err(_) => Ok(()),
        }
    }
}
