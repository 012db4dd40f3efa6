//! The whole truth table (F1) against an oracle that shares no code with the rule: the
//! specification's sentences over sets of names.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const A: &str = CONTOSO;
const B: &str = FABRIKAM;
const C: &str = THIRD;

/// A policy as the specification speaks of it.
#[derive(Clone, Debug, Default)]
struct Sheet {
    isolated: bool,
    may_come_in: BTreeSet<&'static str>,
    may_go_out: BTreeSet<&'static str>,
    lets_legacy_in: bool,
    only_reports: bool,
}

/// The operator's settings and every tenant's policy.
#[derive(Clone, Debug, Default)]
struct World {
    sheets: BTreeMap<&'static str, Sheet>,
    gateway_only_reports: bool,
    absent_is_isolated: bool,
}

/// What must come of it: the verdict, and who blocks which way.
type Outcome = (&'static str, BTreeSet<(&'static str, &'static str)>);

impl World {
    fn sheet(&self, tenant: &'static str) -> Sheet {
        let absent = Sheet {
            isolated: self.absent_is_isolated,
            ..Sheet::default()
        };
        self.sheets.get(tenant).cloned().unwrap_or(absent)
    }

    fn must(&self, creator: Option<&'static str>, sign_in: &'static str) -> Outcome {
        // 1. C = S: allowed, never evaluated against rules.
        if creator == Some(sign_in) {
            return ("allow", BTreeSet::new());
        }
        let mut blocks = BTreeSet::new();
        let theirs = self.sheet(sign_in);
        if let Some(creator) = creator {
            // 2. C's policy must allow S outbound AND S's policy must allow C inbound.
            let ours = self.sheet(creator);
            let out = BTreeSet::from([sign_in, "*"]);
            if ours.isolated && ours.may_go_out.is_disjoint(&out) {
                blocks.insert((creator, "outbound"));
            }
            let into = BTreeSet::from([creator, "*"]);
            if theirs.isolated && theirs.may_come_in.is_disjoint(&into) {
                blocks.insert((sign_in, "inbound"));
            }
        } else if theirs.isolated && !theirs.lets_legacy_in {
            // 5. S's own choice decides, and nothing else.
            blocks.insert((sign_in, "inbound"));
        }
        // A side whose own policy is report-only contributes `would_block`; a block by the other,
        // enforcing side still blocks.
        let withheld = blocks
            .iter()
            .any(|(tenant, _)| !self.sheet(tenant).only_reports);
        let verdict = match (blocks.is_empty(), withheld && !self.gateway_only_reports) {
            (true, _) => "allow",
            (false, true) => "block",
            (false, false) => "would_block",
        };
        (verdict, blocks)
    }

    /// The same world in the rule's own types.
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (id, sheet) in &self.sheets {
            let entries = sheet.may_come_in.iter().map(|id| inbound(id));
            let entries = entries
                .chain(sheet.may_go_out.iter().map(|id| outbound(id)))
                .collect();
            let isolation = if sheet.isolated {
                Isolation::On
            } else {
                Isolation::Off
            };
            let mut policy = policy(
                isolation,
                WithoutClientTenant::Block,
                Mode::Enforce,
                entries,
            );
            if sheet.lets_legacy_in {
                policy = letting_legacy_in(policy);
            }
            if sheet.only_reports {
                policy = report_only(policy);
            }
            snapshot.insert(tenant(id), Arc::new(policy));
        }
        snapshot
    }

    fn terms(&self) -> Terms {
        Terms {
            mode: if self.gateway_only_reports {
                Mode::ReportOnly
            } else {
                Mode::Enforce
            },
            absent: if self.absent_is_isolated {
                Isolation::On
            } else {
                Isolation::Off
            },
            ..TERMS
        }
    }
}

/// A world, from, whereto, the verdict, and who blocks which way.
type Row<'a> = (
    World,
    Option<&'static str>,
    &'static str,
    &'a str,
    &'a [(&'a str, &'a str)],
);

