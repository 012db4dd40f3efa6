//! `cargo fleet-demo`: flips a policy while clients exchange tokens and members of etcd are killed,
//! and counts what went wrong.
//!
//! Three members of etcd, five gateways that share their policies there, and clients at each. The
//! policy of one tenant allows and blocks in turn; the next flip waits until every gateway was seen
//! to decide by the last one. Every five flips a member is killed while a flip is on its way to
//! etcd, the one that leads or another one, and comes back two flips later.

mod audit;
mod etcd;
mod judge;
mod load;
mod report;
mod stage;

use std::path::Path;
use std::time::Duration;

use tidegate_mock::tenants::{CONTOSO, FABRIKAM};

use crate::Failure;
use crate::policies::Policy;

use etcd::{Cluster, Victim};
use judge::{Effect, Flip, Verdict};
use load::Load;
use stage::Stage;

/// A pause between two flips, for exchanges that are decided by one of them alone.
const BETWEEN: Duration = Duration::from_millis(100);

/// Of this many flips, one is on its way when a member is killed.
const ROUND: u32 = 5;

/// How the fleet is tried.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often the policy is flipped.
    #[arg(long, value_name = "COUNT", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    flips: u32,
}

/// What was done to the members of etcd.
#[derive(Default)]
pub(crate) struct Kills {
    leaders: usize,
    others: usize,
}

/// Refuses to begin where there is no etcd.
pub(crate) async fn prepared() -> Result<(), Failure> {
    etcd::installed().await
}

/// Flips, kills and prints; true if nothing went wrong.
pub(crate) async fn play(arguments: &Arguments, binary: &Path) -> Result<bool, Failure> {
    let mut stage = Stage::set(binary).await?;
    report::announce(&stage);
    let load = Load::start(&stage)?;
    let mut flips = vec![stage.first];
    stage.seen(stage.first.revision).await?;
    let mut kills = Kills::default();
    for number in 1..=arguments.flips {
        let flip = flip(&mut stage, number, &flips, &mut kills).await?;
        stage.seen(flip.revision).await?;
        flips.push(flip);
        // What the provider saw is of no interest here, and would be kept.
        stage.entra.requests().clear();
        tokio::time::sleep(BETWEEN).await;
    }
    let exchanges = load.finish().await?;
    let records = stage.end().await?;
    let verdict = Verdict::of(&flips, stage::GATEWAYS, &exchanges, &records);
    Ok(report::show(&verdict, &flips, &kills))
}

/// Writes the next policy, and does to etcd what is due.
async fn flip(
    stage: &mut Stage,
    number: u32,
    flips: &[Flip],
    kills: &mut Kills,
) -> Result<Flip, Failure> {
    let after = flips.last().map_or(0, |last| last.revision);
    let effect = if number.is_multiple_of(2) {
        Effect::Allow
    } else {
        Effect::Block
    };
    let client = stage.etcd.client();
    let put = written(&client, after, effect);
    match number % ROUND {
        2 => {
            stage.etcd.whole().await?;
            let leads = (number / ROUND).is_multiple_of(2);
            let victim = stage
                .etcd
                .victim(if leads { Victim::Leader } else { Victim::Other })
                .await?;
            let (flip, killed) = tokio::join!(put, stage.etcd.kill(victim));
            killed?;
            report::killed(number, victim, leads);
            *if leads {
                &mut kills.leaders
            } else {
                &mut kills.others
            } += 1;
            flip
        }
        4 => {
            stage.etcd.start_missing()?;
            put.await
        }
        _ => put.await,
    }
}

/// Writes a policy with an effect.
pub(crate) async fn written(
    client: &etcd::Client,
    after: u64,
    effect: Effect,
) -> Result<Flip, Failure> {
    let policy = match effect {
        Effect::Allow => Policy::on(CONTOSO).outbound(FABRIKAM),
        Effect::Block => Policy::on(CONTOSO),
    };
    let document = serde_json::to_vec(&policy.document())?;
    let key = format!("{}policies/{CONTOSO}", Cluster::PREFIX);
    let sent = std::time::Instant::now();
    let revision = client.put(&key, &document, after).await?;
    Ok(Flip {
        revision,
        effect,
        sent,
        acknowledged: std::time::Instant::now(),
    })
}
