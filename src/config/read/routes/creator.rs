//! `creator` of token and connection routes: where the creator tenant is told.

use std::sync::Arc;

use super::super::header;
use super::super::providers::Providers;
use super::super::section::Section;
use super::super::value::{self, Wrong};
use super::provider::named;
use super::{Kind, audience, only};
use crate::config::template::TENANT;
use crate::config::{CreatorSource, Provider, Template, Trust};
use crate::core::isolation;

const SOURCES: [&str; 4] = ["tenant", "header", "path", "bearer"];
const KEYS: &[&str] = &["tenant", "header", "path", "bearer", "audience", "provider"];

const CREATOR: &str = "at least one of { tenant = \"...\" }, { header = \"...\" }, \
                       { path = \"...\" } and { bearer = \"...\", audience = [...] }";

/// What a creator's source is held against.
pub(super) struct Known<'k, 'p> {
    /// The route's provider.
    pub(super) own: Option<&'k Arc<Provider>>,
    pub(super) providers: &'k Providers<'p>,
    pub(super) trust: &'k Trust,
}

/// Reads `creator`, which token and connection routes must have and no other route may.
pub(super) fn read(
    route: &Section<'_>,
    kind: &Kind,
    paths: &[(Template, Template)],
    known: &Known<'_, '_>,
) -> Vec<CreatorSource> {
    match kind {
        Kind::Connection(_) | Kind::Token => {}
        Kind::Discovery | Kind::Relay { .. } => {
            only(route, "creator", "token and connection routes");
            return Vec::new();
        }
    }
    if !route.has("creator") {
        route.wrong("creator", Wrong::new("nothing", CREATOR));
    }
    route.not_empty("creator", CREATOR);
    let mut sources: Vec<CreatorSource> = Vec::new();
    for section in route.sections("creator", KEYS) {
        let Some(source) = source(&section, known) else {
            continue;
        };
        if let CreatorSource::Path(name) = &source {
            paths
                .iter()
                .for_each(|paths| check_path(route, &section, name, kind, paths));
        }
        check_header(&section, &source, &sources);
        sources.push(source);
    }
    sources
}

fn source(section: &Section<'_>, known: &Known<'_, '_>) -> Option<CreatorSource> {
    let tenant = section
        .read("tenant", value::tenant)
        .map(CreatorSource::Fixed);
    let header = section
        .read("header", header::plain)
        .map(CreatorSource::Header);
    let path = section.read("path", value::name).map(CreatorSource::Path);
    if SOURCES.iter().filter(|key| section.has(key)).count() != 1 {
        let found = "a source with none or several of tenant, header, path and bearer";
        section.wrong("", Wrong::new(found, "exactly one of them"));
    }
    let trust = known.trust;
    if header.is_some() && trust.peers.is_empty() && trust.client_certificates.is_empty() {
        let found = "a header, and nobody who is trusted to send it";
        let expected = "an entry in trust.peers or trust.client_certificates";
        section.wrong("header", Wrong::new(found, expected));
    }
    if !section.has("bearer") {
        for key in ["audience", "provider"] {
            only(section, key, "bearer sources");
        }
    }
    tenant
        .or(header)
        .or(path)
        .or_else(|| bearer(section, known))
}

/// The creator's own token, which an Entra provider must have issued.
fn bearer(section: &Section<'_>, known: &Known<'_, '_>) -> Option<CreatorSource> {
    if !section.has("bearer") {
        return None;
    }
    let header = section.read("bearer", header::token);
    let audience = audience(section);
    let expected = "the name of an Entra provider, whose keys verify the token";
    let name = section.read("provider", |value| value::parsed(value, expected, Some));
    let provider = match name {
        Some(name) => named(section, name, known.providers),
        None => known.own.cloned(),
    };
    let entra = |provider: &Arc<Provider>| provider.kind == isolation::Provider::Entra;
    if provider.as_ref().is_some_and(|provider| !entra(provider)) {
        let found = match name {
            Some(name) => format!("{name:?}, which is no Entra provider"),
            None => "nothing, and the route's own is no Entra provider".to_owned(),
        };
        section.wrong("provider", Wrong::new(found, expected));
    }
    Some(CreatorSource::Bearer {
        header: header?,
        audience,
        provider: provider?,
    })
}

/// Reports a header that holds two things: a tenant's id and a token, or tokens of two kinds.
fn check_header(section: &Section<'_>, source: &CreatorSource, earlier: &[CreatorSource]) {
    let header = |source: &CreatorSource| match source {
        CreatorSource::Bearer { header, .. } => Some(("bearer", header.clone())),
        CreatorSource::Header(header) => Some(("header", header.clone())),
        CreatorSource::Fixed(_) | CreatorSource::Path(_) => None,
    };
    let Some((key, own)) = header(source) else {
        return;
    };
    if earlier
        .iter()
        .filter_map(header)
        .any(|(_, name)| name == own)
    {
        let found = format!("{:?}, which is named before", own.as_str());
        section.wrong(key, Wrong::new(found, "a header of its own"));
    }
}

/// A creator that is read from the path needs a segment of its own: one that also chose the
/// sign-in tenant would make every exchange one within the same tenant, and allowed.
fn check_path(
    route: &Section<'_>,
    section: &Section<'_>,
    name: &str,
    kind: &Kind,
    (path, upstream_path): &(Template, Template),
) {
    if name == TENANT {
        let found = "the sign-in tenant's segment";
        section.wrong(
            "path",
            Wrong::new(found, "a segment of its own for the creator"),
        );
    } else if !path.names().any(|known| known == name) {
        let found = format!("{name:?}, and {path} has no {{{name}}}");
        section.wrong(
            "path",
            Wrong::new(found, "a named segment of the route's path"),
        );
    } else if matches!(kind, Kind::Token) && upstream_path.names().any(|known| known == name) {
        let found = format!("{{{name}}}, which names the creator");
        let expected = "a path without it: the creator is not the provider's to know";
        route.wrong("upstream_path", Wrong::new(found, expected));
    }
}
