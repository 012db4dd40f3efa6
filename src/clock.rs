//! The time, as the rule and the verification of tokens count it: the core has no clock.
//!
//! 1. There are two clocks: the system's, and our own, which began with the system's when the
//!    process started and runs on with the monotonic clock, that nobody sets.
//! 2. What expires is held against the later of the two, what is not valid yet against the earlier:
//!    however the system's clock jumps, nothing is allowed that both do not allow.
//! 3. Our own clock follows the system's forward once that has been ahead for [`PATIENCE`]: it was
//!    corrected, or the machine slept. It never goes back: until a restart, a system clock that was
//!    set back leaves tokens and entries expired that were.
//!
//! Invariant: the later of the two never decreases but when a jump forward is taken back.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::core::policy::{Moment, UnixSeconds};

/// So long the system's clock is ahead before our own follows it.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Clocks this far apart are one clock: what is judged by it has a leeway of that order.
const APART: UnixSeconds = 5;

/// 2026: an earlier time is that of a machine which has not been told the time yet.
const UNTOLD: UnixSeconds = 1_767_225_600;

/// The later of both clocks, in seconds since 1970: what an expiry is held against. Before 1970
/// nothing is known: every entry and every token counts as expired.
pub fn now() -> UnixSeconds {
    moment().latest
}

/// Both clocks.
pub fn moment() -> Moment {
    static CLOCK: LazyLock<(Instant, Mutex<Clock>)> =
        LazyLock::new(|| (Instant::now(), Mutex::new(Clock::started(system()))));
    let (start, clock) = &*CLOCK;
    let mut clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
    let (moment, jump) = clock.read(system(), start.elapsed());
    drop(clock);
    if let Some(jump) = jump {
        jump.announce();
    }
    moment
}

