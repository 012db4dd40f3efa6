//! The connection that texts are read and written through.
//!
//! Invariant: whoever answers is of one cluster, that of the policies in force. What a member of
//! another one says is neither absence nor success, so it is left before it is asked for anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::one;
use crate::config::Etcd;
use crate::fleet::etcd::{EtcdError, Session};
use crate::tls::Renewed;

/// See above.
pub(super) struct Line {
    etcd: Arc<Etcd>,
    tls: Arc<Renewed>,
    /// 0: that of the first who answers.
    cluster: Arc<AtomicU64>,
    /// A key that everybody may read who may read policies.
    key: Vec<u8>,
    in_use: Mutex<InUse>,
}

/// The connection in use, and which member is asked next.
#[derive(Default)]
struct InUse {
    session: Option<Session>,
    next: usize,
}

impl Line {
    pub(super) fn new(
        etcd: &Arc<Etcd>,
        tls: &Arc<Renewed>,
        cluster: Arc<AtomicU64>,
        key: Vec<u8>,
    ) -> Self {
        Self {
            etcd: Arc::clone(etcd),
            tls: Arc::clone(tls),
            cluster,
            key,
            in_use: Mutex::default(),
        }
    }

    /// The connection in use, or another one.
    pub(super) async fn session(&self) -> Result<Session, EtcdError> {
        let mut line = self.in_use.lock().await;
        if let Some(session) = &line.session
            && self.is_of_the_cluster(session)
        {
            return Ok(session.clone());
        }
        line.session = None;
        let members = &self.etcd.endpoints;
        let mut last = EtcdError::Silent;
        for _ in 0..members.len() {
            let Some(member) = members.get(line.next % members.len()) else {
                break;
            };
            match Session::open(&self.etcd, &self.tls.now(), member).await {
                Ok(session) => match self.meet(&session).await {
                    Ok(()) => {
                        line.session = Some(session.clone());
                        return Ok(session);
                    }
                    Err(error) => last = error,
                },
                Err(error) => last = error,
            }
            line.next = line.next.wrapping_add(1);
        }
        Err(last)
    }

    /// The next one asks another member.
    pub(super) async fn hang_up(&self) {
        let mut line = self.in_use.lock().await;
        if line.session.take().is_some() {
            line.next = line.next.wrapping_add(1);
        }
    }

    /// Asks which cluster it is a member of.
    async fn meet(&self, session: &Session) -> Result<(), EtcdError> {
        session.range(one(&self.key)).await?;
        if self.is_of_the_cluster(session) {
            Ok(())
        } else {
            Err(EtcdError::Nonsense("a member of another cluster"))
        }
    }

    fn is_of_the_cluster(&self, session: &Session) -> bool {
        let told = session.cluster();
        let known = self
            .cluster
            .compare_exchange(0, told, Ordering::AcqRel, Ordering::Acquire);
        known.map_or_else(|known| known == told, |_| true)
    }
}
