//! What a run prints.

use std::time::Duration;

use super::Kills;
use super::judge::{Flip, Verdict, percentile};
use super::load::{CLIENTS, EVERY};
use super::stage::{GATEWAYS, Stage};

/// How many problems are shown of each kind.
const SHOWN: usize = 5;

/// Says what runs.
pub(crate) fn announce(stage: &Stage) {
    for (number, endpoint) in stage.etcd.endpoints().iter().enumerate() {
        println!("etcd-{number}     {endpoint}");
    }
    for (number, gateway) in stage.gateways.iter().enumerate() {
        println!("gateway-{number}  {}", gateway.url());
    }
    println!(
        "{CLIENTS} clients at each gateway begin an exchange every {} ms, or as fast as it goes\n",
        EVERY.as_millis()
    );
}

/// Says which member was killed.
pub(crate) fn killed(flip: u32, member: usize, leads: bool) {
    let role = if leads { "the leader" } else { "no leader" };
    println!("flip {flip:>4}: etcd-{member}, {role}, killed");
}

/// Prints the verdict; true if nothing went wrong.
pub(crate) fn show(verdict: &Verdict, flips: &[Flip], kills: &Kills) -> bool {
    // The first policy is no flip.
    let count = flips.len().saturating_sub(1);
    let expected = count * GATEWAYS;
    let mut writes: Vec<Duration> = flips
        .iter()
        .skip(1)
        .map(|flip| flip.acknowledged.saturating_duration_since(flip.sent))
        .collect();
    writes.sort_unstable();
    println!("\nflips of the policy       {count}");
    println!(
        "members of etcd killed    {}, one at a time: {} leading, {} not",
        kills.leaders + kills.others,
        kills.leaders,
        kills.others
    );
    println!("exchanges                 {}", verdict.exchanges);
    println!(
        "write until etcd's answer p50 {}, max {}",
        milliseconds(percentile(&writes, 0.5)),
        milliseconds(percentile(&writes, 1.0))
    );
    println!(
        "propagation               p50 {}, p90 {}, p99 {}, max {}",
        milliseconds(verdict.percentile(0.5)),
        milliseconds(verdict.percentile(0.9)),
        milliseconds(verdict.percentile(0.99)),
        milliseconds(verdict.percentile(1.0))
    );
    let early = verdict.propagation.iter().filter(|time| time.is_zero());
    println!(
        "                          from etcd's answer to a client's first answer by that policy, \
         {} of {expected}\n                          flips at gateways; {} were there before etcd's \
         answer and count as 0",
        verdict.propagation.len(),
        early.count()
    );
    problems("failed requests          ", &verdict.failed);
    problems("wrong decisions          ", &verdict.wrong);
    verdict.failed.is_empty() && verdict.wrong.is_empty() && verdict.propagation.len() == expected
}

fn problems(what: &str, found: &[String]) {
    println!("{what} {}", found.len());
    for problem in found.iter().take(SHOWN) {
        println!("  {problem}");
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
