//! A gateway that is killed while policies are put loses nothing that it has acknowledged.

use std::cell::Cell;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::*;
use crate::harness::*;

const TENANTS: [&str; 3] = [CONTOSO, FABRIKAM, NORTHWIND];

/// Kills in all.
const KILLS: u64 = 15;

/// What one tenant's administrator has sent, and what was acknowledged.
struct Writer {
    tenant: &'static str,
    sent: Cell<u64>,
    acknowledged: Cell<u64>,
}

fn document(tenant: &str, number: u64) -> Value {
    let entry = json!({ "tenantId": "*", "direction": { "outbound": number.is_multiple_of(2) },
                        "note": "n".repeat(20_000) });
    json!({ "properties": { "tenantId": tenant, "allowedTenants": [entry], "number": number } })
}

impl Writer {
    /// Puts one document after the other until the gateway is gone; it is killed after `limit` of
    /// all writers' together.
    async fn write(&self, office: &Office, done: &Cell<u64>, limit: u64) {
        loop {
            self.sent.set(self.sent.get() + 1);
            let put = office.put(self.tenant, document(self.tenant, self.sent.get()));
            let Ok(answer) = put.try_send().await else {
                return;
            };
            assert_eq!(answer.status, 200, "{answer:?}");
            self.acknowledged.set(self.sent.get());
            done.set(done.get() + 1);
            if done.get() == limit {
                office.world.signal(Signal::KILL);
            }
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let mut office = Office::open().await;
    let writers = TENANTS.map(|tenant| Writer {
        tenant,
        sent: Cell::new(0),
        acknowledged: Cell::new(0),
    });
    for kill in 1..=KILLS {
        let done = Cell::new(0);
        let [one, two, three] = &writers;
        // From the first answer on: never at the same point of what the others do.
        let limit = 1 + (kill * 7) % 13;
        tokio::join!(
            one.write(&office, &done, limit),
            two.write(&office, &done, limit),
            three.write(&office, &done, limit)
        );
        office.world.gateway.ended().await;
        office.world.gateway = Gateway::start(&office.world.config()).await;
        for writer in &writers {
            let now = office.get(writer.tenant).send().await;
            let number = match now.status {
                200 => now.json()["properties"]["number"].as_u64().unwrap(),
                404 => 0,
                other => panic!("{other}"),
            };
            if number > 0 {
                assert_eq!(now.json(), document(writer.tenant, number), "kill {kill}");
            }
            let possible = writer.acknowledged.get()..=writer.sent.get();
            assert!(
                possible.contains(&number),
                "kill {kill}: {number} of {possible:?}"
            );
            writer.acknowledged.set(number);
        }
    }
    assert!(
        writers
            .iter()
            .all(|writer| writer.acknowledged.get() > KILLS)
    );
}
