//! A token request's form.
//!
//! Holds: where the form is read, every careless reader sees the same grant type and the same
//! `code`, whichever of two equal names it takes and wherever it splits; a name that such a reader
//! finds in a query is found by the gateway.

use std::collections::BTreeSet;

use tidegate::core::form::{self, FieldError};

use super::careless;

/// Holds one form against what must hold of it.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        assert!(form::token_request(input).is_err(), "not UTF-8, and read");
        return;
    };
    // As PHP reads names, so that a respelling counts for what it may be taken for.
    let pairs: Vec<(String, String)> = text.split('&').filter_map(pair).collect();
    if let Ok(request) = form::token_request(input) {
        let grants: BTreeSet<&str> = values(&pairs, "grant_type").collect();
        let grant = request.grant_type.as_deref();
        assert!(grants.len() <= 1, "{grants:?}");
        assert_eq!(grant, grants.into_iter().find(|grant| !grant.is_empty()));
        let code = values(&pairs, "code").any(|code| !code.is_empty());
        assert_eq!(request.code, code, "{text:?}");
        let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        names.retain(|name| !["audience", "resource"].contains(name));
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(names.len(), distinct.len(), "a name twice: {text:?}");
    }
    field(input, text, &pairs);
    if query_has(text, "access_token") {
        assert!(
            form::query_names(text, "access_token"),
            "overlooked in {text:?}"
        );
    }
}

/// One field, as connection routes read it: `;` is no separator that everybody knows.
fn field(input: &[u8], text: &str, pairs: &[(String, String)]) {
    let lax: BTreeSet<String> = careless::form_pairs(text)
        .into_iter()
        .filter(|(name, _)| name == "token")
        .map(|(_, value)| value)
        .collect();
    match form::field(input, "token") {
        Ok(Some(value)) => {
            assert_eq!(values(pairs, "token").collect::<Vec<_>>(), [value.as_ref()]);
            // A name without `=` counts as empty here, and for nothing with some.
            let lax: Vec<String> = lax.into_iter().filter(|value| !value.is_empty()).collect();
            if !text.contains(['?', '#']) && !value.is_empty() {
                assert_eq!(lax, [value.as_ref()]);
            }
        }
        Ok(None) => assert_eq!(values(pairs, "token").count(), 0, "overlooked in {text:?}"),
        Err(FieldError::Field | FieldError::Form) => {}
    }
}

fn pair(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = careless::unpercented(name).to_ascii_lowercase();
    (!pair.is_empty()).then(|| (name, careless::unpercented(value)))
}

fn values<'p>(pairs: &'p [(String, String)], name: &str) -> impl Iterator<Item = &'p str> {
    pairs
        .iter()
        .filter(move |(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn query_has(query: &str, name: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let named = pair.split('=').next().unwrap_or_default();
        careless::unpercented(named) == name
    })
}
