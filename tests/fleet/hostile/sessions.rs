//! What one conversation does about members that are cut off, and with certificates that change.
//! Below the gateway's own patience with silence, which would hide what is missing here.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tidegate::config::{Etcd, Identity};
use tidegate::fleet::etcd::{
    EtcdError, RangeRequest, Session, Watch, WatchCreateRequest, WatchResponse, tls,
};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::super::harness::{
    CONTOSO, Cluster, Follower, Options, Tls, document, etcd, tenant, until,
};

/// A conversation with a member, and a watch in it.
struct Talk {
    runtime: Runtime,
    session: Session,
    watch: Watch,
}

impl Talk {
    fn with(cluster: &Cluster, member: usize) -> Self {
        let runtime = Runtime::new().unwrap();
        let etcd = Arc::new(Etcd {
            endpoints: vec![cluster.settings().endpoints[member].clone()],
            ..cluster.settings()
        });
        let (session, watch) = runtime.block_on(async {
            let session = Session::open_any(&etcd, &tls(&etcd).unwrap())
                .await
                .unwrap();
            let request = WatchCreateRequest {
                key: "/tidegate/".into(),
                ..WatchCreateRequest::default()
            };
            let watch = session.watch(request).await.unwrap();
            (session, watch)
        });
        Self {
            runtime,
            session,
            watch,
        }
    }

    /// What the watch tells next; none: nothing, for longer than anything takes.
    fn next(&mut self) -> Option<Result<WatchResponse, EtcdError>> {
        let next = async { timeout(Duration::from_secs(60), self.watch.next()).await };
        self.runtime.block_on(next).ok()
    }
}

/// Its connections stay, and nothing comes: pings are not answered.
#[test]
fn a_member_that_freezes_ends_what_waits_for_it() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let mut talk = Talk::with(&cluster, 0);
    cluster.freeze(0);
    assert!(matches!(talk.next(), Some(Err(_))));
    cluster.thaw(0);
}

/// It has what it had, and tells none of it: it may be older than what others have.
#[test]
fn a_member_without_a_leader_tells_nothing() {
    if !etcd() {
        return;
    }
    let mut cluster = Cluster::start(3);
    cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    let mut talk = Talk::with(&cluster, 2);
    cluster.kill(0);
    cluster.kill(1);
    assert!(matches!(talk.next(), Some(Err(_))));
    let read = || {
        let request = RangeRequest {
            key: format!("/tidegate/policies/{CONTOSO}").into(),
            serializable: true,
            ..RangeRequest::default()
        };
        talk.runtime.block_on(talk.session.range(request))
    };
    until("it says so", || read() == Err(EtcdError::NoLeader));
}

/// Certificates of a day are renewed every day, and gateways run for longer.
#[test]
fn a_certificate_that_is_renewed_is_shown() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::with(Options {
        members: 1,
        tls: Some(Tls::new()),
        arguments: Vec::new(),
        ..Options::default()
    });
    cluster.put(tenant(CONTOSO), &document(CONTOSO, 1));
    let place = cluster.place.path();
    let own = Identity {
        certificate: place.join("own.pem"),
        key: place.join("own.key"),
    };
    let renew = |ca: &str| {
        let from = cluster.tls().client(ca);
        fs::copy(from.certificate, &own.certificate).unwrap();
        fs::copy(from.key, &own.key).unwrap();
    };
    renew("other");
    let gateway = Follower::start(&Etcd {
        certificate: Some(own.clone()),
        ..cluster.settings()
    });
    until("it was tried", || gateway.stats().failures > 1);
    assert!(!gateway.policies.is_available());
    // Half of what is coming: the one before is used still.
    fs::write(&own.certificate, "-----BEGIN CERTIFICATE-----\n").unwrap();
    let failures = gateway.stats().failures;
    until("it was tried", || gateway.stats().failures > failures);
    renew("ca");
    until("it is fresh", || gateway.is_fresh());
    assert_eq!(gateway.entries(CONTOSO), 1);
}

/// The stubs are checked in: a build takes no `protoc`, no file of Google's, and no client of etcd's
/// that would.
#[test]
fn nothing_beyond_a_c_compiler_is_needed_to_build() {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"tonic\""));
    for name in ["etcd-client", "prost-build", "protobuf-src", "tonic-build"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
