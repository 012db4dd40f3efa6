//! Differences, by example and against asking for every pair at every moment.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::core::policy::{Entry, WithoutClientTenant};

/// Two tenants that policies may belong to, two more that they may name, two that they never name.
fn tenants() -> [TenantId; 6] {
    std::array::from_fn(|index| {
        TenantId::parse(&format!("{:08x}-0000-4000-8000-000000000000", index + 1)).unwrap()
    })
}

const NOW: UnixSeconds = 1000;

fn entry(subject: Subject, inbound: bool, outbound: bool, expires_on: Option<i64>) -> Entry {
    Entry {
        subject,
        inbound,
        outbound,
        expires_on,
    }
}

fn on(entries: Vec<Entry>) -> Policy {
    let choice = WithoutClientTenant::Block;
    Policy::new(Isolation::On, choice, Mode::Enforce, Version(1), entries)
}

fn policies(policies: Vec<(TenantId, Policy)>) -> Policies {
    Policies::new(policies, Mode::Enforce, Isolation::Off)
}

#[test]
fn turning_isolation_on_blocks_every_other_tenant_both_ways() {
    let [a, ..] = tenants();
    let found = differences(&policies(vec![]), &policies(vec![(a, on(vec![]))]), NOW);
    let blocked = |creator, sign_in| Difference {
        creator,
        sign_in,
        from: None,
        until: None,
        before: Decided::Allow,
        after: Decided::Block,
    };
    let a = Party::Tenant(a);
    let expected = [
        blocked(a, Party::AnyOther),
        blocked(Party::AnyOther, a),
        blocked(Party::Unknown, a),
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_exception_that_ends_is_a_difference_until_then() {
    let [a, b, ..] = tenants();
    let exception = entry(Subject::Tenant(b), false, true, Some(NOW + 10));
    let before = policies(vec![(a, on(vec![]))]);
    let after = policies(vec![(a, on(vec![exception]))]);
    let found = differences(&before, &after, NOW);
    let [span] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (span.creator, span.sign_in),
        (Party::Tenant(a), Party::Tenant(b))
    );
    assert_eq!((span.from, span.until), (None, Some(NOW + 10)));
    assert_eq!((span.before, span.after), (Decided::Block, Decided::Allow));
    assert_eq!(differences(&before, &after, NOW + 10), []);

    let lasting = policies(vec![(
        a,
        on(vec![entry(Subject::Tenant(b), false, true, None)]),
    )]);
    let found = differences(&after, &lasting, NOW);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].from, found[0].until), (Some(NOW + 10), None));
}

#[test]
fn another_text_of_one_meaning_is_no_difference() {
    let [a, b, ..] = tenants();
    let policy = on(vec![entry(Subject::Tenant(b), true, true, None)]);
    let mut other = policy.clone();
    other.version = Version(2);
    let (before, after) = (policies(vec![(a, policy)]), policies(vec![(a, other)]));
    assert_eq!(differences(&before, &after, NOW), []);
}

#[test]
fn what_no_policy_means_is_a_difference_between_tenants_that_nobody_names() {
    let off = Policies::new([], Mode::Enforce, Isolation::Off);
    let on = Policies::new([], Mode::Enforce, Isolation::On);
    let pairs: Vec<_> = differences(&off, &on, NOW)
        .into_iter()
        .map(|found| (found.creator, found.sign_in, found.after))
        .collect();
    let other = Party::AnyOther;
    let expected = [
        (other, other, Decided::Block),
        (Party::Unknown, other, Decided::Block),
    ];
    assert_eq!(pairs, expected);
}

fn subject() -> impl Strategy<Value = Subject> {
    (0..5_usize).prop_map(|index| {
        let named = tenants().get(index).copied().filter(|_| index < 4);
        named.map_or(Subject::Any, Subject::Tenant)
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let end = prop_oneof![Just(None), (NOW - 2..NOW + 4).prop_map(Some)];
    let entries = (subject(), any::<bool>(), any::<bool>(), end)
        .prop_map(|(subject, inbound, outbound, end)| entry(subject, inbound, outbound, end));
    let entries = proptest::collection::vec(entries, 0..4);
    (any::<(bool, bool, bool)>(), entries).prop_map(|((on, allow, report_only), entries)| {
        Policy::new(
            if on { Isolation::On } else { Isolation::Off },
            if allow {
                WithoutClientTenant::Allow
            } else {
                WithoutClientTenant::Block
            },
            if report_only {
                Mode::ReportOnly
            } else {
                Mode::Enforce
            },
            Version(0),
            entries,
        )
    })
}

fn any_policies() -> impl Strategy<Value = Policies> {
    let policy = || proptest::option::of(any_policy());
    (policy(), policy(), any::<bool>(), any::<bool>()).prop_map(|(a, b, absent, report_only)| {
        let owned = tenants().into_iter().zip([a, b]);
        let present = owned.filter_map(|(tenant, policy)| Some((tenant, policy?)));
        let absent = if absent {
            Isolation::On
        } else {
            Isolation::Off
        };
        let mode = if report_only {
            Mode::ReportOnly
        } else {
            Mode::Enforce
        };
        Policies::new(present, mode, absent)
    })
}

/// What [`differences`] says of one pair at one moment.
fn said(
    found: &BTreeMap<(Party, Party), Vec<Difference>>,
    pair: (Party, Party),
    now: UnixSeconds,
) -> Option<(Decided, Decided)> {
    let about = found.get(&pair).into_iter().flatten();
    let mut at = about.filter(|span| {
        span.from.is_none_or(|from| from <= now) && span.until.is_none_or(|until| now < until)
    });
    let said = at.next().map(|span| (span.before, span.after));
    assert!(
        at.next().is_none(),
        "two differences at one moment: {pair:?}"
    );
    said
}

proptest! {
    #[test]
    fn differences_are_those_of_every_pair_at_every_moment(
        before in any_policies(),
        after in any_policies(),
    ) {
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for span in differences(&before, &after, NOW) {
            found.entry((span.creator, span.sign_in)).or_default().push(span);
        }
        let named: BTreeSet<_> = before.named().chain(after.named()).collect();
        let party = |tenant: TenantId| {
            if named.contains(&tenant) { Party::Tenant(tenant) } else { Party::AnyOther }
        };
        let creators = tenants().map(Some).into_iter().chain([None]);
        for (creator, sign_in) in creators.flat_map(|c| tenants().map(|s| (c, s))) {
            let pair = (creator.map_or(Party::Unknown, party), party(sign_in));
            for now in NOW..NOW + 6 {
                let was = before.decision(creator, sign_in, now);
                let is = after.decision(creator, sign_in, now);
                let expected = (was != is).then_some((was, is));
                // A tenant and itself are never a pair that differs.
                if creator == Some(sign_in) {
                    prop_assert_eq!(expected, None);
                } else {
                    prop_assert_eq!(said(&found, pair, now), expected, "{:?} at {}", pair, now);
                }
            }
        }
    }
}
