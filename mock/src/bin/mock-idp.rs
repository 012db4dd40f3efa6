//! `mock-idp`: the mock providers alone, and the service behind connection routes, for people who
//! try their own client or gateway configuration.

#![allow(
    clippy::print_stdout,
    reason = "the URLs and examples are this command's output"
)]

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use tidegate_mock::tls::Ca;
use tidegate_mock::{MockIdp, MockService, Options, tenants};
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = r#"Who signs in:
  code, refresh_token, device_code or assertion "for:<tenant>":
      a user of that tenant, as often as you like
  login_hint or username: a user of its domain
  /<tenant>/... in the path: that tenant
  mock_tenant=<tenant> in query or form: that tenant, above all else
  (<tenant> is an id or a registered domain)

The connection service creates whatever it is asked to and believes everybody.

Control endpoints:
  POST   /_mock/token     a token to order, in JSON; only tenant is required:
      {"tenant":"<tenant>", "version":"1.0|2.0", "kind":"access|id|azure-devops",
       "seal":"signed|none|hs256|jwe|opaque|graph-nonce|bad-signature|
               unpublished-key|personal-key",
       "user":"a@b.c", "aud":"<audience>", "lifetime":<seconds>, "key":"<key>",
       "claims":{}, "header":{}, "raw_claims":"<json>", "raw_header":"<json>"}
      a null in claims or header takes that member away; a key instead of a seal:
      enterprise, enterprise-next, personal, unpublished
  GET    /_mock/token?tenant=<tenant>&aud=<audience>
      the same from a query, without claims and header; the token alone, as text
  GET    /_mock/keys      what is published, which key signs, how often it was fetched
  POST   /_mock/keys      changes it; everything is optional:
      {"add":"<key>", "issuer":"<of the added key>", "remove":"<key>",
       "sign_with":"<key>", "jwks_uri":"<url>", "mend":"keys|discovery",
       "trouble":"down|empty|html|huge|redirect|reset|silent|slow|truncated",
       "document":"keys|discovery", "size":<bytes>, "url":"<url>", "seconds":<n>}
  DELETE /_mock/keys      as at the start
  GET    /_mock/requests  what the provider saw
  DELETE /_mock/requests  forgets it

Examples:
  mock-idp --ca-out mock-ca.pem
  mock-idp --listen 127.0.0.1:0 --devops-listen 127.0.0.1:0 --service-listen 127.0.0.1:0 --plain
  mock-idp --domain adatum.com=44444444-4444-4444-8444-444444444444"#;

/// Mock identity providers, an Entra-like one and an Azure-DevOps-like token service, and a service
/// that creates connections. They give tokens of any tenant to anyone who asks: for tests only.
#[derive(Parser)]
#[command(name = "mock-idp", version, after_help = EXAMPLES)]
struct Arguments {
    /// Where the Entra-like provider listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8444")]
    listen: SocketAddr,
    /// Where the Azure-DevOps-like token service listens.
    #[arg(long, default_value = "127.0.0.1:8445")]
    devops_listen: SocketAddr,
    /// Where the service listens that creates connections.
    #[arg(long, default_value = "127.0.0.1:8446")]
    service_listen: SocketAddr,
    /// Serve plain HTTP instead of HTTPS.
    #[arg(long)]
    plain: bool,
    /// A domain and its tenant, beside contoso.com, fabrikam.com and northwind.com. Repeatable.
    #[arg(long = "domain", value_name = "NAME=GUID", value_parser = domain)]
    domains: Vec<(String, String)>,
    /// One more DNS name or address for the certificates. Repeatable.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The base URL that discovery names instead of the provider's own.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where to write the certificate authority that clients must trust (PEM). It is new at every
    /// start.
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
}

fn domain(text: &str) -> Result<(String, String), String> {
    let (name, tenant) = text.split_once('=').ok_or("expected NAME=GUID")?;
    let canonical = uuid::Uuid::try_parse(tenant).map_err(|error| error.to_string())?;
    Ok((name.to_ascii_lowercase(), canonical.to_string()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let ca = Arc::new(Ca::new()?);
    if let Some(file) = &arguments.ca_out {
        std::fs::write(file, ca.pem()).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let options = |kind, listen| options(&arguments, kind, listen, &ca);
    let refused = |listen| move |error| format!("{listen}: {error}");
    let (listen, devops, service) = (
        arguments.listen,
        arguments.devops_listen,
        arguments.service_listen,
    );
    let entra = MockIdp::start(options(Options::entra(), listen))
        .await
        .map_err(refused(listen))?;
    let devops = MockIdp::start(options(Options::azure_devops(), devops))
        .await
        .map_err(refused(devops))?;
    let service = MockService::start(options(Options::connection_service(), service))
        .await
        .map_err(refused(service))?;
    announce(&arguments, &entra, &devops, &service);
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome?,
        _ = terminate.recv() => {}
    }
    entra.shutdown().await;
    devops.shutdown().await;
    service.shutdown().await;
    Ok(())
}

fn options(
    arguments: &Arguments,
    mut options: Options,
    listen: SocketAddr,
    ca: &Arc<Ca>,
) -> Options {
    options = options.listen(listen).ca(Arc::clone(ca));
    options.plain = arguments.plain;
    options.names.clone_from(&arguments.names);
    options.public_url.clone_from(&arguments.public_url);
    // A long-running process keeps only what somebody may still want to look at.
    options.log_limit = 1000;
    for (name, tenant) in &arguments.domains {
        options = options.domain(name, tenant);
    }
    if let IpAddr::V4(address) = listen.ip()
        && !address.is_loopback()
        && !address.is_unspecified()
    {
        options.host = address.to_string();
    }
    options
}

fn announce(arguments: &Arguments, entra: &MockIdp, devops: &MockIdp, service: &MockService) {
    let (own, sts) = (entra.url(), devops.url());
    let trust = match &arguments.ca_out {
        _ if arguments.plain => String::new(),
        Some(file) => format!(" --cacert {}", file.display()),
        None => " --insecure".to_owned(),
    };
    println!("Entra-like provider              {own}");
    println!("Azure-DevOps-like token service  {sts}");
    println!("Connection service               {}", service.url());
    if let Some(file) = &arguments.ca_out {
        println!("Certificate authority            {}", file.display());
    }
    println!("\nTry it:");
    println!("  curl{trust} {own}/common/v2.0/.well-known/openid-configuration");
    println!(
        "  curl{trust} -d grant_type=authorization_code -d client_id=app -d code=for:fabrikam.com \\\n       \
         {own}/common/oauth2/v2.0/token"
    );
    println!(
        "  curl{trust} -d grant_type=client_credentials -d client_id=app -d client_secret=any \\\n       \
         -d scope=api://own/.default {own}/contoso.com/oauth2/v2.0/token"
    );
    println!(
        "  curl{trust} -d grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer -d assertion=any \\\n       \
         -d client_assertion=any {sts}/oauth2/token"
    );
    println!(
        "  curl{trust} -H 'content-type: application/json' -d '{{\"tenant\":\"{}\",\"claims\":{{\"ver\":\"9\"}}}}' \\\n       \
         {own}/_mock/token",
        tenants::NORTHWIND
    );
    println!(
        "  curl{trust} -X PUT -d '{{}}' {}/connections/any; curl{trust} {}/_mock/requests",
        service.url(),
        service.url()
    );
    println!("\nCtrl-C ends it.");
}
