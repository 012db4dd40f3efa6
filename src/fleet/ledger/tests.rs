use super::super::etcd::KeyValue;
use super::*;

const A: &str = "aaaaaaaa-1111-4111-8111-111111111111";
const B: &str = "bbbbbbbb-1111-4111-8111-111111111111";

fn ledger() -> Ledger {
    Ledger::new(Keys::below("/t/"))
}

fn row(name: &str, revision: i64, value: Option<&str>) -> Row {
    Row {
        name: Bytes::from(name.to_owned()),
        revision,
        value: value.map(|value| Bytes::from(value.to_owned())),
    }
}

fn policy(id: &str) -> String {
    format!(r#"{{"properties":{{"tenantId":"{id}","allowedTenants":[]}}}}"#)
}

/// The version in force; none: no record; 0: unreadable.
fn version(ledger: &Ledger, id: &str) -> Option<u64> {
    match ledger.snapshot().get(TenantId::parse(id).unwrap()) {
        Record::Absent => None,
        Record::Present(policy) => Some(policy.version.0),
        Record::Unreadable => Some(0),
    }
}

#[test]
fn a_fault_keeps_the_last_good_policy_and_the_cache_both_texts() {
    let mut ledger = ledger();
    ledger.apply([row(A, 3, Some(&policy(A)))]);
    let pass = ledger.apply([row(A, 5, Some("{"))]);
    assert_eq!(version(&ledger, A), Some(3));
    assert_eq!((pass.found.len(), pass.changes.len()), (1, 0));
    let kept: Vec<_> = pass
        .kept
        .iter()
        .map(|kept| (kept.kind, kept.revision))
        .collect();
    assert_eq!(kept, [(Kind::Faulty, 5)]);
    // The same fault again is no news.
    assert_eq!(ledger.apply([row(A, 6, Some("{"))]).found, []);

    let pass = ledger.apply([row(A, 7, Some(&policy(A)))]);
    assert_eq!((version(&ledger, A), pass.mended.len()), (Some(7), 1));
    let gone = pass
        .kept
        .iter()
        .find(|kept| kept.kind == Kind::Faulty)
        .unwrap();
    assert_eq!(gone.value, None);
}

#[test]
fn a_record_is_gone_only_when_its_key_is_and_no_other_spelling_stands() {
    let shouted = A.to_uppercase();
    let mut ledger = ledger();
    ledger.apply([row(&shouted, 2, Some(&policy(A)))]);
    assert_eq!((version(&ledger, A), ledger.unreadable()), (Some(0), 1));
    ledger.apply([row(A, 3, Some(&policy(A)))]);
    assert_eq!((version(&ledger, A), ledger.unreadable()), (Some(3), 0));
    ledger.apply([row(A, 4, None)]);
    assert_eq!(version(&ledger, A), Some(0));
    ledger.apply([row(&shouted, 5, None)]);
    assert_eq!((version(&ledger, A), ledger.problems().count()), (None, 0));

    // One that is gone in another spelling takes no policy with it.
    ledger.apply([row(A, 6, Some(&policy(A)))]);
    ledger.apply([row(&shouted, 7, None)]);
    assert_eq!(version(&ledger, A), Some(6));
}

#[test]
fn a_snapshot_brings_what_is_newer_and_takes_what_is_gone() {
    let mut ledger = ledger();
    ledger.apply([row(A, 3, Some(&policy(A))), row(B, 4, Some(&policy(B)))]);
    let same = vec![row(A, 3, Some(&policy(A)))];
    let pass = ledger
        .apply_newer(same.clone(), Keep::Changes, None)
        .unwrap();
    assert_eq!((pass.changes.len(), pass.kept.len()), (0, 0));
    let pass = ledger.apply_newer(same, Keep::Everything, None).unwrap();
    assert_eq!((pass.changes.len(), pass.kept.len()), (0, 1));

    let names = HashSet::from([Bytes::from(A)]);
    let pass = ledger.retain(&names, 9);
    assert_eq!(pass.changes, [(TenantId::parse(B).unwrap(), None)]);
    assert_eq!((version(&ledger, A), version(&ledger, B)), (Some(3), None));

    let older = vec![row(A, 2, Some(&policy(A)))];
    assert!(ledger.apply_newer(older, Keep::Changes, None).is_err());
    assert_eq!(version(&ledger, A), Some(3));
}

/// Up to what was applied, a snapshot of the same history holds nothing else than what is known.
#[test]
fn a_snapshot_of_another_history_is_told_by_what_is_known() {
    let open = policy(A).replace("[]", r#"[{"tenantId":"*"}]"#);
    let known = || {
        let mut ledger = ledger();
        ledger.apply([row(A, 30, Some(&policy(A))), row("odd", 31, Some("{"))]);
        ledger
    };
    for (rows, fits) in [
        (
            vec![row(A, 30, Some(&policy(A))), row("odd", 31, Some("{"))],
            true,
        ),
        // Changed, deleted, added since.
        (vec![row(A, 41, Some(&policy(A)))], true),
        (vec![], true),
        (vec![row(B, 41, Some(&policy(B)))], true),
        (vec![row("accepted/1", 7, Some("{}"))], true),
        // From before, and not known.
        (vec![row(B, 40, Some(&policy(B)))], false),
        (vec![row(A, 40, Some(&policy(A)))], false),
        (vec![row(A, 29, Some(&policy(A)))], false),
        (vec![row("odd", 40, Some("{"))], false),
        // Another text of the same revision.
        (vec![row(A, 30, Some(&open))], false),
        (vec![row(A, 30, Some("{"))], false),
    ] {
        let told = format!("{rows:?}");
        let applied = known().apply_newer(rows, Keep::Changes, Some(40));
        assert_eq!(applied.is_ok(), fits, "{told}");
    }
    // Where the history was compared, what is not known was missed.
    let missed = vec![row(B, 40, Some(&policy(B)))];
    assert!(known().apply_newer(missed, Keep::Changes, None).is_ok());
}

#[test]
fn what_is_told_late_was_known_or_is_missed() {
    let mut ledger = ledger();
    ledger.apply([row(A, 30, Some(&policy(A)))]);
    for (told, missed) in [
        (row(A, 30, Some(&policy(A))), false),
        (row(A, 29, Some(&policy(A))), false),
        (row(A, 29, None), false),
        (row(B, 29, None), false),
        (row("beat", 35, Some("b")), false),
        (row("accepted/1", 35, Some("b")), false),
        (row(A, 35, Some(&policy(A))), true),
        (row(A, 35, None), true),
        (row(B, 35, Some(&policy(B))), true),
    ] {
        assert_eq!(ledger.misses(&told), missed, "{told:?}");
    }
}

/// Whatever happened to the keys: what is in force is what the last good text of each says, and
/// what the cache was told gives the same again.
#[test]
fn an_acceptance_that_was_seen_is_remembered_whatever_becomes_of_it() {
    let mut ledger = ledger();
    let pass = ledger.apply([row("accepted/1", 4, Some("{}"))]);
    assert_eq!((pass.found.len(), pass.changes.len()), (0, 0));
    assert_eq!(pass.kept, ledger.seen());
    // Told again, and gone.
    assert_eq!(ledger.apply([row("accepted/1", 4, Some("{}"))]).kept, []);
    assert_eq!(ledger.apply([row("accepted/1", 5, None)]).kept, []);
    ledger.retain(&HashSet::new(), 9);
    let restored = |kept: Vec<Kept>| {
        let mut restored = self::ledger();
        let read = |kept: Kept| (kept.clone(), read(&kept.name, kept.value.as_deref(), 4));
        restored.restore(kept.into_iter().map(read).collect());
        restored
    };
    for ledger in [ledger.anew(), restored(ledger.seen()), ledger] {
        assert!(ledger.has_seen(b"accepted/1") && !ledger.has_seen(b"accepted/2"));
        assert_eq!(ledger.seen().len(), 1);
        assert_eq!(ledger.changed(), 0, "no policy was changed");
    }
}

#[test]
fn the_last_change_is_a_witness_of_its_history() {
    let mut ledger = ledger();
    assert!(ledger.newest().is_none());
    let found = |revision, value: &str| KeyValue {
        mod_revision: revision,
        value: value.to_owned().into(),
        ..KeyValue::default()
    };
    // Whatever the order in which they are told.
    ledger.apply([row(A, 7, Some("one")), row(B, 5, Some("two"))]);
    let newest = ledger.newest().unwrap();
    assert!(newest.is(Some(&found(7, "one"))));
    for other in [Some(found(6, "one")), Some(found(7, "other")), None] {
        assert!(!newest.is(other.as_ref()), "{other:?}");
    }
    ledger.apply([row("accepted/1", 8, Some("{}")), row("beat", 9, Some("{}"))]);
    assert_eq!(ledger.changed(), 7);
    ledger.apply([row(A, 10, None)]);
    let newest = ledger.newest().unwrap();
    assert!(newest.is(None) && !newest.is(Some(&found(7, "one"))));
}

#[test]
fn what_was_kept_restores_what_was_in_force() {
    let shouted = A.to_uppercase();
    let steps = [
        (A, Some("good")),
        (B, Some("bad")),
        (shouted.as_str(), Some("good")),
        (A, Some("bad")),
        ("odd", Some("good")),
        (A, None),
        (B, Some("good")),
        (B, Some("bad")),
        (A, Some("bad")),
        (shouted.as_str(), None),
        (A, Some("good")),
        ("odd", None),
        (B, None),
    ];
    let mut live = ledger();
    let mut cache: BTreeMap<(Kind, Bytes), Kept> = BTreeMap::new();
    for (at, (name, text)) in steps.into_iter().enumerate() {
        let id = name.to_lowercase();
        let text = text.map(|text| {
            if text == "good" {
                policy(&id)
            } else {
                "{".to_owned()
            }
        });
        let revision = i64::try_from(at).unwrap() + 1;
        for kept in live.apply([row(name, revision, text.as_deref())]).kept {
            let key = (kept.kind, kept.name.clone());
            match kept.value {
                Some(_) => drop(cache.insert(key, kept)),
                None => drop(cache.remove(&key)),
            }
        }
        let mut restored = ledger();
        let rows = cache.values().map(|kept| {
            let read = read(&kept.name, kept.value.as_deref(), kept.revision);
            (kept.clone(), read)
        });
        restored.restore(rows.collect());
        for id in [A, B] {
            assert_eq!(
                version(&restored, id),
                version(&live, id),
                "step {revision}: {id}"
            );
        }
        let problems = |ledger: &Ledger| ledger.problems().cloned().collect::<Vec<_>>();
        assert_eq!(problems(&restored), problems(&live), "step {revision}");
    }
}
