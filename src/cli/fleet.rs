//! `fleet`: gateways that share their policies through etcd, and those policies as a whole.
//!
//! Invariant: nothing is written over a policy that was not looked at, and a directory that holds
//! anything is not written into.

mod accept;
mod export;
mod import;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigArgs, Exit};

#[derive(Debug, Subcommand)]
pub(super) enum FleetCommand {
    /// Have gateways follow another history than theirs: a backup that was restored, a new cluster.
    #[command(after_help = ACCEPT_HELP)]
    Accept(AcceptArgs),
    /// Write every policy in etcd into a directory, as files.
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
    /// Put the policies of a directory into etcd.
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// Tell which gateways there are, and which policies each enforces.
    #[command(after_help = STATUS_HELP)]
    Status(StatusArgs),
}

#[derive(Args, Debug)]
pub(super) struct AcceptArgs {
    /// The cluster's id, as this command shows it.
    #[arg(long, value_name = "ID", requires = "revision")]
    cluster: Option<String>,
    /// The revision that was looked at, as this command shows it.
    #[arg(long, value_name = "N", requires = "cluster")]
    revision: Option<u64>,
    /// The cluster that is given up, as gateways name it that refuse this one. Without it: the same,
    /// of which a backup was restored.
    #[arg(long, value_name = "ID", requires = "cluster")]
    instead_of: Option<String>,
    /// Why, for those who read the records later.
    #[arg(long, value_name = "TEXT", requires = "cluster")]
    note: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// The directory to make, or one that is empty.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// A policy directory.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Put the directory's in the place of policies that etcd has with another text.
    #[arg(long)]
    replace: bool,
    /// Tell what would be put, and put nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) const HELP: &str = "\
The cluster is that of the configuration's [policies.etcd].

Examples:
  tidegate fleet status --config /etc/tidegate/tidegate.toml
  tidegate fleet accept
  tidegate fleet import ./policies --dry-run
  tidegate fleet export ./policies-of-today

Exit codes: 0 done; 1 failed at run time, or not all of it was done; 64 wrong configuration, policies
or command line.";

const ACCEPT_HELP: &str = "\
Examples:
  tidegate fleet accept
  tidegate fleet accept --cluster 00a1b2c3d4e5f607 --revision 5120 --note 'backup of Tuesday, ticket 4711'

Gateways refuse an etcd that is older than what they enforce, or another (tidegate_policy_source_regressed
is 1), and keep enforcing what they have. Without --cluster this tells what is there, and accepts nothing.
With it, each gateway that enforces the policies of the cluster given up (--instead-of, or the same) and
refuses this history reads everything and enforces that instead, once, if it looks within a day: the
acceptance stands in etcd and in each gateway's audit records. A gateway that saw it never obeys it again.
Exit codes: 0 told, or accepted; 1 etcd is another one than was named, or does not answer.";

const EXPORT_HELP: &str = "\
Example:
  tidegate fleet export ./policies-of-today

All files are of one revision of etcd. What is no policy is written as it stands, and told.
Exit codes: 0 done; 1 failed, or something is no policy; 64 the directory is not empty.";

const IMPORT_HELP: &str = "\
Examples:
  tidegate fleet import /etc/tidegate/policies --dry-run
  tidegate fleet import /etc/tidegate/policies
  tidegate fleet import ./policies --replace

Policies that only etcd has stay. Where etcd has another text, nothing at all is put unless --replace
says so. A policy that somebody writes meanwhile is left to them. It may be run again: what is there
already is not put again.
Exit codes: 0 done, or nothing to do; 1 failed, or policies that differ; 64 policies with faults.";

const STATUS_HELP: &str = "\
Examples:
  tidegate fleet status
  tidegate fleet status --json | jq '.gateways[] | select(.behind != 0)'

A gateway tells every few seconds in a small fleet and less often in a large one (\"told\"; 1,000
gateways: about every 100 s). One that was told to end is gone from the list at once, one that was killed
or is cut off after 10 s. \"behind\" counts from the last change of a policy, whoever wrote it, and however;
to be sure of that, this waits for the fleet's next heartbeat (2 s, at most 8).
Exit codes: 0 every gateway told that it enforces every policy; 1 one did not, there is none, nobody can
tell, or etcd does not answer.";

pub(super) fn run(command: &FleetCommand) -> Exit {
    let done = match command {
        FleetCommand::Accept(args) => accept::run(args),
        FleetCommand::Export(args) => export::run(args),
        FleetCommand::Import(args) => import::run(args),
        FleetCommand::Status(args) => status::run(args),
    };
    done.unwrap_or_else(|fault| fault.tell())
}
