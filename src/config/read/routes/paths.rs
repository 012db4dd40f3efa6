//! `path` and `upstream_path`: what a route is asked for, and what it asks for.

use super::super::section::Section;
use super::super::value::{self, Wrong};
use super::Kind;
use crate::config::Template;
use crate::config::template::TENANT;

/// Where Entra keeps its metadata, versions 2.0 and 1.0.
const DISCOVERY_PATHS: [&str; 2] = [
    "/{tenant}/v2.0/.well-known/openid-configuration",
    "/{tenant}/.well-known/openid-configuration",
];

/// The route's paths, each with the upstream's.
pub(super) fn read(section: &Section<'_>, kind: &Kind) -> Vec<(Template, Template)> {
    let known = "{tenant} in lower case";
    if matches!(kind, Kind::Discovery) && !section.has("path") {
        if section.has("upstream_path") {
            section.wrong("path", Wrong::new("upstream_path alone", "path as well"));
        }
        let parse = |text| {
            Template::parse(text)
                .ok()
                .map(|path: Template| (path.clone(), path))
        };
        return DISCOVERY_PATHS.into_iter().filter_map(parse).collect();
    }
    let path = section.require(
        "path",
        "a path like \"/{tenant}/oauth2/token\"",
        value::template,
    );
    let upstream_path = section.read("upstream_path", value::template);
    let Some(path) = path else { return Vec::new() };
    for name in path
        .names()
        .filter(|name| *name != TENANT && name.eq_ignore_ascii_case(TENANT))
    {
        section.wrong("path", Wrong::new(format!("{{{name}}}"), known));
    }
    let upstream_path = upstream_path.unwrap_or_else(|| path.clone());
    for name in upstream_path
        .names()
        .filter(|name| !path.names().any(|known| known == *name))
    {
        let found = format!("{{{name}}}, which path does not have");
        section.wrong(
            "upstream_path",
            Wrong::new(found, "names that stand in path"),
        );
    }
    vec![(path, upstream_path)]
}