/// The oracle knows the documented rows; otherwise it could be wrong together with the rule.
#[test]
fn the_oracle_knows_the_documented_rows() {
    let list = |ids: &[&'static str]| ids.iter().copied().collect::<BTreeSet<_>>();
    let sheet = |into: &[&'static str], out: &[&'static str]| Sheet {
        isolated: true,
        may_come_in: list(into),
        may_go_out: list(out),
        ..Sheet::default()
    };
    let world = |sheets: &[(&'static str, Sheet)]| World {
        sheets: sheets.iter().cloned().collect(),
        ..World::default()
    };
    let legacy = Sheet {
        lets_legacy_in: true,
        ..sheet(&[], &[])
    };
    let table: [Row<'_>; 15] = [
        (world(&[(A, sheet(&[], &[]))]), Some(A), A, "allow", &[]),
        (world(&[]), Some(A), B, "allow", &[]),
        (
            world(&[(A, Sheet::default()), (B, Sheet::default())]),
            Some(B),
            A,
            "allow",
            &[],
        ),
        (
            world(&[(A, sheet(&[], &[]))]),
            Some(A),
            B,
            "block",
            &[(A, "outbound")],
        ),
        (
            world(&[(A, sheet(&[], &[]))]),
            Some(B),
            A,
            "block",
            &[(A, "inbound")],
        ),
        (world(&[(A, sheet(&[], &[B]))]), Some(A), B, "allow", &[]),
        (
            world(&[(A, sheet(&[], &[B]))]),
            Some(B),
            A,
            "block",
            &[(A, "inbound")],
        ),
        (world(&[(A, sheet(&[B], &[B]))]), Some(B), A, "allow", &[]),
        (world(&[(A, sheet(&[], &["*"]))]), Some(A), C, "allow", &[]),
        (
            world(&[(A, sheet(&[], &["*"]))]),
            Some(C),
            A,
            "block",
            &[(A, "inbound")],
        ),
        (
            world(&[(A, sheet(&[], &[B])), (B, sheet(&[], &[]))]),
            Some(A),
            B,
            "block",
            &[(B, "inbound")],
        ),
        (
            world(&[(A, sheet(&[], &[])), (B, sheet(&[], &[]))]),
            Some(A),
            B,
            "block",
            &[(A, "outbound"), (B, "inbound")],
        ),
        (
            world(&[(A, sheet(&[], &[]))]),
            Some(PERSONAL),
            A,
            "block",
            &[(A, "inbound")],
        ),
        (
            world(&[(A, sheet(&["*"], &["*"]))]),
            None,
            A,
            "block",
            &[(A, "inbound")],
        ),
        (world(&[(A, legacy)]), None, A, "allow", &[]),
    ];
    for (world, creator, sign_in, verdict, blocks) in table {
        let expected = (verdict, blocks.iter().copied().collect());
        assert_eq!(
            world.must(creator, sign_in),
            expected,
            "{creator:?} -> {sign_in} in {world:?}"
        );
    }
}

/// Every policy of one tenant that the table knows: absent, Off or On, what it lists each way,
/// its choice for legacy connections, and whether it only reports.
fn sheets(lists: [Option<&'static str>; 4]) -> Vec<Option<Sheet>> {
    let mut all = vec![None];
    let set = |id: Option<&'static str>| id.into_iter().collect::<BTreeSet<_>>();
    for isolated in [false, true] {
        for into in lists {
            for out in lists {
                for flags in 0..4 {
                    all.push(Some(Sheet {
                        isolated,
                        may_come_in: set(into),
                        may_go_out: set(out),
                        lets_legacy_in: flags & 1 > 0,
                        only_reports: flags & 2 > 0,
                    }));
                }
            }
        }
    }
    all
}

#[test]
fn f1_the_whole_truth_table() {
    let (of_a, of_b) = (
        sheets([None, Some(B), Some("*"), Some(C)]),
        sheets([None, Some(A), Some("*"), Some(C)]),
    );
    let mut rows = 0_usize;
    for a in &of_a {
        for b in &of_b {
            let mut world = World::default();
            world.sheets.extend(a.clone().map(|sheet| (A, sheet)));
            world.sheets.extend(b.clone().map(|sheet| (B, sheet)));
            let policies = world.snapshot();
            for (gateway_only_reports, absent_is_isolated) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                world.gateway_only_reports = gateway_only_reports;
                world.absent_is_isolated = absent_is_isolated;
                for (creator, sign_in) in [(Some(A), B), (Some(B), B), (None, B)] {
                    check(&world, &policies, creator, sign_in);
                    rows += 1;
                }
            }
        }
    }
    assert_eq!(rows, 129 * 129 * 4 * 3);
}

fn check(world: &World, policies: &Snapshot, creator: Option<&'static str>, sign_in: &'static str) {
    let decision = evaluate(
        creator.map(tenant),
        tenant(sign_in),
        policies,
        world.terms(),
        NOW,
    );
    let (verdict, blocks) = world.must(creator, sign_in);
    let case = || format!("{creator:?} -> {sign_in} in {world:?}: {decision:?}");
    assert_eq!(word(&decision.verdict), verdict, "{}", case());
    let found: BTreeSet<(TenantId, &str)> = decision
        .blocking()
        .map(|side| (side.tenant, side.direction.as_str()))
        .collect();
    let expected: BTreeSet<(TenantId, &str)> =
        blocks.iter().map(|(id, way)| (tenant(id), *way)).collect();
    assert_eq!(found, expected, "{}", case());
    let evaluated = match creator {
        Some(creator) if creator == sign_in => 0,
        Some(_) => 2,
        None => 1,
    };
    assert_eq!(decision.sides().count(), evaluated, "{}", case());
    let ways: Vec<&str> = blocks.iter().map(|(_, way)| *way).collect();
    let reason = match (creator, ways.as_slice()) {
        (Some(creator), _) if creator == sign_in => "same_tenant",
        (Some(_), []) => "both_allow",
        (Some(_), ["outbound"]) => "outbound_block",
        (Some(_), ["inbound"]) => "inbound_block",
        (Some(_), _) => "both_block",
        (None, []) => "without_client_tenant_allowed",
        (None, _) => "without_client_tenant_blocked",
    };
    assert_eq!(decision.reason.as_str(), reason, "{}", case());
}
