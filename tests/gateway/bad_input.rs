//! What no well-behaved client sends: refused with the documented status, recorded where it reached
//! a token route, and never forwarded.

mod bodies;
mod disconnects;
mod floods;
mod framing;
mod http2;
mod streams;
mod targets;

use crate::harness::{Answer, COMMON, CONTOSO, Raw, World};

/// A good form of Contoso's.
fn form(world: &World) -> String {
    world.exchange(None, CONTOSO).form_text()
}

/// The head of a good request but for its framing, without the empty line at its end.
fn head(world: &World, more: &str) -> String {
    format!(
        "POST {COMMON} HTTP/1.1\r\nhost: {}\r\nx-ms-client-tenant-id: {CONTOSO}\r\n\
         content-type: application/x-www-form-urlencoded\r\n{more}",
        world.host()
    )
}

/// A whole good request.
fn request(world: &World) -> String {
    request_of(world, &form(world))
}

/// A good request with this form.
fn request_of(world: &World, form: &str) -> String {
    format!(
        "{}\r\n{form}",
        head(world, &format!("content-length: {}\r\n", form.len()))
    )
}

/// Sends bytes on a connection of their own and takes the one answer to them; none if the
/// connection ends without.
async fn sent(world: &World, bytes: impl AsRef<[u8]>) -> (Option<Answer>, Raw) {
    let mut raw = world.raw().await;
    raw.send(bytes).await;
    (raw.answer().await, raw)
}
