//! `[[routes]]`: each on its own here, all of them beside each other in `routes/overlap.rs`.

mod creator;
mod overlap;

use std::sync::Arc;

use http::Method;
use toml::Value;

use super::providers::Providers;
use super::section::{Section, expected_name};
use super::value::{self, NAME, Read, Wrong, choice};
use crate::config::template::TENANT;
use crate::config::{
    Connector, Cookies, CreatorSource, Provider, Route, RouteKind, Template, Trust,
};

const KEYS: &[&str] = &[
    "name",
    "kind",
    "provider",
    "host",
    "path",
    "upstream_path",
    "connector",
    "connector_header",
    "creator",
    "cookies",
    "methods",
];

/// Where Entra keeps its metadata, versions 2.0 and 1.0.
const DISCOVERY_PATHS: [&str; 2] = [
    "/{tenant}/v2.0/.well-known/openid-configuration",
    "/{tenant}/.well-known/openid-configuration",
];

/// A route as far as it could be read: enough to hold it against the others.
struct Draft<'a> {
    section: Section<'a>,
    name: Option<String>,
    kind: RouteKind,
    provider: Option<Arc<Provider>>,
    host: Option<String>,
    /// The paths, each with the provider's. A discovery route that leaves its path to us has two.
    paths: Vec<(Template, Template)>,
    connector: Connector,
    creator: Vec<CreatorSource>,
    cookies: Cookies,
}

/// Reads every route. The list is complete only if nothing was reported.
pub(super) fn read(
    root: &Section<'_>,
    providers: &Providers<'_>,
    trust: &Trust,
) -> Vec<Arc<Route>> {
    if !root.has("routes") {
        root.wrong("routes", Wrong::new("nothing", "at least one [[routes]]"));
    }
    root.not_empty("routes", "at least one [[routes]]");
    let sections = root.sections("routes", KEYS);
    unique_names(&sections);
    let draft = |section| draft(section, providers, trust);
    let drafts: Vec<Draft<'_>> = sections.into_iter().filter_map(draft).collect();
    overlap::check(&drafts);
    drafts.into_iter().flat_map(finish).map(Arc::new).collect()
}

fn unique_names(sections: &[Section<'_>]) {
    for (index, section) in sections.iter().enumerate() {
        let name = section.text("name");
        let earlier = sections
            .iter()
            .take(index)
            .find(|earlier| earlier.text("name") == name);
        if let (Some(earlier), Some(name)) = (earlier, name) {
            let found = format!("{name:?}, which is the name of {} as well", earlier.key(""));
            section.wrong("name", Wrong::new(found, "a name of its own"));
        }
    }
}

/// Reads one route; none if it does not say what kind it is, on which all else depends.
fn draft<'a>(section: Section<'a>, providers: &Providers<'_>, trust: &Trust) -> Option<Draft<'a>> {
    let name = section.require("name", NAME, value::name);
    let kind = kind(&section);
    let provider = provider(&section, providers);
    // A wrong host still tells routes apart; that it is wrong is noted.
    let host = section.read("host", value::host);
    let host = host.or_else(|| section.text("host").map(str::to_owned));
    let connector = connector(&section);
    let cookies = section.read_or(
        "cookies",
        Cookies::Strip,
        choice(&[("strip", Cookies::Strip), ("relay", Cookies::Relay)]),
    );
    let kind = kind?;
    let paths = paths(&section, &kind);
    let creator = creator::read(&section, &kind, &paths, trust);
    Some(Draft {
        section,
        name,
        kind,
        provider,
        host,
        paths,
        connector,
        creator,
        cookies,
    })
}

fn finish(draft: Draft<'_>) -> Vec<Route> {
    let (Some(name), Some(provider)) = (draft.name, draft.provider) else {
        return Vec::new();
    };
    let route = |(path, upstream_path)| Route {
        name: name.as_str().into(),
        kind: draft.kind.clone(),
        provider: Arc::clone(&provider),
        host: draft.host.clone(),
        path,
        upstream_path,
        connector: draft.connector.clone(),
        creator: draft.creator.clone(),
        cookies: draft.cookies,
    };
    draft.paths.into_iter().map(route).collect()
}

fn kind(section: &Section<'_>) -> Option<RouteKind> {
    let methods = || {
        section.not_empty("methods", METHOD);
        section
            .list("methods", method)
            .unwrap_or_else(|| vec![Method::GET])
    };
    let expected = "\"token\", \"discovery\" or \"relay\"";
    let kind = section.require("kind", expected, |value| {
        value::parsed(value, expected, |text| match text {
            "token" => Some(RouteKind::Token),
            "discovery" => Some(RouteKind::Discovery),
            "relay" => Some(RouteKind::Relay {
                methods: Vec::new(),
            }),
            _ => None,
        })
    })?;
    match kind {
        RouteKind::Discovery | RouteKind::Token => {
            only(section, "methods", "relay");
            Some(kind)
        }
        RouteKind::Relay { .. } => Some(RouteKind::Relay {
            methods: with_head(methods()),
        }),
    }
}

fn provider(section: &Section<'_>, providers: &Providers<'_>) -> Option<Arc<Provider>> {
    let expected = "the name of a provider";
    let name = section.require("provider", expected, |value| {
        value::parsed(value, expected, Some)
    })?;
    let Some(provider) = providers.get(name) else {
        let expected = expected_name(name, providers.keys().copied());
        let found = format!("{name:?}, and there is no [providers.{name}]");
        section.wrong("provider", Wrong::new(found, expected));
        return None;
    };
    provider.clone()
}

fn connector(section: &Section<'_>) -> Connector {
    let fixed = section.read("connector", value::label);
    let header = section.read("connector_header", value::header);
    if section.has("connector") && section.has("connector_header") {
        let found = "connector and connector_header";
        section.wrong("connector_header", Wrong::new(found, "one of them"));
    }
    match (fixed, header) {
        (Some(label), _) => Connector::Fixed(label),
        (None, Some(header)) => Connector::Header(header),
        (None, None) => Connector::None,
    }
}

/// The route's paths, each with the provider's.
fn paths(section: &Section<'_>, kind: &RouteKind) -> Vec<(Template, Template)> {
    let known = "{tenant} in lower case";
    if *kind == RouteKind::Discovery && !section.has("path") {
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

const METHOD: &str = "methods like \"GET\" or \"POST\", in upper case; not TRACE or CONNECT";

fn method(value: &Value) -> Read<Method> {
    const FORWARDED: [Method; 7] = [
        Method::DELETE,
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::POST,
        Method::PUT,
    ];
    value::parsed(value, METHOD, |text| {
        FORWARDED.into_iter().find(|method| method.as_str() == text)
    })
}

/// Whoever may GET may ask for the headers alone.
fn with_head(mut methods: Vec<Method>) -> Vec<Method> {
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    methods
}

/// Reports a key that only means something on another kind of route.
fn only(section: &Section<'_>, key: &str, kind: &str) {
    if section.has(key) {
        let found = format!("a key of {kind} routes");
        section.wrong(key, Wrong::new(found, "no such key here"));
    }
}
