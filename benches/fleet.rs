//! What a fleet costs: a gateway with many policies, a cluster with many gateways.
//!
//! ```text
//! cargo build --release
//! cargo bench --bench fleet -- policies [NUMBER [MEMBERS [PROGRAM]]]     500000 1 target/release/tidegate
//! cargo bench --bench fleet -- watchers [NUMBER [MEMBERS [plain|tls]]]   3000 3 plain
//! cargo bench --bench fleet -- leases [NUMBER [MEMBERS [plain|tls]]]     10000 3 plain
//! cargo bench --bench fleet -- simulate [MICROSECONDS [MIB]]             1000 100
//! ```
//!
//! The first three start a real etcd (Debian: etcd-server) on free ports. `simulate` starts nothing: it
//! is told how long a member works for one reconnection, and how many MiB of snapshot a member gives
//! away in a second; `policies` and `watchers` measure that. A plain program: each part is done once, and too
//! long for more. `bench/fleet.md` has what came of it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "fixtures that are wrong may stop the benchmark, which prints what it found"
)]

#[path = "fleet/cluster.rs"]
mod cluster;
#[path = "fleet/leases.rs"]
mod leases;
#[path = "fleet/policies.rs"]
mod policies;
#[path = "fleet/simulation.rs"]
mod simulation;
#[path = "fleet/watchers.rs"]
mod watchers;

use simulation::{Backoff, Fleet, Jitter, Micros, cold_start};

/// How gateways wait between attempts: `PAUSE` and `LONGEST_PAUSE` of `src/fleet/source.rs`.
const BACKOFF: Backoff = Backoff {
    least: 1_000_000,
    most: 15_000_000,
    jitter: Jitter::Whole,
};

/// How long a gateway waits for an answer: `ANSWER` of `src/fleet/etcd.rs`.
const PATIENCE: Micros = 5_000_000;

fn main() {
    // Cargo adds one of its own.
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|it| it != "--bench")
        .collect();
    let word = |at: usize| arguments.get(at).map(String::as_str);
    let number = |at: usize, otherwise: u64| word(at).map_or(otherwise, |it| it.parse().unwrap());
    let size = |at: usize, otherwise: u64| usize::try_from(number(at, otherwise)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match word(0) {
        Some("policies") => {
            let program = word(3).unwrap_or("target/release/tidegate").into();
            runtime.block_on(policies::run(number(1, 500_000), size(2, 1), program));
        }
        Some("watchers") => {
            let is_tls = word(3) == Some("tls");
            runtime.block_on(watchers::run(size(1, 3_000), size(2, 3), is_tls));
        }
        Some("leases") => {
            let is_tls = word(3) == Some("tls");
            runtime.block_on(leases::run(size(1, 10_000), size(2, 3), is_tls));
        }
        Some("simulate") => simulate(number(1, 1_000), number(2, 100)),
        _ => println!("policies, watchers, leases or simulate? See benches/fleet.rs"),
    }
}

/// Prints what would become of large fleets.
fn simulate(work: Micros, mib: u64) {
    println!("A member works {work} us for one reconnection, and gives away {mib} MiB a second.\n");
    println!(
        "| gateways | members | pauses | half | 99 of 100 | all | attempts | for nobody | most a second |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let second = |time: Option<Micros>| {
        time.map_or("not in an hour".to_owned(), |time| {
            format!("{:.1} s", time as f64 / 1e6)
        })
    };
    for gateways in [1_000, 10_000, 30_000, 100_000] {
        for members in [3, 5] {
            for (name, backoff) in [
                ("as built", BACKOFF),
                (
                    "no chance",
                    Backoff {
                        jitter: Jitter::None,
                        ..BACKOFF
                    },
                ),
                (
                    "at most 1 s",
                    Backoff {
                        most: 1_000_000,
                        ..BACKOFF
                    },
                ),
            ] {
                let told = simulation::run(&Fleet {
                    gateways,
                    members,
                    work,
                    patience: PATIENCE,
                    backoff,
                    outage: 120_000_000,
                    spread: 0,
                    seed: 1,
                });
                println!(
                    "| {gateways} | {members} | {name} | {} | {} | {} | {} | {} | {} |",
                    second(told.half),
                    second(told.most),
                    second(told.all),
                    told.attempts,
                    told.wasted,
                    told.peak
                );
            }
        }
    }
    println!(
        "\n| gateways that start without a cache | members | bytes | time |\n|---|---|---|---|"
    );
    for gateways in [100, 1_000, 10_000, 100_000] {
        for members in [3, 5] {
            let snapshot = 500_000 * 1_100;
            let (bytes, seconds) = cold_start(gateways, snapshot, members, mib * 1024 * 1024);
            println!(
                "| {gateways} | {members} | {:.2} TB | {:.1} h |",
                bytes as f64 / 1e12,
                seconds as f64 / 3600.0
            );
        }
    }
}
