//! What an operator chose that is allowed and should not go unnoticed.
//!
//! Invariant: whatever lets a token pass unseen or unprotected is named here by its own key, so
//! that `check` and the start of `serve` can tell of it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::read::{LEAST_COOLDOWN, is_exposed};
use super::{Config, CreatorSource, Endpoint, PolicySource, Route, RouteKind};
use crate::core::isolation::{self, OnNotEntra, OnUndetermined};
use crate::core::policy::Mode;

/// A choice that weakens the gateway.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// The key path of the choice.
    pub key: String,
    /// What follows from it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
    }
}

/// Every choice of `config` that weakens the gateway.
pub fn warnings(config: &Config) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |key: String, text: &str| {
        warnings.push(Warning {
            key,
            text: text.to_owned(),
        });
    };
    if config.mode == Mode::ReportOnly {
        warn(
            "mode".into(),
            "report-only: decisions are recorded, nothing is withheld",
        );
    }
    if is_remote(config.listen.address) && config.listen.tls.is_none() {
        let text = "tokens and secrets travel unencrypted between clients and this gateway";
        warn("listen.insecure_plaintext".into(), text);
    }
    let admin = &config.admin;
    if is_remote(admin.address) {
        let text = "metrics are open to everybody who can reach the address";
        warn("admin.insecure_remote".into(), text);
        if admin.policies.is_open() && admin.tls.is_none() {
            let text = "whoever listens can take an administrator's token and change policies";
            warn("admin.policies.insecure_plaintext".into(), text);
        }
    }
    let administrators = admin.policies.administrators.iter();
    for audience in administrators.flat_map(|they| &they.audience) {
        if config.routes.iter().any(|route| takes(route, audience)) {
            let text = "whoever is shown such a token on a route could change policies with it";
            warn("admin.policies.audience".into(), text);
        }
    }
    if let PolicySource::Etcd(etcd) = &config.policies.source {
        if etcd.endpoints.iter().any(is_exposed) {
            let text = "whoever is on the way to etcd can change policies, and read passwords";
            warn("policies.etcd.insecure_plaintext".into(), text);
        }
        if etcd.max_age.is_none() {
            let text = "none: policies are enforced however long ago they were confirmed";
            warn("policies.etcd.max_age".into(), text);
        }
    }
    if config.trust.peers.iter().any(|network| network.prefix == 0) {
        warn(
            "trust.peers".into(),
            "every peer is believed when it names a creator tenant",
        );
    }
    if config.verification.key_cooldown < LEAST_COOLDOWN {
        let text = "tokens with made-up keys have signing keys fetched more often than is safe";
        warn("verification.insecure_key_cooldown".into(), text);
    }
    let verifying = |name: &str| {
        let administrators = config.admin.policies.provider.iter();
        let of_routes = config.routes.iter().flat_map(|route| route.verifiers());
        let mut verifiers = of_routes.chain(administrators);
        verifiers.any(|verifier| verifier.name == name)
    };
    for provider in config.providers() {
        let key = |key: &str| format!("providers.{}.{key}", provider.name);
        if is_plaintext(&provider.endpoint) {
            let text =
                "tokens and secrets travel unencrypted between this gateway and the provider";
            warn(key("insecure_plaintext"), text);
            if verifying(&provider.name) {
                let text = "signing keys come unencrypted: who can change them can sign any token";
                warn(key("insecure_plaintext"), text);
            }
        }
        if provider.undetermined == OnUndetermined::Allow {
            let text = "allow: replies whose sign-in tenant cannot be determined are relayed";
            warn(key("undetermined"), text);
        }
        if provider.kind == isolation::Provider::Other(OnNotEntra::Pass) {
            let text = "pass: tokens that are not Entra's are relayed without a decision";
            warn(key("non_entra"), text);
        }
    }
    for service in &config.services {
        let leads = |route: &Arc<Route>| match &route.kind {
            RouteKind::Connection(connection) => connection.service.name == service.name,
            RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => false,
        };
        let key = format!("services.{}", service.name);
        if is_plaintext(&service.endpoint) && !is_here(&service.endpoint) {
            let text = "tokens travel unencrypted between this gateway and the service";
            warn(format!("{key}.insecure_plaintext"), text);
        }
        if !config.routes.iter().any(leads) {
            warn(key, "no route leads to it");
        }
    }
    for route in &config.routes {
        if let RouteKind::Connection(connection) = &route.kind
            && connection.sign_in.is_empty()
        {
            let text = "none: nobody has signed in at this step, so nothing is decided at it";
            warn(format!("routes[{}].sign_in", route.name), text);
        }
    }
    let traces = config.traces.as_ref().map(|traces| &traces.collector);
    let logs = config.logs.as_ref().map(|logs| &logs.collector);
    for (section, collector) in [("audit.otlp", logs), ("traces", traces)] {
        let endpoint = collector.map(|collector| &collector.endpoint);
        if endpoint.is_some_and(|endpoint| is_plaintext(endpoint) && !is_here(endpoint)) {
            let text =
                "who connects where travels unencrypted between this gateway and the collector";
            warn(format!("{section}.insecure_plaintext"), text);
        }
    }
    for webhook in &config.webhooks {
        let endpoint = &webhook.url.endpoint;
        if is_plaintext(endpoint) && !is_here(endpoint) {
            let text = "decisions travel unencrypted between this gateway and the receiver";
            warn(
                format!("webhooks[{}].insecure_plaintext", webhook.name),
                text,
            );
        }
    }
    for route in dead_ends(&config.routes) {
        let text = "no token route leads to its provider: who follows this metadata gets 404";
        warn(format!("routes[{}]", route.name), text);
    }
    warnings
}

/// Whether a route takes tokens for this audience.
fn takes(route: &Route, audience: &String) -> bool {
    let of_creators = route.creator.iter().any(|source| match source {
        CreatorSource::Bearer { audience: of, .. } => of.contains(audience),
        CreatorSource::Fixed(_) | CreatorSource::Header(_) | CreatorSource::Path(_) => false,
    });
    let of_sign_ins = match &route.kind {
        RouteKind::Connection(connection) => {
            let mut sources = connection.sign_in.iter();
            sources.any(|source| source.audience.contains(audience))
        }
        RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => false,
    };
    of_creators || of_sign_ins
}

/// Discovery routes whose metadata leads to no token route.
fn dead_ends(routes: &[Arc<Route>]) -> Vec<&Route> {
    let leads = |route: &Route| {
        let provider = &route.provider.name;
        routes
            .iter()
            .any(|to| to.kind == RouteKind::Token && to.provider.name == *provider)
    };
    let mut found: Vec<&Route> = Vec::new();
    for route in routes
        .iter()
        .filter(|route| route.kind == RouteKind::Discovery)
    {
        if !leads(route) && !found.iter().any(|known| known.name == route.name) {
            found.push(route);
        }
    }
    found
}

/// Whether a server is spoken to without TLS.
pub(super) fn is_plaintext(endpoint: &Endpoint) -> bool {
    endpoint.authority.scheme_str() == Some("http")
}

/// Whether a server is on this machine, where nobody can listen.
pub(super) fn is_here(endpoint: &Endpoint) -> bool {
    let named = endpoint.authority.host().unwrap_or_default();
    let host = endpoint.connect.as_ref().map_or(named, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn is_remote(address: SocketAddr) -> bool {
    !address.ip().is_loopback()
}
