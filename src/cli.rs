//! The command line: what each command takes, and what its exit code means.
//!
//! Invariant: command output goes to standard output and everything else to standard error; a
//! reader of either that goes away is no fault.

mod check;
mod cluster;
mod documents;
mod explain;
mod fault;
mod find;
mod fleet;
mod lines;
mod output;
mod policy;
mod report;
mod resolve;
mod serve;
mod simulate;
mod source;
mod tail;
mod tenants;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use fleet::FleetCommand;
use policy::PolicyCommand;
use report::ReportArgs;
use resolve::ResolveArgs;
use simulate::SimulateArgs;
use tail::TailArgs;

/// How a command ended. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Done; for `explain`, allowed.
    Done = 0,
    /// Something failed that is no fault of what was asked.
    Failed = 1,
    /// `explain`: blocked.
    Blocked = 3,
    /// `policy diff`, `simulate`: decisions would change.
    Differences = 4,
    /// The configuration, a policy or the command line is wrong (`EX_USAGE` of sysexits.h).
    Wrong = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// OAuth token-exchange gateway that enforces tenant isolation.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, after_help = MAIN_HELP, max_term_width = 100)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the configuration and all policies, and tell every problem at once.
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Print a completion script for a shell.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Tell how a connection between two tenants is decided, and why.
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Gateways that share policies through etcd: how they stand, and all policies in and out.
    #[command(after_help = fleet::HELP, subcommand)]
    Fleet(FleetCommand),
    /// Show and change one tenant's policy, in a directory, in etcd or through a gateway's admin API.
    #[command(after_help = policy::HELP, subcommand)]
    Policy(PolicyCommand),
    /// Report who connects where across tenants, and what isolation did about it.
    #[command(after_help = report::HELP)]
    Report(ReportArgs),
    /// Tell which tenant a domain belongs to.
    #[command(after_help = resolve::HELP)]
    Resolve(ResolveArgs),
    /// Run the gateway until SIGTERM or SIGINT; SIGHUP reads the policies again.
    #[command(after_help = SERVE_HELP)]
    Serve(ConfigArgs),
    /// Tell what changed policies would block or allow of the exchanges that were recorded.
    #[command(after_help = simulate::HELP)]
    Simulate(SimulateArgs),
    /// Show decisions as they are recorded.
    #[command(after_help = tail::HELP)]
    Tail(TailArgs),
    /// Print the version.
    Version,
}

#[derive(Args, Debug)]
struct ConfigArgs {
    /// The configuration [default: $TIDEGATE_CONFIG, ./tidegate.toml, /etc/tidegate/tidegate.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON, problems included, on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ExplainArgs {
    /// Who creates or runs the connection: a tenant id, or a domain that some policy names.
    /// Left out: a legacy connection, which carries no client tenant id.
    #[arg(long, value_name = "TENANT")]
    creator: Option<String>,
    /// Whose account signs in: a tenant id, or a domain that some policy names.
    #[arg(long, value_name = "TENANT")]
    sign_in: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// Read this policy directory and no configuration: mode enforce, no policy means Off.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    policies: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const MAIN_HELP: &str = "\
Examples:
  tidegate check --config config/sidecar.toml
  tidegate serve --config config/sidecar.toml
  tidegate explain --policies config/policies --sign-in fabrikam.com \\
      --creator 11111111-1111-4111-8111-111111111111
  tidegate policy show 11111111-1111-4111-8111-111111111111 --policies config/policies
  tidegate report contoso.com --since 90d --format html -o report.html
  tidegate simulate --policies ./changed --audit /var/log/tidegate/audit.jsonl
  tidegate tail /var/log/tidegate/audit.jsonl --decision block

Exit codes: 0 done; 1 failed at run time, or records that tell nothing (simulate); 3 blocked (explain);
4 decisions would change (policy diff, simulate); 64 wrong configuration, policies or command line.";

const CHECK_HELP: &str = "\
Examples:
  tidegate check --config /etc/tidegate/tidegate.toml
  tidegate check --json | jq '.problems[] | .file + \" \" + .key'

Problems go to standard error, one a line: file, key path, what was found, what was expected.
Exit codes: 0 no problem; 64 problems, or no configuration.";

const COMPLETIONS_HELP: &str = "\
Examples:
  tidegate completions bash > /etc/bash_completion.d/tidegate
  tidegate completions zsh > \"${fpath[1]}/_tidegate\"";

const EXPLAIN_HELP: &str = "\
Examples:
  tidegate explain --creator 11111111-1111-4111-8111-111111111111 --sign-in fabrikam.com
  tidegate explain --sign-in 11111111-1111-4111-8111-111111111111   (a legacy connection)
  tidegate explain --policies ./policies --creator contoso.com --sign-in fabrikam.com --json

Exit codes: 0 allowed, or would be blocked if every side enforced; 3 blocked; 64 no such tenant, or
policies that cannot be read.";

const SERVE_HELP: &str = "\
Examples:
  tidegate serve --config config/sidecar.toml
  TIDEGATE_CONFIG=/etc/tidegate/gateway.toml tidegate serve

Exit codes: 0 ended by a signal, after draining; 1 failed at run time; 64 wrong configuration or
policies (nothing is bound then).";

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => {
            let exit = if error.use_stderr() {
                Exit::Wrong
            } else {
                Exit::Done
            };
            // Nobody is left to tell if this cannot be written.
            drop(error.print());
            return exit.into();
        }
    };
    run(command).into()
}

fn run(command: Command) -> Exit {
    match command {
        Command::Check(args) => check::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut script);
            output::print_bytes(&String::from_utf8_lossy(&script), Exit::Done)
        }
        Command::Explain(args) => explain::run(&args),
        Command::Fleet(command) => fleet::run(&command),
        Command::Policy(command) => policy::run(&command),
        Command::Report(args) => report::run(&args),
        Command::Resolve(args) => resolve::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Version => {
            let version = env!("CARGO_PKG_VERSION");
            let text = format!("tidegate {version}\nTLS: rustls with aws-lc-rs\n");
            output::print(&text, Exit::Done)
        }
    }
}
