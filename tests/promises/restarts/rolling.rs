//! Two instances that are restarted one after the other, under traffic, with time for the balancer to
//! see that they are not ready (`limits.drain_delay`): then no request meets the end of an instance.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use super::leaver::{Leaver, Left};
use super::traffic::{Balancer, PROBE, Traffic};
use crate::frame::{Figure, Scale};
use crate::harness::{Gateway, World, until};

/// How long an instance takes connections after it is told to end. Half of it passes before clients
/// are sent away: many times what the balancer needs to see it.
const DELAY: Duration = Duration::from_secs(2);

/// How long exchanges under way may take after that.
const DRAIN: Duration = Duration::from_secs(5);

/// What the promise asks for.
const REQUESTS: usize = 20_000;

pub(super) async fn prove(scale: Scale) -> Vec<Figure> {
    let (restarts, least) = (scale.pick(2, 10), scale.pick(200, REQUESTS));
    let setup = super::setup()
        .set("limits.drain_delay", format!("{}ms", DELAY.as_millis()))
        .set("limits.drain_timeout", format!("{}s", DRAIN.as_secs()));
    let world = World::start(setup).await;
    let config = world.config();
    let mut instances = [Gateway::start(&config).await, Gateway::start(&config).await];
    let balancer = Balancer::of(&[&instances[0], &instances[1]]);
    let traffic = Traffic::start(&world, &balancer);
    let share = least / (restarts + 1);
    let mut ends = Ends::default();
    for number in 0..restarts {
        let wanted = (number + 1) * share;
        until("traffic", async || (traffic.sent() >= wanted).then_some(())).await;
        let place = &mut instances[number % 2];
        let leaver = Leaver::start(&world, place, DELAY + DRAIN / 4).await;
        let left = tokio::task::spawn_local(leaver.until_the_end());
        ends.end(place, &balancer).await;
        ends.left.note(&left.await.unwrap());
        *place = Gateway::start(&config).await;
        balancer.add(place.data);
    }
    until("traffic", async || (traffic.sent() >= least).then_some(())).await;
    let outcome = traffic.stop(&world).await;
    for instance in &mut instances {
        instance.signal(Signal::TERM);
        instance.ended().await;
        ends.records += instance.stdout.len();
    }
    let mut figures = outcome.figures("rolling restarts");
    figures.push(again(outcome.refused, outcome.told_away));
    figures.push(Figure::new(
        format!("requests during {restarts} restarts"),
        outcome.sent,
        format!("at least {least}"),
        outcome.sent >= least,
    ));
    // What was sent again had not been taken before.
    let answered = outcome.allowed + outcome.blocked + ends.left.answered();
    figures.push(Figure::new(
        "audit records of all instances",
        ends.records,
        format!("{answered}, one for each answer"),
        ends.records == answered,
    ));
    figures.push(ends.left.figure());
    figures.extend(ends.figures(restarts));
    figures
}

/// What had to be sent again: what nobody has taken may be, and with time to leave there is nothing.
fn again(refused: usize, told_away: usize) -> Figure {
    Figure::new(
        "sent again: connection refused, GOAWAY(NO_ERROR) before it was taken (RFC 9113 6.8)",
        format!("{refused}, {told_away}"),
        "0, 0",
        refused + told_away == 0,
    )
}

/// How instances ended.
#[derive(Default)]
struct Ends {
    clean: usize,
    not_ready_first: usize,
    longest: Duration,
    records: usize,
    left: Left,
}

impl Ends {
    /// Ends one, as the balancer sees it: not ready, no new requests, gone.
    async fn end(&mut self, instance: &mut Gateway, balancer: &Balancer) {
        let begin = Instant::now();
        instance.signal(Signal::TERM);
        // A probe that is answered after the listener closed would be too late.
        while instance.get("/readyz").await.0 == 200 {
            sleep(PROBE).await;
        }
        let open = tokio::net::TcpStream::connect(instance.data).await;
        self.not_ready_first += usize::from(open.is_ok());
        balancer.remove(instance.data);
        let ended = timeout(DELAY + 2 * DRAIN, instance.ended()).await;
        self.clean += usize::from(ended.is_ok_and(|status| status.code() == Some(0)));
        self.longest = self.longest.max(begin.elapsed());
        self.records += instance.stdout.len();
    }

    fn figures(&self, restarts: usize) -> [Figure; 3] {
        let grace = DELAY + DRAIN;
        [
            Figure::new(
                "exit code 0",
                format!("{} of {restarts}", self.clean),
                "all",
                self.clean == restarts,
            ),
            Figure::new(
                "longest from SIGTERM to the end",
                format!("{:.2} s", self.longest.as_secs_f64()),
                format!("{:.1} s of grace", grace.as_secs_f64()),
                self.longest <= grace,
            ),
            Figure::new(
                "not ready before connections are refused",
                format!("{} of {restarts}", self.not_ready_first),
                "all",
                self.not_ready_first == restarts,
            ),
        ]
    }
}
