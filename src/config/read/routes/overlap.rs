//! Routes beside each other: which can never match, and which would let a token pass uninspected.
//!
//! Invariant: no path that a token or connection route takes, at the gateway or behind it, and no
//! path that is known for a token endpoint's, is forwarded by a route that inspects nothing. A
//! connection route shares no path with a token route; nor, where nobody signs in, with a later
//! connection route where somebody does.

use http::Uri;

use super::super::value::Wrong;
use super::{Draft, Kind};
use crate::config::Template;

/// Token endpoints that providers are known to have: none is reached without inspection, whether
/// or not there is a token route for it.
const TOKEN_ENDPOINTS: [&str; 5] = [
    "/oauth2/token",
    "/{tenant}/oauth2/token",
    "/{tenant}/oauth2/v2.0/token",
    "/{tenant}/{policy}/oauth2/v2.0/token",
    "/{tenant}/tokens/oauth/2",
];

/// Words that stand last in the path of a token endpoint.
const TOKEN_WORDS: [&str; 2] = ["access_token", "token"];

/// Checks every route against every other.
pub(super) fn check(drafts: &[Draft<'_>]) {
    for (index, draft) in drafts.iter().enumerate() {
        let mut own = true;
        for (path, _) in &draft.paths {
            if let Some(found) = shadowed(draft, path, drafts.iter().take(index)) {
                let expected = "a path of its own, or a place before that route";
                draft.section.wrong("path", Wrong::new(found, expected));
                own = false;
            }
        }
        match &draft.kind {
            Kind::Connection(_) if own => contested(draft, drafts, drafts.iter().skip(index + 1)),
            Kind::Discovery | Kind::Relay { .. } => {
                if let Some((key, wrong)) = uninspected(draft, drafts) {
                    draft.section.wrong(key, wrong);
                }
            }
            Kind::Connection(_) | Kind::Token => {}
        }
    }
}

/// Reports a connection route that shares paths with a token route; or, where nobody signs in, with
/// a later connection route where somebody does.
fn contested<'d>(
    draft: &Draft<'_>,
    drafts: &'d [Draft<'d>],
    later: impl Iterator<Item = &'d Draft<'d>>,
) {
    let nobody = |draft: &Draft<'_>| draft.section.text("sign_in") == Some("none");
    let signed = later.filter(|later| {
        matches!(later.kind, Kind::Connection(_)) && nobody(draft) && !nobody(later)
    });
    let tokens = drafts
        .iter()
        .filter(|other| matches!(other.kind, Kind::Token));
    let mut others = tokens.chain(signed).filter(|other| same_host(draft, other));
    let shared = others.find_map(|other| {
        let theirs = requested(other).into_iter();
        draft
            .paths
            .iter()
            .find_map(|(path, _)| sharing(path, other, theirs.clone()))
    });
    if let Some(found) = shared {
        let expected = "a path of its own: there, tokens stand in other places";
        draft.section.wrong("path", Wrong::new(found, expected));
    }
}

/// Says by which earlier route every request for `path` is taken.
fn shadowed<'d>(
    draft: &Draft<'_>,
    path: &Template,
    mut earlier: impl Iterator<Item = &'d Draft<'d>>,
) -> Option<String> {
    let taker = earlier.find(|earlier| {
        let hosts = earlier.host.is_none() || earlier.host == draft.host;
        hosts && earlier.paths.iter().any(|(other, _)| other.covers(path))
    })?;
    Some(format!(
        "\"{path}\", which {} always matches first",
        taker.section.key("")
    ))
}

