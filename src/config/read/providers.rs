//! `[providers.*]`: whom routes forward to, and whose tokens name a tenant there.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;

use super::network;
use super::section::Section;
use super::server;
use super::value::{self, KEY_TENANT, NAME, Read, Wrong, choice};
use crate::config::{Endpoint, Provider};
use crate::core::isolation::{self, OnNotEntra, OnUndetermined};
use crate::core::token::issuer::{Cloud, Issuers};

const KEYS: &[&str] = &[
    "kind",
    "cloud",
    "authority",
    "connect",
    "issuers",
    "key_tenants",
    "ca",
    "client_certificate",
    "client_key",
    "insecure_plaintext",
    "non_entra",
    "undetermined",
];

const CLOUDS: &[(&str, Cloud)] = &[
    ("public", Cloud::Public),
    ("us-gov", Cloud::UsGov),
    ("china", Cloud::China),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Entra,
    Other,
}

/// The providers that could be read, by name. A name whose provider is wrong maps to none, so
/// that routes naming it are not reported as well.
pub(super) type Providers<'a> = BTreeMap<&'a str, Option<Arc<Provider>>>;

/// Reads every provider.
pub(super) fn read<'a>(root: &Section<'a>) -> Providers<'a> {
    let sections = root.named_sections("providers", KEYS);
    let mut providers: Vec<(&str, Option<Provider>)> = sections
        .iter()
        .map(|(name, section)| (*name, provider(name, section)))
        .collect();

    // A provider that is not Entra may still return a genuine Entra token, of any cloud and of
    // any issuer that is configured elsewhere.
    let mut every_issuer = Issuers::of_clouds(&Cloud::ALL);
    for (_, provider) in &providers {
        provider
            .iter()
            .for_each(|provider| every_issuer.extend(&provider.issuers));
    }
    for provider in providers
        .iter_mut()
        .filter_map(|(_, provider)| provider.as_mut())
    {
        if matches!(provider.kind, isolation::Provider::Other(_)) {
            provider.issuers = every_issuer.clone();
        }
    }
    providers
        .into_iter()
        .map(|(name, provider)| (name, provider.map(Arc::new)))
        .collect()
}

fn provider(name: &str, section: &Section<'_>) -> Option<Provider> {
    if !value::is_name(name) {
        section.wrong("", Wrong::new(format!("the name {name:?}"), NAME));
    }
    let kinds = choice(&[("entra", Kind::Entra), ("other", Kind::Other)]);
    let kind = section.require("kind", "\"entra\" or \"other\"", kinds);
    let server = server::read(section);
    let undetermined = section.read_or(
        "undetermined",
        OnUndetermined::Block,
        choice(&[
            ("block", OnUndetermined::Block),
            ("allow", OnUndetermined::Allow),
        ]),
    );
    let (kind, authority, issuers, key_tenants) = match kind? {
        Kind::Entra => entra(section, server.authority),
        Kind::Other => other(section, server.authority),
    }?;
    Some(Provider {
        name: name.to_owned(),
        kind,
        endpoint: Endpoint {
            authority,
            connect: server.connect,
            ca: server.ca,
            identity: server.identity,
        },
        key_tenants,
        issuers,
        undetermined,
    })
}

type Particulars = (isolation::Provider, Uri, Issuers, Vec<String>);

fn entra(section: &Section<'_>, authority: Option<Uri>) -> Option<Particulars> {
    refuse(section, &["non_entra"], "other");
    let cloud = section.read("cloud", choice(CLOUDS));
    let issuers = issuers(section);
    let own_authority = section.has("authority") && !section.has("cloud");
    let issuers = match (issuers, &authority) {
        (Some(issuers), _) => issuers,
        (None, Some(authority)) if own_authority => {
            let own = format!("{}/{{tenantid}}/v2.0", network::text(authority));
            Issuers::new([own.as_str(), "https://sts.windows.net/{tenantid}/"]).ok()?
        }
        (None, _) => Issuers::of_clouds(&[cloud.unwrap_or(Cloud::Public)]),
    };
    let default = Uri::from_static(cloud.unwrap_or(Cloud::Public).authority());
    Some((
        isolation::Provider::Entra,
        authority.unwrap_or(default),
        issuers,
        key_tenants(section),
    ))
}

const ISSUER: &str = "a URL with {tenantid} once, like \"https://login.example/{tenantid}/v2.0\"";

/// The configured issuers; they replace the cloud's.
fn issuers(section: &Section<'_>) -> Option<Issuers> {
    section.not_empty("issuers", ISSUER);
    Issuers::new(section.list("issuers", issuer)?).ok()
}

fn issuer(value: &toml::Value) -> Read<&str> {
    value::parsed(value, ISSUER, |text| {
        let web = text.starts_with("https://") || text.starts_with("http://");
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        (web && printable && Issuers::new([text]).is_ok()).then_some(text)
    })
}

/// The tenants whose metadata names signing keys. `common` names them all, unless a tenant signs
/// with keys of its own.
fn key_tenants(section: &Section<'_>) -> Vec<String> {
    section.not_empty("key_tenants", KEY_TENANT);
    let mut tenants: Vec<String> = Vec::new();
    for tenant in section
        .list("key_tenants", value::key_tenant)
        .unwrap_or_else(|| vec!["common".to_owned()])
    {
        if !tenants.contains(&tenant) {
            tenants.push(tenant);
        }
    }
    tenants
}

fn other(section: &Section<'_>, authority: Option<Uri>) -> Option<Particulars> {
    refuse(section, &["cloud", "issuers", "key_tenants"], "entra");
    let non_entra = section.read_or(
        "non_entra",
        OnNotEntra::Pass,
        choice(&[("pass", OnNotEntra::Pass), ("block", OnNotEntra::Block)]),
    );
    if !section.has("authority") {
        let expected = "where the provider is, like \"https://app.vssps.visualstudio.com\"";
        section.wrong("authority", Wrong::new("nothing", expected));
    }
    Some((
        isolation::Provider::Other(non_entra),
        authority?,
        Issuers::default(),
        Vec::new(),
    ))
}

/// Reports keys that only mean something on the other kind of provider.
fn refuse(section: &Section<'_>, keys: &[&str], kind: &str) {
    for key in keys.iter().filter(|key| section.has(key)) {
        let found = format!("a key of providers of kind {kind:?}");
        section.wrong(key, Wrong::new(found, "no such key here"));
    }
}
