//! `[[webhooks]]`: who is told of decisions while they are made.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, PathAndQuery};
use toml::Value;

use super::file::{self, Pem};
use super::section::Section;
use super::value::{self, NAME, Read, Wrong, wrong};
use crate::config::warning::{is_here, is_plaintext};
use crate::config::{Audience, Endpoint, Webhook, WebhookUrl};
use crate::core::tenant::TenantId;
use crate::secret::Unusable;
use crate::webhooks::Signer;

const KEYS: &[&str] = &[
    "name",
    "url",
    "secret_file",
    "tenants",
    "decisions",
    "ca",
    "insecure_plaintext",
    "window",
    "retry_for",
];

const WINDOW: Duration = Duration::from_secs(60);
const RETRY_FOR: Duration = Duration::from_secs(15 * 60);

/// Blocks, and what passes through the known gap.
const DECISIONS: [&str; 2] = ["block", "pass_non_entra"];

/// Reads every webhook.
pub(super) fn read(root: &Section<'_>) -> Vec<Webhook> {
    let sections = root.sections("webhooks", KEYS);
    let mut webhooks: Vec<Webhook> = Vec::new();
    for section in &sections {
        let Some(webhook) = webhook(section) else {
            continue;
        };
        if webhooks.iter().any(|known| known.name == webhook.name) {
            let found = format!("{:?}, which another webhook has", webhook.name);
            section.wrong("name", Wrong::new(found, "a name of its own"));
        }
        webhooks.push(webhook);
    }
    webhooks
}

fn webhook(section: &Section<'_>) -> Option<Webhook> {
    let name = section.require("name", NAME, value::name);
    let url = url(section);
    let secret_file = secret(section);
    let expected = format!("{TENANTS}; or \"*\"");
    if !section.has("tenants") {
        section.wrong("tenants", Wrong::new("nothing", expected));
    }
    let audience = section.read("tenants", audience);
    section.not_empty("decisions", DECISION);
    let decisions = section.list("decisions", decision);
    let least = Duration::from_secs(1);
    let window = value::span(least, Duration::from_secs(60 * 60));
    let retry_for = value::span(least, Duration::from_secs(24 * 60 * 60));
    let (window, retry_for) = (
        section.read_or("window", WINDOW, window),
        section.read_or("retry_for", RETRY_FOR, retry_for),
    );
    Some(Webhook {
        name: name?,
        url: url?,
        secret_file: secret_file?,
        audience: audience?,
        decisions: decisions.unwrap_or_else(|| DECISIONS.to_vec()),
        window,
        retry_for,
    })
}

const URL: &str = "a URL like \"https://hooks.example/tidegate\", without user and fragment";

fn url(section: &Section<'_>) -> Option<WebhookUrl> {
    let ca = file::pem(section, "ca", Pem::Certificates);
    let plaintext = section.read_or("insecure_plaintext", false, value::bool);
    let (authority, path) = section.require("url", URL, parts)?;
    let endpoint = Endpoint {
        identity: None,
        authority,
        connect: None,
        ca,
    };
    if is_plaintext(&endpoint) && !is_here(&endpoint) && !plaintext {
        let expected = "https://, a loopback address, or insecure_plaintext = true";
        section.wrong("url", Wrong::new("plain HTTP", expected));
    }
    Some(WebhookUrl { endpoint, path })
}

/// Server and path of a URL. What it holds is not quoted: it may be a secret.
fn parts(value: &Value) -> Read<(Uri, PathAndQuery)> {
    let Some(text) = value.as_str() else {
        return Err(wrong(value, URL));
    };
    let sound = |authority: &Authority| {
        let port = authority.as_str().strip_prefix(authority.host());
        let numbered = |port: &str| port.is_empty() || authority.port_u16().is_some_and(|n| n > 0);
        !authority.host().is_empty() && port.is_some_and(numbered)
    };
    let parts = text.parse::<Uri>().ok().map(Uri::into_parts);
    let parts = parts.filter(|parts| {
        let scheme = parts.scheme.as_ref().map(|scheme| scheme.as_str());
        let authority = parts.authority.as_ref();
        !text.contains('#')
            && matches!(scheme, Some("https" | "http"))
            && authority.is_some_and(sound)
    });
    let read = parts.and_then(|mut parts| {
        let root = PathAndQuery::from_static("/");
        let path = parts.path_and_query.replace(root.clone());
        Some((Uri::from_parts(parts).ok()?, path.unwrap_or(root)))
    });
    read.ok_or_else(|| Wrong::new("a text that is none", URL))
}

const TENANTS: &str = "a list of tenant ids (36-character GUIDs), whose decisions it is told of";

fn audience(value: &Value) -> Read<Audience> {
    let expected = format!("{TENANTS}; or \"*\"");
    if value.as_str() == Some("*") {
        return Ok(Audience::Everyone);
    }
    let list = value.as_array().ok_or_else(|| wrong(value, &expected))?;
    if list.is_empty() {
        return Err(Wrong::new("an empty array", expected));
    }
    if let [only] = list.as_slice()
        && only.as_str() == Some("*")
    {
        return Ok(Audience::Everyone);
    }
    let tenants: Result<Vec<TenantId>, _> = list.iter().map(value::tenant).collect();
    Ok(Audience::Tenants(tenants?))
}

const DECISION: &str = "one or more of \"block\", \"would_block\" and \"pass_non_entra\"";

fn decision(value: &Value) -> Read<&'static str> {
    value::parsed(value, DECISION, |text| match text {
        "block" => Some("block"),
        "pass_non_entra" => Some("pass_non_entra"),
        "would_block" => Some("would_block"),
        _ => None,
    })
}

fn secret(section: &Section<'_>) -> Option<PathBuf> {
    const EXPECTED: &str = "a readable file with a secret a line: whsec_ and the base64 of 24 to 64 \
                            bytes, or 24 to 1024 printable ASCII characters without spaces";
    if !section.has("secret_file") {
        section.wrong("secret_file", Wrong::new("nothing", EXPECTED));
    }
    let path = file::path(section, "secret_file", EXPECTED)?;
    let fault = match Signer::read(&path) {
        Ok(_) => None,
        Err(Unusable::Content) => Some("which is not one".to_owned()),
        Err(Unusable::Unreadable(error)) => Some(file::why(&error)),
    };
    file::report(section, "secret_file", &path, fault, EXPECTED);
    Some(path)
}
