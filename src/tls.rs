//! TLS: the one stack (rustls) and the one crypto provider (aws-lc-rs), for clients and providers.
//!
//! Invariant: what is trusted is named in the configuration or built in (Mozilla's roots); nothing
//! is taken from the environment. Certificates, keys and authorities are kept up with their files
//! ([`Certificates`]); what a client showed is verified again when they change ([`Shown`]).

mod certificates;
mod client;
mod eyes;
mod files;
mod kept;
mod named;
mod renewed;
mod server;
mod shown;
mod validity;

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::config::Identity;

pub use certificates::{Certificates, Keeping};
pub use client::Client;
pub use renewed::Renewed;
pub use server::{Handshake, Server};
pub use shown::Shown;

use client::Calling;
use files::Texts;
use kept::Recipe;

/// Makes aws-lc-rs the provider of the whole process. Called once, before anything of TLS.
pub fn install_provider() {
    // An error means that it is installed already, by an earlier gateway in this process.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// TLS towards a server for a single command: HTTP/1.1; `ca` replaces the built-in roots, and
/// `identity` is shown.
///
/// # Errors
/// A sentence that names the file.
pub fn client_once(
    ca: Option<&Path>,
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, String> {
    let recipe = Calling {
        ca: ca.map(Path::to_owned),
        identity,
        named: None,
    };
    let texts = Texts::read_once(recipe.files());
    recipe.make(&texts).map(|(client, _)| client)
}
