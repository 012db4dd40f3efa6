//! Promise 5: slow and silent peers are closed within their deadline plus a second, while good
//! traffic loses nothing and its 99th percentile at most doubles, measured in the same run.

mod leaving;
mod peers;
mod watch;

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::frame::{Figure, Scale};
use crate::harness::{Setup, World, until};
use crate::load::{Load, Taken, milliseconds};
use peers::{Kind, PEERS};
use watch::Watch;

/// Everything that a slow client is waited for, so that one run sees all of it.
const DEADLINE: Duration = Duration::from_secs(3);

/// What is granted beyond a deadline.
const GRACE: Duration = Duration::from_secs(1);

/// How long the slow ones take to arrive, all together.
const ARRIVAL: Duration = Duration::from_secs(4);

/// Clients of good traffic.
const CLIENTS: usize = 6;

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let deadline = format!("{}ms", DEADLINE.as_millis());
    let setup = Setup::new()
        .set("limits.handshake_timeout", deadline.as_str())
        .set("limits.header_timeout", deadline.as_str())
        .set("limits.body_timeout", deadline.as_str())
        .set("limits.reply_body", "8MiB");
    let world = World::start(setup).await;
    let mut figures = beside_good_traffic(scale, &world).await;
    figures.push(all_given_back(&world).await);
    figures.extend(leaving::prove(scale, &world).await);
    world.nothing_leaked().await;
    let alive = world.gateway.is_alive() && world.log.count("panicked") == 0;
    figures.push(Figure::new(
        "the same process, no panic",
        alive,
        true,
        alive,
    ));
    figures
}

async fn beside_good_traffic(scale: Scale, world: &World) -> Vec<Figure> {
    let load = Load::start(world, CLIENTS);
    tokio::time::sleep(scale.pick(ARRIVAL / 4, 2 * ARRIVAL)).await;
    let before = load.stop().await;

    let load = Load::start(world, CLIENTS);
    let closed = all_slow_ones(scale, world).await;
    let during = load.stop().await;

    let mut figures: Vec<Figure> = PEERS
        .iter()
        .map(|(kind, _)| closed_in_time(scale, *kind, &closed))
        .collect();
    figures.extend(good_traffic(scale, &before, &during));
    figures
}

/// Lets all of them come, mixed, and tells how long each was borne.
async fn all_slow_ones(scale: Scale, world: &World) -> Vec<(Kind, Duration)> {
    let count = |most: usize| scale.pick(most.div_ceil(25), most);
    let mut order: Vec<(usize, Kind)> = Vec::new();
    for (kind, most) in PEERS {
        let count = count(most);
        order.extend((0..count).map(|index| (index * 10_000 / count, kind)));
    }
    order.sort_unstable_by_key(|(place, _)| *place);
    let (begin, watch) = (Instant::now(), Watch::start());
    let mut peers = JoinSet::new();
    for (place, kind) in order {
        let due = ARRIVAL * u32::try_from(place).unwrap() / 10_000;
        tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
        peers.spawn_local(kind.connect(world, &watch).await.borne());
    }
    peers.join_all().await
}

fn closed_in_time(scale: Scale, kind: Kind, closed: &[(Kind, Duration)]) -> Figure {
    let ours = closed.iter().filter(|(known, _)| *known == kind);
    let times: Vec<Duration> = ours.map(|(_, time)| *time).collect();
    let longest = times.iter().max().copied().unwrap_or_default();
    Figure::speed(
        scale,
        format!("{} {}, the longest borne", times.len(), kind.name()),
        format!("{:.2} s", longest.as_secs_f64()),
        format!("{} s", (DEADLINE + GRACE).as_secs()),
        !times.is_empty() && longest <= DEADLINE + GRACE,
    )
}

fn good_traffic(scale: Scale, before: &Taken, during: &Taken) -> [Figure; 2] {
    let nothing_lost = before.lost.is_empty() && during.lost.is_empty();
    let (usual, beside) = (before.percentile(99), during.percentile(99));
    let lost = during.lost.first().map_or("", String::as_str);
    [
        Figure::new(
            "good exchanges answered meanwhile",
            format!("{} {lost}", during.answered()),
            "all",
            nothing_lost,
        ),
        Figure::speed(
            scale,
            "their p99, without and beside the slow ones",
            format!("{}, {}", milliseconds(usual), milliseconds(beside)),
            "at most twice",
            beside <= 2 * usual,
        ),
    ]
}

/// Nothing is held any more.
async fn all_given_back(world: &World) -> Figure {
    until("nothing in flight", async || {
        let metrics = world.metrics().await;
        metrics
            .contains("tidegate_exchanges_in_flight 0")
            .then_some(())
    })
    .await;
    Figure::new("exchanges still counted", 0, 0, true)
}
