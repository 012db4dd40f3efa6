//! Conversations with one member of an etcd cluster: connected, signed in, within deadlines.
//!
//! Invariant: a [`Session`] is one connection to one member, and nothing reconnects it behind its
//! owner's back: what was learnt in it was told by one member. Every call asks for a member that
//! knows a leader, so a member that was cut off says so instead of answering from what it has. What
//! contradicts itself, or comes from another cluster than what came before, is no answer
//! (`etcd/sense.rs`).
//!
//! A member that stops answering is noticed by HTTP/2 pings.
//!
//! Source: etcd 3.4 and later, "etcd API" and `rpc.proto` (`proto/README.md`).

mod channel;
mod error;
mod proto;
mod sense;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Uri;
use rustls::ClientConfig;
use tokio::time::timeout;
use tonic::Status;

use crate::config::Etcd;
use crate::tls::Renewed;

use super::password;
use channel::Channel;
pub use error::EtcdError;
use proto::etcdserverpb::auth_client::AuthClient;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::lease_client::LeaseClient;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
pub use proto::etcdserverpb::{
    AuthenticateRequest, Compare, DeleteRangeRequest, LeaseGrantRequest, LeaseGrantResponse,
    LeaseKeepAliveRequest, LeaseRevokeRequest, LeaseRevokeResponse, PutRequest, RangeRequest,
    RangeResponse, RequestOp, ResponseHeader, ResponseOp, StatusRequest, StatusResponse,
    TxnRequest, TxnResponse, WatchCreateRequest, WatchResponse, compare, request_op, response_op,
};
pub use proto::mvccpb::{Event, KeyValue, event::EventType};
use sense::Asked as _;
pub use watch::Watch;

/// For a connection, its TLS handshake included.
const CONNECT: Duration = Duration::from_secs(3);

/// For one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How often the member is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(2);
const PONG: Duration = Duration::from_secs(2);

/// Largest message taken. A value has at most 1.5 MiB unless the cluster is configured otherwise.
const LARGEST: usize = 16 * 1024 * 1024;

/// TLS towards a cluster.
///
/// # Errors
/// A sentence that names the file.
pub fn tls(etcd: &Etcd) -> Result<Arc<ClientConfig>, String> {
    Ok(renewed(etcd)?.now())
}

/// The same, kept up with its files: certificates of a day are renewed every day.
pub(super) fn renewed(etcd: &Etcd) -> Result<Renewed, String> {
    Renewed::new(etcd.ca.clone(), etcd.certificate.clone(), &[b"h2"])
}

/// One connection to one member. Cheap to clone; the connection ends with the last clone.
#[derive(Clone)]
pub struct Session {
    channel: Channel,
    etcd: Arc<Etcd>,
    cluster: Told,
}

/// The id of the cluster that answers; 0 before it has.
#[derive(Clone, Default)]
struct Told(Arc<AtomicU64>);

