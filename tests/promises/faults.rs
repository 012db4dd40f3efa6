//! Promise 6: whatever goes wrong upstream, the documented status, one request and no second, and a
//! connection that is never used again.

mod list;
mod provider;

use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_mock::Preset;

use crate::frame::{Figure, Scale};
use crate::harness::{CONTOSO, Outcome, Setup, World};
use list::{Expected, Fault, TIMEOUT};
use provider::Provider;

/// What is granted beyond the deadline of an exchange (case C38).
const GRACE: Duration = Duration::from_millis(500);

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let rounds = scale.pick(1, 5);
    let body = signed().await;
    let provider = Provider::start(list::good(&body)).await;
    let setup = Setup::new()
        .set("listen.workers", 1)
        .set(
            "limits.upstream_timeout",
            format!("{}ms", TIMEOUT.as_millis()),
        )
        .set(
            "limits.connect_timeout",
            format!("{}ms", TIMEOUT.as_millis()),
        )
        .set("providers.entra.authority", provider.url())
        .set("providers.entra.insecure_plaintext", true)
        .good(Some(CONTOSO), CONTOSO);
    let world = World::start(setup).await;
    let mut tally = Tally::default();
    for fault in std::iter::repeat_n(list::faults(&body), rounds).flatten() {
        one(&world, &provider, &fault, &mut tally).await;
    }
    world.nothing_leaked().await;
    let alive = world.gateway.is_alive() && world.log.count("panicked") == 0;
    tally.figures(scale, alive)
}

/// A good reply's body.
async fn signed() -> Vec<u8> {
    let world = World::start(Setup::new()).await;
    world.idp.mint().body(&Preset::Signed, CONTOSO).to_vec()
}

#[derive(Default)]
struct Tally {
    tried: usize,
    wrong: Vec<String>,
    miscounted: Vec<&'static str>,
    reused: Vec<&'static str>,
    not_reused: usize,
    latest: Duration,
}

/// One fault on a connection that was good before, and two good exchanges after it.
async fn one(world: &World, provider: &Provider, fault: &Fault, tally: &mut Tally) {
    let send = || world.exchange(CONTOSO, CONTOSO).send();
    if fault.on_a_warm_connection() {
        send().await.allowed("same_tenant");
    } else {
        // The connection that was kept is used up.
        provider.next(&list::gone());
        send().await.refused(502, "upstream_incomplete");
    }
    tally.tried += 1;
    let before = provider.seen();
    provider.next(&fault.act);
    let begin = Instant::now();
    let outcome = send().await;
    let took = begin.elapsed();
    if !fault.expected.is_met(&outcome) {
        let (status, reason) = (outcome.answer.status, &outcome.record["reason"]);
        tally
            .wrong
            .push(format!("{}: {status} {reason}", fault.name));
    }
    if outcome.answer.status == 504 {
        tally.latest = tally.latest.max(took.saturating_sub(TIMEOUT));
    }
    if outcome.answer.status != 200 {
        outcome.nothing_leaked();
        assert_eq!(
            outcome.record["sign_in_tenant"],
            Value::Null,
            "{}",
            fault.name
        );
    }
    let after = provider.seen();
    // Exactly one request, of which nothing is read where the connection ends before.
    let begun = usize::from(fault.on_a_warm_connection());
    let opened = before.0..=before.0 + 1;
    if after.1 != before.1 + begun || !opened.contains(&after.0) {
        tally.miscounted.push(fault.name);
    }
    send().await.allowed("same_tenant");
    let next = provider.seen();
    match fault.expected {
        Expected::Passes => {}
        Expected::PassesOnce | Expected::Refused(..) | Expected::RefusedAs(..) => {
            if next.0 == after.0 {
                tally.reused.push(fault.name);
            }
        }
    }
    send().await.allowed("same_tenant");
    tally.not_reused += provider.seen().0 - next.0;
}

impl Expected {
    fn is_met(&self, outcome: &Outcome) -> bool {
        let got = (outcome.answer.status, outcome.record["reason"].as_str());
        match self {
            Self::Passes | Self::PassesOnce => got == (200, Some("same_tenant")),
            Self::Refused(status, reason) => got == (*status, Some(reason)),
            Self::RefusedAs(status, reasons) => {
                got.0 == *status && got.1.is_some_and(|reason| reasons.contains(&reason))
            }
        }
    }
}

impl Tally {
    fn figures(self, scale: Scale, alive: bool) -> Vec<Figure> {
        let names = |names: &[&str]| format!("{} {}", names.len(), names.join(", "));
        vec![
            Figure::new(
                "faults answered with the documented status",
                format!(
                    "{} of {} {}",
                    self.tried - self.wrong.len(),
                    self.tried,
                    self.wrong.join("; ")
                ),
                "all",
                self.wrong.is_empty(),
            ),
            Figure::new(
                "faults after which the provider had not seen exactly one request",
                names(&self.miscounted),
                0,
                self.miscounted.is_empty(),
            ),
            Figure::new(
                "connections used again after a fault",
                names(&self.reused),
                0,
                self.reused.is_empty(),
            ),
            Figure::new(
                "connections not used again after a good exchange",
                self.not_reused,
                0,
                self.not_reused == 0,
            ),
            Figure::speed(
                scale,
                "latest answer of those that hang, after the deadline",
                format!("{} ms", self.latest.as_millis()),
                format!("{} ms", GRACE.as_millis()),
                self.latest <= GRACE,
            ),
            Figure::new("the same process, no panic", alive, true, alive),
        ]
    }
}
