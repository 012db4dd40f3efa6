//! From start to end: readiness, draining, limits, the admin listener, metrics, records.

mod admin;
mod drain;
mod limits;
mod outputs;
mod start;

use crate::harness::{BareProvider, Setup};

/// One worker in front of a provider that answers when it is told to.
fn in_front_of(provider: &BareProvider) -> Setup {
    Setup::new()
        .set("listen.workers", 1)
        .set("providers.entra.authority", provider.url())
        .set("providers.entra.insecure_plaintext", true)
}

/// A good answer of the provider's.
fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
