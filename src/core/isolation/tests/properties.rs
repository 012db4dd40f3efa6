//! Properties: what holds for all policies, tenants and times.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// So few that they meet.
const POOL: [&str; 4] = [CONTOSO, FABRIKAM, THIRD, PERSONAL];

fn anyone() -> impl Strategy<Value = TenantId> {
    prop::sample::select(POOL.map(tenant).to_vec())
}

fn mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Enforce, Mode::ReportOnly])
}

fn isolation() -> impl Strategy<Value = Isolation> {
    prop::sample::select(vec![Isolation::On, Isolation::Off])
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    vec(one_entry(), 0..6)
}

fn one_entry() -> impl Strategy<Value = Entry> {
    let subject = prop_oneof![3 => anyone().prop_map(Subject::Tenant), 1 => Just(Subject::Any)];
    let ends = vec![None, Some(NOW - 1), Some(NOW), Some(NOW + 1)];
    (
        subject,
        any::<bool>(),
        any::<bool>(),
        prop::sample::select(ends),
    )
        .prop_map(|(subject, inbound, outbound, expires_on)| Entry {
            subject,
            inbound,
            outbound,
            expires_on,
        })
}

/// A policy as its parts, so that it can be rebuilt with a change.
#[derive(Clone, Debug)]
struct Parts {
    isolation: Isolation,
    without: WithoutClientTenant,
    mode: Mode,
    entries: Vec<Entry>,
}

