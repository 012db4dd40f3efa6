//! The providers that a route depends on: its own, and those whose keys verify tokens.

use std::sync::Arc;

use super::super::providers::Providers;
use super::super::section::{Section, expected_name};
use super::super::value::{self, Wrong};
use crate::config::Provider;
use crate::core::isolation;

/// The provider that a route names.
pub(super) fn own(section: &Section<'_>, providers: &Providers<'_>) -> Option<Arc<Provider>> {
    let expected = "the name of a provider";
    let name = section.require("provider", expected, |value| {
        value::parsed(value, expected, Some)
    })?;
    named(section, name, providers)
}

/// The provider of a name; none if there is none, or anything about it is wrong.
pub(super) fn named(
    section: &Section<'_>,
    name: &str,
    providers: &Providers<'_>,
) -> Option<Arc<Provider>> {
    let Some(provider) = providers.get(name) else {
        let expected = expected_name(name, providers.keys().copied());
        let found = format!("{name:?}, and there is no [providers.{name}]");
        section.wrong("provider", Wrong::new(found, expected));
        return None;
    };
    provider.clone()
}

/// Whose keys verify sign-in tokens: the route's provider's, or every Entra provider's where that
/// is not Entra, in case somebody shows one of theirs.
pub(super) fn verifiers(
    own: Option<&Arc<Provider>>,
    providers: &Providers<'_>,
) -> Vec<Arc<Provider>> {
    let is_entra = |provider: &&Arc<Provider>| provider.kind == isolation::Provider::Entra;
    match own.filter(is_entra) {
        Some(own) => vec![Arc::clone(own)],
        None => {
            let every = providers.values().flatten();
            every.filter(is_entra).map(Arc::clone).collect()
        }
    }
}
