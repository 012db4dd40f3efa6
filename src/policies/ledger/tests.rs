use super::*;

use std::fs;

const TENANT: &str = "11111111-1111-4111-8111-11111111111a";

fn tenant() -> TenantId {
    TenantId::parse(TENANT).unwrap()
}

fn text(off: bool) -> String {
    format!(r#"{{"properties":{{"tenantId":"{TENANT}","isDisabled":{off}}}}}"#)
}

/// A directory with one policy, and its ledger.
fn place() -> (tempfile::TempDir, PathBuf, Ledger) {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join(usual_name(tenant()));
    fs::write(&file, text(false)).unwrap();
    let mut ledger = Ledger::new(temporary.path(), Recording::Yes);
    let pass = ledger.look_at_all(Pace::Fast);
    assert_eq!((pass.changes.len(), pass.found.len()), (1, 0));
    (temporary, file, ledger)
}

fn is_present(ledger: &Ledger) -> bool {
    matches!(ledger.snapshot().get(tenant()), Record::Present(_))
}

fn names() -> BTreeSet<OsString> {
    BTreeSet::from([usual_name(tenant())])
}

#[test]
fn a_file_absent_for_a_moment_is_not_gone() {
    let (_temporary, file, mut ledger) = place();
    for look in [
        |ledger: &mut Ledger| ledger.look_at(names()),
        |ledger: &mut Ledger| ledger.look_at_all(Pace::Gentle),
    ] {
        fs::remove_file(&file).unwrap();
        let pass = look(&mut ledger);
        assert_eq!(
            (pass.changes.len(), pass.waiting),
            (0, vec![usual_name(tenant())])
        );
        assert!(is_present(&ledger));
        fs::write(&file, text(false)).unwrap();
        assert!(look(&mut ledger).waiting.is_empty());
        assert!(is_present(&ledger));
    }

    fs::remove_file(&file).unwrap();
    let start = Instant::now();
    while !ledger.look_at(names()).waiting.is_empty() {}
    assert!(start.elapsed() >= GRACE);
    assert!(!is_present(&ledger));
}

#[test]
fn a_known_fingerprint_is_not_read_again_once_it_is_old_enough() {
    let (_temporary, file, mut ledger) = place();
    // Within the tick of the clock in which it was read, another text may show no change.
    fs::write(&file, text(true)).unwrap();
    assert_eq!(ledger.look_at_all(Pace::Fast).changes.len(), 1);
    let known = |ledger: &Ledger| format!("{:?}", ledger.files[&tenant()]);
    assert!(
        known(&ledger).contains("fingerprint: None"),
        "{}",
        known(&ledger)
    );
    while known(&ledger).contains("fingerprint: None") {
        assert!(ledger.look_at_all(Pace::Fast).changes.is_empty());
    }
    assert!(ledger.look_at_all(Pace::Fast).changes.is_empty());
    fs::write(&file, text(false)).unwrap();
    assert_eq!(ledger.look_at_all(Pace::Fast).changes.len(), 1);
}

#[test]
fn a_directory_swapped_while_it_is_looked_at_changes_nothing() {
    let (temporary, file, ledger) = place();
    let directory = Directory::open(temporary.path()).unwrap();
    let away = temporary.path().with_extension("away");
    fs::rename(temporary.path(), &away).unwrap();
    fs::create_dir(temporary.path()).unwrap();
    assert!(!directory.is_in_place());
    // What was opened is what is read, whatever its path leads to now.
    assert!(matches!(
        directory.look(file.file_name().unwrap()),
        Sight::Present { .. }
    ));
    assert!(!ledger.is_in_place());
    fs::remove_dir_all(away).unwrap();
}

#[test]
fn a_name_whose_file_is_gone_before_it_is_read_is_absent() {
    let (temporary, file, _) = place();
    let directory = Directory::open(temporary.path()).unwrap();
    fs::remove_file(&file).unwrap();
    assert!(directory.read(file.file_name().unwrap()).is_err());
    assert!(matches!(
        directory.look(file.file_name().unwrap()),
        Sight::Absent
    ));
}
