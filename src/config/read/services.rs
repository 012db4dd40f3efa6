//! `[services.*]`: what creates connections behind this gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;

use super::header;
use super::section::Section;
use super::server;
use super::value::{self, NAME, Wrong};
use crate::config::{Endpoint, Service, Tell};

const KEYS: &[&str] = &[
    "authority",
    "connect",
    "ca",
    "client_certificate",
    "client_key",
    "insecure_plaintext",
    "tell",
];

/// What a service can be told, in the order of `tell`.
const TELL: &[&str] = &["creator_tenant", "decision_id", "sign_in_tenant"];

/// A service as far as it could be read.
pub(super) struct Draft<'a> {
    /// The section of `tell`.
    pub(super) tell: Section<'a>,
    /// What it is told, by key.
    pub(super) told: Vec<(&'static str, HeaderName)>,
    /// None if anything about it is wrong, so that routes naming it are not reported as well.
    pub(super) service: Option<Arc<Service>>,
}

/// The services, by name.
pub(super) type Services<'a> = BTreeMap<&'a str, Draft<'a>>;

/// Reads every service.
pub(super) fn read<'a>(root: &Section<'a>) -> Services<'a> {
    let sections = root.named_sections("services", KEYS);
    sections
        .into_iter()
        .map(|(name, section)| (name, draft(name, &section)))
        .collect()
}

fn draft<'a>(name: &str, section: &Section<'a>) -> Draft<'a> {
    if !value::is_name(name) {
        section.wrong("", Wrong::new(format!("the name {name:?}"), NAME));
    }
    if !section.has("authority") {
        let expected = "where the service is, like \"https://connections.internal\"";
        section.wrong("authority", Wrong::new("nothing", expected));
    }
    let server = server::read(section);
    let tell = section.section("tell", TELL);
    let told: Vec<(&'static str, HeaderName)> = TELL
        .iter()
        .filter_map(|key| Some((*key, tell.read(key, header::told)?)))
        .collect();
    twins(&tell, &told);
    let name_of = |key| {
        told.iter()
            .find(|(known, _)| *known == key)
            .map(|(_, name)| name.clone())
    };
    let service = server.authority.map(|authority| {
        Arc::new(Service {
            name: name.to_owned(),
            endpoint: Endpoint {
                authority,
                connect: server.connect,
                ca: server.ca,
                identity: server.identity,
            },
            tell: Tell {
                creator_tenant: name_of("creator_tenant"),
                decision_id: name_of("decision_id"),
                sign_in_tenant: name_of("sign_in_tenant"),
            },
        })
    });
    Draft {
        tell,
        told,
        service,
    }
}

/// Reports a header that would say two things.
fn twins(tell: &Section<'_>, told: &[(&'static str, HeaderName)]) {
    for (index, (key, header)) in told.iter().enumerate() {
        let mut earlier = told.iter().take(index);
        if let Some((other, _)) = earlier.find(|(_, known)| known == header) {
            let found = format!("{:?}, which tells {other} as well", header.as_str());
            tell.wrong(key, Wrong::new(found, "a header of its own"));
        }
    }
}
