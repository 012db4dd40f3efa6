//! `report`: who connects where, and what isolation did about it, for one tenant.
//!
//! Invariant: what cannot be read is told, in the report and by the exit code; a policy is never
//! recommended silently on part of the records.

mod audit;
mod table;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::fault::Fault;
use super::output::{json, note, print, print_bytes};
use super::tenants::{Named, Stored, Tenants};
use super::{ConfigArgs, Exit, find};
use crate::config::{self, Config};
use crate::core::policy::{self, Isolation, Mode};
use crate::core::tenant::TenantId;
use crate::events::Reader;
use crate::policies::directory;
use crate::policies::document::Document;
use crate::report::{self, Gather, Report, Today, Window, moment};

/// Rows that are told apart.
const MOST_ROWS: usize = 100_000;

/// How far back a store is looked at.
const RECENT: &str = "30d";

#[derive(Args, Debug)]
pub(super) struct ReportArgs {
    /// Whose report: a tenant id, or a domain that some policy names.
    tenant: String,
    /// From when: a time ago like 30d (h, d, w), a day like 2026-10-01, a time like
    /// 2026-10-01T12:00:00Z, or `all` [default: 30d of a store, all of audit records]
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Until when, said in the same way [default: now]
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// What to make of it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write it to this file and not to standard output (`-`: there after all).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only rows of this direction.
    #[arg(long, value_enum)]
    direction: Option<Direction>,
    /// Write the policy that it recommends to this file (`-`: standard output, and no report).
    #[arg(long, value_name = "FILE")]
    recommend: Option<PathBuf>,
    /// Read audit records, one a line (`-`: standard input), and no store. May be given again.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "store")]
    audit: Vec<PathBuf>,
    /// Read this store [default: the configuration's `events.file`]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Read policies from this directory and no configuration.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) const HELP: &str = "\
Examples:
  tidegate report contoso.com
  tidegate report 11111111-1111-4111-8111-111111111111 --since 90d --format html -o report.html
  tidegate report contoso.com --audit /var/log/tidegate/audit.jsonl --recommend policy.json
  tidegate report contoso.com --audit gateway-*/audit.jsonl* --format csv

Audit records may be compressed with gzip. Each counts once, in however many files it stands: for that
about 40 bytes of each are remembered.

The report ends with the policy that turns isolation On and keeps what runs today; `tidegate policy
import TENANT policy.json --dry-run` tells what it changes.

Exit codes: 0 done; 1 a file cannot be read or written, lines of it cannot (the report is made of the
others), or no policy can be recommended; 64 wrong configuration, policies or command line, or not one
line is a record.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Rows for a spreadsheet.
    Csv,
    /// A page that opens without a network.
    Html,
    /// Everything, for programs.
    Json,
    /// For a terminal.
    Table,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Direction {
    Inbound,
    Outbound,
}

pub(super) fn run(args: &ReportArgs) -> Exit {
    match make(args).and_then(|made| made.hand_out(args)) {
        Ok(exit) => exit,
        Err(fault) => fault.tell(),
    }
}

/// A report, and what its reader is told beside it.
struct Made {
    report: Report,
    stored: Option<Stored>,
    unread: Option<String>,
}

fn make(args: &ReportArgs) -> Result<Made, Fault> {
    let known = Known::of(args)?;
    let Named { tenant, stored } = known
        .tenants
        .find(&args.tenant)
        .map_err(|error| Fault::Wrong(format!("TENANT: {error}")))?;
    let made = Timestamp::now();
    let mut gather = Gather::new(tenant, window(args, made)?, MOST_ROWS);
    let unread = if args.audit.is_empty() {
        read_store(&known.store(args)?, &mut gather)?;
        None
    } else {
        audit::gather(&args.audit, &mut gather)?
    };
    let mut report = gather.report(&known.today(tenant), made);
    report.name(|tenant| known.tenants.name(tenant));
    match args.direction {
        Some(Direction::Inbound) => report.only(policy::Direction::Inbound),
        Some(Direction::Outbound) => report.only(policy::Direction::Outbound),
        None => {}
    }
    Ok(Made {
        report,
        stored,
        unread,
    })
}

fn window(args: &ReportArgs, now: Timestamp) -> Result<Window, Fault> {
    let wrong = |option: &str, error: String| Fault::Wrong(format!("{option}: {error}"));
    let recent = args.audit.is_empty().then_some(RECENT);
    let since = match args.since.as_deref().or(recent) {
        None | Some("all") => None,
        Some(text) => Some(moment(text, now).map_err(|error| wrong("--since", error))?),
    };
    let until = args
        .until
        .as_deref()
        .map_or(Ok(now), |text| moment(text, now));
    let until = until.map_err(|error| wrong("--until", error))?;
    if since.is_some_and(|since| since >= until) {
        return Err(wrong(
            "--since",
            "expected a time before --until".to_owned(),
        ));
    }
    Ok(Window { since, until })
}

fn read_store(file: &Path, gather: &mut Gather) -> Result<(), Fault> {
    let reader = Reader::open(file).map_err(|error| Fault::Failed(error.to_string()))?;
    report::from_store(&reader, gather)
        .map_err(|error| Fault::Failed(format!("{}: {error}", file.display())))
}

/// What is known beside the records.
struct Known {
    config: Option<Config>,
    documents: Option<Vec<(TenantId, Document)>>,
    tenants: Tenants,
    /// Why there is no configuration.
    searched: String,
}

impl Known {
    /// A configuration is needed only where nothing else says what to read.
    fn of(args: &ReportArgs) -> Result<Self, Fault> {
        let needed = args.audit.is_empty() && args.store.is_none();
        let (config, searched) = match find::config(&args.config) {
            _ if args.policies.is_some() => (None, "--policies names a directory".to_owned()),
            Ok(file) => (Some(config::load(&file)?), String::new()),
            Err(searched) if needed => {
                let others = "--store names a store of events, --audit audit records";
                return Err(Fault::Wrong(format!("{searched}; {others}")));
            }
            Err(searched) => (None, searched),
        };
        let configured = config
            .as_ref()
            .and_then(|config| config.policies.directory().ok());
        let directory = args.policies.as_deref().or(configured);
        let documents = directory.map(directory::documents).transpose()?;
        Ok(Self {
            tenants: Tenants::of(documents.as_deref().unwrap_or_default()),
            config,
            documents,
            searched,
        })
    }

