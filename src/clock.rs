//! The time, as the rule and the verification of tokens count it: the core has no clock.
//!
//! 1. There are two clocks: the system's, and our own, which began with the system's when the
//!    process started and runs on by a clock that nobody sets. That one counts the time that the
//!    machine sleeps as well; where there is none of its kind, the monotonic clock stands in, which
//!    does not.
//! 2. What expires is held against the later of the two, what is not valid yet against the earlier:
//!    however the system's clock jumps, nothing is allowed that both do not allow.
//! 3. Our own clock follows the system's forward once that has been ahead for `PATIENCE`: it was
//!    corrected, or a virtual machine stood still and was not told. It never goes back: until a
//!    restart, a system clock that was set back leaves tokens and entries expired that were.
//! 4. Both count whole seconds. A thread that sees the seconds it saw last, and nobody having seen
//!    others since, knows the time without asking the clock that all threads share.
//!
//! Invariant: the later of the two never decreases but when a jump forward is taken back.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::core::policy::{Moment, UnixSeconds};

/// So many seconds the system's clock is ahead before our own follows it.
const PATIENCE: UnixSeconds = 10 * 60;

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
    static CLOCK: LazyLock<(Running, Shared)> =
        LazyLock::new(|| (Running::start(), Shared::started(system())));
    thread_local! {
        static LAST: Cell<Option<Last>> = const { Cell::new(None) };
    }
    let (running, clock) = &*CLOCK;
    let shown = || Shown {
        system: system(),
        since: running.seconds(),
    };
    let (moment, jump) = LAST.with(|last| clock.read(last, shown));
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

/// What runs on since the start, whatever anybody sets.
#[derive(Debug)]
pub(crate) struct Running {
    /// When the machine had run that long, sleep included; `None` where no clock tells.
    start: Option<Duration>,
    awake: Instant,
}

impl Running {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self {
            start: since_boot(),
            awake: Instant::now(),
        }
    }

    /// Since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        let with_sleep = self
            .start
            .and_then(|start| Some(since_boot()?.saturating_sub(start)));
        with_sleep.unwrap_or_else(|| self.awake.elapsed())
    }

    /// Whole seconds since the start.
    fn seconds(&self) -> UnixSeconds {
        UnixSeconds::try_from(self.elapsed().as_secs()).unwrap_or(UnixSeconds::MAX)
    }

    /// As if the machine had slept that long; false where no clock would tell.
    #[cfg(test)]
    pub(crate) fn sleep(&mut self, time: Duration) -> bool {
        // A machine that started a moment ago cannot have slept before that.
        let earlier = self.start.and_then(|start| start.checked_sub(time));
        self.start = earlier.or(self.start);
        earlier.is_some()
    }
}

/// How long the machine has run, sleep included, where a clock tells.
fn since_boot() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    let time = {
        use rustix::time::{DynamicClockId, clock_gettime_dynamic};
        clock_gettime_dynamic(DynamicClockId::Boottime).ok()
    };
    #[cfg(not(target_os = "linux"))]
    let time: Option<Duration> = None;
    Duration::try_from(time?).ok()
}

/// What both clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    system: UnixSeconds,
    /// Seconds since the start.
    since: UnixSeconds,
}

/// The clock that all threads share.
struct Shared {
    clock: Mutex<(Clock, Option<Shown>)>,
    /// How often other seconds were seen than the time before.
    changes: AtomicU64,
}

/// What a thread saw last, and what that came to.
#[derive(Clone, Copy)]
struct Last {
    shown: Shown,
    changes: u64,
    moment: Moment,
}

impl Shared {
    const fn started(system: UnixSeconds) -> Self {
        Self {
            clock: Mutex::new((Clock::started(system), None)),
            changes: AtomicU64::new(0),
        }
    }

    /// Reads both clocks. Reading the same seconds again changes nothing and tells nothing new, so
    /// it needs no lock.
    fn read(&self, last: &Cell<Option<Last>>, shown: impl Fn() -> Shown) -> (Moment, Option<Jump>) {
        if let Some(last) = last.get()
            && last.changes == self.changes.load(Ordering::Acquire)
            && last.shown == shown()
        {
            return (last.moment, None);
        }
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let (clock, before) = &mut *clock;
        // Anew, under the lock: what another thread has read meanwhile is not later than this.
        let shown = shown();
        if before.replace(shown) != Some(shown) {
            self.changes.fetch_add(1, Ordering::Release);
        }
        let (moment, jump) = clock.read(shown);
        last.set(Some(Last {
            shown,
            changes: self.changes.load(Ordering::Acquire),
            moment,
        }));
        (moment, jump)
    }
}

/// Our own clock, and how the system's stands to it.
struct Clock {
    /// What the system's showed at the start, and what it was put forward by since.
    began: UnixSeconds,
    /// Since when the system's is ahead, in seconds since the start.
    ahead_since: Option<UnixSeconds>,
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

    /// Reads both clocks. The same seconds twice in a row come to the same.
    fn read(&mut self, shown: Shown) -> (Moment, Option<Jump>) {
        let Shown { system, since } = shown;
        let mut own = self.began.saturating_add(since);
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
mod tests;
