//! A directory that cannot be had confirms nothing: every policy stays.

use super::*;

#[test]
fn a_missing_directory_keeps_everything() {
    let place = Place::new();
    let policies = place.open();
    let away = place.beside("away");
    fs::rename(&place.dir, &away).unwrap();
    until("told", || policies.stats().problems == 1);
    assert_eq!(policies.problems()[0].file, place.dir);
    assert_eq!(policies.stats().policies, 2);
    assert_eq!(contoso(&policies), Blocked);

    fs::write(&place.dir, "a file in its place").unwrap();
    policies.reload();
    let not_a_directory = |policies: &Policies| policies.problems()[0].found.contains("Not a dir");
    until("told what stands there", || not_a_directory(&policies));
    assert_eq!(contoso(&policies), Blocked);
    fs::remove_file(&place.dir).unwrap();

    fs::write(
        away.join(format!("{CONTOSO}.json")),
        policy(CONTOSO, Allowed),
    )
    .unwrap();
    fs::rename(&away, &place.dir).unwrap();
    until_contoso("back, with a change", &policies, Allowed);
    until("nothing is wrong", || policies.stats().problems == 0);
}

#[test]
fn an_empty_directory_in_its_place_keeps_everything() {
    let place = Place::new();
    let policies = place.open();
    fs::rename(&place.dir, place.beside("away")).unwrap();
    fs::create_dir(&place.dir).unwrap();
    until("told", || {
        policies
            .problems()
            .first()
            .is_some_and(|problem| problem.found.contains("without policies"))
    });
    let failures = policies.stats().reload_failures;
    let reloads = policies.stats().reloads;
    policies.reload();
    until("looked at again", || policies.stats().reloads > reloads);
    assert_eq!(policies.stats().reload_failures, failures, "told once");
    assert_eq!(policies.stats().policies, 2);
    assert_eq!(contoso(&policies), Blocked);

    fs::write(
        place.dir.join(format!("{FABRIKAM}.json")),
        policy(FABRIKAM, Allowed),
    )
    .unwrap();
    until_contoso(
        "with a policy it is the directory again",
        &policies,
        Allowed,
    );
    until("nothing is wrong", || policies.stats().problems == 0);
}

#[test]
fn the_directory_emptied_file_by_file_is_believed() {
    let place = Place::new();
    let policies = place.open();
    fs::remove_file(place.file()).unwrap();
    fs::remove_file(place.dir.join(format!("{FABRIKAM}.json"))).unwrap();
    until("no record is left", || policies.snapshot().is_empty());
    assert_eq!(policies.stats().problems, 0);
}

#[test]
fn no_directory_at_start_is_refused() {
    let place = Place::new();
    for dir in [place.beside("none"), place.file()] {
        let problems = Policies::open(&dir).map(|_| ()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].file, dir);
        assert_eq!(problems[0].expected, "a directory that can be read");
    }
}

/// Needs the right to mount: `cargo test --test policies -- --ignored unmounted`, as root.
#[test]
#[ignore = "needs the right to mount"]
fn an_unmounted_volume_keeps_everything() {
    let place = Place::new();
    let mount = |program: &str, arguments: &[&str]| {
        let done = std::process::Command::new(program)
            .args(arguments)
            .arg(&place.dir)
            .status();
        assert!(done.unwrap().success(), "{program} {arguments:?}");
    };
    let below = fs::read_dir(&place.dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    below.for_each(|file| fs::remove_file(file).unwrap());
    mount("mount", &["-t", "tmpfs", "tmpfs"]);
    for (id, gets) in [(CONTOSO, Blocked), (FABRIKAM, Allowed)] {
        fs::write(place.dir.join(format!("{id}.json")), policy(id, gets)).unwrap();
    }
    let policies = place.open();
    mount("umount", &["--lazy"]);
    until("unmounted: told", || policies.stats().problems == 1);
    assert_eq!(contoso(&policies), Blocked);
    mount("mount", &["-t", "tmpfs", "tmpfs"]);
    for (id, gets) in [(CONTOSO, Allowed), (FABRIKAM, Allowed)] {
        fs::write(place.dir.join(format!("{id}.json")), policy(id, gets)).unwrap();
    }
    until_contoso("mounted again, with a change", &policies, Allowed);
    drop(policies);
    mount("umount", &[]);
}
