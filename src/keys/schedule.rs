//! When keys are fetched again, unasked.
//!
//! Invariant: no two gateways keep in step for long, and a provider that is in trouble is asked
//! less and less often.

use std::time::Duration;

use super::demand::Outcome;

/// The longest pause after a first failure.
const FIRST: Duration = Duration::from_secs(1);

/// While there are keys missing, nobody waits longer than this for the next attempt.
const WITHOUT_KEYS: Duration = Duration::from_secs(30);

/// The pauses between fetches.
pub(super) struct Schedule {
    refresh: Duration,
    failures: u32,
}

/// Whether keys of every source are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Have {
    All,
    NotAll,
}

impl Schedule {
    /// Fetches every `refresh`.
    pub(super) fn new(refresh: Duration) -> Self {
        Self {
            refresh,
            failures: 0,
        }
    }

    /// The pause after a fetch; `chance` is anything from 0 to 1.
    pub(super) fn pause(&mut self, outcome: Outcome, have: Have, chance: f64) -> Duration {
        match outcome {
            Outcome::Whole => {
                self.failures = 0;
                between(0.9, self.refresh, chance)
            }
            Outcome::Failed => {
                let longest = match have {
                    Have::All => self.refresh,
                    Have::NotAll => self.refresh.min(WITHOUT_KEYS),
                };
                let factor = 2u32.saturating_pow(self.failures);
                self.failures = self.failures.saturating_add(1);
                between(0.5, FIRST.saturating_mul(factor).min(longest), chance)
            }
        }
    }
}

fn between(least: f64, most: Duration, chance: f64) -> Duration {
    most.mul_f64(least + (1.0 - least) * chance.clamp(0.0, 1.0))
}

/// Anything from 0 to 1.
pub(super) fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the pauses are still right, only the same everywhere.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn seconds(schedule: &mut Schedule, outcome: Outcome, have: Have, chance: f64) -> f64 {
        schedule.pause(outcome, have, chance).as_secs_f64()
    }

    #[test]
    fn a_good_fetch_is_followed_by_one_before_the_hour_is_over() {
        let mut schedule = Schedule::new(HOUR);
        for (chance, pause) in [(0.0, 3240.0), (0.5, 3420.0), (1.0, 3600.0)] {
            let is = seconds(&mut schedule, Outcome::Whole, Have::All, chance);
            assert!((is - pause).abs() < 0.001, "{is}");
        }
    }

    #[test]
    fn failures_are_followed_by_longer_and_longer_pauses() {
        let mut schedule = Schedule::new(HOUR);
        let mut pause = |outcome, chance| seconds(&mut schedule, outcome, Have::All, chance);
        let pauses: Vec<f64> = (0..14).map(|_| pause(Outcome::Failed, 1.0)).collect();
        assert_eq!(pauses[..4], [1.0, 2.0, 4.0, 8.0]);
        assert_eq!(pauses[11..], [2048.0, 3600.0, 3600.0]);
        assert_eq!(pause(Outcome::Failed, 0.0), 1800.0, "half of it by chance");
        pause(Outcome::Whole, 1.0);
        assert_eq!(pause(Outcome::Failed, 0.0), 0.5, "from the beginning");
    }

    #[test]
    fn without_keys_nobody_waits_long() {
        let mut schedule = Schedule::new(HOUR);
        for _ in 0..100 {
            assert!(seconds(&mut schedule, Outcome::Failed, Have::NotAll, 1.0) <= 30.0);
        }
    }

    #[test]
    fn chance_is_between_0_and_1_and_differs() {
        let chances: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
        assert!(chances.iter().any(|chance| *chance != chances[0]));
    }
}
