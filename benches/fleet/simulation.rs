//! A fleet's way to its policies, simulated: what thousands of gateways ask of one etcd cluster
//! when all of them start, or come back after an outage, at once.
//!
//! Pure and seeded: the same figures give the same outcome. A member of the cluster does one thing
//! after another, each as long as it was measured to take. A gateway whose turn does not come
//! within its patience goes away, tries the next member after its backoff, and what it asked for is
//! done all the same, for nobody: that is how a crowd without jitter keeps a cluster busy with
//! itself.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Microseconds.
pub type Micros = u64;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Gateways.
    pub gateways: usize,
    /// Members of the cluster.
    pub members: usize,
    /// How long a member works for one gateway: connection, TLS, sign-in, watch, and its delta.
    pub work: Micros,
    /// How long a gateway waits for that.
    pub patience: Micros,
    /// How gateways wait between attempts.
    pub backoff: Backoff,
    /// When the cluster answers again; attempts before it fail at once.
    pub outage: Micros,
    /// Within which time the gateways notice or start, evenly.
    pub spread: Micros,
    /// What the chance is made of.
    pub seed: u64,
}

/// The pause after attempt `n` (from 0): `least * 2^n`, at most `most`, jittered or not.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first pause.
    pub least: Micros,
    /// The longest.
    pub most: Micros,
    /// How chance changes it.
    pub jitter: Jitter,
}

/// How chance changes a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Evenly between nothing and all of it.
    Whole,
}

/// How long is looked at after the outage.
pub const LONGEST: Micros = 3_600_000_000;

/// What came of it. Times count from the end of the outage; none: not within [`LONGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When half of the gateways were connected.
    pub half: Option<Micros>,
    /// When 99 of 100 were.
    pub most: Option<Micros>,
    /// When the last one was.
    pub all: Option<Micros>,
    /// Attempts that reached the cluster.
    pub attempts: u64,
    /// Work done for gateways that had gone away.
    pub wasted: u64,
    /// Most attempts that reached the cluster in one second.
    pub peak: u64,
}

/// Numbers that look random and are the same each time (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`; 0 where there are none.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let scaled = (u128::from(z) * u128::from(sides)) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }
}

impl Backoff {
    /// The pause after attempt `attempt`.
    pub fn pause(&self, attempt: u32, dice: &mut Dice) -> Micros {
        let factor = 1_u64.checked_shl(attempt.min(40)).unwrap_or(u64::MAX);
        let pause = self.least.saturating_mul(factor).min(self.most);
        match self.jitter {
            Jitter::None => pause,
            Jitter::Whole => dice.below(pause + 1),
        }
    }
}

/// One gateway's next attempt.
type Attempt = Reverse<(Micros, usize, u32)>;

/// Lets all gateways connect.
pub fn run(fleet: &Fleet) -> Outcome {
    let mut dice = Dice(fleet.seed);
    let mut attempts: BinaryHeap<Attempt> = (0..fleet.gateways)
        .map(|gateway| Reverse((dice.below(fleet.spread + 1), gateway, 0)))
        .collect();
    let members = fleet.members.max(1);
    let mut free_at = vec![fleet.outage; members];
    let mut connected = Vec::with_capacity(fleet.gateways);
    let (mut rush, mut tried, mut wasted) = (Rush::default(), 0, 0);
    while let Some(Reverse((now, gateway, attempt))) = attempts.pop() {
        let again = |since: Micros, dice: &mut Dice| {
            let pause = fleet.backoff.pause(attempt, dice);
            Reverse((since + pause, gateway, attempt + 1))
        };
        if now < fleet.outage {
            attempts.push(again(now, &mut dice));
            continue;
        }
        if now > fleet.outage + LONGEST {
            break;
        }
        rush.add(now);
        tried += 1;
        // One after the other, from a place of its own: gateways do not agree on an order.
        let place = gateway.wrapping_add(usize::try_from(attempt).unwrap_or(0)) % members;
        let Some(free) = free_at.get_mut(place) else {
            continue;
        };
        let done = now.max(*free) + fleet.work;
        *free = done;
        if done - now <= fleet.patience {
            connected.push(done - fleet.outage);
        } else {
            wasted += 1;
            attempts.push(again(now + fleet.patience, &mut dice));
        }
    }
    connected.sort_unstable();
    let share = |of: usize, among: usize| {
        let place = (fleet.gateways * of).div_ceil(among).max(1) - 1;
        connected.get(place).copied()
    };
    Outcome {
        half: share(1, 2),
        most: share(99, 100),
        all: share(1, 1),
        attempts: tried,
        wasted,
        peak: rush.most as u64,
    }
}

/// Attempts of the last second, and the most there were in one.
#[derive(Default)]
struct Rush {
    last: VecDeque<Micros>,
    most: usize,
}

impl Rush {
    fn add(&mut self, now: Micros) {
        const SECOND: Micros = 1_000_000;
        self.last.push_back(now);
        while self.last.front().is_some_and(|then| then + SECOND <= now) {
            self.last.pop_front();
        }
        self.most = self.most.max(self.last.len());
    }
}

/// Bytes that a fleet without caches fetches, and how long that takes at the rate at which the
/// cluster gives snapshots away.
pub fn cold_start(gateways: u64, snapshot: u64, members: u64, bytes_a_second: u64) -> (u64, u64) {
    let bytes = gateways.saturating_mul(snapshot);
    let rate = members.saturating_mul(bytes_a_second).max(1);
    (bytes, bytes.div_ceil(rate))
}
