use super::*;

const TENANT: &str = "11111111-1111-4111-8111-11111111111a";

fn tenant(n: u32) -> TenantId {
    TenantId::parse(&format!("11111111-1111-4111-8111-{n:012}")).unwrap()
}

fn given(version: u64, text: u128) -> Given {
    Given {
        version: Version(version),
        text: Some(Digest(text)),
    }
}

fn place() -> (tempfile::TempDir, Directory) {
    let temporary = tempfile::tempdir().unwrap();
    let directory = Directory::open(temporary.path()).unwrap();
    (temporary, directory)
}

#[test]
fn a_text_gets_its_files_time_unless_that_goes_down() {
    let gone = Given {
        text: None,
        ..given(10, 0)
    };
    let table = [
        (None, 5, 5),
        (None, 0, 0),
        (Some(given(10, 1)), 99, 10),
        (Some(given(10, 1)), 5, 10),
        (Some(given(10, 2)), 99, 99),
        (Some(given(10, 2)), 10, 11),
        (Some(given(10, 2)), 5, 11),
        (Some(gone), 5, 11),
        (Some(gone), 11, 11),
    ];
    for (given, written, expected) in table {
        let version = choose(given, Digest(1), Version(written));
        assert_eq!(version, Version(expected), "{given:?} {written}");
    }
}

#[test]
fn what_is_written_is_read_by_others() {
    let (_temporary, directory) = place();
    let (mut one, mut other) = (Versions::default(), Versions::default());
    one.catch_up(&directory);
    assert_eq!(one.of(tenant(1), Digest(1), Version(5)), Version(5));
    one.of(tenant(2), Digest(2), Version(7));
    one.write(&directory).unwrap();
    assert_eq!(other.catch_up(&directory).len(), 2);
    assert_eq!(other.of(tenant(1), Digest(1), Version(99)), Version(5));
    assert_eq!(other.of(tenant(2), Digest(3), Version(1)), Version(8));
    other.gone(tenant(1));
    other.write(&directory).unwrap();
    assert_eq!(one.catch_up(&directory), [tenant(1), tenant(2)].into());
    assert_eq!(one.catch_up(&directory), [].into());
    assert_eq!(last_given(&directory, tenant(2)), Some(given(8, 3)));
    assert_eq!(one.of(tenant(1), Digest(1), Version(1)), Version(6));
    note(&directory, tenant(1), given(20, 4)).unwrap();
    assert_eq!(last_given(&directory, tenant(1)), Some(given(20, 4)));
    assert_eq!(last_given(&directory, tenant(3)), None);
    assert_eq!(one.catch_up(&directory), [tenant(1)].into());
    assert_eq!(one.of(tenant(1), Digest(4), Version(1)), Version(20));
}

#[test]
fn a_line_cut_short_costs_no_other_line() {
    let (temporary, directory) = place();
    let file = temporary.path().join(NAME);
    let whole = line(tenant(1), given(5, 1));
    for cut in 1..whole.len() {
        std::fs::write(&file, &whole[..cut]).unwrap();
        note(&directory, tenant(2), given(6, 2)).unwrap();
        let mut versions = Versions::default();
        versions.catch_up(&directory);
        assert_eq!(last_given(&directory, tenant(2)), Some(given(6, 2)));
        assert_eq!(versions.given.get(&tenant(2)), Some(&given(6, 2)));
        let first = last_given(&directory, tenant(1));
        assert_eq!(versions.given.get(&tenant(1)).copied(), first);
        assert!(first.is_none() || cut == whole.len() - 1, "{cut}");
    }
}

#[test]
fn a_line_that_is_being_written_is_read_when_it_is_whole() {
    let (temporary, directory) = place();
    let file = temporary.path().join(NAME);
    let whole = line(tenant(1), given(5, 1)) + &line(tenant(1), given(6, 2));
    let mut versions = Versions::default();
    let mut read = Vec::new();
    for end in 1..=whole.len() {
        std::fs::write(&file, &whole[..end]).unwrap();
        if versions.catch_up(&directory) == [tenant(1)].into() {
            read.push(versions.given[&tenant(1)]);
        }
    }
    assert_eq!(read, [given(5, 1), given(6, 2)]);
}

#[test]
fn a_file_far_too_long_is_written_anew() {
    let (temporary, directory) = place();
    let file = temporary.path().join(NAME);
    let mut versions = Versions::default();
    versions.catch_up(&directory);
    for n in 0..20_000 {
        versions.catch_up(&directory);
        versions.of(tenant(n % 3), Digest(n.into()), Version(n.into()));
        versions.write(&directory).unwrap();
    }
    assert!(std::fs::metadata(&file).unwrap().len() < SLACK + 4096);
    let mut again = Versions::default();
    again.catch_up(&directory);
    assert_eq!(again.given, versions.given);
    assert!(!temporary.path().join(NEW_NAME).exists());
}

#[test]
fn a_line_is_read_as_it_was_written_and_nothing_else() {
    let sound = line(
        TenantId::parse(TENANT).unwrap(),
        given(1_800_000_000_000_000, 0xabc),
    );
    assert!(sound.len() as u64 <= LINE, "{}", sound.len());
    assert!(parse(sound.trim_end().as_bytes()).is_some());
    let text = "0".repeat(32);
    for wrong in [
        String::new(),
        TENANT.to_owned(),
        format!("{TENANT} 1"),
        format!("{TENANT} 1 "),
        format!("{TENANT} 1 {}", &text[1..]),
        format!("{TENANT} 1 {text}0"),
        format!("{TENANT} 1 {text} "),
        format!("{TENANT} -1 {text}"),
        format!("{TENANT} {} {text}", u64::MAX),
        format!("{TENANT}  1 {text}"),
        format!("x{TENANT} 1 {text}"),
        format!("{TENANT} 1 {}g", &text[1..]),
    ] {
        assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
    }
}
