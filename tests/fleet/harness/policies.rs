//! Policies as a gateway follows them, and somebody who looks all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidegate::config::Etcd;
use tidegate::core::policy::Record;
use tidegate::core::tenant::TenantId;
use tidegate::policies::Policies;

use super::until;

pub const CONTOSO: &str = "11111111-1111-4111-8111-11111111111a";
pub const FABRIKAM: &str = "22222222-2222-4222-8222-22222222222b";
pub const TAILSPIN: &str = "33333333-3333-4333-8333-33333333333c";

pub fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// A policy that is On and names this many tenants.
pub fn document(id: &str, entries: usize) -> String {
    let entries: Vec<_> = (0..entries)
        .map(|n| {
            serde_json::json!({
                "tenantId": format!("{n:08x}-0000-4000-8000-000000000000"),
                "direction": { "inbound": true, "outbound": false },
            })
        })
        .collect();
    serde_json::json!({
        "properties": { "tenantId": id, "isDisabled": false, "allowedTenants": entries }
    })
    .to_string()
}

/// What one gateway has in force.
pub struct Follower {
    pub policies: Policies,
}

impl Follower {
    pub fn start(etcd: &Etcd) -> Self {
        Self {
            policies: Policies::fleet(etcd).unwrap(),
        }
    }

    /// Everything up to this revision of etcd is in force.
    pub fn revision(&self) -> u64 {
        self.policies.freshness().map_or(0, |fresh| fresh.revision)
    }

    pub fn reaches(&self, revision: u64) {
        until(&format!("revision {revision} is in force"), || {
            self.revision() >= revision
        });
    }

    /// The version in force of a tenant's policy; none: no record.
    pub fn version(&self, id: &str) -> Option<u64> {
        match self.policies.snapshot().get(tenant(id)) {
            Record::Absent => None,
            Record::Present(policy) => Some(policy.version.0),
            Record::Unreadable => panic!("{id} is unreadable"),
        }
    }

    pub fn entries(&self, id: &str) -> usize {
        match self.policies.snapshot().get(tenant(id)) {
            Record::Present(policy) => policy.entries().len(),
            other @ (Record::Absent | Record::Unreadable) => panic!("{id}: {other:?}"),
        }
    }

    pub fn is_unreadable(&self, id: &str) -> bool {
        matches!(self.policies.snapshot().get(tenant(id)), Record::Unreadable)
    }

    pub fn stats(&self) -> tidegate::fleet::SourceStats {
        self.policies.stats().source.unwrap()
    }

    pub fn is_fresh(&self) -> bool {
        let fresh = self.policies.freshness();
        self.stats().connected && fresh.is_some_and(|fresh| fresh.age < Duration::from_secs(3))
    }
}

/// Looks all the time whether anything older is in force than was before.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Watcher {
    pub fn of(policies: &Policies, id: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (policies, theirs) = (policies.clone(), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let (mut version, mut revision, mut looks) = (0, 0, 0);
            loop {
                let told = policies.freshness().map_or(0, |fresh| fresh.revision);
                assert!(told >= revision, "revision {told} after {revision}");
                revision = told;
                if let Record::Present(policy) = policies.snapshot().get(tenant(id)) {
                    let now = policy.version.0;
                    assert!(now >= version, "version {now} after {version}");
                    version = now;
                }
                looks += 1;
                if theirs.load(Ordering::Relaxed) {
                    return looks;
                }
                thread::yield_now();
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// It saw nothing older, in this many looks.
    pub fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let looks = self.thread.take().unwrap().join().unwrap();
        assert!(looks > 0);
    }
}
