//! What was right and wrong, from what clients saw and gateways recorded.
//!
//! An exchange is **wrong** if
//! 1. it was decided by a policy that nobody wrote, or by none, or before its policy was sent;
//! 2. what the client got, or the record, is not what that policy says;
//! 3. it started after a client had an answer of the same gateway that was decided by a later policy.
//!
//! It **failed** if the client got neither tokens nor a refusal, or if it has not exactly one audit
//! record.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::audit::{Record, Records};
use super::load::Exchange;

/// What a policy does to the exchanges here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Block,
}

impl Effect {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }
}

/// A policy that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flip {
    pub(crate) revision: u64,
    pub(crate) effect: Effect,
    /// When it was first sent to etcd.
    pub(crate) sent: Instant,
    /// When etcd's answer was there.
    pub(crate) acknowledged: Instant,
}

/// What came of it all.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) exchanges: usize,
    pub(crate) failed: Vec<String>,
    pub(crate) wrong: Vec<String>,
    /// For each flip and gateway: from etcd's answer to the first answer that was decided by it, in
    /// ascending order. Zero if a gateway was faster than etcd's answer.
    pub(crate) propagation: Vec<Duration>,
}

/// An exchange with its one record.
struct Decided<'a> {
    exchange: &'a Exchange,
    effect: Effect,
    record: &'a Record,
}

impl Verdict {
    /// Judges every exchange; `records` has those of each gateway.
    pub(crate) fn of(
        flips: &[Flip],
        gateways: usize,
        exchanges: &[Exchange],
        records: &[Records],
    ) -> Self {
        let mut verdict = Self {
            exchanges: exchanges.len(),
            ..Self::default()
        };
        let written: HashMap<u64, &Flip> = flips.iter().map(|flip| (flip.revision, flip)).collect();
        for gateway in 0..gateways {
            let own = exchanges.iter().filter(|own| own.gateway == gateway);
            let mut decided = Vec::new();
            for exchange in own {
                match recorded(exchange, records.get(gateway)) {
                    Ok(with) => decided.push(with),
                    Err(problem) => verdict.failed.push(format!("gateway-{gateway}: {problem}")),
                }
            }
            let wrong = wrong(&mut decided, &written);
            let wrong = wrong.map(|problem| format!("gateway-{gateway}: {problem}"));
            verdict.wrong.extend(wrong);
            verdict.propagation.extend(propagation(&decided, flips));
        }
        verdict.propagation.sort_unstable();
        verdict
    }

    /// The least time within which this part of all flips was in force, by nearest rank.
    pub(crate) fn percentile(&self, part: f64) -> Duration {
        percentile(&self.propagation, part)
    }
}

/// The least of ascending times that this part of them does not exceed.
pub(crate) fn percentile(ascending: &[Duration], part: f64) -> Duration {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank within a short list"
    )]
    let rank = (part * ascending.len() as f64).ceil() as usize;
    let found = ascending.get(rank.saturating_sub(1));
    found.copied().unwrap_or_default()
}

/// An exchange and its one record.
fn recorded<'a>(
    exchange: &'a Exchange,
    records: Option<&'a Records>,
) -> Result<Decided<'a>, String> {
    let effect = *exchange.answer.as_ref()?;
    let found = records.and_then(|records| records.get(&exchange.id));
    match found.map(Vec::as_slice).unwrap_or_default() {
        [record] => Ok(Decided {
            exchange,
            effect,
            record,
        }),
        others => Err(format!("an exchange has {} audit records", others.len())),
    }
}

/// What is wrong with exchanges of one gateway, which are put in the order in which they started.
fn wrong(
    decided: &mut [Decided<'_>],
    written: &HashMap<u64, &Flip>,
) -> impl Iterator<Item = String> {
    let version = |decided: &Decided<'_>| decided.record.version.unwrap_or(0);
    let mut answers: Vec<_> = decided
        .iter()
        .map(|decided| (decided.exchange.ended, version(decided)))
        .collect();
    answers.sort_unstable();
    let mut answers = answers.into_iter().peekable();
    decided.sort_unstable_by_key(|decided| decided.exchange.started);
    let mut seen = 0;
    let mut problems = Vec::new();
    for decided in decided {
        while let Some((_, version)) =
            answers.next_if(|(ended, _)| *ended <= decided.exchange.started)
        {
            seen = seen.max(version);
        }
        problems.extend(misjudged(decided, written));
        let version = version(decided);
        if version < seen {
            problems.push(format!("decided by {version} after {seen} was seen"));
        }
    }
    problems.into_iter()
}

/// What is wrong with an exchange by itself.
fn misjudged(decided: &Decided<'_>, written: &HashMap<u64, &Flip>) -> Option<String> {
    let Some(version) = decided.record.version else {
        return Some("decided without a policy".to_owned());
    };
    let Some(flip) = written.get(&version) else {
        return Some(format!("decided by {version}, which nobody wrote"));
    };
    let (says, effect) = (flip.effect.as_str(), decided.effect.as_str());
    let record = &decided.record.decision;
    if effect != says || record != says {
        let problem =
            format!("{version} says {says}, the record {record}, the client saw {effect}");
        return Some(problem);
    }
    (flip.sent > decided.exchange.ended).then(|| format!("decided by {version} before it was sent"))
}

/// How long each flip but the first took to the first answer of one gateway.
fn propagation(decided: &[Decided<'_>], flips: &[Flip]) -> Vec<Duration> {
    let mut first: HashMap<u64, Instant> = HashMap::new();
    for decided in decided {
        let version = decided.record.version.unwrap_or(0);
        let ended = first.entry(version).or_insert(decided.exchange.ended);
        *ended = decided.exchange.ended.min(*ended);
    }
    let reached = |flip: &Flip| {
        let ended = first.get(&flip.revision)?;
        Some(ended.saturating_duration_since(flip.acknowledged))
    };
    flips.iter().skip(1).filter_map(reached).collect()
}

#[cfg(test)]
mod tests;
