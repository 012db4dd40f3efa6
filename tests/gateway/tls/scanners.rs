//! What independent scanners say of the gateway (H2). testssl.sh takes a minute: `cargo prove`
//! runs it.

use crate::harness::scan::{Scanned, sslyze};
use crate::harness::{Setup, World};
use crate::python::tell;

#[tokio::test]
async fn sslyze_finds_nothing() {
    let world = World::start(Setup::new()).await;
    match sslyze(world.gateway.data, world.directory.path()).await {
        Scanned::Absent(why) => tell(&format!("skipped: sslyze_finds_nothing: {why}")),
        Scanned::Done(looked, found) => {
            assert!(looked > 20, "{looked}");
            assert_eq!(found, Vec::<String>::new());
        }
    }
    world.check(0).await;
    world.finish().await;
}
