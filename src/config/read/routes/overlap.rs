//! Routes beside each other: which can never match, and which would let a token pass uninspected.
//!
//! Invariant: no path that a token route takes, at the gateway or at the provider, and no path
//! that is known for a token endpoint's, is forwarded by a route of another kind.

use super::super::value::Wrong;
use super::Draft;
use crate::config::{RouteKind, Template};

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
        for (path, _) in &draft.paths {
            if let Some(found) = shadowed(draft, path, drafts.iter().take(index)) {
                let expected = "a path of its own, or a place before that route";
                draft.section.wrong("path", Wrong::new(found, expected));
            }
        }
        if draft.kind != RouteKind::Token
            && let Some((key, found)) = uninspected(draft, drafts)
        {
            let expected = format!(
                "a path where no token endpoint can be: a {} route inspects nothing",
                draft.kind.as_str()
            );
            draft.section.wrong(key, Wrong::new(found, expected));
        }
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

/// Says which token endpoint a route that inspects nothing could reach, and by which key.
fn uninspected(draft: &Draft<'_>, drafts: &[Draft<'_>]) -> Option<(&'static str, String)> {
    draft.paths.iter().find_map(|(path, upstream_path)| {
        let requested = uninspected_path(path)
            .or_else(|| token_route(draft, drafts, path))
            .map(|found| ("path", found));
        requested.or_else(|| {
            uninspected_path(upstream_path)
                .or_else(|| token_route_upstream(draft, drafts, upstream_path))
                .map(|found| ("upstream_path", found))
        })
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

/// The token route that could take the same request.
fn token_route(draft: &Draft<'_>, drafts: &[Draft<'_>], path: &Template) -> Option<String> {
    overlapping(drafts, path, |token| {
        let same_host = match (&token.host, &draft.host) {
            (Some(theirs), Some(own)) => theirs == own,
            _ => true,
        };
        same_host
            .then_some(&token.paths)
            .into_iter()
            .flatten()
            .map(|(path, _)| path)
    })
}

/// The token route that could reach the same endpoint of the same provider.
fn token_route_upstream(
    draft: &Draft<'_>,
    drafts: &[Draft<'_>],
    upstream_path: &Template,
) -> Option<String> {
    let own = &draft.provider.as_ref()?.authority;
    overlapping(drafts, upstream_path, |token| {
        let same = token
            .provider
            .as_ref()
            .is_some_and(|provider| provider.authority == *own);
        same.then_some(&token.paths)
            .into_iter()
            .flatten()
            .map(|(_, upstream)| upstream)
    })
}

fn overlapping<'d, I>(
    drafts: &'d [Draft<'d>],
    path: &Template,
    theirs: impl Fn(&'d Draft<'d>) -> I,
) -> Option<String>
where
    I: Iterator<Item = &'d Template>,
{
    let mut tokens = drafts.iter().filter(|draft| draft.kind == RouteKind::Token);
    tokens.find_map(|token| {
        let other = theirs(token).find(|other| other.overlaps(path))?;
        let key = token.section.key("");
        Some(format!(
            "\"{path}\", which can match \"{other}\" of the token route {key}"
        ))
    })
}
