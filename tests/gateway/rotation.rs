//! Certificates, keys and authorities that change while the gateway runs (H10): taken as soon as
//! they are whole, kept out and told of when they are not, and believed by nobody for longer than
//! they are good.

mod clients;
mod listeners;
mod upstream;

use crate::harness::tls::metric;
use crate::harness::{World, until};

/// Waits until so many changes of a listener's certificates were taken, and so many refused.
async fn until_counted(world: &World, listener: &str, reloads: f64, failures: f64) {
    let count = |text: &str, name: &str| {
        let name = format!("tidegate_certificate_{name}_total{{listener=\"{listener}\"}}");
        metric(text, &name).unwrap()
    };
    until(
        &format!("{reloads} changes, {failures} failures"),
        async || {
            let text = world.metrics().await;
            let counted = (count(&text, "reloads"), count(&text, "reload_failures"));
            (counted == (reloads, failures)).then_some(())
        },
    )
    .await;
}
