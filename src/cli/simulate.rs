//! `simulate`: recorded exchanges, decided again under changed policies.
//!
//! Invariant: the decision is the rule's own. Memory does not grow with the records: one line is
//! held at a time, and groups are counted up to a bound.

mod record;
mod report;
mod tally;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use self::record::{Exchange, Reading};
use self::report::Report;
use self::tally::Tally;
use super::fault::Fault;
use super::lines::{Line, TOO_LONG};
use super::output::{note, plural, print};
use super::source::Sources;
use super::tenants::{Tenants, told};
use super::{Exit, documents};
use crate::clock;
use crate::compare::{Decided, Policies};
use crate::config;
use crate::core::policy::{Isolation, Mode, UnixSeconds};
use crate::core::tenant::TenantId;

#[derive(Args, Debug)]
pub(super) struct SimulateArgs {
    /// The changed policies: a directory, or one document. May be given again; of two policies of
    /// one tenant the later counts.
    #[arg(long, value_name = "DIR|FILE", required = true)]
    policies: Vec<PathBuf>,
    /// Audit records, one a line (`-`: standard input). May be given again.
    #[arg(long, value_name = "FILE", required = true)]
    audit: Vec<PathBuf>,
    /// Only exchanges that this tenant takes part in: its id, or a domain that some policy names.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// When they are decided again: `recorded` (each at its own time), `now`, or a time like
    /// 2027-01-31T18:00:00Z. It matters for entries that expire.
    #[arg(long, value_name = "WHEN", default_value = "recorded", value_parser = when)]
    at: When,
    /// The gateway's mode.
    #[arg(long, value_enum, default_value_t = InMode::Recorded)]
    mode: InMode,
    /// What a tenant without a policy counts as [default: off]
    #[arg(long, value_enum, conflicts_with = "config")]
    absent: Option<Absent>,
    /// Take `policies.absent` from this configuration.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go by the lines that can be read, if some cannot.
    #[arg(long)]
    tolerate_unreadable: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) const HELP: &str = "\
Examples:
  tidegate simulate --policies ./changed --audit /var/log/tidegate/audit.jsonl
  tidegate simulate --policies ./policies --policies contoso-on.json --audit audit.jsonl
  zcat audit-*.gz | tidegate simulate --policies ./changed --audit - --mode enforce --json

Exit codes: 0 every exchange would end as it did; 4 some would not; 1 that cannot be told: no
exchange could be decided again, or a line cannot be read (--tolerate-unreadable goes by the others;
a last line that ends early is always passed over), or a file; 64 wrong policies or command line, or
not one line of the records is a record.";

#[derive(Clone, Copy, Debug)]
enum When {
    At(UnixSeconds),
    Recorded,
}

