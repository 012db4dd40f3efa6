//! `[admin]`: the admin listener, and `[admin.policies]`: who may administer policies on it.

use std::net::SocketAddr;
use std::sync::Arc;

use toml::Value;
use uuid::Uuid;

use super::file;
use super::listen::{local, tls};
use super::providers::Providers;
use super::section::{Section, expected_name};
use super::value::{self, AUDIENCE, Read, Wrong};
use crate::config::{Admin, Administrators, PolicyAdmin, Provider};
use crate::core::isolation;

const ADMIN: &[&str] = &["address", "insecure_remote", "tls", "policies"];
const POLICIES: &[&str] = &[
    "provider",
    "audience",
    "write_roles",
    "read_roles",
    "operators",
    "operator_token_file",
    "insecure_plaintext",
];

/// Power Platform Administrator and Global Administrator.
///
/// Source: Microsoft Entra, "Built-in roles" (template ids).
const WRITE_ROLES: [Uuid; 2] = [
    Uuid::from_u128(0x1164_8597_926c_4cf3_9c36_bceb_b0ba_8dcc),
    Uuid::from_u128(0x62e9_0394_69f5_4237_9190_0121_7714_5e10),
];

const ENTRA: &str = "the name of an Entra provider";

/// Opens `[admin]`.
pub(super) fn open<'a>(root: &Section<'a>) -> Section<'a> {
    root.section("admin", ADMIN)
}

/// Reads the listener; who may administer policies comes when providers are known.
pub(super) fn listener(section: &Section<'_>, data: SocketAddr) -> Admin {
    let address = section.read_or("address", local(9443), value::address);
    let remote = section.read_or("insecure_remote", false, value::bool);
    if !address.ip().is_loopback() && !remote {
        let how = match section.has("tls") {
            true => "metrics",
            false => "plain HTTP",
        };
        let found = format!("{how} without authentication on {address}");
        let expected = "a loopback address, or insecure_remote = true";
        section.wrong("address", Wrong::new(found, expected));
    }
    if address == data && address.port() != 0 {
        let expected = "an address that is not listen.address";
        section.wrong("address", Wrong::new(format!("{address}"), expected));
    }
    Admin {
        address,
        tls: tls(section),
        policies: PolicyAdmin::default(),
    }
}

/// Reads `[admin.policies]`.
pub(super) fn policies(
    admin: &Section<'_>,
    listener: &Admin,
    providers: &Providers<'_>,
) -> PolicyAdmin {
    if !admin.has("policies") {
        return PolicyAdmin::default();
    }
    let section = admin.section("policies", POLICIES);
    let provider = provider(&section, providers);
    let policies = PolicyAdmin {
        administrators: administrators(&section, provider.as_ref()),
        operators: section
            .list("operators", value::certificate_name)
            .unwrap_or_default(),
        operator_token_file: file::secret(&section, "operator_token_file"),
        provider,
        insecure_plaintext: section.read_or("insecure_plaintext", false, value::bool),
    };
    let tls = listener.tls.as_ref();
    if !policies.operators.is_empty() && tls.is_none_or(|tls| tls.client_ca.is_none()) {
        let found = "names, and no admin.tls.client_ca to check certificates with";
        section.wrong("operators", Wrong::new(found, "admin.tls.client_ca"));
    }
    let remote = !listener.address.ip().is_loopback();
    if remote && !admin.has("tls") && !policies.insecure_plaintext {
        let found = format!(
            "policies and tokens over plain HTTP on {}",
            listener.address
        );
        let expected = "[admin.tls], a loopback address, or insecure_plaintext = true";
        section.wrong("", Wrong::new(found, expected));
    }
    policies
}

/// The provider that is named, or the only one there is.
fn provider(section: &Section<'_>, providers: &Providers<'_>) -> Option<Arc<Provider>> {
    let entra = |provider: &&Arc<Provider>| provider.kind == isolation::Provider::Entra;
    if section.has("provider") {
        let name = section.read("provider", |value| value::parsed(value, ENTRA, Some))?;
        let Some(found) = providers.get(name) else {
            let expected = expected_name(name, providers.keys().copied());
            let found = format!("{name:?}, and there is no [providers.{name}]");
            section.wrong("provider", Wrong::new(found, expected));
            return None;
        };
        let provider = found.as_ref()?;
        if !entra(&provider) {
            let found = format!("{name:?}, which is no Entra provider");
            section.wrong("provider", Wrong::new(found, ENTRA));
        }
        return Some(Arc::clone(provider));
    }
    let mut candidates = providers.values().flatten().filter(entra);
    let only = candidates.next().map(Arc::clone);
    only.filter(|_| candidates.next().is_none())
}

fn administrators(
    section: &Section<'_>,
    provider: Option<&Arc<Provider>>,
) -> Option<Administrators> {
    let roles = |key| section.list(key, role);
    let (write, read) = (roles("write_roles"), roles("read_roles"));
    if !section.has("audience") {
        for key in ["write_roles", "read_roles"] {
            if section.has(key) {
                let found = "roles, and no audience that a token with them must have";
                section.wrong(key, Wrong::new(found, "audience"));
            }
        }
        return None;
    }
    section.not_empty("audience", AUDIENCE);
    let audience = section.one_or_list("audience", value::audience)?;
    let Some(provider) = provider else {
        if !section.has("provider") {
            let found = "nothing, and there is not exactly one Entra provider";
            section.wrong("provider", Wrong::new(found, ENTRA));
        }
        return None;
    };
    Some(Administrators {
        provider: Arc::clone(provider),
        audience,
        write_roles: write.unwrap_or_else(|| WRITE_ROLES.to_vec()),
        read_roles: read.unwrap_or_default(),
    })
}

fn role(value: &Value) -> Read<Uuid> {
    let expected = "a role's template id (36-character GUID)";
    value::parsed(value, expected, |text| {
        let id = Uuid::try_parse(text).ok()?;
        (text.len() == uuid::fmt::Hyphenated::LENGTH && !id.is_nil()).then_some(id)
    })
}
