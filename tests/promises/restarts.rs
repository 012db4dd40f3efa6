//! Promise 4: nothing is lost across policy reloads, rotations of certificates (a quarter of them
//! broken) and rolling restarts of two instances.

mod leaver;
mod rolling;
mod traffic;

use std::time::Duration;

use tidegate_mock::tls::Leaf;
use tokio::time::{Instant, sleep_until};

use crate::frame::{Figure, Scale};
use crate::harness::tls::{metric, put, replace};
use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, Policy, Setup, World, until};

use traffic::{Balancer, Traffic};

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let mut figures = reloads_and_rotations(scale).await;
    figures.extend(rolling::prove(scale).await);
    figures
}

/// What both parts start with: Contoso is isolated, so that blocks are part of the traffic.
fn setup() -> Setup {
    Setup::new()
        .policy(Policy::on(CONTOSO))
        .policy(Policy::on(NORTHWIND))
        .set("log.level", "info")
}

/// Twenty rotations in a minute, five of them broken, and policies that change all the time.
async fn reloads_and_rotations(scale: Scale) -> Vec<Figure> {
    let (rotations, pause) = (scale.pick(4, 20), scale.pick(1000, 3000));
    let world = World::start(setup()).await;
    let balancer = Balancer::of(&[&world.gateway]);
    let traffic = Traffic::start(&world, &balancer);
    let start = Instant::now();
    let mut policies = 0;
    let (mut good, mut broken) = (0.0, 0.0);
    for number in 0..rotations {
        if number % 4 == 3 {
            break_pair(&world, number);
            broken += 1.0;
        } else {
            let write = [put, replace][usize::from(number % 2 == 0)];
            write(world.directory.path(), "gateway", &leaf(&world));
            good += 1.0;
        }
        let next = start + Duration::from_millis(pause * (number + 1));
        while Instant::now() < next {
            let northwind = [Policy::on(NORTHWIND), Policy::off(NORTHWIND)];
            world.put(&northwind[policies % 2].clone().both(FABRIKAM));
            policies += 1;
            sleep_until((Instant::now() + Duration::from_millis(100)).min(next)).await;
        }
    }
    let counted = until("all rotations", async || {
        counted(&world, good + broken).await
    })
    .await;
    let told = world.log.count("new certificates cannot be used");
    let mut figures = traffic.stop(&world).await.figures("reloads and rotations");
    figures.push(Figure::new(
        "policies written meanwhile",
        policies,
        "many",
        policies > 10,
    ));
    figures.push(Figure::new(
        format!("rotations in {} s", start.elapsed().as_secs()),
        format!("{} taken, {} refused", counted.0, counted.1),
        format!("{good} taken, {broken} refused"),
        counted == (good, broken),
    ));
    figures.push(Figure::new(
        "alarms for broken pairs",
        told,
        broken,
        told as f64 == broken,
    ));
    figures
}

fn leaf(world: &World) -> Leaf {
    world.ca.server(["localhost", "127.0.0.1"]).unwrap()
}

/// Writes what is no pair.
fn break_pair(world: &World, number: u64) {
    let (one, other) = (leaf(world), leaf(world));
    let key = if number % 8 == 3 {
        other.key_pem
    } else {
        one.key_pem[..one.key_pem.len() / 2].to_owned()
    };
    let certificate_pem = one.certificate_pem;
    let key_pem = key;
    put(
        world.directory.path(),
        "gateway",
        &Leaf {
            certificate_pem,
            key_pem,
        },
    );
}

/// Rotations taken and refused, once there were so many.
async fn counted(world: &World, all: f64) -> Option<(f64, f64)> {
    let text = world.metrics().await;
    let of = |name: &str| {
        let name = format!("tidegate_certificate_{name}_total{{listener=\"data\"}}");
        metric(&text, &name).unwrap()
    };
    let counted = (of("reloads"), of("reload_failures"));
    (counted.0 + counted.1 >= all).then_some(counted)
}
