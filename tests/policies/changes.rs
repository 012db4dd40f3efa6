//! Every way a change can come, each seen in decisions.

use super::*;

use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

#[test]
fn written_in_place() {
    let place = Place::new();
    let policies = place.open();
    assert_eq!(contoso(&policies), Blocked);
    for gets in [Allowed, Blocked, Allowed] {
        fs::write(place.file(), policy(CONTOSO, gets)).unwrap();
        until_contoso("written in place", &policies, gets);
    }
    assert_eq!(policies.stats().problems, 0);
}

#[test]
fn overwritten_without_cutting_it_short() {
    let place = Place::new();
    let off = policy(CONTOSO, Blocked).replace("false", "true ");
    let on = policy(CONTOSO, Blocked);
    fs::write(place.file(), &on).unwrap();
    let policies = place.open();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(place.file())
        .unwrap();
    for (text, gets) in [(&off, Allowed), (&on, Blocked), (&off, Allowed)] {
        assert_eq!(text.len(), on.len());
        // The file stays open: no event tells that the writer has finished.
        file.write_all_at(text.as_bytes(), 0).unwrap();
        until_contoso("overwritten, same size, still open", &policies, gets);
    }
}

#[test]
fn renamed_over() {
    let place = Place::new();
    let policies = place.open();
    for gets in [Allowed, Blocked] {
        let new = place.dir.join(".new");
        fs::write(&new, policy(CONTOSO, gets)).unwrap();
        fs::rename(new, place.file()).unwrap();
        until_contoso("renamed over", &policies, gets);
    }
    let new = place.beside("new");
    fs::write(&new, policy(CONTOSO, Allowed)).unwrap();
    fs::hard_link(&new, place.dir.join("new")).unwrap();
    fs::rename(place.dir.join("new"), place.file()).unwrap();
    until_contoso("a hard link renamed over", &policies, Allowed);
}

#[test]
fn deleted_and_made_again() {
    let place = Place::new();
    let policies = place.open();
    fs::remove_file(place.file()).unwrap();
    until_contoso("deleted", &policies, Allowed);
    assert_eq!(policies.stats().policies, 1);
    fs::write(place.file(), policy(CONTOSO, Blocked)).unwrap();
    until_contoso("made again", &policies, Blocked);
    fs::rename(place.file(), place.dir.join("kept.txt")).unwrap();
    until_contoso("renamed to a name that is nobody's", &policies, Allowed);
    fs::rename(place.dir.join("kept.txt"), place.file()).unwrap();
    until_contoso("renamed back", &policies, Blocked);
    let upper = place.dir.join(format!("{}.JSON", CONTOSO.to_uppercase()));
    fs::rename(place.file(), &upper).unwrap();
    fs::write(&upper, policy(CONTOSO, Allowed)).unwrap();
    until_contoso("renamed to upper case", &policies, Allowed);
    fs::remove_file(upper).unwrap();
    until("deleted in upper case", || policies.stats().policies == 1);
    assert_eq!(policies.stats().problems, 0);
}

#[test]
fn restored_with_its_old_times() {
    let place = Place::new();
    let off = policy(CONTOSO, Blocked).replace("false", "true ");
    fs::write(place.file(), &off).unwrap();
    let times = fs::metadata(place.file()).unwrap().modified().unwrap();
    let policies = place.open();
    fs::write(place.file(), policy(CONTOSO, Blocked)).unwrap();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(place.file())
        .unwrap();
    file.set_modified(times).unwrap();
    until_contoso("same size and time, other content", &policies, Blocked);
}

#[test]
fn permissions_changed() {
    let place = Place::new();
    let policies = place.open();
    let set = |mode| fs::set_permissions(place.file(), fs::Permissions::from_mode(mode)).unwrap();
    set(0o000);
    if fs::read(place.file()).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    until("made unreadable", || policies.stats().problems == 1);
    assert_eq!(contoso(&policies), Blocked);
    set(0o600);
    until("made readable", || policies.stats().problems == 0);
}

