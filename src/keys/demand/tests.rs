use super::*;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const LONG: Duration = Duration::from_secs(3600);

/// What a future comes to without waiting.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Demand {
    /// Asks, with a cooldown that does not end.
    fn ask_once(&self) -> Option<UnderWay> {
        match self.ask_for_unknown(LONG) {
            Asked::Begun(waiting) | Asked::UnderWay(waiting) => Some(waiting),
            Asked::Crowded | Asked::TooSoon => None,
        }
    }
}

#[test]
fn one_fetch_for_unknown_keys_in_a_cooldown() {
    let demand = Demand::default();
    let first = demand.ask_once().unwrap();
    let late = demand.ask_once().expect("it is to begin");
    assert!(at_once(demand.asked()).is_some());
    demand.begin();
    assert!(at_once(demand.asked()).is_none(), "nobody wants another");
    let later = demand.ask_once().expect("it is under way");
    demand.end(Outcome::Whole);
    for waiting in [first, late, later] {
        assert_eq!(at_once(waiting.ended()), Some(Outcome::Whole));
    }
    assert!(demand.ask_once().is_none(), "the cooldown");
    let again = demand.ask_for_unknown(Duration::ZERO);
    assert!(matches!(again, Asked::Begun(_)));
}

#[test]
fn a_fetch_that_is_under_way_anyway_costs_no_cooldown() {
    let demand = Demand::default();
    demand.begin();
    let waiting = demand.ask_once().unwrap();
    demand.end(Outcome::Failed);
    assert_eq!(at_once(waiting.ended()), Some(Outcome::Failed));
    let waiting = demand.ask_once().expect("the first for them");
    assert!(at_once(waiting.ended()).is_none());
}

#[test]
fn the_operator_gets_a_fetch_that_begins_after_asking() {
    let demand = Demand::default();
    demand.begin();
    demand.ask();
    demand.end(Outcome::Whole);
    let waiting = demand.ask_once().expect("it will begin at once");
    assert!(at_once(demand.asked()).is_some());
    demand.begin();
    demand.end(Outcome::Whole);
    assert_eq!(at_once(waiting.ended()), Some(Outcome::Whole));
    assert!(demand.ask_once().is_some(), "it cost no cooldown");
}

#[test]
fn a_crowd_waits_and_no_more() {
    let demand = Demand::default();
    let crowd: Vec<_> = (0..CROWD).map(|_| demand.ask_once().unwrap()).collect();
    assert!(matches!(demand.ask_for_unknown(LONG), Asked::Crowded));
    demand.begin();
    demand.end(Outcome::Whole);
    drop(crowd);
    assert!(matches!(demand.ask_for_unknown(LONG), Asked::TooSoon));
}
