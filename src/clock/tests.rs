//! What both clocks come to as they are set, and that threads which remember it see no other time.

use std::sync::mpsc;
use std::thread;

use proptest::prelude::*;

use super::*;

const T: UnixSeconds = 1_800_000_000;
const HOURS: UnixSeconds = 2 * 60 * 60;

const fn shown(system: UnixSeconds, since: UnixSeconds) -> Shown {
    Shown { system, since }
}

/// What the system's clock is ahead by, and when: what is shown by it.
struct Try(Clock);

impl Try {
    fn new() -> Self {
        Self(Clock::started(T))
    }

    /// The earliest and the latest, from the true time on.
    fn at(&mut self, elapsed: UnixSeconds, ahead: UnixSeconds) -> (UnixSeconds, UnixSeconds) {
        let (moment, _) = self.0.read(shown(T + elapsed + ahead, elapsed));
        (moment.earliest - T - elapsed, moment.latest - T - elapsed)
    }
}

#[test]
fn a_clock_that_does_not_jump_is_the_time() {
    let mut clock = Try::new();
    for elapsed in [0, 1, 60, 3600, 1_000_000] {
        assert_eq!(clock.at(elapsed, 0), (0, 0));
    }
    let (moment, jump) = clock.0.read(shown(T + 1_000_003, 1_000_001));
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
    let mut told = |elapsed: UnixSeconds, ahead| clock.read(shown(T + elapsed + ahead, elapsed)).1;
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
    let (moment, _) = clock.read(shown(UnixSeconds::MAX, 1));
    assert_eq!((moment.earliest, moment.latest), (T + 1, UnixSeconds::MAX));
    let (moment, _) = clock.read(shown(UnixSeconds::MAX, 10_000));
    assert_eq!(moment.earliest, T + 10_000, "which is no time to follow");
}

#[test]
fn a_machine_that_is_told_the_time_late_is_believed_at_once() {
    for start in [UnixSeconds::MAX, 0, 86_400] {
        let mut clock = Clock::started(start);
        let (moment, _) = clock.read(shown(T, 1));
        assert_eq!((moment.earliest, moment.latest), (T, T), "{start}");
    }
}

#[test]
fn the_edges_of_what_counts_as_apart() {
    let mut clock = Try::new();
    assert_eq!(clock.at(10, APART), (0, APART), "one clock");
    assert_eq!(clock.at(5_000, APART), (0, APART), "which is not followed");
    assert_eq!(clock.at(5_001, APART + 1), (0, APART + 1));
    assert_eq!(clock.at(5_001 + PATIENCE, APART + 1).0, APART + 1);

    let mut clock = Clock::started(T);
    let mut told = |ahead| clock.read(shown(T + ahead, 0)).1;
    assert_eq!((told(APART), told(-APART)), (None, None));
    assert_eq!(told(APART + 1), Some(Jump(APART + 1)));
    assert_eq!(told(2 * APART + 1), None, "nearly as far");
    assert_eq!(told(2 * APART + 2), Some(Jump(2 * APART + 2)));
    assert_eq!(told(APART), Some(Jump(0)), "one clock again");

    let mut told_late = Clock::started(UNTOLD);
    let (moment, _) = told_late.read(shown(UNTOLD + HOURS, 0));
    assert_eq!(moment.earliest, UNTOLD, "from 2026 on it takes patience");
}

#[test]
fn the_time_that_the_machine_sleeps_counts() {
    let hours = Duration::from_secs(HOURS.unsigned_abs());
    let mut running = Running::start();
    assert!((0..60).contains(&running.seconds()));
    // A machine that has run for less cannot be told that it slept for that long since.
    if let Some(start) = running.start.and_then(|start| start.checked_sub(hours)) {
        running.start = Some(start);
        assert!((HOURS..HOURS + 60).contains(&running.seconds()));
    }
    running.start = None;
    assert!((0..60).contains(&running.seconds()), "awake");
    #[cfg(target_os = "linux")]
    assert!(since_boot() >= Some(Duration::from_secs(1)));
}

#[test]
fn the_gateways_clock_is_the_systems() {
    let before = system();
    let moment = moment();
    let after = now();
    assert!(before - APART <= moment.earliest && moment.earliest <= moment.latest);
    assert!(moment.latest <= after && after <= system() + APART);
    assert!((UNTOLD..UnixSeconds::MAX).contains(&before));
}

#[test]
fn the_same_seconds_again_take_no_lock() {
    let clock = Shared::started(T);
    let last = Cell::new(None);
    let first = clock.read(&last, || shown(T + 10, 10));
    let (done, is_done) = mpsc::channel();
    let lock = clock.clock.lock().unwrap();
    thread::scope(|scope| {
        let clock = &clock;
        scope.spawn(move || done.send(clock.read(&last, || shown(T + 10, 10))));
        let again = is_done.recv_timeout(Duration::from_secs(20));
        drop(lock);
        assert_eq!(again, Ok(first));
    });
}

/// One look at the clock: by which thread, how much later, and how far the system's is ahead then.
fn look() -> impl Strategy<Value = (usize, UnixSeconds, UnixSeconds)> {
    let later = prop_oneof![
        6 => Just(0),
        3 => 1..4_i64,
        1 => PATIENCE - 2..PATIENCE + 2,
    ];
    let ahead = prop_oneof![
        4 => Just(0),
        1 => -APART - 1..=APART + 1,
        2 => Just(HOURS),
        1 => Just(-HOURS),
        1 => Just(UnixSeconds::MAX),
    ];
    (0..3_usize, later, ahead)
}

proptest! {
    /// Every thread is told what it would be told if each asked under the lock.
    #[test]
    fn what_a_thread_remembers_is_the_time(
        start in prop_oneof![Just(T), Just(UNTOLD - 30), Just(0), Just(UnixSeconds::MAX)],
        looks in proptest::collection::vec(look(), 1..60),
    ) {
        let (mut plain, clock) = (Clock::started(start), Shared::started(start));
        let threads = [const { Cell::new(None) }; 3];
        let mut since = 0;
        for (thread, later, ahead) in looks {
            since += later;
            let is = shown((T + since).saturating_add(ahead), since);
            prop_assert_eq!(clock.read(&threads[thread], || is), plain.read(is));
        }
    }
}

#[test]
fn a_jump_is_told_of_as_what_it_is() {
    for (ahead, level, text) in [
        (HOURS, "WARN", "jumped ahead"),
        (-HOURS, "ERROR", "jumped back"),
        (0, "WARN", "agrees with our own again"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        let sink = std::sync::Arc::new(file.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(sink)
            .finish();
        tracing::subscriber::with_default(subscriber, || Jump(ahead).announce());
        let lines = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.trim_start().starts_with(level), "{lines}");
        assert!(lines.contains(text), "{lines}");
    }
}
