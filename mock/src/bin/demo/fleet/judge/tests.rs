//! Runs of one gateway over two policies, in milliseconds: revision 5 allows from 0 on, 8 blocks,
//! sent at 100 and acknowledged at 110.

use std::time::{Duration, Instant};

use super::{Effect, Exchange, Flip, Record, Records, Verdict, percentile};
use Effect::{Allow, Block};

/// Started, ended, what the client got, and the version and decision of each record.
type Case<'a> = (
    u64,
    u64,
    Result<Effect, &'a str>,
    &'a [(Option<u64>, &'a str)],
);

fn judged(cases: &[Case<'_>]) -> Verdict {
    let zero = Instant::now();
    let at = |milliseconds| zero + Duration::from_millis(milliseconds);
    let flip = |revision, effect, sent, acknowledged| Flip {
        revision,
        effect,
        sent: at(sent),
        acknowledged: at(acknowledged),
    };
    let flips = [flip(5, Allow, 0, 0), flip(8, Block, 100, 110)];
    let mut records = Records::new();
    let mut exchanges = Vec::new();
    for (number, (started, ended, answer, theirs)) in cases.iter().enumerate() {
        let theirs = theirs.iter().map(|(version, decision)| Record {
            version: *version,
            decision: (*decision).to_owned(),
        });
        let theirs: Vec<_> = theirs.collect();
        if !theirs.is_empty() {
            records.insert(number.to_string(), theirs);
        }
        exchanges.push(Exchange {
            gateway: 0,
            id: number.to_string(),
            started: at(*started),
            ended: at(*ended),
            answer: answer.map_err(str::to_owned),
        });
    }
    Verdict::of(&flips, 1, &exchanges, &[records])
}

const OLD: &[(Option<u64>, &str)] = &[(Some(5), "allow")];
const NEW: &[(Option<u64>, &str)] = &[(Some(8), "block")];

#[test]
fn a_run_is_right() {
    // The third overlaps the first answer by the new policy: either policy is right.
    let verdict = judged(&[
        (10, 20, Ok(Allow), OLD),
        (115, 130, Ok(Block), NEW),
        (120, 140, Ok(Allow), OLD),
        (131, 150, Ok(Block), NEW),
    ]);
    assert_eq!(verdict.exchanges, 4);
    assert!(
        verdict.failed.is_empty() && verdict.wrong.is_empty(),
        "{verdict:?}"
    );
    assert_eq!(verdict.propagation, [Duration::from_millis(20)]);
}

#[test]
fn a_gateway_may_be_faster_than_etcds_answer() {
    let verdict = judged(&[(101, 105, Ok(Block), NEW)]);
    assert!(verdict.wrong.is_empty(), "{verdict:?}");
    assert_eq!(verdict.propagation, [Duration::ZERO]);
}

#[test]
fn wrong_decisions_are_found() {
    let seen = (111, 120, Ok(Block), NEW);
    let cases: [(Case<'_>, &str); 7] = [
        ((121, 130, Ok(Allow), OLD), "decided by 5 after 8 was seen"),
        ((120, 130, Ok(Allow), OLD), "decided by 5 after 8 was seen"),
        (
            (121, 130, Ok(Allow), NEW),
            "8 says block, the record block, the client saw allow",
        ),
        (
            (121, 130, Ok(Block), &[(Some(8), "allow")]),
            "8 says block, the record allow, the client saw block",
        ),
        (
            (121, 130, Ok(Block), &[(Some(9), "block")]),
            "decided by 9, which nobody wrote",
        ),
        (
            (90, 95, Ok(Block), &[(None, "block")]),
            "decided without a policy",
        ),
        ((90, 99, Ok(Block), NEW), "decided by 8 before it was sent"),
    ];
    for (case, expected) in cases {
        // In either order: what counts is when.
        for run in [[seen, case], [case, seen]] {
            let verdict = judged(&run);
            assert_eq!(verdict.wrong, [format!("gateway-0: {expected}")]);
            assert!(verdict.failed.is_empty(), "{verdict:?}");
        }
    }
}

#[test]
fn failed_requests_are_found() {
    let twice = [OLD, OLD].concat();
    let cases: [(Case<'_>, &str); 3] = [
        ((10, 20, Err("answered 503"), OLD), "answered 503"),
        ((10, 20, Ok(Allow), &[]), "an exchange has 0 audit records"),
        (
            (10, 20, Ok(Allow), &twice),
            "an exchange has 2 audit records",
        ),
    ];
    for (case, expected) in cases {
        let verdict = judged(&[case]);
        assert_eq!(verdict.failed, [format!("gateway-0: {expected}")]);
        assert!(verdict.wrong.is_empty(), "{verdict:?}");
    }
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let times: Vec<_> = (1..=500).map(Duration::from_millis).collect();
    let of = |part| percentile(&times, part).as_millis();
    assert_eq!([of(0.5), of(0.9), of(0.99), of(1.0)], [250, 450, 495, 500]);
    assert_eq!(percentile(&[], 0.5), Duration::ZERO);
}