impl Parts {
    fn policy(&self) -> Arc<Policy> {
        let entries = self.entries.clone();
        Arc::new(policy(self.isolation, self.without, self.mode, entries))
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    let without =
        prop::sample::select(vec![WithoutClientTenant::Allow, WithoutClientTenant::Block]);
    (isolation(), without, mode(), entries()).prop_map(|(isolation, without, mode, entries)| {
        Parts {
            isolation,
            without,
            mode,
            entries,
        }
    })
}

/// No record, an unreadable one, or a policy.
#[derive(Clone, Debug)]
enum Held {
    Absent,
    Unreadable,
    Present(Parts),
}

fn held() -> impl Strategy<Value = Held> {
    prop_oneof![
        1 => Just(Held::Absent),
        1 => Just(Held::Unreadable),
        6 => parts().prop_map(Held::Present),
    ]
}

/// What each tenant of the pool has.
fn world() -> impl Strategy<Value = Vec<(TenantId, Held)>> {
    vec(held(), POOL.len()).prop_map(|held| POOL.map(tenant).into_iter().zip(held).collect())
}

fn of(world: &[(TenantId, Held)]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (tenant, held) in world {
        match held {
            Held::Absent => {}
            Held::Unreadable => snapshot.insert_unreadable(*tenant),
            Held::Present(parts) => snapshot.insert(*tenant, parts.policy()),
        }
    }
    snapshot
}

fn terms() -> impl Strategy<Value = Terms> {
    let undetermined = prop::sample::select(vec![OnUndetermined::Allow, OnUndetermined::Block]);
    let provider = prop::sample::select(vec![
        Provider::Entra,
        Provider::Other(OnNotEntra::Block),
        Provider::Other(OnNotEntra::Pass),
    ]);
    (mode(), isolation(), undetermined, provider).prop_map(
        |(mode, absent, undetermined, provider)| Terms {
            mode,
            absent,
            undetermined,
            provider,
        },
    )
}

fn sign_in() -> impl Strategy<Value = SignIn> {
    let why = prop::sample::select(vec![
        Undetermined::Disagreement,
        Undetermined::Opaque,
        Undetermined::Untrusted(Untrusted::Malformed),
    ]);
    prop_oneof![
        anyone().prop_map(SignIn::Entra),
        Just(SignIn::NoToken),
        Just(SignIn::NotEntra),
        (why, vec(anyone(), 0..4)).prop_map(|(why, tenants)| SignIn::Undetermined(why, tenants)),
    ]
}

/// From what is released without remark to what is withheld.
fn severity(decision: &Decision) -> u8 {
    match decision.verdict {
        Verdict::Allow(_) | Verdict::PassNonEntra(_) => 0,
        Verdict::WouldBlock(_) => 1,
        Verdict::Unavailable => 2,
        Verdict::Block => 3,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_same_tenant_is_never_blocked(world in world(), tenant in anyone(), terms in terms(), now: i64) {
        let decision = evaluate(Some(tenant), tenant, &of(&world), terms, now);
        prop_assert_eq!(word(&decision.verdict), "allow");
    }

    #[test]
    fn adding_an_entry_never_removes_an_allow(
        world in world(),
        creator in prop::option::of(anyone()),
        sign_in in anyone(),
        terms in terms(),
        whose in 0..POOL.len(),
        added in one_entry(),
    ) {
        let before = evaluate(creator, sign_in, &of(&world), terms, NOW);
        let mut more = world;
        if let Held::Present(parts) = &mut more[whose].1 {
            parts.entries.push(added);
        }
        let after = evaluate(creator, sign_in, &of(&more), terms, NOW);
        prop_assert!(severity(&after) <= severity(&before), "{before:?} became {after:?}");
    }

    #[test]
    fn off_for_both_never_blocks(
        world in world(),
        creator in prop::option::of(anyone()),
        sign_in in anyone(),
        terms in terms(),
    ) {
        let mut off = world;
        for (tenant, held) in &mut off {
            let party = *tenant == sign_in || Some(*tenant) == creator;
            match held {
                Held::Present(parts) if party => parts.isolation = Isolation::Off,
                other if party => *other = Held::Absent,
                Held::Absent | Held::Present(_) | Held::Unreadable => {}
            }
        }
        let terms = Terms { absent: Isolation::Off, ..terms };
        let decision = evaluate(creator, sign_in, &of(&off), terms, NOW);
        prop_assert_eq!(word(&decision.verdict), "allow");
    }

    #[test]
    fn a_report_only_gateway_withholds_nothing(
        world in world(),
        creator in prop::option::of(anyone()),
        sign_in in sign_in(),
        terms in terms(),
        now: i64,
    ) {
        let terms = Terms { mode: Mode::ReportOnly, ..terms };
        let decision = decide(creator, &sign_in, &of(&world), terms, now);
        prop_assert!(released(&decision.verdict), "{decision:?}");
    }

    /// Report-only changes what takes effect, not what is found.
    #[test]
    fn report_only_finds_what_enforcing_finds(
        world in world(),
        creator in prop::option::of(anyone()),
        sign_in in anyone(),
        terms in terms(),
    ) {
        let of_mode = |mode| evaluate(creator, sign_in, &of(&world), Terms { mode, ..terms }, NOW);
        let (enforced, reported) = (of_mode(Mode::Enforce), of_mode(Mode::ReportOnly));
        prop_assert_eq!(blocked_by(&enforced), blocked_by(&reported));
        prop_assert_eq!(enforced.reason, reported.reason);
        prop_assert_eq!(word(&enforced.verdict) == "allow", word(&reported.verdict) == "allow");
    }

    /// Tenants are names: exchanging all of them exchanges them in the decision and changes
    /// nothing else.
    #[test]
    fn renaming_tenants_renames_the_decision(
        world in world(),
        creator in prop::option::of(anyone()),
        sign_in in anyone(),
        terms in terms(),
        names in Just(POOL.map(tenant).to_vec()).prop_shuffle(),
    ) {
        let renamed = |id: TenantId| {
            let at = POOL.iter().position(|known| tenant(known) == id).unwrap();
            names[at]
        };
        let mut other = world.clone();
        for (tenant, held) in &mut other {
            *tenant = renamed(*tenant);
            if let Held::Present(parts) = held {
                for entry in &mut parts.entries {
                    if let Subject::Tenant(id) = &mut entry.subject {
                        *id = renamed(*id);
                    }
                }
            }
        }
        let plain = evaluate(creator, sign_in, &of(&world), terms, NOW);
        let there = evaluate(creator.map(renamed), renamed(sign_in), &of(&other), terms, NOW);
        prop_assert_eq!(&plain.verdict, &there.verdict);
        prop_assert_eq!(plain.reason, there.reason);
        let sides = |decision: &Decision, name: &dyn Fn(TenantId) -> TenantId| {
            decision
                .sides()
                .map(|side| (name(side.tenant), side.direction, side.finding.as_str(), side.mode))
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(sides(&plain, &renamed), sides(&there, &|id| id));
    }

    /// The whole decision, the recorded entry included.
    #[test]
    fn the_order_of_entries_does_not_matter(
        (parts, shuffled) in parts().prop_flat_map(|parts| {
            let entries = Just(parts.entries.clone()).prop_shuffle();
            (Just(parts), entries)
        }),
        other in held(),
        terms in terms(),
        creator in prop::option::of(anyone()),
    ) {
        let (own, foreign) = (tenant(CONTOSO), tenant(FABRIKAM));
        let reordered = Parts { entries: shuffled, ..parts.clone() };
        let with = |parts: Parts| of(&[(own, Held::Present(parts)), (foreign, other.clone())]);
        let (one, two) = (with(parts), with(reordered));
        for (creator, sign_in) in [(Some(own), foreign), (Some(foreign), own), (creator, own)] {
            prop_assert_eq!(
                evaluate(creator, sign_in, &one, terms, NOW),
                evaluate(creator, sign_in, &two, terms, NOW)
            );
        }
    }

    #[test]
    fn third_parties_have_no_say(
        world in world(),
        third in held(),
        creator in prop::option::of(anyone()),
        sign_in in anyone(),
        terms in terms(),
    ) {
        let mut other = world.clone();
        for (tenant, held) in &mut other {
            if *tenant != sign_in && Some(*tenant) != creator {
                *held = third.clone();
            }
        }
        prop_assert_eq!(
            evaluate(creator, sign_in, &of(&world), terms, NOW),
            evaluate(creator, sign_in, &of(&other), terms, NOW)
        );
    }

    /// A permit comes with a reason to release: both sides allow, or nothing is enforced.
    #[test]
    fn a_block_that_is_enforced_withholds(
        world in world(),
        creator in prop::option::of(anyone()),
        sign_in in anyone(),
        terms in terms(),
    ) {
        let decision = evaluate(creator, sign_in, &of(&world), terms, NOW);
        let enforced = decision.blocking().any(|side| side.mode == Mode::Enforce);
        prop_assert_eq!(word(&decision.verdict) == "block", enforced, "{:?}", decision);
        if word(&decision.verdict) == "allow" {
            prop_assert_eq!(decision.blocking().count(), 0);
            prop_assert!(decision.sides().all(|side| side.finding != Finding::Unreadable));
        }
    }

    /// More tokens never make a reply pass that a single one of them would not.
    #[test]
    fn more_tenants_never_soften_a_decision(
        world in world(),
        creator in prop::option::of(anyone()),
        tenants in vec(anyone(), 1..4),
        terms in terms(),
    ) {
        let policies = of(&world);
        let all = SignIn::Undetermined(Undetermined::Disagreement, tenants.clone());
        let together = decide(creator, &all, &policies, terms, NOW);
        for tenant in tenants {
            let alone = evaluate(creator, tenant, &policies, terms, NOW);
            prop_assert!(severity(&together) >= severity(&alone), "{together:?} {alone:?}");
        }
    }

    /// Time only takes away.
    #[test]
    fn an_allowlist_only_shrinks_with_time(
        world in world(),
        creator in prop::option::of(anyone()),
        sign_in in anyone(),
        terms in terms(),
        (now, later) in (NOW - 3..NOW + 3, 0..4_i64),
    ) {
        let policies = of(&world);
        let before = evaluate(creator, sign_in, &policies, terms, now);
        let after = evaluate(creator, sign_in, &policies, terms, now + later);
        prop_assert!(severity(&after) >= severity(&before));
    }
}
