//! Servers that requests go to, as providers and services name them: where they are, and how they
//! are reached.

use std::path::PathBuf;

use http::Uri;

use super::file::{self, Pem};
use super::network;
use super::section::Section;
use super::value::{self, Wrong};

/// A server as far as it could be read.
pub(super) struct Server {
    /// Scheme and authority; a provider may leave it to its cloud.
    pub(super) authority: Option<Uri>,
    pub(super) connect: Option<(String, u16)>,
    pub(super) ca: Option<PathBuf>,
}

/// Reads `authority`, `insecure_plaintext`, `connect` and `ca`.
pub(super) fn read(section: &Section<'_>) -> Server {
    let authority = section.read("authority", network::authority);
    let plaintext = section.read_or("insecure_plaintext", false, value::bool);
    let http = |uri: &Uri| uri.scheme_str() == Some("http");
    if authority.as_ref().is_some_and(http) && !plaintext {
        let expected = "https://, or insecure_plaintext = true";
        section.wrong("authority", Wrong::new("plain HTTP", expected));
    }
    Server {
        authority,
        connect: section.read("connect", network::endpoint),
        ca: file::pem(section, "ca", Pem::Certificates),
    }
}
