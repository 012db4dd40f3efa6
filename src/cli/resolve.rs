//! `resolve`: which tenant a domain belongs to.

use std::time::Duration;

use clap::Args;
use http::Uri;
use serde::Serialize;
use tokio::runtime;

use super::fault::Fault;
use super::output::{json, print};
use super::{ConfigArgs, Exit, find};
use crate::config::{self, Config, Endpoint, Provider};
use crate::core::isolation::{self, OnUndetermined};
use crate::core::tenant::TenantId;
use crate::core::token::issuer::{Cloud, Issuers};
use crate::metrics::Metrics;
use crate::resolve::{Resolved, Resolver};
use crate::tls::{self, Certificates};

#[derive(Args, Debug)]
pub(super) struct ResolveArgs {
    /// The domain, like contoso.com.
    domain: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// Which provider to ask [default: the one that policies are written with, or the first of
    /// Entra's; without a configuration Entra's public cloud]
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) const HELP: &str = "\
Examples:
  tidegate resolve contoso.com
  tidegate resolve contoso.com --config /etc/tidegate/tidegate.toml --json

Exit codes: 0 done; 1 the provider cannot be asked; 64 no such domain, a tenant of another cloud, or
a wrong configuration.";

/// How long the provider may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Answer<'a> {
    domain: &'a str,
    tenant: TenantId,
    authority: String,
}

pub(super) fn run(args: &ResolveArgs) -> Exit {
    match answer(args) {
        Ok(text) => print(&text, Exit::Done),
        Err(fault) => fault.tell(),
    }
}

fn answer(args: &ResolveArgs) -> Result<String, Fault> {
    let provider = asked(args)?;
    let Resolved { domain, tenant, .. } = resolve(&provider, &args.domain)?;
    Ok(if args.json {
        json(&Answer {
            domain: &domain,
            tenant,
            authority: provider.endpoint.authority.to_string(),
        })
    } else {
        format!("{tenant}\n")
    })
}

/// Asks a provider about one domain.
pub(super) fn resolve(provider: &Provider, domain: &str) -> Result<Resolved, Fault> {
    tls::install_provider();
    let wrong = |error: String| Fault::Wrong(format!("provider {}: {error}", provider.name));
    let certificates = Certificates::new(&Metrics::new().into());
    let resolver = Resolver::new(provider, PATIENCE, &certificates).map_err(wrong)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::Failed(error.to_string()))?;
    runtime.block_on(resolver.resolve(domain)).map_err(|error| {
        let sentence = format!("{domain:?}: {error}");
        if error.is_final() {
            Fault::Wrong(sentence)
        } else {
            Fault::Failed(sentence)
        }
    })
}

/// The provider that a configuration's policies are written with.
pub(super) fn provider_of(config: &Config) -> Option<Provider> {
    let chosen = config.admin.policies.provider.as_deref();
    let is_entra = |provider: &&Provider| provider.kind == isolation::Provider::Entra;
    let chosen = chosen.or_else(|| config.providers().into_iter().find(is_entra));
    chosen.cloned()
}

fn asked(args: &ResolveArgs) -> Result<Provider, Fault> {
    let file = match find::config(&args.config) {
        Ok(file) => file,
        Err(searched) if args.provider.is_some() => return Err(Fault::Wrong(searched)),
        Err(_) => return public_cloud(),
    };
    let config = config::load(&file)?;
    let provider = match &args.provider {
        None => provider_of(&config),
        Some(name) => config
            .providers()
            .into_iter()
            .find(|provider| provider.name == *name)
            .cloned(),
    };
    provider.ok_or_else(|| {
        let file = file.display();
        Fault::Wrong(match &args.provider {
            None => format!("{file}: no route depends on a provider of kind \"entra\""),
            Some(name) => format!("{file}: no route depends on a provider {name:?}"),
        })
    })
}

fn public_cloud() -> Result<Provider, Fault> {
    let authority: Uri = Cloud::Public
        .authority()
        .parse()
        .map_err(|error| Fault::Failed(format!("{error}")))?;
    Ok(Provider {
        name: "entra".to_owned(),
        kind: isolation::Provider::Entra,
        endpoint: Endpoint {
            authority,
            connect: None,
            ca: None,
            identity: None,
        },
        key_tenants: Vec::new(),
        issuers: Issuers::of_clouds(&[Cloud::Public]),
        undetermined: OnUndetermined::Block,
    })
}
