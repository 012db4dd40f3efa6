//! File descriptors that run out: too few from the start, and taken away while the gateway runs.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::Probes;
use crate::frame::{Figure, Scale};
use crate::harness::tls::metric;
use crate::harness::{COMMON, CONTOSO, Setup, World, until};

/// What the gateway may have.
const FEW: u64 = 256;

/// Connections that strangers open.
const STRANGERS: usize = 600;

/// Clock ticks a second, in which `/proc` counts: the same on every Linux.
const TICKS: f64 = 100.0;

/// The share of one core that a gateway that waits may use.
const IDLE: f64 = 10.0;

pub(super) async fn prove(scale: Scale) -> Vec<Figure> {
    if !std::path::Path::new("/proc/self/stat").exists() {
        return vec![Figure::skipped(
            "file descriptors run out",
            "there is no /proc",
        )];
    }
    let look = Duration::from_secs(scale.pick(1, 5));
    let mut figures = too_few(look).await;
    figures.extend(taken_away(look).await);
    figures
}

fn setup() -> Setup {
    Setup::new()
        .set("limits.header_timeout", "1h")
        .set("limits.handshake_timeout", "1h")
        .set("log.level", "info")
}

/// Strangers take every connection there is.
async fn too_few(look: Duration) -> Vec<Figure> {
    let mut setup = setup().set("limits.connections", 4096);
    setup.under = ["sh", "-c", &format!("ulimit -n {FEW} && exec \"$@\""), "sh"]
        .map(str::to_owned)
        .to_vec();
    let world = World::start(setup).await;
    let before = descriptors(&world);
    good(&world, false).await;
    let mut strangers = Vec::new();
    for _ in 0..STRANGERS {
        strangers.push(TcpStream::connect(world.gateway.data).await.unwrap());
    }
    until("turned away", async || {
        let text = world.metrics().await;
        let refused = metric(&text, "tidegate_connections_refused_total");
        (refused? > STRANGERS as f64 / 2.0).then_some(())
    })
    .await;
    let used = descriptors(&world);
    let probes = Probes::of(&world, 25).await;
    let cpu = cpu(&world, look).await;
    // A client that was there before is served on, with a new connection upstream if need be.
    let served = good(&world, false).await;
    drop(strangers);
    let back = until("places", async || good(&world, true).await.then_some(true)).await;
    let after = until("given back", async || {
        let now = descriptors(&world);
        (now <= before + 8).then_some(now)
    })
    .await;
    let told = world.log.count("few file descriptors");
    vec![
        Figure::new(
            format!("{STRANGERS} silent connections, {FEW} file descriptors: used"),
            used,
            format!("below {FEW}"),
            used < usize::try_from(FEW).unwrap(),
        ),
        Figure::new("the start tells of it", told, 1, told == 1),
        probes.figure(),
        Figure::new(
            "CPU meanwhile, of one core",
            format!("{cpu:.1} %"),
            format!("at most {IDLE} %"),
            cpu <= IDLE,
        ),
        Figure::new("an open connection is served", served, true, served),
        Figure::new(
            "afterwards: new ones are served, descriptors are back",
            format!("{back}, {before} before, {after} after"),
            "as before",
            back,
        ),
    ]
}

/// The limit falls below what is in use: nothing can be opened any more, by anybody.
async fn taken_away(look: Duration) -> Vec<Figure> {
    let world = World::start(setup()).await;
    good(&world, false).await;
    let pid = Pid::from_raw(i32::try_from(world.gateway.pid()).unwrap());
    let none = Rlimit {
        current: Some(3),
        ..getrlimit(Resource::Nofile)
    };
    let known = prlimit(pid, Resource::Nofile, none).unwrap();
    let mut strangers = Vec::new();
    for _ in 0..50 {
        strangers.push(TcpStream::connect(world.gateway.data).await.unwrap());
    }
    until("told of", async || {
        (world.log.count("cannot accept") > 0).then_some(())
    })
    .await;
    let cpu = cpu(&world, look).await;
    let told = world.log.count("cannot accept");
    let alive = world.gateway.is_alive();
    prlimit(pid, Resource::Nofile, known).unwrap();
    drop(strangers);
    let back = until("back", async || good(&world, true).await.then_some(true)).await;
    let live = world.admin("/livez").await.0 == 200;
    vec![
        Figure::new(
            "no file descriptor left: CPU, of one core",
            format!("{cpu:.1} %"),
            format!("at most {IDLE} %"),
            cpu <= IDLE,
        ),
        Figure::new(
            "lines in the log about it",
            told,
            "at most 3 a listener",
            told <= 9,
        ),
        Figure::new(
            "the same process, which serves again afterwards",
            alive && back && live,
            true,
            alive && back && live,
        ),
    ]
}

/// Whether an exchange is allowed, on the client's connection or on a new one.
async fn good(world: &World, fresh: bool) -> bool {
    let client = match fresh {
        true => world.client_with(None),
        false => world.client(false).clone(),
    };
    let sent = client
        .post(format!("{}{COMMON}", world.url()))
        .header("x-ms-client-tenant-id", CONTOSO)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(world.exchange(None, CONTOSO).form_text())
        .timeout(Duration::from_secs(2))
        .send();
    match sent.await {
        Ok(answer) => answer.status() == 200 && answer.bytes().await.is_ok(),
        Err(_) => false,
    }
}

fn descriptors(world: &World) -> usize {
    let list = std::fs::read_dir(format!("/proc/{}/fd", world.gateway.pid()));
    list.map_or(0, Iterator::count)
}

/// The share of one core that the process uses over some time, in percent.
async fn cpu(world: &World, over: Duration) -> f64 {
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", world.gateway.pid()));
        let stat = stat.unwrap();
        // After the name, which may hold anything: state is the first field, 14 and 15 are ours.
        let rest = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |field: usize| fields[field - 3].parse::<f64>().unwrap();
        ticks(14) + ticks(15)
    };
    let before = used();
    sleep(over).await;
    (used() - before) / TICKS / over.as_secs_f64() * 100.0
}
