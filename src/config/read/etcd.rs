//! `[policies.etcd]`: policies shared with other gateways.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use jiff::{Span, SpanRelativeTo};
use toml::Value;

use super::file::{self, Pem};
use super::network;
use super::section::Section;
use super::value::{self, Read, Wrong};
use crate::config::warning::{is_here, is_plaintext};
use crate::config::{Endpoint, Etcd, Identity, User};
use crate::fleet::password;
use crate::secret::Unusable;

const KEYS: &[&str] = &[
    "endpoints",
    "prefix",
    "insecure_plaintext",
    "ca",
    "client_certificate",
    "client_key",
    "user",
    "password_file",
    "cache",
    "max_age",
    "gateway",
];

const PREFIX: &str = "/tidegate/";

const ENDPOINTS: &str =
    "the cluster's members, 1 to 16 of them, like [\"https://etcd-0.internal:2379\"]";

const MOST_ENDPOINTS: usize = 16;

const CACHE: &str = "a file in a directory that exists, where policies outlive etcd's outages";

/// Reads the section. What is wrong in it was reported if there is nothing.
pub(super) fn read(policies: &Section<'_>) -> Option<Etcd> {
    let section = policies.section("etcd", KEYS);
    let endpoints = endpoints(&section);
    let prefix = section.read("prefix", prefix);
    let ca = file::pem(&section, "ca", Pem::Certificates);
    let certificate = certificate(&section);
    let user = user(&section);
    let cache = cache(&section);
    let max_age = section.read("max_age", age);
    let gateway = section.read("gateway", value::name);
    Some(Etcd {
        endpoints: endpoints?,
        prefix: prefix.unwrap_or_else(|| PREFIX.to_owned()),
        ca,
        certificate,
        user,
        cache: cache?,
        max_age,
        gateway: gateway.unwrap_or_else(host_name),
    })
}

fn endpoints(section: &Section<'_>) -> Option<Vec<Uri>> {
    if !section.has("endpoints") {
        section.wrong("endpoints", Wrong::new("nothing", ENDPOINTS));
    }
    section.not_empty("endpoints", ENDPOINTS);
    let endpoints = section.list("endpoints", network::authority)?;
    if endpoints.len() > MOST_ENDPOINTS {
        let found = format!("{} endpoints", endpoints.len());
        section.wrong("endpoints", Wrong::new(found, ENDPOINTS));
    }
    let plaintext = section.read_or("insecure_plaintext", false, value::bool);
    if !plaintext && endpoints.iter().any(is_exposed) {
        let expected = "https://, loopback addresses, or insecure_plaintext = true";
        section.wrong("endpoints", Wrong::new("plain HTTP", expected));
    }
    Some(endpoints)
}

/// Whether others can listen on the way to it.
pub(in crate::config) fn is_exposed(endpoint: &Uri) -> bool {
    let endpoint = Endpoint {
        authority: endpoint.clone(),
        connect: None,
        ca: None,
        identity: None,
    };
    is_plaintext(&endpoint) && !is_here(&endpoint)
}

/// Printable, so that it can be shown, and with an end, so that no other prefix begins with it.
fn prefix(value: &Value) -> Read<String> {
    let expected = "printable ASCII that begins and ends with \"/\", at most 256 characters";
    value::parsed(value, expected, |text| {
        let sound = text.bytes().all(|b| b.is_ascii_graphic());
        let ends = text.starts_with('/') && text.ends_with('/');
        (sound && ends && text.len() <= 256).then(|| text.to_owned())
    })
}

fn certificate(section: &Section<'_>) -> Option<Identity> {
    let chain = file::pem(section, "client_certificate", Pem::Certificates);
    let key = file::pem(section, "client_key", Pem::Key);
    match (section.has("client_certificate"), section.has("client_key")) {
        (true, false) => section.wrong(
            "client_key",
            Wrong::new("nothing", "the key of client_certificate"),
        ),
        (false, true) => section.wrong(
            "client_certificate",
            Wrong::new("nothing", "the certificate of client_key"),
        ),
        (true, true) | (false, false) => {}
    }
    Some(Identity {
        certificate: chain?,
        key: key?,
    })
}

fn user(section: &Section<'_>) -> Option<User> {
    const PASSWORD: &str = "a readable file with a password of 1 to 1024 characters and at most an \
                            end of line after it";
    let name = section.read("user", value::label);
    let path = file::path(section, "password_file", PASSWORD);
    match (section.has("user"), section.has("password_file")) {
        (true, false) => section.wrong("password_file", Wrong::new("nothing", PASSWORD)),
        (false, true) => section.wrong("user", Wrong::new("nothing", "the password's user")),
        (true, true) | (false, false) => {}
    }
    if let Some(path) = &path {
        let fault = match password::read(path) {
            Ok(_) => None,
            Err(Unusable::Content) => Some("which is not one".to_owned()),
            Err(Unusable::Unreadable(error)) => Some(file::why(&error)),
        };
        file::report(section, "password_file", path, fault, PASSWORD);
    }
    Some(User {
        name: name?,
        password_file: path?,
    })
}

fn cache(section: &Section<'_>) -> Option<PathBuf> {
    let named = section.require("cache", CACHE, |value| {
        value::parsed(value, CACHE, |text| (!text.is_empty()).then_some(text))
    })?;
    Some(file::output(section, "cache", named, CACHE))
}

/// From a minute to a year: less would make every election of etcd's an outage.
fn age(value: &Value) -> Read<Duration> {
    const LEAST: Duration = Duration::from_secs(60);
    const MOST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
    let expected = "a duration like \"24h\" or \"7d\", from 1m to 366d";
    value::parsed(value, expected, |text| {
        let span: Span = text.parse().ok()?;
        let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        let span = Duration::try_from(span).ok()?;
        (LEAST..=MOST).contains(&span).then_some(span)
    })
}

fn host_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy().into_owned();
    if value::is_name(&name) {
        name
    } else {
        "gateway".to_owned()
    }
}