fn system() -> UnixSeconds {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(UnixSeconds::MAX, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
}

/// Our own clock, and how the system's stands to it.
struct Clock {
    /// What the system's showed at the start, and what it was put forward by since.
    began: UnixSeconds,
    /// Since when the system's is ahead, in time since the start.
    ahead_since: Option<Duration>,
    /// How far it was away when that was last told.
    told: UnixSeconds,
}

/// The clocks have come apart, or together again: how far the system's is ahead, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Jump(UnixSeconds);

impl Clock {
    const fn started(system: UnixSeconds) -> Self {
        Self {
            began: if system == UnixSeconds::MAX {
                0
            } else {
                system
            },
            ahead_since: None,
            told: 0,
        }
    }

    /// Reads both clocks: the system's, and how long ago we started.
    fn read(&mut self, system: UnixSeconds, since: Duration) -> (Moment, Option<Jump>) {
        let elapsed = UnixSeconds::try_from(since.as_secs()).unwrap_or(UnixSeconds::MAX);
        let mut own = self.began.saturating_add(elapsed);
        let ahead = system.saturating_sub(own);
        if ahead <= APART || system == UnixSeconds::MAX {
            self.ahead_since = None;
        } else {
            let from = *self.ahead_since.get_or_insert(since);
            if since.saturating_sub(from) >= PATIENCE || own < UNTOLD {
                self.began = self.began.saturating_add(ahead);
                self.ahead_since = None;
                own = system;
            }
        }
        let apart = system.saturating_sub(own);
        let apart = if apart.saturating_abs() > APART {
            apart
        } else {
            0
        };
        let jumped = apart.abs_diff(self.told) > APART.unsigned_abs();
        if jumped {
            self.told = apart;
        }
        let moment = Moment {
            earliest: own.min(system),
            latest: own.max(system),
        };
        (moment, jumped.then_some(Jump(apart)))
    }
}

impl Jump {
    fn announce(self) {
        let seconds = self.0;
        match seconds {
            0 => tracing::warn!("the system's clock agrees with our own again"),
            1.. => tracing::warn!(
                ahead_seconds = seconds,
                "the system's clock jumped ahead: what is not valid yet by our own stays so meanwhile"
            ),
            _ => tracing::error!(
                ahead_seconds = seconds,
                "the system's clock jumped back: what has expired stays so until it agrees again, or a restart"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: UnixSeconds = 1_800_000_000;
    const HOURS: UnixSeconds = 2 * 60 * 60;

    /// What the system's clock is ahead by, and when: what is shown by it.
    struct Try(Clock);

    impl Try {
        fn new() -> Self {
            Self(Clock::started(T))
        }

        /// The earliest and the latest, from the true time on.
        fn at(&mut self, elapsed: UnixSeconds, ahead: UnixSeconds) -> (UnixSeconds, UnixSeconds) {
            let since = Duration::from_secs(elapsed.unsigned_abs());
            let (moment, _) = self.0.read(T + elapsed + ahead, since);
            (moment.earliest - T - elapsed, moment.latest - T - elapsed)
        }
    }

    #[test]
    fn a_clock_that_does_not_jump_is_the_time() {
        let mut clock = Try::new();
        for elapsed in [0, 1, 60, 3600, 1_000_000] {
            assert_eq!(clock.at(elapsed, 0), (0, 0));
        }
        let (moment, jump) = clock.0.read(T + 1_000_003, Duration::from_secs(1_000_001));
        assert_eq!(
            (moment.earliest, jump),
            (T + 1_000_001, None),
            "a step too small to tell of"
        );
    }

    #[test]
    fn back_is_never_followed() {
        let mut clock = Try::new();
        assert_eq!(clock.at(10, 0), (0, 0));
        for elapsed in [11, 60, 601, 7_200, 100_000] {
            assert_eq!(clock.at(elapsed, -HOURS), (-HOURS, 0), "after {elapsed} s");
        }
        assert_eq!(clock.at(100_001, 0), (0, 0), "and taken back");
    }

    #[test]
    fn forward_counts_for_expiry_at_once_and_for_the_rest_after_a_while() {
        let mut clock = Try::new();
        assert_eq!(clock.at(10, HOURS), (0, HOURS));
        assert_eq!(clock.at(609, HOURS), (0, HOURS));
        assert_eq!(clock.at(610, HOURS), (HOURS, HOURS), "corrected");
        assert_eq!(clock.at(2_000, HOURS), (HOURS, HOURS));
        // What it was corrected to does not go back either.
        assert_eq!(clock.at(2_001, 0), (0, HOURS));
    }

    #[test]
    fn a_jump_forward_that_is_taken_back_leaves_nothing_behind() {
        let mut clock = Try::new();
        assert_eq!(clock.at(10, HOURS), (0, HOURS));
        assert_eq!(clock.at(300, 0), (0, 0));
        // Patience begins anew.
        assert_eq!(clock.at(700, HOURS), (0, HOURS));
        assert_eq!(clock.at(1_299, HOURS), (0, HOURS));
        assert_eq!(clock.at(1_300, HOURS), (HOURS, HOURS));
    }

    #[test]
    fn a_jump_is_told_of_once_each_way() {
        let mut clock = Clock::started(T);
        let mut told = |elapsed: UnixSeconds, ahead| {
            let since = Duration::from_secs(elapsed.unsigned_abs());
            clock.read(T + elapsed + ahead, since).1
        };
        assert_eq!(told(1, 0), None);
        assert_eq!(told(2, -HOURS), Some(Jump(-HOURS)));
        assert_eq!(told(3, -HOURS), None);
        assert_eq!(told(4, -HOURS - 1), None, "rounding");
        assert_eq!(told(5, 0), Some(Jump(0)));
        assert_eq!(told(6, HOURS), Some(Jump(HOURS)));
        assert_eq!(told(700, HOURS), Some(Jump(0)), "followed");
    }

    #[test]
    fn before_1970_everything_has_expired() {
        let mut clock = Clock::started(T);
        let (moment, _) = clock.read(UnixSeconds::MAX, Duration::from_secs(1));
        assert_eq!((moment.earliest, moment.latest), (T + 1, UnixSeconds::MAX));
        let (moment, _) = clock.read(UnixSeconds::MAX, Duration::from_secs(10_000));
        assert_eq!(moment.earliest, T + 10_000, "which is no time to follow");
    }

    #[test]
    fn a_machine_that_is_told_the_time_late_is_believed_at_once() {
        for start in [UnixSeconds::MAX, 0, 86_400] {
            let mut clock = Clock::started(start);
            let (moment, _) = clock.read(T, Duration::from_secs(1));
            assert_eq!((moment.earliest, moment.latest), (T, T), "{start}");
        }
    }
}
