//! What Tidegate promises, tried against the real binary, and a table of what was measured.
//!
//! `cargo test` runs the short versions; `cargo prove` runs everything: every promise at the size
//! it names, and every adversarial case by its id. Exit code 1 if anything does not hold. See
//! `tests/README.md`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a promise that panics is not held, and the program prints a table"
)]

mod cases;
mod clock;
mod container;
mod faults;
mod frame;
mod fuzz;
#[path = "../gateway"]
mod gateway {
    #[allow(
        dead_code,
        unused_imports,
        reason = "shared with tests/gateway, which uses the rest"
    )]
    pub(crate) mod harness;
}
mod leaks;
mod load;
mod memory;
mod overload;
mod restarts;
mod slow;
mod smuggling;
mod tls;
mod withheld;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::task::LocalSet;

use frame::{Figure, Proof, Scale};
pub(crate) use gateway::harness;

/// Tries what Tidegate promises and prints what was measured.
#[derive(Parser)]
struct Options {
    /// Everything: promises at their full size, and every case by its id.
    #[arg(long)]
    all: bool,
    /// Only these promises.
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    only: Vec<u8>,
    /// Only the cases.
    #[arg(long, conflicts_with = "only")]
    cases: bool,
    /// Print what there is.
    #[arg(long)]
    list: bool,
    /// Only promises whose title holds this.
    filter: Option<String>,
    /// What `cargo test` hands to every test program.
    #[command(flatten)]
    ignored: Ignored,
}

/// Options of the usual test programs that mean nothing here.
#[derive(clap::Args)]
struct Ignored {
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    no_capture: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    quiet: bool,
    #[arg(long, hide = true)]
    ignored: bool,
    #[arg(long, hide = true)]
    include_ignored: bool,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
    #[arg(long, hide = true)]
    format: Option<String>,
    #[arg(long, hide = true)]
    skip: Vec<String>,
}

/// The promises, in the order of their numbers.
const TITLES: [(u8, &str); 12] = [
    (1, "no byte leaves before every token was checked"),
    (2, "no secret in any output"),
    (3, "at most 100 times the attacker's cost; memory bounded"),
    (4, "nothing lost across reloads, rotations, restarts"),
    (5, "slow and silent peers are closed in time"),
    (6, "faults upstream"),
    (7, "overload"),
    (8, "smuggling and normalisation"),
    (9, "TLS"),
    (10, "clock jumps"),
    (11, "fuzzing"),
    (12, "as nobody, with nothing to write"),
];

async fn prove(number: u8, scale: Scale) -> Vec<Figure> {
    match number {
        1 => withheld::prove(scale).await,
        2 => leaks::prove(scale).await,
        3 => memory::prove(scale).await,
        4 => restarts::prove(scale).await,
        5 => slow::prove(scale).await,
        6 => faults::prove(scale).await,
        7 => overload::prove(scale).await,
        8 => smuggling::prove(scale).await,
        9 => tls::prove(scale).await,
        10 => clock::prove(scale).await,
        11 => fuzz::prove(scale).await,
        12 => container::prove(scale).await,
        other => panic!("there is no promise {other}"),
    }
}

impl Options {
    fn scale(&self) -> Scale {
        if self.all { Scale::Long } else { Scale::Short }
    }

    /// The promises asked for.
    fn promises(&self) -> Vec<(u8, &'static str)> {
        let asked = |(number, title): &(u8, &str)| {
            (self.only.is_empty() || self.only.contains(number))
                && self.filter.as_ref().is_none_or(|part| title.contains(part))
        };
        if self.cases {
            return Vec::new();
        }
        TITLES.into_iter().filter(asked).collect()
    }

    /// Whether the cases are asked for as well.
    fn wants_cases(&self) -> bool {
        self.cases || (self.only.is_empty() && self.filter.is_none())
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list || options.ignored.ignored {
        list(&options);
        return ExitCode::SUCCESS;
    }
    tidegate_mock::tls::install_crypto_provider();
    raise_the_limit_of_open_files();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if LocalSet::new().block_on(&runtime, run(&options)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Thousands of connections, at both ends: as many files as the system lets one have.
fn raise_the_limit_of_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn list(options: &Options) {
    for (number, title) in options.promises() {
        println!("promise {number}: {title}");
    }
    if options.wants_cases() {
        cases::list();
    }
}

/// How long the whole may take, on four cores.
const WHOLE: Duration = Duration::from_secs(600);

/// Runs what is asked for; whether all of it holds.
async fn run(options: &Options) -> bool {
    let scale = options.scale();
    if scale == Scale::Long {
        println!("building the programs whose tests are run ...");
        drop(cases::run::Programs::built().await);
    }
    let start = Instant::now();
    let mut held = true;
    if options.wants_cases() {
        held &= cases::prove(scale).await;
    }
    let mut proofs = Vec::new();
    for (number, title) in options.promises() {
        let begin = Instant::now();
        println!("promise {number}: {title} ...");
        let figures = tokio::task::spawn_local(prove(number, scale)).await;
        let figures = figures.unwrap_or_else(|error| vec![Figure::failed(&error)]);
        held &= figures.iter().all(Figure::is_held);
        print!("{}", frame::lines(&figures));
        proofs.push(Proof {
            number,
            title,
            figures,
            took: begin.elapsed(),
        });
    }
    if !proofs.is_empty() {
        println!("{}", frame::table(&proofs));
    }
    if options.all && options.wants_cases() && proofs.len() == TITLES.len() {
        let took = start.elapsed();
        let (is, most) = (format!("{} s", took.as_secs()), WHOLE.as_secs());
        let figure = Figure::new("the whole run", is, format!("{most} s"), took <= WHOLE);
        held &= figure.is_held();
        print!("{}", frame::lines(&[figure]));
    }
    let verdict = if held { "All holds" } else { "NOT ALL HOLDS" };
    println!("{verdict}; {} s.", start.elapsed().as_secs());
    held
}
