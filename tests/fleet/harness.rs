//! An etcd cluster, what stands in it, and gateways' policies that follow it.

mod cluster;
mod fake;
mod gateway;
mod net;
mod policies;
mod tls;

pub use cluster::{Cluster, Options, etcd};
pub use fake::Fake;
pub use gateway::{Gateway, Start, metric};
pub use net::{GATEWAYS, Net};
pub use policies::{CONTOSO, FABRIKAM, Follower, TAILSPIN, Watcher, document, tenant};
pub use tls::Tls;

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
