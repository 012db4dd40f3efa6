use super::*;

use crate::core::policy::{Isolation, Mode, Version, WithoutClientTenant};

const NOW: UnixSeconds = 1_800_000_000;

fn tenant(n: u32) -> TenantId {
    TenantId::parse(&format!("11111111-1111-4111-8111-{n:012}")).unwrap()
}

fn entry(end: UnixSeconds) -> Entry {
    Entry {
        subject: Subject::Any,
        inbound: true,
        outbound: false,
        expires_on: Some(end),
    }
}

fn snapshot(of: &[(u32, Vec<Entry>)]) -> Arc<Snapshot> {
    let mut snapshot = Snapshot::default();
    for (n, entries) in of {
        let policy = Policy::new(
            Isolation::On,
            WithoutClientTenant::Block,
            Mode::Enforce,
            Version(1),
            entries.clone(),
        );
        snapshot.insert(tenant(*n), Arc::new(policy));
    }
    Arc::new(snapshot)
}

fn stages(entries: &mut Expiring, now: UnixSeconds) -> Vec<Stage> {
    entries.due(now).iter().map(|due| due.stage).collect()
}

#[test]
fn the_stage_is_told_by_what_is_left() {
    let table = [
        (WEEK + 1, None),
        (WEEK, Some(Stage::Week)),
        (DAY + 1, Some(Stage::Week)),
        (DAY, Some(Stage::Day)),
        (1, Some(Stage::Day)),
        (0, Some(Stage::Expired)),
        (-1, Some(Stage::Expired)),
        (-DAY, Some(Stage::Expired)),
        (-DAY - 1, None),
        (UnixSeconds::MAX, None),
    ];
    for (left, expected) in table {
        assert_eq!(stage(NOW.saturating_add(left), NOW), expected, "{left}");
    }
    assert_eq!(stage(UnixSeconds::MIN, NOW), None);
}

#[test]
fn each_stage_is_told_once() {
    let end = NOW + 30 * DAY;
    let mut entries = Expiring::default();
    let policies = snapshot(&[(1, vec![entry(end)])]);
    entries.follow(&policies);
    let mut told = Vec::new();
    for minute in 0..60 * 24 * 60 {
        let now = NOW + minute * 60;
        told.extend(entries.due(now).iter().map(|due| (due.stage, now)));
    }
    let expected = [
        (Stage::Week, end - WEEK),
        (Stage::Day, end - DAY),
        (Stage::Expired, end),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_near_when_first_seen_is_told_once_and_not_for_the_stages_missed() {
    let mut entries = Expiring::default();
    entries.follow(&snapshot(&[(1, vec![entry(NOW + 60)])]));
    assert_eq!(stages(&mut entries, NOW), [Stage::Day]);
    assert_eq!(stages(&mut entries, NOW + 59), []);
    assert_eq!(stages(&mut entries, NOW + 60), [Stage::Expired]);
}

#[test]
fn a_changed_policy_tells_of_new_entries_only() {
    let mut entries = Expiring::default();
    entries.follow(&snapshot(&[(1, vec![entry(NOW + 60)])]));
    assert_eq!(stages(&mut entries, NOW), [Stage::Day]);
    let both = vec![entry(NOW + 60), entry(NOW + 2 * DAY)];
    entries.follow(&snapshot(&[(1, both)]));
    assert_eq!(stages(&mut entries, NOW), [Stage::Week]);
    entries.follow(&snapshot(&[]));
    assert_eq!(stages(&mut entries, NOW + WEEK), []);
}

#[test]
fn entries_that_allow_nothing_or_never_end_are_passed_over() {
    let nothing = Entry {
        inbound: false,
        ..entry(NOW + 60)
    };
    let endless = Entry {
        expires_on: None,
        ..entry(NOW)
    };
    let mut entries = Expiring::default();
    entries.follow(&snapshot(&[(1, vec![nothing, endless])]));
    assert_eq!(stages(&mut entries, NOW), []);
}

#[test]
fn a_look_writes_so_many_lines_and_the_next_one_the_rest() {
    let many: Vec<_> = (0..250).map(|n| (n, vec![entry(NOW + 60)])).collect();
    let mut entries = Expiring::default();
    entries.follow(&snapshot(&many));
    let mut told: Vec<Due> = Vec::new();
    for expected in [100, 100, 50, 0] {
        let due = entries.due(NOW);
        assert_eq!(due.len(), expected);
        told.extend(due);
    }
    let mut tenants: Vec<_> = told.iter().map(|due| due.tenant).collect();
    tenants.sort_unstable();
    tenants.dedup();
    assert_eq!(tenants.len(), 250);
}