    fn store(&self, args: &ReportArgs) -> Result<PathBuf, Fault> {
        if let Some(file) = &args.store {
            return Ok(file.clone());
        }
        let events = self
            .config
            .as_ref()
            .and_then(|config| config.events.as_ref());
        events.map(|events| events.file.clone()).ok_or_else(|| {
            let why = match &self.config {
                Some(_) => "the configuration has no [events], so no store is kept",
                None => &self.searched,
            };
            Fault::Wrong(format!(
                "{why}; --store names a store of events, --audit audit records"
            ))
        })
    }

    fn today(&self, tenant: TenantId) -> Today {
        let Some(documents) = &self.documents else {
            return Today::unknown();
        };
        let mut of_tenant = documents.iter().filter(|(whose, _)| *whose == tenant);
        let document = of_tenant.next().map(|(_, document)| document.clone());
        let (mode, absent) = match &self.config {
            Some(config) => (config.mode, config.policies.absent),
            None => (Mode::Enforce, Isolation::Off),
        };
        Today::new(document, mode, absent)
    }
}

impl Made {
    fn hand_out(&self, args: &ReportArgs) -> Result<Exit, Fault> {
        self.stored
            .iter()
            .for_each(|stored| note(&stored.to_string()));
        let recommended = args.recommend.as_deref().map(|file| self.recommend(file));
        let told = match recommended.transpose()? {
            Some(Told::OnStandardOutput) => Exit::Done,
            Some(Told::InFile) | None => self.tell(args)?,
        };
        Ok(match &self.unread {
            Some(sentence) => {
                note(sentence);
                Exit::Failed
            }
            None => told,
        })
    }

    fn tell(&self, args: &ReportArgs) -> Result<Exit, Fault> {
        let text = match args.format {
            Format::Csv => {
                let bytes = report::csv(&self.report);
                let bytes = bytes.map_err(|error| Fault::Failed(error.to_string()))?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Format::Html => report::html(&self.report),
            Format::Json => json(&self.report),
            Format::Table => table::text(&self.report),
        };
        let file = args.output.as_ref();
        if let Some(file) = file.filter(|file| file.as_os_str() != "-") {
            write(file, text.as_bytes())?;
            return Ok(Exit::Done);
        }
        if args.format == Format::Html && file.is_none() && io::stdout().is_terminal() {
            let sentence = "a page is for a browser: -o report.html writes it to a file";
            return Err(Fault::Wrong(sentence.to_owned()));
        }
        Ok(match args.format {
            Format::Csv | Format::Html => print_bytes(&text, Exit::Done),
            Format::Json | Format::Table => print(&text, Exit::Done),
        })
    }

    /// Writes the recommended policy.
    fn recommend(&self, file: &Path) -> Result<Told, Fault> {
        let recommendation = &self.report.recommendation;
        recommendation
            .notes
            .iter()
            .for_each(|sentence| note(sentence));
        let Some(policy) = &recommendation.policy else {
            return Err(Fault::Failed("no policy can be recommended".to_owned()));
        };
        let text = json(policy);
        if file.as_os_str() == "-" {
            print(&text, Exit::Done);
            return Ok(Told::OnStandardOutput);
        }
        write(file, text.as_bytes())?;
        Ok(Told::InFile)
    }
}

/// Where the recommended policy went.
enum Told {
    InFile,
    OnStandardOutput,
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Fault> {
    fs::write(file, bytes).map_err(|error| Fault::Failed(format!("{}: {error}", file.display())))
}
