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
    let pass = ledger.apply_newer(same.clone(), Keep::Changes).unwrap();
    assert_eq!((pass.changes.len(), pass.kept.len()), (0, 0));
    let pass = ledger.apply_newer(same, Keep::Everything).unwrap();
    assert_eq!((pass.changes.len(), pass.kept.len()), (0, 1));

    let names = HashSet::from([Bytes::from(A)]);
    let pass = ledger.retain(&names, 9);
    assert_eq!(pass.changes, [(TenantId::parse(B).unwrap(), None)]);
    assert_eq!((version(&ledger, A), version(&ledger, B)), (Some(3), None));

    let older = vec![row(A, 2, Some(&policy(A)))];
    assert!(ledger.apply_newer(older, Keep::Changes).is_err());
    assert_eq!(version(&ledger, A), Some(3));
}

/// Whatever happened to the keys: what is in force is what the last good text of each says, and
/// what the cache was told gives the same again.
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