/// Says which inspected path a route that inspects nothing could take, and by which key.
fn uninspected(draft: &Draft<'_>, drafts: &[Draft<'_>]) -> Option<(&'static str, Wrong)> {
    let kind = draft.kind.as_str();
    let endpoint = |found| {
        let expected =
            format!("a path where no token endpoint can be: a {kind} route inspects nothing");
        Wrong::new(found, expected)
    };
    let inspected = |(other, found): (&Draft<'_>, String)| match &other.kind {
        Kind::Connection(_) => {
            let expected =
                format!("a path of no connection route: a {kind} route inspects nothing");
            Wrong::new(found, expected)
        }
        Kind::Discovery | Kind::Relay { .. } | Kind::Token => endpoint(found),
    };
    draft.paths.iter().find_map(|(path, upstream_path)| {
        let requested = uninspected_path(path)
            .map(endpoint)
            .or_else(|| inspected_route(draft, drafts, path).map(inspected));
        let forwarded = || {
            uninspected_path(upstream_path)
                .map(endpoint)
                .or_else(|| inspected_upstream(draft, drafts, upstream_path).map(inspected))
        };
        let requested = requested.map(|wrong| ("path", wrong));
        requested.or_else(|| forwarded().map(|wrong| ("upstream_path", wrong)))
    })
}

fn uninspected_path(path: &Template) -> Option<String> {
    let word = path.last_literal().filter(|last| {
        TOKEN_WORDS
            .iter()
            .any(|word| word.eq_ignore_ascii_case(last))
    });
    let endpoint = TOKEN_ENDPOINTS
        .into_iter()
        .find(|known| Template::parse(known).is_ok_and(|known| known.overlaps(path)));
    match (word, endpoint) {
        (_, Some(endpoint)) => Some(format!("\"{path}\", which can match \"{endpoint}\"")),
        (Some(word), None) => Some(format!("\"{path}\", which ends in {word:?}")),
        (None, None) => None,
    }
}

/// The token or connection route that could take the same request.
fn inspected_route<'d>(
    draft: &Draft<'_>,
    drafts: &'d [Draft<'d>],
    path: &Template,
) -> Option<(&'d Draft<'d>, String)> {
    let mut others = inspecting(drafts).filter(|other| same_host(draft, other));
    others.find_map(|other| Some((other, sharing(path, other, requested(other).into_iter())?)))
}

/// The token or connection route that could reach the same endpoint of the same server.
fn inspected_upstream<'d>(
    draft: &Draft<'_>,
    drafts: &'d [Draft<'d>],
    upstream_path: &Template,
) -> Option<(&'d Draft<'d>, String)> {
    let own = authority(draft)?;
    let mut others = inspecting(drafts).filter(|other| authority(other) == Some(own));
    others.find_map(|other| {
        let theirs = other.paths.iter().map(|(_, upstream)| upstream);
        Some((other, sharing(upstream_path, other, theirs)?))
    })
}

fn inspecting<'d>(drafts: &'d [Draft<'d>]) -> impl Iterator<Item = &'d Draft<'d>> {
    drafts.iter().filter(|draft| match draft.kind {
        Kind::Connection(_) | Kind::Token => true,
        Kind::Discovery | Kind::Relay { .. } => false,
    })
}

fn same_host(one: &Draft<'_>, other: &Draft<'_>) -> bool {
    match (&one.host, &other.host) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// Where a route's requests go.
fn authority<'d>(draft: &'d Draft<'_>) -> Option<&'d Uri> {
    match &draft.kind {
        Kind::Connection(connection) => Some(&connection.service()?.endpoint.authority),
        Kind::Discovery | Kind::Relay { .. } | Kind::Token => {
            Some(&draft.provider.as_ref()?.endpoint.authority)
        }
    }
}

fn requested<'d>(draft: &'d Draft<'d>) -> Vec<&'d Template> {
    draft.paths.iter().map(|(path, _)| path).collect()
}

/// Says which of another route's paths can be this path.
fn sharing<'d>(
    path: &Template,
    other: &Draft<'_>,
    mut theirs: impl Iterator<Item = &'d Template>,
) -> Option<String> {
    let shared = theirs.find(|theirs| theirs.overlaps(path))?;
    let (kind, key) = (other.kind.as_str(), other.section.key(""));
    Some(format!(
        "\"{path}\", which can match \"{shared}\" of the {kind} route {key}"
    ))
}
