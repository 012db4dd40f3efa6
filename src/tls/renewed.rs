//! TLS towards a server that is dialled now and then: its files are read again for each connection.
//!
//! Invariant: what is in force was made whole. Files that are being written, or that cannot be read,
//! leave it as it was, and are told once.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;

use super::client::Calling;
use super::files::{Print, Texts};
use super::kept::Recipe as _;
use crate::config::Identity;

/// See above.
pub struct Renewed {
    recipe: Calling,
    protocols: Vec<Vec<u8>>,
    seen: Mutex<Seen>,
}

struct Seen {
    in_force: Arc<ClientConfig>,
    /// Of the files that were looked at last.
    last: Print,
}

impl Renewed {
    /// Makes it for the first time; `ca` replaces the built-in roots, and `identity` is shown.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn new(
        ca: Option<PathBuf>,
        identity: Option<Identity>,
        protocols: &[&[u8]],
    ) -> Result<Self, String> {
        let recipe = Calling {
            ca,
            identity,
            named: None,
        };
        let protocols: Vec<_> = protocols.iter().map(|it| it.to_vec()).collect();
        let texts = Texts::read_once(recipe.files());
        let seen = Mutex::new(Seen {
            in_force: make(&recipe, &protocols, &texts)?,
            last: texts.print(),
        });
        Ok(Self {
            recipe,
            protocols,
            seen,
        })
    }

    /// What to open the next connection with.
    pub fn now(&self) -> Arc<ClientConfig> {
        let texts = Texts::read(self.recipe.files());
        let print = texts.print();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.last != print {
            seen.last = print;
            match make(&self.recipe, &self.protocols, &texts) {
                Ok(made) => {
                    seen.in_force = made;
                    tracing::info!("certificates towards etcd were renewed");
                }
                Err(error) => tracing::error!(
                    error,
                    "certificates towards etcd cannot be used: those from before are"
                ),
            }
        }
        Arc::clone(&seen.in_force)
    }
}

fn make(
    recipe: &Calling,
    protocols: &[Vec<u8>],
    texts: &Texts,
) -> Result<Arc<ClientConfig>, String> {
    let (client, _) = recipe.make(texts)?;
    let mut client = ClientConfig::clone(&client);
    protocols.clone_into(&mut client.alpn_protocols);
    Ok(Arc::new(client))
}
