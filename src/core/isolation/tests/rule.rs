//! The rule's sentences, in their order, each as a table.

use super::*;

/// From, whereto, the verdict, and the sides that block.
pub(super) type Row<'a> = (Option<&'a str>, &'a str, &'a str, &'a [(&'a str, &'a str)]);

pub(super) fn check(situation: &str, policies: &Snapshot, rows: &[Row<'_>]) {
    check_with(situation, policies, TERMS, NOW, rows);
}

pub(super) fn check_with(
    situation: &str,
    policies: &Snapshot,
    terms: Terms,
    now: UnixSeconds,
    rows: &[Row<'_>],
) {
    for (creator, sign_in, verdict, sides) in rows {
        let decision = evaluate(creator.map(tenant), tenant(sign_in), policies, terms, now);
        let row = format!("{situation}: {creator:?} -> {sign_in}: {decision:?}");
        assert_eq!(word(&decision.verdict), *verdict, "{row}");
        let expected: Vec<_> = sides
            .iter()
            .map(|(id, way)| ((*id).to_owned(), *way))
            .collect();
        assert_eq!(blocked_by(&decision), expected, "{row}");
    }
}

pub(super) const C: &str = CONTOSO;
pub(super) const F: &str = FABRIKAM;

/// The rows of the specification, which are those of Microsoft's documentation.
#[test]
fn documented_rows() {
    let none = Snapshot::default();
    check(
        "any",
        &none,
        &[(Some(C), C, "allow", &[]), (Some(F), F, "allow", &[])],
    );
    let closed = snapshot([(C, on([])), (F, on([]))]);
    check(
        "any, even both On",
        &closed,
        &[(Some(C), C, "allow", &[]), (Some(F), F, "allow", &[])],
    );

    let rows: &[Row<'_>] = &[(Some(C), F, "allow", &[]), (Some(F), C, "allow", &[])];
    check("both without a record", &none, rows);
    check("both Off", &snapshot([(C, off([])), (F, off([]))]), rows);

    check(
        "Contoso On",
        &snapshot([(C, on([]))]),
        &[
            (Some(C), F, "block", &[(C, "outbound")]),
            (Some(F), C, "block", &[(C, "inbound")]),
        ],
    );
    check(
        "Contoso On, Fabrikam in its outbound list",
        &snapshot([(C, on([outbound(F)]))]),
        &[
            (Some(C), F, "allow", &[]),
            (Some(F), C, "block", &[(C, "inbound")]),
        ],
    );
    check(
        "Contoso On, Fabrikam in both lists",
        &snapshot([(C, on([both(F)]))]),
        rows,
    );
    check(
        "the same as two entries",
        &snapshot([(C, on([inbound(F), outbound(F)]))]),
        rows,
    );
    check(
        "Contoso On, * outbound (one-way)",
        &snapshot([(C, on([outbound("*")]))]),
        &[
            (Some(C), F, "allow", &[]),
            (Some(C), THIRD, "allow", &[]),
            (Some(C), PERSONAL, "allow", &[]),
            (Some(F), C, "block", &[(C, "inbound")]),
            (Some(THIRD), C, "block", &[(C, "inbound")]),
        ],
    );
    check(
        "Contoso On with Fabrikam outbound, Fabrikam On with an empty list",
        &snapshot([(C, on([outbound(F)])), (F, on([]))]),
        &[(Some(C), F, "block", &[(F, "inbound")])],
    );
    check(
        "both On, neither lists the other",
        &closed,
        &[
            (Some(C), F, "block", &[(C, "outbound"), (F, "inbound")]),
            (Some(F), C, "block", &[(F, "outbound"), (C, "inbound")]),
        ],
    );
    check(
        "personal account",
        &snapshot([(C, on([]))]),
        &[
            (Some(PERSONAL), C, "block", &[(C, "inbound")]),
            (Some(C), PERSONAL, "block", &[(C, "outbound")]),
        ],
    );
    check(
        "legacy connection, default",
        &snapshot([(C, on([]))]),
        &[(None, C, "block", &[(C, "inbound")])],
    );
    check(
        "legacy connection, choice allow",
        &snapshot([(C, letting_legacy_in(on([])))]),
        &[(None, C, "allow", &[])],
    );
}

#[test]
fn rule_1_the_same_tenant_is_never_evaluated() {
    let closed = snapshot([(C, on([]))]);
    let mut unreadable = Snapshot::default();
    unreadable.insert_unreadable(tenant(C));
    for policies in [&Snapshot::default(), &closed, &unreadable] {
        for absent in [Isolation::Off, Isolation::On] {
            let terms = Terms { absent, ..TERMS };
            let decision = evaluate(Some(tenant(C)), tenant(C), policies, terms, NOW);
            assert_eq!(
                decision,
                Decision {
                    verdict: Verdict::Allow(Permit::new()),
                    reason: Reason::SameTenant,
                    outbound: None,
                    inbound: None,
                }
            );
        }
    }
}

#[test]
fn rule_2_both_sides_are_always_evaluated() {
    let policies = snapshot([(C, on([])), (F, on([both(C)]))]);
    let decision = evaluate(Some(tenant(C)), tenant(F), &policies, TERMS, NOW);
    assert_eq!(
        decision.outbound,
        Some(Side {
            tenant: tenant(C),
            direction: Direction::Outbound,
            finding: Finding::NotListed,
            mode: Mode::Enforce,
            version: Some(Version(7)),
        })
    );
    assert_eq!(
        decision.inbound,
        Some(Side {
            tenant: tenant(F),
            direction: Direction::Inbound,
            finding: Finding::Rule(both(C)),
            mode: Mode::Enforce,
            version: Some(Version(7)),
        })
    );
    assert_eq!(decision.sides().count(), 2);
    assert_eq!(decision.reason, Reason::OutboundBlock);
}

#[test]
fn rule_3_absent_or_off_allows() {
    let rows: &[Row<'_>] = &[
        (Some(C), F, "allow", &[]),
        (Some(F), C, "allow", &[]),
        (None, C, "allow", &[]),
    ];
    check("no record", &Snapshot::default(), rows);
    check(
        "F5: Off with entries",
        &snapshot([(C, off([inbound(THIRD)]))]),
        rows,
    );
    check(
        "Off with contradicting entries",
        &snapshot([(C, off([entry(F, false, false)]))]),
        rows,
    );
    let turned_on = snapshot([(C, on([inbound(THIRD)]))]);
    check(
        "F5: turned On, entries act",
        &turned_on,
        &[
            (Some(THIRD), C, "allow", &[]),
            (Some(F), C, "block", &[(C, "inbound")]),
            (Some(C), THIRD, "block", &[(C, "outbound")]),
        ],
    );

    let closed = Terms {
        absent: Isolation::On,
        ..TERMS
    };
    check_with(
        "absent counts as On",
        &Snapshot::default(),
        closed,
        NOW,
        &[
            (Some(C), F, "block", &[(C, "outbound"), (F, "inbound")]),
            (Some(C), C, "allow", &[]),
            (None, C, "block", &[(C, "inbound")]),
        ],
    );
    check_with(
        "absent On, record Off",
        &snapshot([(C, off([])), (F, off([]))]),
        closed,
        NOW,
        rows,
    );
    check_with(
        "absent On, one listed",
        &snapshot([(C, on([both(F)]))]),
        closed,
        NOW,
        &[
            (Some(C), F, "block", &[(F, "inbound")]),
            (Some(F), C, "block", &[(F, "outbound")]),
        ],
    );
}

#[test]
fn rule_4_the_allowlist() {
    check(
        "F2: outbound only",
        &snapshot([(C, on([outbound(F)]))]),
        &[
            (Some(C), F, "allow", &[]),
            (Some(F), C, "block", &[(C, "inbound")]),
        ],
    );
    check(
        "F3: * inbound only",
        &snapshot([(C, on([inbound("*")]))]),
        &[
            (Some(F), C, "allow", &[]),
            (Some(PERSONAL), C, "allow", &[]),
            (Some(C), F, "block", &[(C, "outbound")]),
        ],
    );
    check(
        "neither direction",
        &snapshot([(C, on([entry(F, false, false), entry("*", false, false)]))]),
        &[
            (Some(C), F, "block", &[(C, "outbound")]),
            (Some(F), C, "block", &[(C, "inbound")]),
        ],
    );
    check(
        "a tenant that lists itself",
        &snapshot([(C, on([both(C)]))]),
        &[
            (Some(C), C, "allow", &[]),
            (Some(C), F, "block", &[(C, "outbound")]),
            (Some(F), C, "block", &[(C, "inbound")]),
        ],
    );
    check(
        "union: * one way, the tenant the other",
        &snapshot([(C, on([inbound("*"), outbound(F)]))]),
        &[
            (Some(F), C, "allow", &[]),
            (Some(C), F, "allow", &[]),
            (Some(C), THIRD, "block", &[(C, "outbound")]),
        ],
    );
    check(
        "union: a narrower entry takes nothing away",
        &snapshot([(C, on([both("*"), entry(F, false, false)]))]),
        &[(Some(F), C, "allow", &[]), (Some(C), F, "allow", &[])],
    );
    check(
        "union: the same tenant twice",
        &snapshot([(C, on([entry(F, false, false), both(F), inbound(F)]))]),
        &[(Some(F), C, "allow", &[]), (Some(C), F, "allow", &[])],
    );
}

#[test]
fn rule_4_expiry() {
    let until = |end: UnixSeconds, entry: Entry| Entry {
        expires_on: Some(end),
        ..entry
    };
    let policies = snapshot([(C, on([until(NOW, both(F))]))]);
    for (now, verdict) in [
        (UnixSeconds::MIN, "allow"),
        (0, "allow"),
        (NOW - 1, "allow"),
        (NOW, "block"),
        (NOW + 1, "block"),
        (UnixSeconds::MAX, "block"),
    ] {
        let sides: &[(&str, &str)] = if verdict == "block" {
            &[(C, "outbound")]
        } else {
            &[]
        };
        check_with(
            "until now",
            &policies,
            TERMS,
            now,
            &[(Some(C), F, verdict, sides)],
        );
    }
    for entries in [
        [until(NOW, both(F)), both(F)],
        [both(F), until(NOW, both(F))],
        [until(NOW, both(F)), until(NOW + 1, both(F))],
        [until(NOW, both(F)), both("*")],
        [until(NOW, both("*")), both(F)],
    ] {
        let policies = snapshot([(C, on(entries))]);
        check(
            "one expired, one live",
            &policies,
            &[(Some(C), F, "allow", &[]), (Some(F), C, "allow", &[])],
        );
    }
    let policies = snapshot([(C, on([until(NOW, both(F)), until(NOW - 1, both("*"))]))]);
    check(
        "all expired",
        &policies,
        &[(Some(C), F, "block", &[(C, "outbound")])],
    );
    let policies = snapshot([(C, on([until(NOW, outbound(F)), inbound(F)]))]);
    check(
        "expired one way",
        &policies,
        &[
            (Some(C), F, "block", &[(C, "outbound")]),
            (Some(F), C, "allow", &[]),
        ],
    );
    let policies = snapshot([(
        C,
        on([
            until(UnixSeconds::MAX, both(F)),
            until(UnixSeconds::MIN, both(THIRD)),
        ]),
    )]);
    check(
        "the ends of time",
        &policies,
        &[
            (Some(C), F, "allow", &[]),
            (Some(C), THIRD, "block", &[(C, "outbound")]),
        ],
    );
}

#[test]
fn rule_4_the_matched_entry_is_recorded() {
    let finding = |entries: Vec<Entry>| {
        let own = policy(
            Isolation::On,
            WithoutClientTenant::Block,
            Mode::Enforce,
            entries,
        );
        let decision = evaluate(
            Some(tenant(C)),
            tenant(F),
            &snapshot([(C, own)]),
            TERMS,
            NOW,
        );
        decision.outbound.map(|side| side.finding)
    };
    assert_eq!(
        finding(vec![both("*"), outbound(F)]),
        Some(Finding::Rule(outbound(F)))
    );
    assert_eq!(
        finding(vec![both("*"), inbound(F)]),
        Some(Finding::Rule(both("*")))
    );
    assert_eq!(finding(vec![both(THIRD)]), Some(Finding::NotListed));
}

#[test]
fn rule_4_entries_are_sorted_and_all_kept() {
    let own = on([outbound(F), entry(C, false, false), both("*"), inbound(F)]);
    let sorted = [both("*"), entry(C, false, false), outbound(F), inbound(F)];
    assert_eq!(own.entries(), sorted);
}

#[test]
fn rule_4_a_long_allowlist() {
    let id = |n: usize| format!("dddddddd-0000-4000-8000-{n:012}");
    let entries: Vec<Entry> = (0..500).rev().map(|n| outbound(&id(n * 2))).collect();
    let own = policy(
        Isolation::On,
        WithoutClientTenant::Block,
        Mode::Enforce,
        entries,
    );
    let policies = snapshot([(C, own)]);
    for n in 0..1_000 {
        let decision = evaluate(Some(tenant(C)), tenant(&id(n)), &policies, TERMS, NOW);
        let expected = if n % 2 == 0 { "allow" } else { "block" };
        assert_eq!(word(&decision.verdict), expected, "{n}");
    }
}
