//! An etcd cluster, what stands in it, and gateways' policies that follow it.

mod cluster;
mod policies;

pub use cluster::{Cluster, Options, Tls, etcd};
pub use policies::{CONTOSO, FABRIKAM, Follower, TAILSPIN, Watcher, document, tenant};

use std::thread;
use std::time::{Duration, Instant};

/// Far more than anything takes, on any machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again until it holds.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
    println!("{what}: {:?}", start.elapsed());
}
