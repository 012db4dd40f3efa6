//! What `tail` is asked for on the command line, and which files and tenant that means.

use std::io;
use std::path::PathBuf;

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};

use super::filter::Kind;
use crate::cli::fault::Fault;
use crate::cli::output::note;
use crate::cli::tenants::Tenants;
use crate::cli::{ConfigArgs, find};
use crate::config::{self, AuditOutput, Config};
use crate::core::tenant::TenantId;
use crate::policies::directory;

#[derive(Args, Debug)]
pub(in crate::cli) struct TailArgs {
    /// Audit records, one a line (`-`: standard input) [default: the configuration's audit.output]
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Only what this tenant takes part in: its id, or a domain that some policy names.
    #[arg(long, value_name = "TENANT")]
    pub(super) tenant: Option<String>,
    /// Only these decisions. May be given again.
    #[arg(long, value_name = "DECISION", value_enum)]
    pub(super) decision: Vec<Kind>,
    /// Only this connector.
    #[arg(long, value_name = "NAME")]
    pub(super) connector: Option<String>,
    /// Only this route.
    #[arg(long, value_name = "NAME")]
    pub(super) route: Option<String>,
    /// How many of the last records are shown first.
    #[arg(short = 'n', value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(super) number: u32,
    /// Show everything from the files' start.
    #[arg(long, conflicts_with = "number")]
    pub(super) since_start: bool,
    /// End where the files end.
    #[arg(long)]
    pub(super) no_follow: bool,
    /// Print the records as they are.
    #[arg(long)]
    pub(super) json: bool,
    /// Whether decisions are coloured; `auto` goes by the terminal and NO_COLOR.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
}

pub(in crate::cli) const HELP: &str = "\
Examples:
  tidegate tail /var/log/tidegate/audit.jsonl
  tidegate tail --config gateway.toml --tenant contoso.com --decision block --decision would_block
  tidegate tail audit.jsonl --since-start --no-follow --connector sharepoint --json | jq .reason
  journalctl -u tidegate -o cat -f | tidegate tail -

A file is followed by its name: through rotation, and from when it appears. Standard input and pipes
are shown whole. A change of a policy, and whatever else is no exchange, is shown unless --decision,
--connector or --route asks for exchanges.
Exit codes: 0 ended by a signal, at the files' end, or because nobody reads any more; 1 a file cannot
be read; 64 wrong command line or configuration.";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Color {
    Always,
    Auto,
    Never,
}

impl Color {
    pub(super) fn choice(self) -> ColorChoice {
        match self {
            Self::Always => ColorChoice::AlwaysAnsi,
            Self::Auto => AutoStream::choice(&io::stdout()),
            Self::Never => ColorChoice::Never,
        }
    }
}

/// The files that are named, or the configuration's.
pub(super) fn files(args: &TailArgs) -> Result<Vec<PathBuf>, Fault> {
    if let Some(directory) = args.files.iter().find(|file| file.is_dir()) {
        let name = directory.display();
        return Err(Fault::Wrong(format!(
            "{name}: a directory, not a file of records"
        )));
    }
    if !args.files.is_empty() {
        return Ok(args.files.clone());
    }
    match load(args)?.audit.output {
        AuditOutput::File(file) => Ok(vec![file]),
        AuditOutput::Stdout => Err(Fault::Wrong(
            "audit.output is standard output, so somebody else has the records; for example: \
             journalctl -u tidegate -o cat -f | tidegate tail -"
                .to_owned(),
        )),
    }
}

fn load(args: &TailArgs) -> Result<Config, Fault> {
    let file = find::config(&args.config).map_err(Fault::Wrong)?;
    Ok(config::load(&file)?)
}

/// The tenant that is asked for; a domain needs the configuration's policies.
pub(super) fn tenant(text: &str, args: &TailArgs) -> Result<TenantId, Fault> {
    if let Ok(tenant) = TenantId::parse(text) {
        return Ok(tenant);
    }
    let documents = directory::documents(load(args)?.policies.directory().map_err(Fault::Wrong)?)?;
    let named = Tenants::of(&documents).find(text);
    let named = named.map_err(|error| Fault::Wrong(format!("--tenant: {error}")))?;
    if let Some(stored) = named.stored {
        note(&stored.to_string());
    }
    Ok(named.tenant)
}
