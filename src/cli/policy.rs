//! `policy`: one tenant's policy, in a directory or through the admin API of a gateway.
//!
//! Invariant: a change is made to the text that was read and to no other (an entity tag goes with
//! it), and what it changed is told.

mod change;
mod changes;
mod diff;
mod edit;
mod help;
mod place;
mod remote;
mod show;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::Exit;
use crate::import::Format;
use place::PlaceArgs;

pub(super) use help::HELP;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Add an entry to the allowlist, or widen the one that is there.
    #[command(after_help = help::ALLOW_HELP)]
    Allow(AllowArgs),
    /// Tell which decisions would change.
    #[command(after_help = help::DIFF_HELP, allow_missing_positional = true)]
    Diff(DiffArgs),
    /// Turn isolation Off. Entries stay, and act once it is On again.
    #[command(after_help = help::DISABLE_HELP)]
    Disable(SwitchArgs),
    /// Turn isolation On: what no entry allows is blocked from then on.
    #[command(after_help = help::ENABLE_HELP)]
    Enable(SwitchArgs),
    /// Print the document as it is stored.
    #[command(after_help = help::EXPORT_HELP)]
    Export(ExportArgs),
    /// Put the policy that another tool keeps.
    #[command(after_help = help::IMPORT_HELP)]
    Import(ImportArgs),
    /// Take directions out of the allowlist, or whole entries.
    #[command(after_help = help::REVOKE_HELP)]
    Revoke(RevokeArgs),
    /// Put a document in the place of the policy.
    #[command(after_help = help::SET_HELP)]
    Set(SetArgs),
    /// Print the policy as a table.
    #[command(after_help = help::SHOW_HELP)]
    Show(ShowArgs),
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("direction").required(true).multiple(true)))]
pub(super) struct AllowArgs {
    /// Whose policy: a tenant id, or a domain, which is resolved.
    tenant: String,
    /// Whom to allow: a tenant id, a domain (it is resolved, and the id is what counts), or `*`.
    #[arg(value_name = "TENANT|DOMAIN|*")]
    other: String,
    /// Its connections may sign in here.
    #[arg(long, group = "direction")]
    inbound: bool,
    /// Connections of this tenant may sign in there.
    #[arg(long, group = "direction")]
    outbound: bool,
    /// A remark for people.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The entry stops acting then: a time like 2027-01-31T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<jiff::Timestamp>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(super) struct RevokeArgs {
    /// Whose policy: a tenant id, or a domain, which is resolved.
    tenant: String,
    /// Whom: a tenant id, a domain that an entry names, or `*`.
    #[arg(value_name = "TENANT|DOMAIN|*")]
    other: String,
    /// This direction; with neither, both.
    #[arg(long)]
    inbound: bool,
    /// This direction; with neither, both.
    #[arg(long)]
    outbound: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(super) struct SwitchArgs {
    /// Whose policy: a tenant id, or a domain, which is resolved.
    tenant: String,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(super) struct SetArgs {
    /// Whose policy: a tenant id, or a domain, which is resolved.
    tenant: String,
    /// The document (`-`: standard input). Entries may name domains.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    #[command(flatten)]
    only_if: OnlyIf,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// Whose policy: a tenant id, or a domain, which is resolved.
    tenant: String,
    /// What the other tool wrote (`-`: standard input).
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// What it is.
    #[arg(long, value_enum, default_value_t = InFormat::Auto)]
    format: InFormat,
    #[command(flatten)]
    only_if: OnlyIf,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args, Debug)]
struct OnlyIf {
    /// Only if the policy has this entity tag now, as `show` tells it.
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
}

#[derive(Args, Debug)]
struct ChangeArgs {
    /// Tell what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// Whose policy: a tenant id, or a domain that some policy names (it is not resolved).
    tenant: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// Whose policy: a tenant id, or a domain that some policy names (it is not resolved).
    tenant: String,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    /// Whose policy would change. Left out: that of the document, or every one of the directory.
    tenant: Option<String>,
    /// The other policy: a document (`-`: standard input), or a directory that holds it.
    #[arg(value_name = "FILE|DIR", required = true)]
    new: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum InFormat {
    /// What it looks like.
    Auto,
    /// Microsoft365DSC: a configuration with PPTenantIsolationSettings, or its JSON report.
    M365dsc,
    /// Microsoft's document.
    Microsoft,
    /// Get-PowerAppTenantIsolationPolicy | ConvertTo-Json -Depth 10.
    Powershell,
    /// A state file, or `terraform show -json`.
    Terraform,
}

impl InFormat {
    const fn format(self) -> Option<Format> {
        match self {
            Self::Auto => None,
            Self::M365dsc => Some(Format::M365Dsc),
            Self::Microsoft => Some(Format::Microsoft),
            Self::Powershell => Some(Format::PowerShell),
            Self::Terraform => Some(Format::Terraform),
        }
    }
}

fn time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse()
        .map_err(|_| "expected a time with its offset, like 2027-01-31T18:00:00Z".to_owned())
}

pub(super) fn run(command: &PolicyCommand) -> Exit {
    let done = match command {
        PolicyCommand::Allow(args) => change::allow(args),
        PolicyCommand::Diff(args) => diff::run(args),
        PolicyCommand::Disable(args) => change::disable(args),
        PolicyCommand::Enable(args) => change::enable(args),
        PolicyCommand::Export(args) => show::export(args),
        PolicyCommand::Import(args) => change::import(args),
        PolicyCommand::Revoke(args) => change::revoke(args),
        PolicyCommand::Set(args) => change::set(args),
        PolicyCommand::Show(args) => show::run(args),
    };
    done.unwrap_or_else(|fault| fault.tell())
}
