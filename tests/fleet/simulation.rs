//! The simulation of a fleet's start and reconnection, whose outcomes `bench/fleet.md` quotes.

#[path = "../../benches/fleet/simulation.rs"]
mod fleet;

use fleet::{Backoff, Dice, Fleet, Jitter, cold_start, run};

const SECOND: u64 = 1_000_000;

const FLEET: Fleet = Fleet {
    gateways: 1_000,
    members: 3,
    work: 2_000,
    patience: 5 * SECOND,
    backoff: Backoff {
        least: SECOND / 10,
        most: 10 * SECOND,
        jitter: Jitter::Whole,
    },
    outage: 0,
    spread: 0,
    seed: 7,
};

#[test]
fn the_same_seed_gives_the_same_outcome() {
    let outage = Fleet {
        outage: 30 * SECOND,
        ..FLEET
    };
    assert_eq!(run(&outage), run(&outage));
    assert_ne!(run(&outage), run(&Fleet { seed: 8, ..outage }));
}

#[test]
fn a_cluster_with_time_for_all_serves_each_once() {
    let outcome = run(&FLEET);
    assert_eq!((outcome.attempts, outcome.wasted), (1_000, 0));
    // A third of them at each member, 2 ms each.
    assert_eq!(outcome.all, Some(334 * 2_000));
    assert_eq!(outcome.half, Some(167 * 2_000));
    assert_eq!(outcome.peak, 1_000);
}

#[test]
fn whoever_waits_too_long_comes_again_and_everybody_is_served_in_the_end() {
    let crowd = Fleet {
        gateways: 20_000,
        ..FLEET
    };
    let outcome = run(&crowd);
    assert!(outcome.wasted > 0, "{outcome:?}");
    assert_eq!(outcome.attempts, 20_000 + outcome.wasted);
    assert!(outcome.half <= outcome.most && outcome.most <= outcome.all);
    let least = 20_000 / 3 * crowd.work;
    assert!(outcome.all.unwrap() >= least, "{outcome:?}");
}

#[test]
fn without_jitter_an_outage_ends_in_waves_and_with_it_in_a_trickle() {
    let after = |jitter| {
        run(&Fleet {
            gateways: 10_000,
            outage: 60 * SECOND,
            backoff: Backoff {
                jitter,
                ..FLEET.backoff
            },
            ..FLEET
        })
    };
    let (without, with) = (after(Jitter::None), after(Jitter::Whole));
    assert_eq!(without.peak, 10_000, "{without:?}");
    assert!(with.peak < without.peak / 2, "{with:?}");
    assert!(with.wasted < without.wasted, "{with:?} {without:?}");
}

#[test]
fn no_attempt_reaches_a_cluster_that_is_down() {
    let outcome = run(&Fleet {
        outage: 3_600 * SECOND,
        ..FLEET
    });
    assert_eq!(outcome.attempts, 1_000 + outcome.wasted);
}

#[test]
fn pauses_grow_to_their_bound() {
    let mut dice = Dice(1);
    for jitter in [Jitter::None, Jitter::Whole] {
        let backoff = Backoff {
            jitter,
            ..FLEET.backoff
        };
        for attempt in 0..100 {
            let whole = (SECOND / 10)
                .saturating_mul(1 << attempt.min(30))
                .min(10 * SECOND);
            let pause = backoff.pause(attempt, &mut dice);
            let least = match jitter {
                Jitter::None => whole,
                Jitter::Whole => 0,
            };
            assert!((least..=whole).contains(&pause), "{jitter:?} {attempt}");
        }
    }
}

#[test]
fn a_fleet_without_caches_fetches_everything_for_everybody() {
    assert_eq!(cold_start(10, 100, 2, 50), (1_000, 10));
    assert_eq!(cold_start(10, 100, 0, 0), (1_000, 1_000));
}

#[test]
fn a_crowd_that_is_too_large_is_not_waited_for_without_end() {
    let crowd = run(&Fleet {
        gateways: 3_000,
        members: 1,
        work: 2 * SECOND,
        patience: SECOND,
        ..FLEET
    });
    assert_eq!((crowd.half, crowd.all), (None, None));
    assert!(crowd.wasted > 0);
}
