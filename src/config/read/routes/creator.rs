//! `creator` of a token route: where the creator tenant is told.

use super::super::section::Section;
use super::super::value::{self, Wrong};
use super::only;
use crate::config::template::TENANT;
use crate::config::{CreatorSource, RouteKind, Template, Trust};

const SOURCES: [&str; 3] = ["tenant", "header", "path"];

const CREATOR: &str = "at least one of { tenant = \"...\" }, { header = \"...\" } and \
                       { path = \"...\" }";

/// Reads `creator`, which token routes must have and no other route may.
pub(super) fn read(
    route: &Section<'_>,
    kind: &RouteKind,
    paths: &[(Template, Template)],
    trust: &Trust,
) -> Vec<CreatorSource> {
    if *kind != RouteKind::Token {
        only(route, "creator", "token");
        return Vec::new();
    }
    if !route.has("creator") {
        route.wrong("creator", Wrong::new("nothing", CREATOR));
    }
    route.not_empty("creator", CREATOR);
    let sections = route.sections("creator", &SOURCES);
    let read = |section: &Section<'_>| {
        let source = source(section, trust)?;
        if let CreatorSource::Path(name) = &source {
            paths
                .iter()
                .for_each(|paths| check_path(route, section, name, paths));
        }
        Some(source)
    };
    sections.iter().filter_map(read).collect()
}

fn source(section: &Section<'_>, trust: &Trust) -> Option<CreatorSource> {
    let tenant = section
        .read("tenant", value::tenant)
        .map(CreatorSource::Fixed);
    let header = section
        .read("header", value::header)
        .map(CreatorSource::Header);
    let path = section.read("path", value::name).map(CreatorSource::Path);
    if SOURCES.iter().filter(|key| section.has(key)).count() != 1 {
        let found = "a source with none or several of tenant, header and path";
        section.wrong("", Wrong::new(found, "exactly one of them"));
    }
    if header.is_some() && trust.peers.is_empty() && trust.client_certificates.is_empty() {
        let found = "a header, and nobody who is trusted to send it";
        let expected = "an entry in trust.peers or trust.client_certificates";
        section.wrong("header", Wrong::new(found, expected));
    }
    tenant.or(header).or(path)
}

/// A creator that is read from the path needs a segment of its own: one that also chose the
/// sign-in tenant would make every exchange one within the same tenant, and allowed.
fn check_path(
    route: &Section<'_>,
    section: &Section<'_>,
    name: &str,
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
    } else if upstream_path.names().any(|known| known == name) {
        let found = format!("{{{name}}}, which names the creator");
        let expected = "a path without it: the creator is not the provider's to know";
        route.wrong("upstream_path", Wrong::new(found, expected));
    }
}
