//! `fleet`: gateways that share their policies through etcd, and those policies as a whole.
//!
//! Invariant: nothing is written over a policy that was not looked at, and a directory that holds
//! anything is not written into.

mod export;
mod import;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigArgs, Exit};

#[derive(Debug, Subcommand)]
pub(super) enum FleetCommand {
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
  tidegate fleet import ./policies --dry-run
  tidegate fleet export ./policies-of-today

Exit codes: 0 done; 1 failed at run time, or not all of it was done; 64 wrong configuration, policies
or command line.";

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
gateways: about every 100 s). One that ended is gone from the list after 10 s.
Exit codes: 0 every gateway told that it enforces every policy; 1 one did not, there is none, or etcd
does not answer.";

pub(super) fn run(command: &FleetCommand) -> Exit {
    let done = match command {
        FleetCommand::Export(args) => export::run(args),
        FleetCommand::Import(args) => import::run(args),
        FleetCommand::Status(args) => status::run(args),
    };
    done.unwrap_or_else(|fault| fault.tell())
}
