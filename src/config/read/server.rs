//! Servers that requests go to, as providers and services name them: where they are, and how they
//! are reached.

use std::path::PathBuf;

use http::Uri;

use super::file::{self, Pem};
use super::network;
use super::section::Section;
use super::value::{self, Wrong};
use crate::config::Identity;

/// A server as far as it could be read.
pub(super) struct Server {
    /// Scheme and authority; a provider may leave it to its cloud.
    pub(super) authority: Option<Uri>,
    pub(super) connect: Option<(String, u16)>,
    pub(super) ca: Option<PathBuf>,
    pub(super) identity: Option<Identity>,
}

/// Reads `authority`, `insecure_plaintext`, `connect`, `ca`, `client_certificate` and `client_key`.
pub(super) fn read(section: &Section<'_>) -> Server {
    let authority = section.read("authority", network::authority);
    let plaintext = section.read_or("insecure_plaintext", false, value::bool);
    let http = |uri: &Uri| uri.scheme_str() == Some("http");
    let plain = authority.as_ref().is_some_and(http);
    if plain && !plaintext {
        let expected = "https://, or insecure_plaintext = true";
        section.wrong("authority", Wrong::new("plain HTTP", expected));
    }
    Server {
        authority,
        connect: section.read("connect", network::endpoint),
        ca: file::pem(section, "ca", Pem::Certificates),
        identity: identity(section, plain),
    }
}

/// What the gateway shows the server: a certificate and its key, or nothing.
fn identity(section: &Section<'_>, plain: bool) -> Option<Identity> {
    const KEYS: [&str; 2] = ["client_certificate", "client_key"];
    let certificate = file::pem(section, KEYS[0], Pem::Certificates);
    let key = file::pem(section, KEYS[1], Pem::Key);
    for (there, missing) in [(KEYS[0], KEYS[1]), (KEYS[1], KEYS[0])] {
        if section.has(there) && !section.has(missing) {
            let found = format!("nothing, beside {there}");
            section.wrong(missing, Wrong::new(found, "the path of a PEM file"));
        }
    }
    if plain && section.has(KEYS[0]) {
        let found = "a certificate to show, and a server that is reached over plain HTTP";
        section.wrong(KEYS[0], Wrong::new(found, "https:// in authority"));
    }
    Some(Identity {
        certificate: certificate?,
        key: key?,
    })
}
