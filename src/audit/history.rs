//! That policies of another history were put in force, on an operator's word: one record each time.
//!
//! Invariant: it is written after they are in force, by each gateway that did it.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;

use super::Audit;
use crate::fleet::accept::Obeyed;
use crate::policies::Policies;

#[derive(Serialize)]
struct Line<'r> {
    time: Timestamp,
    event: &'static str,
    gateway: &'r str,
    #[serde(flatten)]
    obeyed: &'r Obeyed,
}

/// Writes a record whenever it happens, for as long as policies come from a fleet's store.
pub async fn record_histories(policies: Policies, audit: Audit) {
    let Some(fleet) = policies.source() else {
        return;
    };
    let (etcd, mut obeys) = (fleet.etcd().clone(), fleet.standing().obeys());
    // They end with the gateway, and not with this.
    drop(policies);
    loop {
        if let Some(obeyed) = &*obeys.borrow_and_update() {
            audit.write_released(&Line {
                time: Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH),
                event: "history_accepted",
                gateway: &etcd.gateway,
                obeyed,
            });
        }
        if obeys.changed().await.is_err() {
            return;
        }
    }
}
