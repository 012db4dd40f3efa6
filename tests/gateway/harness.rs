//! Starts the real binary in front of mock providers, sends exchanges through it and holds every
//! output against what may never be in one.
//!
//! ```ignore
//! let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
//! let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
//! outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
//! world.check(1).await;          // after every case: the provider saw one request, nothing leaked
//! world.finish().await;          // at the end: one record each, nothing leaked, a clean exit
//! ```
//!
//! Nothing here sleeps for a fixed time: [`until`] asks again until a condition holds.

mod answer;
mod bare;
mod client;
pub(crate) mod connections;
mod creation;
mod exchange;
mod files;
pub(crate) mod frames;
mod gateway;
mod golden;
mod lines;
mod policy;
mod raw;
pub(crate) mod scan;
mod secrets;
mod setup;
pub(crate) mod tls;
mod world;

use std::time::{Duration, Instant};

pub(crate) use answer::Answer;
pub(crate) use bare::{After, BareProvider};
pub(crate) use creation::{Created, Creation};
pub(crate) use exchange::{Exchange, Outcome};
pub(crate) use gateway::Gateway;
pub(crate) use golden::golden;
pub(crate) use lines::Lines;
pub(crate) use policy::Policy;
pub(crate) use raw::Raw;
pub(crate) use secrets::Secrets;
pub(crate) use setup::Setup;
pub(crate) use tidegate_mock::tenants::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL};
pub(crate) use world::{MICROSOFT, World};

/// The shared authority's token endpoint, version 2.0: the path names no tenant, so only the reply
/// tells who signed in.
pub(crate) const COMMON: &str = "/common/oauth2/v2.0/token";

/// Far longer than anything here takes, on any machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
const AGAIN: Duration = Duration::from_millis(2);

/// Waits for something while `work` goes on, which must not end before.
pub(crate) async fn meanwhile<T>(
    work: &mut (impl Future + Unpin),
    something: impl Future<Output = T>,
) -> T {
    tokio::select! {
        _ = work => panic!("it ended too early"),
        value = something => value,
    }
}

/// Asks until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        tokio::time::sleep(AGAIN).await;
    }
}
