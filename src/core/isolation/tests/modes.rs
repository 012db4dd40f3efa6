//! Rules 5 and 8, and report-only: the same tables, continued.

use super::rule::{C, F, Row, check, check_with};
use super::*;

#[test]
fn rule_5_creator_unknown() {
    let blocked: &[Row<'_>] = &[(None, C, "block", &[(C, "inbound")])];
    let allowed: &[Row<'_>] = &[(None, C, "allow", &[])];
    check("no record", &Snapshot::default(), allowed);
    check("Off", &snapshot([(C, off([]))]), allowed);
    check(
        "Off, choice allow",
        &snapshot([(C, letting_legacy_in(off([])))]),
        allowed,
    );
    check("On", &snapshot([(C, on([]))]), blocked);
    check(
        "On, * both ways: nothing else decides",
        &snapshot([(C, on([both("*")]))]),
        blocked,
    );
    check(
        "On, itself listed",
        &snapshot([(C, on([both(C)]))]),
        blocked,
    );
    check(
        "On, choice allow",
        &snapshot([(C, letting_legacy_in(on([])))]),
        allowed,
    );
    let decide = |policy| evaluate(None, tenant(C), &snapshot([(C, policy)]), TERMS, NOW);
    let decision = decide(on([]));
    assert_eq!(decision.reason, Reason::WithoutClientTenantBlocked);
    assert_eq!(decision.outbound, None);
    assert_eq!(
        decision.inbound.map(|side| side.finding),
        Some(Finding::BlocksWithoutClientTenant)
    );
    let decision = decide(letting_legacy_in(on([])));
    assert_eq!(decision.reason, Reason::WithoutClientTenantAllowed);
    assert_eq!(
        decision.inbound.map(|side| side.finding),
        Some(Finding::AllowsWithoutClientTenant)
    );
    assert_eq!(decide(off([])).reason, Reason::WithoutClientTenantAllowed);
}

#[test]
fn rule_8_a_policy_that_cannot_be_had() {
    let with_unreadable = |id: &str, mut policies: Snapshot| {
        policies.insert_unreadable(tenant(id));
        policies
    };
    let only_c = with_unreadable(C, Snapshot::default());
    check(
        "one side unreadable",
        &only_c,
        &[
            (Some(C), F, "unavailable", &[]),
            (Some(F), C, "unavailable", &[]),
            (None, C, "unavailable", &[]),
            (Some(C), C, "allow", &[]),
            (Some(F), THIRD, "allow", &[]),
        ],
    );
    check(
        "both sides unreadable",
        &with_unreadable(F, only_c.clone()),
        &[(Some(C), F, "unavailable", &[])],
    );
    let other_blocks = with_unreadable(C, snapshot([(F, on([]))]));
    check(
        "the other side blocks",
        &other_blocks,
        &[
            (Some(C), F, "block", &[(F, "inbound")]),
            (Some(F), C, "block", &[(F, "outbound")]),
        ],
    );
    let other_reports = with_unreadable(C, snapshot([(F, report_only(on([])))]));
    check(
        "the other side only reports",
        &other_reports,
        &[(Some(C), F, "unavailable", &[(F, "inbound")])],
    );
    for absent in [Isolation::Off, Isolation::On] {
        let terms = Terms { absent, ..TERMS };
        let rows: &[Row<'_>] = &[(Some(F), C, "unavailable", &[])];
        let policies = with_unreadable(C, snapshot([(F, off([]))]));
        check_with("absence is another thing", &policies, terms, NOW, rows);
    }
    let reporting = Terms {
        mode: Mode::ReportOnly,
        ..TERMS
    };
    check_with(
        "report-only gateway",
        &only_c,
        reporting,
        NOW,
        &[
            (Some(C), F, "would_block", &[]),
            (None, C, "would_block", &[]),
        ],
    );
    let decision = evaluate(Some(tenant(C)), tenant(F), &only_c, TERMS, NOW);
    assert_eq!(decision.reason, Reason::PolicyUnreadable);
    assert_eq!(
        decision.outbound.map(|side| (side.finding, side.version)),
        Some((Finding::Unreadable, None))
    );

    let last_good = with_unreadable(C, snapshot([(C, on([both(F)]))]));
    check(
        "the last good policy acts",
        &last_good,
        &[(Some(C), F, "allow", &[])],
    );
}

/// A store that was never reached, or too long ago, confirms no absence: nobody is Off by it.
#[test]
fn rule_8_a_store_that_cannot_be_asked() {
    let nothing = Snapshot::unavailable();
    let mut rows: Vec<Row<'_>> = vec![
        (Some(C), F, "unavailable", &[]),
        (Some(F), C, "unavailable", &[]),
        (None, C, "unavailable", &[]),
        (Some(C), C, "allow", &[]),
    ];
    check("nothing was ever read", &nothing, &rows);
    for absent in [Isolation::Off, Isolation::On] {
        let terms = Terms { absent, ..TERMS };
        check_with("whatever absence counts as", &nothing, terms, NOW, &rows);
    }
    let mut half = Snapshot::unavailable();
    half.insert(tenant(C), Arc::new(off([])));
    rows[2] = (None, C, "allow", &[]);
    check("one side was", &half, &rows);
}

#[test]
fn report_only_sides_block_nothing_by_themselves() {
    let reporting = || report_only(on([]));
    check(
        "one side reports",
        &snapshot([(C, reporting())]),
        &[
            (Some(C), F, "would_block", &[(C, "outbound")]),
            (Some(F), C, "would_block", &[(C, "inbound")]),
            (None, C, "would_block", &[(C, "inbound")]),
            (Some(C), C, "allow", &[]),
        ],
    );
    check(
        "the other enforces",
        &snapshot([(C, reporting()), (F, on([]))]),
        &[
            (Some(C), F, "block", &[(C, "outbound"), (F, "inbound")]),
            (Some(F), C, "block", &[(F, "outbound"), (C, "inbound")]),
        ],
    );
    check(
        "the other enforces and allows",
        &snapshot([(C, reporting()), (F, on([both(C)]))]),
        &[(Some(C), F, "would_block", &[(C, "outbound")])],
    );
    check(
        "both report",
        &snapshot([(C, reporting()), (F, reporting())]),
        &[(
            Some(C),
            F,
            "would_block",
            &[(C, "outbound"), (F, "inbound")],
        )],
    );
    check(
        "a report-only side that allows",
        &snapshot([(C, report_only(on([both(F)])))]),
        &[(Some(C), F, "allow", &[])],
    );
    let terms = Terms {
        mode: Mode::ReportOnly,
        ..TERMS
    };
    check_with(
        "report-only gateway",
        &snapshot([(C, on([])), (F, on([]))]),
        terms,
        NOW,
        &[
            (
                Some(C),
                F,
                "would_block",
                &[(C, "outbound"), (F, "inbound")],
            ),
            (None, C, "would_block", &[(C, "inbound")]),
        ],
    );
    let absent = Terms {
        absent: Isolation::On,
        ..TERMS
    };
    check_with(
        "absence counted as On enforces",
        &Snapshot::default(),
        absent,
        NOW,
        &[(Some(C), F, "block", &[(C, "outbound"), (F, "inbound")])],
    );
}

/// A policy is replaced whole, and a tenant that is forgotten has no record again.
#[test]
fn snapshots() {
    let mut policies = Snapshot::default();
    assert!(policies.is_empty());
    policies.insert_unreadable(tenant(C));
    assert!(matches!(policies.get(tenant(C)), Record::Unreadable));
    policies.insert(tenant(C), Arc::new(on([])));
    policies.insert_unreadable(tenant(C));
    assert!(matches!(policies.get(tenant(C)), Record::Present(_)));
    assert_eq!(policies.tenants().collect::<Vec<_>>(), [tenant(C)]);
    let before = policies.clone();
    policies.remove(tenant(C));
    assert!(matches!(policies.get(tenant(C)), Record::Absent));
    assert!(matches!(before.get(tenant(C)), Record::Present(_)));
    assert_eq!((policies.len(), before.len()), (0, 1));
    assert!(policies.is_empty() && !before.is_empty());
}
