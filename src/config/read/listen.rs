//! The data plane's listener, and who is believed on them.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use super::file::{self, Pem};
use super::network::{self, LOOPBACK};
use super::section::Section;
use super::value::{self, Wrong};
use crate::config::{Listen, ListenTls, Trust};

const LISTEN: &[&str] = &[
    "address",
    "workers",
    "public_url",
    "insecure_plaintext",
    "tls",
];
const TLS: &[&str] = &["certificate", "key", "client_ca"];
const TRUST: &[&str] = &["peers", "client_certificates"];

/// Reads `[listen]`.
pub(super) fn listen(root: &Section<'_>) -> Listen {
    let section = root.section("listen", LISTEN);
    let address = section.read_or("address", local(8443), value::address);
    let plaintext = section.read_or("insecure_plaintext", false, value::bool);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let listen = Listen {
        address,
        workers: section.read_or("workers", cores, value::count(1, 1024)),
        public_url: section.read("public_url", network::base_url),
        tls: tls(&section),
    };
    if !section.has("tls") && !address.ip().is_loopback() && !plaintext {
        let found = format!("plain HTTP on {address}");
        let expected = "[listen.tls], a loopback address, or insecure_plaintext = true";
        section.wrong("address", Wrong::new(found, expected));
    }
    listen
}

/// Reads `tls` of a listener.
pub(super) fn tls(listen: &Section<'_>) -> Option<ListenTls> {
    if !listen.has("tls") {
        return None;
    }
    let section = listen.section("tls", TLS);
    for key in ["certificate", "key"] {
        if !section.has(key) {
            section.wrong(key, Wrong::new("nothing", "the path of a PEM file"));
        }
    }
    let certificate = file::pem(&section, "certificate", Pem::Certificates);
    let key = file::pem(&section, "key", Pem::Key);
    let client_ca = file::pem(&section, "client_ca", Pem::Certificates);
    Some(ListenTls {
        certificate: certificate.unwrap_or_default(),
        key: key.unwrap_or_default(),
        client_ca,
    })
}

/// Reads `[trust]`.
pub(super) fn trust(root: &Section<'_>, listen: &Listen) -> Trust {
    let section = root.section("trust", TRUST);
    let peers = section.list("peers", network::networks);
    let certificates = section.list("client_certificates", value::certificate_name);
    let client_ca = listen.tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
    if certificates.as_ref().is_some_and(|names| !names.is_empty()) && client_ca.is_none() {
        let found = "names, and no listen.tls.client_ca to check certificates with";
        section.wrong(
            "client_certificates",
            Wrong::new(found, "listen.tls.client_ca"),
        );
    }
    Trust {
        peers: peers.map_or_else(|| LOOPBACK.to_vec(), |peers| peers.concat()),
        client_certificates: certificates.unwrap_or_default(),
    }
}

/// A port of this machine's own.
pub(super) const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