fn when(text: &str) -> Result<When, String> {
    match text {
        "now" => Ok(When::At(clock::now())),
        "recorded" => Ok(When::Recorded),
        _ => text
            .parse::<jiff::Timestamp>()
            .map(|time| When::At(time.as_second()))
            .map_err(|_| {
                "expected `recorded`, `now` or a time like 2027-01-31T18:00:00Z".to_owned()
            }),
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum InMode {
    /// As it was when each exchange was recorded.
    Recorded,
    /// Blocks take effect.
    Enforce,
    /// Blocks are only recorded.
    ReportOnly,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Absent {
    /// Isolated.
    On,
    /// Not isolated.
    Off,
}

pub(super) fn run(args: &SimulateArgs) -> Exit {
    match simulate(args) {
        Ok((text, exit)) => print(&text, exit),
        Err(fault) => fault.tell(),
    }
}

fn simulate(args: &SimulateArgs) -> Result<(String, Exit), Fault> {
    let mut documents = Vec::new();
    for path in &args.policies {
        documents.extend(documents::read(path)?);
    }
    let tenants = Tenants::of(&documents);
    let named = args.tenant.as_deref().map(|text| tenants.find(text));
    let named = named
        .transpose()
        .map_err(|error| Fault::Wrong(format!("--tenant: {error}")))?;
    let replay = Replay {
        // The mode is each record's, or the one asked for.
        policies: documents::policies(&documents, Mode::Enforce, absent(args)?),
        tenant: named.as_ref().map(|named| named.tenant),
        at: args.at,
        mode: args.mode,
    };
    let (mut tally, mut broken) = (Tally::default(), None);
    Sources::of(&args.audit)?.each_line(|path, number, line| match line {
        Ok(line) => read(path, number, &line, &mut tally, &replay),
        Err(error) => {
            broken.get_or_insert_with(|| format!("{}: {error}", path.display()));
        }
    });
    if let Some(broken) = broken {
        return Err(Fault::Failed(broken));
    }
    if tally.is_no_audit() {
        let first = tally.unreadable.first().cloned().unwrap_or_default();
        return Err(Fault::Wrong(format!("no line is an audit record: {first}")));
    }
    let stored = named.and_then(|named| named.stored);
    let text = told(&Report::of(&tally, &tenants), stored.as_slice(), args.json);
    let exit = match untold(&tally, args.tolerate_unreadable) {
        Some(sentence) => {
            note(&sentence);
            Exit::Failed
        }
        None if tally.changed() == 0 => Exit::Done,
        None => Exit::Differences,
    };
    Ok((text, exit))
}

/// Why the records do not tell whether anything changes, as a sentence.
fn untold(tally: &Tally, tolerate_unreadable: bool) -> Option<String> {
    if tally.replayed == 0 {
        return Some("no exchange could be decided again, so nothing is known".to_owned());
    }
    let unreadable = tally.unreadable_lines;
    (unreadable > 0 && !tolerate_unreadable).then(|| {
        let lines = plural(unreadable, "line");
        format!("{lines} cannot be read; --tolerate-unreadable goes by the others")
    })
}

fn absent(args: &SimulateArgs) -> Result<Isolation, Fault> {
    if let Some(file) = &args.config {
        return Ok(config::load(file)?.policies.absent);
    }
    Ok(match args.absent {
        Some(Absent::On) => Isolation::On,
        Some(Absent::Off) | None => Isolation::Off,
    })
}

/// Under what exchanges are decided again.
struct Replay {
    policies: Policies,
    tenant: Option<TenantId>,
    at: When,
    mode: InMode,
}

impl Replay {
    fn exchange(&self, exchange: Exchange<'_>, tally: &mut Tally) {
        let Exchange {
            creator, sign_in, ..
        } = exchange;
        if self
            .tenant
            .is_some_and(|tenant| creator != Some(tenant) && sign_in != tenant)
        {
            tally.of_others += 1;
            return;
        }
        let mode = match self.mode {
            InMode::Recorded => exchange.mode,
            InMode::Enforce => Mode::Enforce,
            InMode::ReportOnly => Mode::ReportOnly,
        };
        let now = match self.at {
            When::At(time) => time,
            When::Recorded => exchange.time.as_second(),
        };
        let decision = self.policies.decide(mode, creator, sign_in, now);
        let decided = Decided::of(&decision);
        tally.replayed(&exchange, decided, &decision);
    }
}

/// Takes one line of a file.
fn read(path: &Path, number: u64, line: &Line<'_>, tally: &mut Tally, replay: &Replay) {
    match line {
        Line::Whole(text) => match record::read(text) {
            Ok(reading) => take(reading, tally, replay),
            Err(error) => tally.unreadable(path, number, &error),
        },
        // A writer was in the middle of it, or was killed there.
        Line::Torn(text) => match record::read(text) {
            Ok(reading) => take(reading, tally, replay),
            Err(_) => tally.torn(path, number),
        },
        Line::TooLong => tally.unreadable(path, number, TOO_LONG),
    }
}

fn take(reading: Reading<'_>, tally: &mut Tally, replay: &Replay) {
    match reading {
        Reading::Blank => {}
        Reading::Exchange(exchange) => replay.exchange(exchange, tally),
        Reading::NotDecided(kind) => tally.not_decided(kind),
    }
}