/// As the kubelet does: a new directory, `..data` renamed over, then the names that lead there.
fn kubelet(dir: &Path, generation: &str, files: &[(&str, Gets)]) {
    let old = fs::read_link(dir.join("..data")).ok();
    fs::create_dir(dir.join(generation)).unwrap();
    for (id, gets) in files {
        let name = format!("{id}.json");
        fs::write(dir.join(generation).join(&name), policy(id, *gets)).unwrap();
    }
    symlink(generation, dir.join("..data_tmp")).unwrap();
    fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    for (id, _) in files {
        let name = format!("{id}.json");
        let _ = symlink(Path::new("..data").join(&name), dir.join(name));
    }
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if fs::symlink_metadata(entry.path()).unwrap().is_symlink() && !entry.path().exists() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    if let Some(old) = old {
        fs::remove_dir_all(dir.join(old)).unwrap();
    }
}

#[test]
fn swapped_as_kubernetes_does() {
    let place = Place::new();
    let dir = place.beside("mounted");
    fs::create_dir(&dir).unwrap();
    let both = |gets| [(CONTOSO, gets), (FABRIKAM, Allowed)];
    kubelet(&dir, "..2026_01", &both(Blocked));
    let policies = Policies::open(&dir).unwrap();
    assert_eq!(contoso(&policies), Blocked);
    kubelet(&dir, "..2026_02", &both(Allowed));
    until_contoso("..data swapped", &policies, Allowed);
    kubelet(&dir, "..2026_03", &both(Blocked));
    until_contoso("..data swapped again", &policies, Blocked);
    kubelet(&dir, "..2026_04", &[(FABRIKAM, Allowed)]);
    until_contoso("..data swapped, a key gone", &policies, Allowed);
    kubelet(&dir, "..2026_05", &both(Blocked));
    until_contoso("..data swapped, a key more", &policies, Blocked);
    until("nothing is wrong in the end", || {
        policies.stats().problems == 0
    });
}

#[test]
fn changed_behind_a_link() {
    let place = Place::new();
    let elsewhere = place.beside("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for target in [
        elsewhere.join("contoso"),
        place.beside("contoso"),
        place.dir.join("contoso"),
    ] {
        fs::write(&target, policy(CONTOSO, Allowed)).unwrap();
        fs::remove_file(place.file()).unwrap();
        symlink(&target, place.file()).unwrap();
        let policies = place.open();
        for gets in [Blocked, Allowed] {
            fs::write(&target, policy(CONTOSO, gets)).unwrap();
            until_contoso("written behind a link", &policies, gets);
        }
        let new = place.beside("new");
        fs::write(&new, policy(CONTOSO, Blocked)).unwrap();
        fs::rename(&new, &target).unwrap();
        until_contoso("renamed over behind a link", &policies, Blocked);
    }
}

#[test]
fn directory_replaced() {
    let place = Place::new();
    let policies = place.open();
    for gets in [Allowed, Blocked, Allowed] {
        let (new, old) = (place.beside("new"), place.beside("old"));
        fill(&new, gets);
        fs::rename(&place.dir, &old).unwrap();
        fs::rename(&new, &place.dir).unwrap();
        until_contoso("another directory in its place", &policies, gets);
        fs::remove_dir_all(old).unwrap();
    }
    fs::write(place.file(), policy(CONTOSO, Blocked)).unwrap();
    until_contoso("and that one is watched", &policies, Blocked);
}

#[test]
fn directory_deleted_and_made_again() {
    let place = Place::new();
    let policies = place.open();
    for gets in [Allowed, Blocked] {
        fs::rename(&place.dir, place.beside("old")).unwrap();
        until("noticed that it is gone", || policies.stats().problems == 1);
        fs::remove_dir_all(place.beside("old")).unwrap();
        fill(&place.dir, gets);
        until_contoso("made again", &policies, gets);
        until("nothing is wrong in the end", || {
            policies.stats().problems == 0
        });
    }
    fs::write(place.file(), policy(CONTOSO, Allowed)).unwrap();
    until_contoso("and that one is watched", &policies, Allowed);
}