impl Told {
    /// Holds an answer's header against what was told before.
    fn agrees(&self, header: Option<&ResponseHeader>) -> Result<(), EtcdError> {
        let cluster = header.map_or(0, |header| header.cluster_id);
        if cluster == 0 || header.is_none_or(|header| header.revision <= 0) {
            return Err(EtcdError::Nonsense("no cluster, or no revision"));
        }
        let first = self
            .0
            .compare_exchange(0, cluster, Ordering::AcqRel, Ordering::Acquire);
        match first {
            Err(known) if known != cluster => Err(EtcdError::Nonsense("another cluster answers")),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Sends a request; where the member does not know the session any more, signs in and sends it
/// once more.
macro_rules! call {
    ($(#[$doc:meta])* $name:ident, $client:ident, $request:ty, $response:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`EtcdError`].
        pub async fn $name(&self, request: $request) -> Result<$response, EtcdError> {
            let mut client = $client::with_origin(self.channel.clone(), self.channel.origin())
                .max_decoding_message_size(LARGEST);
            let asked = request.clone();
            let answer = match within(client.$name(request)).await {
                Err(EtcdError::SignedOut) if self.etcd.user.is_some() => {
                    self.sign_in().await?;
                    within(client.$name(asked.clone())).await?
                }
                answer => answer?,
            };
            self.cluster.agrees(answer.header.as_ref())?;
            asked.makes_sense_of(&answer)?;
            Ok(answer)
        }
    };
}

impl Session {
    /// Connects to a member and signs in, if a user is configured.
    ///
    /// # Errors
    /// [`EtcdError`].
    pub async fn open(
        etcd: &Arc<Etcd>,
        tls: &Arc<ClientConfig>,
        member: &Uri,
    ) -> Result<Self, EtcdError> {
        let connecting = timeout(CONNECT, Channel::connect(member, tls));
        let channel = connecting.await.map_err(|_| EtcdError::Silent)??;
        let session = Self {
            channel,
            etcd: Arc::clone(etcd),
            cluster: Told::default(),
        };
        if session.etcd.user.is_some() {
            session.sign_in().await?;
        }
        Ok(session)
    }

    /// Opens a session with the first member that takes one: for commands, which have nobody to
    /// come back to.
    ///
    /// # Errors
    /// What the last one said.
    pub async fn open_any(etcd: &Arc<Etcd>, tls: &Arc<ClientConfig>) -> Result<Self, EtcdError> {
        let mut last = EtcdError::Silent;
        for member in &etcd.endpoints {
            match Self::open(etcd, tls, member).await {
                Ok(session) => return Ok(session),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn sign_in(&self) -> Result<(), EtcdError> {
        let Some(user) = &self.etcd.user else {
            return Ok(());
        };
        let password = password::read(&user.password_file).map_err(|_| EtcdError::Password)?;
        self.channel.forget_token();
        let mut client = AuthClient::with_origin(self.channel.clone(), self.channel.origin());
        let request = AuthenticateRequest {
            name: user.name.clone(),
            password: password.reveal().to_owned(),
        };
        let answer = within(client.authenticate(request)).await?;
        self.channel.show_token(&answer.token)
    }

    call!(
        /// Reads keys.
        range, KvClient, RangeRequest, RangeResponse
    );
    call!(
        /// Compares, and writes or does something else. After an error it may have been done
        /// nevertheless, even later: write only what a comparison guards.
        txn, KvClient, TxnRequest, TxnResponse
    );
    call!(
        /// Takes a lease.
        lease_grant, LeaseClient, LeaseGrantRequest, LeaseGrantResponse
    );
    call!(
        /// Gives a lease back, and with it the keys that are tied to it.
        lease_revoke, LeaseClient, LeaseRevokeRequest, LeaseRevokeResponse
    );
    call!(
        /// How the member stands.
        status, MaintenanceClient, StatusRequest, StatusResponse
    );

    /// Keeps a lease alive, once, and tells how many seconds it has now; 0: it is over.
    ///
    /// # Errors
    /// [`EtcdError`].
    pub async fn keep_alive(&self, lease: i64) -> Result<i64, EtcdError> {
        let mut client = LeaseClient::with_origin(self.channel.clone(), self.channel.origin());
        let request = tonic::codegen::tokio_stream::once(LeaseKeepAliveRequest { id: lease });
        let mut answers = within(client.lease_keep_alive(request)).await?;
        let answer = timeout(ANSWER, answers.message())
            .await
            .map_err(|_| EtcdError::Silent)?
            .map_err(EtcdError::from)?;
        Ok(answer.map_or(0, |answer| answer.ttl))
    }

    /// Watches keys, for as long as the answer is kept.
    ///
    /// # Errors
    /// [`EtcdError`].
    pub async fn watch(&self, request: WatchCreateRequest) -> Result<Watch, EtcdError> {
        let cluster = &self.cluster;
        match Watch::open(&self.channel, cluster, request.clone()).await {
            Err(EtcdError::SignedOut) if self.etcd.user.is_some() => {
                self.sign_in().await?;
                Watch::open(&self.channel, cluster, request).await
            }
            watch => watch,
        }
    }

    /// The member.
    pub fn member(&self) -> &Uri {
        self.channel.member()
    }

    /// The id of its cluster; 0 before it has answered.
    pub(super) fn cluster(&self) -> u64 {
        self.cluster.0.load(Ordering::Acquire)
    }
}

/// The answer, if it comes in time.
async fn within<R>(
    asked: impl Future<Output = Result<tonic::Response<R>, Status>>,
) -> Result<R, EtcdError> {
    let answer = timeout(ANSWER, asked).await;
    let answer = answer.map_err(|_| EtcdError::Silent)?;
    Ok(answer?.into_inner())
}

/// The end of the range of all keys that begin with `prefix`.
pub fn range_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    // There is no end.
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_where_the_next_prefix_begins() {
        for (prefix, end) in [
            (&b"/tidegate/policies/"[..], &b"/tidegate/policies0"[..]),
            (b"a", b"b"),
            (b"a\xff", b"b"),
            (b"\xff\xff", b"\0"),
        ] {
            assert_eq!(range_end(prefix), end);
        }
    }
}
