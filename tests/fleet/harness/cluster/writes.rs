//! What somebody writes into a cluster, past every tool of ours.

use std::cell::Cell;
use std::sync::Arc;

use tidegate::config::Etcd;
use tidegate::core::tenant::TenantId;
use tidegate::fleet::accept::{self, Acceptance};
use tidegate::fleet::etcd::{
    DeleteRangeRequest, EtcdError, PutRequest, RequestOp, Session, TxnRequest, request_op, tls,
};
use tidegate::fleet::keys::Keys;

use super::super::until;
use super::Cluster;

impl Cluster {
    /// Writes a policy, and returns its revision.
    pub fn put(&self, tenant: TenantId, text: &str) -> u64 {
        self.put_key(&format!("policies/{tenant}"), text.as_bytes())
    }

    /// Writes a key below the prefix, and returns its revision.
    pub fn put_key(&self, key: &str, value: &[u8]) -> u64 {
        let revision = Cell::new(0);
        until(&format!("{key} is written"), || {
            revision.set(self.try_put(key, value).unwrap_or(0));
            revision.get() > 0
        });
        revision.get()
    }

    pub(super) fn try_put(&self, key: &str, value: &[u8]) -> Result<u64, EtcdError> {
        let put = PutRequest {
            key: format!("/tidegate/{key}").into(),
            value: value.to_vec().into(),
            lease: 0,
        };
        self.write(&request_op::Request::RequestPut(put))
    }

    /// Says that what stands there now is to be followed, and returns the id of that.
    pub fn fleet_accept(&self) -> String {
        self.fleet_accept_instead_of(&self.cluster_id())
    }

    /// The id of this cluster.
    pub fn cluster_id(&self) -> String {
        let etcd = Arc::new(self.settings());
        let keys = Keys::below(&etcd.prefix);
        self.runtime.block_on(async {
            let session = Session::open_any(&etcd, &tls(&etcd).unwrap()).await;
            let (_, history) = accept::read(&session.unwrap(), &keys).await.unwrap();
            accept::cluster_id(history.cluster)
        })
    }

    /// Says that this history is to be followed in the place of that cluster's, and returns the id.
    pub fn fleet_accept_instead_of(&self, cluster: &str) -> String {
        let etcd = Arc::new(self.settings());
        let keys = Keys::below(&etcd.prefix);
        self.runtime.block_on(async {
            let session = Session::open_any(&etcd, &tls(&etcd).unwrap())
                .await
                .unwrap();
            let (_, history) = accept::read(&session, &keys).await.unwrap();
            let acceptance = Acceptance {
                cluster: accept::cluster_id(history.cluster),
                revision: history.revision.cast_unsigned(),
                instead_of: cluster.to_owned(),
                time: jiff::Timestamp::now(),
                by: "the test".to_owned(),
                note: None,
            };
            accept::say(&session, &keys, &acceptance).await.unwrap()
        })
    }

    /// Deletes a policy, and returns the revision of that.
    pub fn delete(&self, tenant: TenantId) -> u64 {
        self.delete_key(&format!("policies/{tenant}"))
    }

    /// Deletes a key below the prefix, and returns the revision of that.
    pub fn delete_key(&self, key: &str) -> u64 {
        let delete = DeleteRangeRequest {
            key: format!("/tidegate/{key}").into(),
            ..DeleteRangeRequest::default()
        };
        self.write(&request_op::Request::RequestDeleteRange(delete))
            .unwrap()
    }

    /// Writes a policy through one of these members, and returns its revision.
    pub fn put_through(&self, members: &[usize], tenant: TenantId, text: &str) -> u64 {
        let put = request_op::Request::RequestPut(PutRequest {
            key: Keys::below("/tidegate/").policy(tenant).into(),
            value: text.as_bytes().to_vec().into(),
            lease: 0,
        });
        let revision = Cell::new(0);
        until("a policy is written", || {
            revision.set(self.write_through(members, &put).unwrap_or(0));
            revision.get() > 0
        });
        revision.get()
    }

    /// Through the first member that takes it.
    fn write(&self, request: &request_op::Request) -> Result<u64, EtcdError> {
        let all: Vec<usize> = (0..self.members.len()).collect();
        self.write_through(&all, request)
    }

    fn write_through(
        &self,
        members: &[usize],
        request: &request_op::Request,
    ) -> Result<u64, EtcdError> {
        let mut last = EtcdError::Silent;
        let endpoints = self.settings().endpoints;
        for member in members.iter().map(|n| endpoints[*n].clone()) {
            let etcd = Arc::new(Etcd {
                endpoints: vec![member],
                ..self.settings()
            });
            let written = self.runtime.block_on(async {
                let session = Session::open_any(&etcd, &tls(&etcd).unwrap()).await?;
                let request = TxnRequest {
                    success: vec![RequestOp {
                        request: Some(request.clone()),
                    }],
                    ..TxnRequest::default()
                };
                let answer = session.txn(request).await?;
                Ok(answer.header.unwrap().revision.cast_unsigned())
            });
            match written {
                Ok(revision) => return Ok(revision),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