#[test]
fn directory_is_a_link_that_is_swapped() {
    let place = Place::new();
    fs::create_dir(place.beside("releases")).unwrap();
    for (release, gets) in [("1", Blocked), ("2", Allowed)] {
        fill(&place.beside("releases").join(release), gets);
    }
    let swap = |link: &str, to: &str| {
        symlink(to, place.beside("tmp")).unwrap();
        fs::rename(place.beside("tmp"), place.beside(link)).unwrap();
    };
    swap("current", "releases/1");
    let near = Policies::open(&place.beside("current")).unwrap();
    // The link that is swapped is not the last one: no directory that is watched changes.
    fs::create_dir(place.beside("far")).unwrap();
    symlink("../current", place.beside("far/policies")).unwrap();
    let far = Policies::open(&place.beside("far/policies")).unwrap();
    for (release, gets) in [("releases/2", Allowed), ("releases/1", Blocked)] {
        swap("current", release);
        until_contoso("link to the directory swapped", &near, gets);
        until_contoso("link to the link swapped", &far, gets);
    }
    let file = place.beside("releases/1").join(format!("{CONTOSO}.json"));
    fs::write(file, policy(CONTOSO, Allowed)).unwrap();
    until_contoso("and that one is watched", &near, Allowed);
    until_contoso("from afar too", &far, Allowed);
}

#[test]
fn many_changes_at_once() {
    let place = Place::new();
    let policies = place.open();
    let id = |n: u32| format!("44444444-4444-4444-8444-{n:012x}");
    for n in 0..5000 {
        fs::write(
            place.dir.join(format!("{}.json", id(n))),
            policy(&id(n), Blocked),
        )
        .unwrap();
    }
    until("5,000 files made", || policies.stats().policies == 5002);
    fs::write(place.file(), policy(CONTOSO, Allowed)).unwrap();
    until_contoso("one of them changed", &policies, Allowed);
    for n in 0..5000 {
        fs::remove_file(place.dir.join(format!("{}.json", id(n)))).unwrap();
    }
    until("5,000 files deleted", || policies.stats().policies == 2);
}

#[test]
fn reload_looks_at_everything() {
    let place = Place::new();
    let policies = place.open();
    let before = policies.stats().reloads;
    policies.reload();
    until("reloaded on request", || {
        policies.stats().reloads == before + 1
    });
    assert_eq!(policies.stats().reload_failures, 0);
    assert!(policies.stats().last_reload > 1_700_000_000);
}

#[test]
fn a_decision_reads_one_snapshot() {
    let place = Place::new();
    let policies = place.open();
    let snapshot = policies.snapshot();
    fs::write(place.file(), policy(CONTOSO, Allowed)).unwrap();
    fs::remove_file(place.dir.join(format!("{FABRIKAM}.json"))).unwrap();
    until("both changed", || {
        let now = policies.snapshot();
        outbound(&now, CONTOSO) == Allowed && now.len() == 1
    });
    assert_eq!(
        outbound(&snapshot, CONTOSO),
        Blocked,
        "the old snapshot is as it was"
    );
    assert_eq!(snapshot.len(), 2);
}

#[test]
fn dropping_the_last_clone_ends_the_thread() {
    let place = Place::new();
    let policies = place.open();
    let clone = policies.clone();
    drop(policies);
    fs::write(place.file(), policy(CONTOSO, Allowed)).unwrap();
    until_contoso("a clone keeps it going", &clone, Allowed);
    let start = Instant::now();
    drop(clone);
    println!("{:>8.1} ms: ended", start.elapsed().as_secs_f64() * 1000.0);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "the thread did not end by itself"
    );
}
