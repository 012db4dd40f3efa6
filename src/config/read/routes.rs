//! `[[routes]]`: each on its own here, all of them beside each other in `routes/overlap.rs`.

mod connection;
mod creator;
mod headers;
mod overlap;
mod paths;
mod provider;

use std::sync::Arc;

use http::Method;
use toml::Value;

use super::header;
use super::providers::Providers;
use super::section::Section;
use super::services::Services;
use super::value::{self, AUDIENCE, NAME, Read, Wrong, choice};
use crate::config::{
    Connector, Cookies, CreatorSource, Provider, Route, RouteKind, Template, Trust,
};

const KEYS: &[&str] = &[
    "name",
    "kind",
    "provider",
    "service",
    "host",
    "path",
    "upstream_path",
    "connector",
    "connector_header",
    "creator",
    "sign_in",
    "cookies",
    "methods",
    "errors",
    "browsers",
];

/// What a route does, and what its kind has of its own.
enum Kind {
    Connection(connection::Draft),
    Discovery,
    Relay { methods: Vec<Method> },
    Token,
}

impl Kind {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Discovery => "discovery",
            Self::Relay { .. } => "relay",
            Self::Token => "token",
        }
    }
}

/// A route as far as it could be read: enough to hold it against the others.
struct Draft<'a> {
    section: Section<'a>,
    name: Option<String>,
    kind: Kind,
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
    services: &Services<'_>,
    trust: &Trust,
) -> Vec<Arc<Route>> {
    if !root.has("routes") {
        root.wrong("routes", Wrong::new("nothing", "at least one [[routes]]"));
    }
    root.not_empty("routes", "at least one [[routes]]");
    let sections = root.sections("routes", KEYS);
    unique_names(&sections);
    let draft = |section| draft(section, providers, services, trust);
    let drafts: Vec<Draft<'_>> = sections.into_iter().filter_map(draft).collect();
    overlap::check(&drafts);
    headers::check(services, &drafts);
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
fn draft<'a>(
    section: Section<'a>,
    providers: &Providers<'_>,
    services: &Services<'_>,
    trust: &Trust,
) -> Option<Draft<'a>> {
    let name = section.require("name", NAME, value::name);
    let kind = kind(&section, services);
    let provider = provider::own(&section, providers);
    // A wrong host still tells routes apart; that it is wrong is noted.
    let host = section.read("host", value::host);
    let host = host.or_else(|| section.text("host").map(str::to_owned));
    let connector = connector(&section);
    let cookies = section.read_or(
        "cookies",
        Cookies::Strip,
        choice(&[("strip", Cookies::Strip), ("relay", Cookies::Relay)]),
    );
    let mut kind = kind?;
    let paths = paths::read(&section, &kind);
    let known = creator::Known {
        own: provider.as_ref(),
        providers,
        trust,
    };
    let creator = creator::read(&section, &kind, &paths, &known);
    if let Kind::Connection(connection) = &mut kind {
        connection.read_sign_in(&section, &creator);
        connection.verifiers = provider::verifiers(provider.as_ref(), providers);
    }
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

/// The route itself, once for each of its paths; none if something about it is wrong.
fn finish(draft: Draft<'_>) -> Vec<Route> {
    let kind = match draft.kind {
        Kind::Connection(connection) => connection.finish().map(RouteKind::Connection),
        Kind::Discovery => Some(RouteKind::Discovery),
        Kind::Relay { methods } => Some(RouteKind::Relay { methods }),
        Kind::Token => Some(RouteKind::Token),
    };
    let (Some(name), Some(provider), Some(kind)) = (draft.name, draft.provider, kind) else {
        return Vec::new();
    };
    let route = |(path, upstream_path)| Route {
        name: name.as_str().into(),
        kind: kind.clone(),
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

fn kind(section: &Section<'_>, services: &Services<'_>) -> Option<Kind> {
    let expected = "\"token\", \"connection\", \"discovery\" or \"relay\"";
    let kind = section.require("kind", expected, |value| {
        value::parsed(value, expected, |text| match text {
            "token" => Some(Kind::Token),
            "connection" => Some(Kind::Connection(connection::Draft::default())),
            "discovery" => Some(Kind::Discovery),
            "relay" => Some(Kind::Relay {
                methods: Vec::new(),
            }),
            _ => None,
        })
    })?;
    if !matches!(kind, Kind::Connection(_)) {
        connection::KEYS
            .iter()
            .for_each(|key| only(section, key, "connection routes"));
    }
    match kind {
        Kind::Connection(_) => Some(Kind::Connection(connection::read(section, services))),
        Kind::Discovery | Kind::Token => {
            only(section, "methods", "relay and connection routes");
            Some(kind)
        }
        Kind::Relay { .. } => {
            section.not_empty("methods", METHOD);
            let methods = section.list("methods", method);
            let methods = methods.unwrap_or_else(|| vec![Method::GET]);
            Some(Kind::Relay {
                methods: with_head(methods),
            })
        }
    }
}

fn connector(section: &Section<'_>) -> Connector {
    let fixed = section.read("connector", value::label);
    let header = section.read("connector_header", header::plain);
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

/// What `aud` of a token must be, which must be said.
fn audience(section: &Section<'_>) -> Vec<String> {
    if !section.has("audience") {
        section.wrong("audience", Wrong::new("nothing", AUDIENCE));
    }
    section.not_empty("audience", AUDIENCE);
    section
        .one_or_list("audience", value::audience)
        .unwrap_or_default()
}

/// Whoever may GET may ask for the headers alone.
fn with_head(mut methods: Vec<Method>) -> Vec<Method> {
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    methods
}

/// Reports a key that only means something elsewhere.
fn only(section: &Section<'_>, key: &str, kind: &str) {
    if section.has(key) {
        let found = format!("a key of {kind}");
        section.wrong(key, Wrong::new(found, "no such key here"));
    }
}
