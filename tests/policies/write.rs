//! Policies that are written through the gateway: in force at once, whole, and only where they
//! may be written.

use super::*;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate::core::policy::Record;
use tidegate::policies::write::{Expect, WriteError, Written, put_in};
use tidegate::policies::{directory, read_stored};

fn put(policies: &Policies, text: &str, expect: Expect) -> Result<Written, WriteError> {
    policies.put_blocking(tenant(CONTOSO), text.as_bytes(), &expect)
}

/// Numbers without a pattern.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn decisions_use_what_was_put_when_put_returns() {
    let place = Place::new();
    let policies = place.open();
    let took = Instant::now();
    thread::scope(|scope| {
        for thread in 0..3_u64 {
            let policies = &policies;
            scope.spawn(move || {
                let id = format!("66666666-6666-4666-8666-{thread:012}");
                let mut seed = 88_172_645_463_325_252 + thread;
                let mut last = 0;
                for n in 0..100 {
                    let gets = [Allowed, Blocked][(random(&mut seed) % 2) as usize];
                    let text = policy(&id, gets) + &" ".repeat(n);
                    let put = policies.put_blocking(tenant(&id), text.as_bytes(), &Expect::Any);
                    let written = put.unwrap();
                    let snapshot = policies.snapshot();
                    assert_eq!(outbound(&snapshot, &id), gets);
                    let Record::Present(policy) = snapshot.get(tenant(&id)) else {
                        panic!("no policy")
                    };
                    assert_eq!(policy.version, written.version);
                    assert!(written.version.0 > last);
                    assert_eq!((written.created, written.unchanged), (n == 0, false));
                    last = written.version.0;
                }
            });
        }
    });
    println!("{:?} a put", took.elapsed() / 100);
}

#[test]
fn an_async_caller_gets_the_same() {
    let place = Place::new();
    let policies = place.open();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        for gets in [Allowed, Blocked] {
            let text = policy(CONTOSO, gets).into_bytes();
            let put = policies.put(tenant(CONTOSO), text, Expect::Present).await;
            let version = put.unwrap().version.0;
            assert_eq!(in_force(&policies), Some(version));
            assert_eq!(contoso(&policies), gets);
        }
    });
}

#[test]
fn what_is_expected_is_compared() {
    let place = Place::new();
    let policies = place.open();
    let stored = policies.read_stored(tenant(CONTOSO)).unwrap().unwrap();
    assert_eq!(stored.bytes, policy(CONTOSO, Blocked).as_bytes());
    assert_eq!(
        (stored.etag.len(), in_force(&policies)),
        (18, Some(stored.version.0))
    );
    let allowed = policy(CONTOSO, Allowed);
    let wrong = "\"0123456789abcdef\"".to_owned();
    for expect in [Expect::Absent, Expect::Match(wrong)] {
        let Err(WriteError::Changed { etag }) = put(&policies, &allowed, expect) else {
            panic!("written")
        };
        assert_eq!(etag, Some(stored.etag.clone()));
        assert_eq!(contoso(&policies), Blocked);
    }
    let first = put(&policies, &allowed, Expect::Match(stored.etag.clone())).unwrap();
    let before = first.before.unwrap();
    assert_eq!(
        (before.bytes, before.etag, before.version),
        (stored.bytes, stored.etag.clone(), stored.version)
    );
    assert!(matches!(
        put(
            &policies,
            &policy(CONTOSO, Blocked),
            Expect::Match(stored.etag)
        ),
        Err(WriteError::Changed { .. })
    ));
    let again = put(&policies, &allowed, Expect::Match(first.etag.clone())).unwrap();
    assert!(again.unchanged && again.version == first.version && again.etag == first.etag);

    fs::remove_file(place.file()).unwrap();
    for expect in [Expect::Present, Expect::Match(first.etag)] {
        assert!(matches!(
            put(&policies, &allowed, expect),
            Err(WriteError::Changed { etag: None })
        ));
    }
    let anew = put(&policies, &allowed, Expect::Absent).unwrap();
    assert!(anew.created && anew.version > first.version);
}

#[test]
fn what_is_no_policy_is_not_written() {
    let place = Place::new();
    let policies = place.open();
    let other = policy(FABRIKAM, Allowed);
    let large = " ".repeat(5 * 1024 * 1024) + &policy(CONTOSO, Allowed);
    for text in ["", "{", &other, &large] {
        let Err(WriteError::Faults(faults)) = put(&policies, text, Expect::Any) else {
            panic!("written")
        };
        assert_eq!(faults.len(), 1);
        assert_eq!(contoso(&policies), Blocked);
    }
    assert_eq!(
        fs::read_to_string(place.file()).unwrap(),
        policy(CONTOSO, Blocked)
    );
    let fixed = Policies::fixed(Snapshot::default());
    let refused = put(&fixed, &policy(CONTOSO, Allowed), Expect::Any);
    assert!(matches!(refused, Err(WriteError::Elsewhere(_))));
}

#[test]
fn a_broken_file_is_replaced() {
    let place = Place::new();
    let policies = place.open();
    fs::write(place.file(), "{").unwrap();
    until("told", || policies.stats().problems == 1);
    assert!(policies.read_stored(tenant(CONTOSO)).is_err());
    let written = put(&policies, &policy(CONTOSO, Allowed), Expect::Present).unwrap();
    assert_eq!(written.before.unwrap().bytes, b"{");
    assert_eq!(
        (contoso(&policies), policies.stats().problems),
        (Allowed, 0)
    );
}

#[test]
fn a_file_in_other_letters_stays_the_one_file() {
    let place = Place::new();
    let upper = place.dir.join(format!("{}.JSON", CONTOSO.to_uppercase()));
    fs::rename(place.file(), &upper).unwrap();
    fs::set_permissions(&upper, fs::Permissions::from_mode(0o640)).unwrap();
    let policies = place.open();
    put(&policies, &policy(CONTOSO, Allowed), Expect::Present).unwrap();
    assert_eq!(contoso(&policies), Allowed);
    assert!(upper.exists() && !place.file().exists());
    assert_eq!(
        fs::metadata(&upper).unwrap().permissions().mode() & 0o777,
        0o640
    );

    fs::write(place.file(), policy(CONTOSO, Blocked)).unwrap();
    let refused = put(&policies, &policy(CONTOSO, Blocked), Expect::Any);
    assert!(
        matches!(refused, Err(WriteError::Storage(_))),
        "{refused:?}"
    );
}

fn elsewhere(result: Result<Written, WriteError>, word: &str) {
    match result {
        Err(WriteError::Elsewhere(found)) => assert!(found.contains(word), "{found}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_somebody_else_manages_is_refused() {
    let place = Place::new();
    let target = place.beside("target");
    fs::rename(place.file(), &target).unwrap();
    symlink(&target, place.file()).unwrap();
    let policies = place.open();
    let text = policy(CONTOSO, Allowed);
    elsewhere(put(&policies, &text, Expect::Any), "symbolic link");
    fs::remove_file(place.file()).unwrap();
    fs::create_dir(place.file()).unwrap();
    elsewhere(put(&policies, &text, Expect::Any), "no file");
    fs::remove_dir(place.file()).unwrap();
    symlink("nothing", place.file()).unwrap();
    elsewhere(put(&policies, &text, Expect::Any), "symbolic link");
    fs::remove_file(place.file()).unwrap();
    symlink(".", place.dir.join("..data")).unwrap();
    elsewhere(put(&policies, &text, Expect::Absent), "Kubernetes");
    assert_eq!(
        fs::read_to_string(&target).unwrap(),
        policy(CONTOSO, Blocked)
    );
}

/// A small file system of its own; none where the user may not mount one.
struct Mounted(PathBuf);

impl Mounted {
    fn new(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let size = ["-t", "tmpfs", "-o", "size=64k", "tmpfs"];
        let done = Command::new("mount").args(size).arg(&at).status();
        if done.is_ok_and(|status| status.success()) {
            return Some(Self(at));
        }
        println!("skipped: no file system may be mounted");
        None
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount")
            .args(["-o", how])
            .arg(&self.0)
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_the_old_policy() {
    let place = Place::new();
    let Some(mounted) = Mounted::new(place.beside("small")) else {
        return;
    };
    let dir = &mounted.0;
    let file = dir.join(format!("{CONTOSO}.json"));
    fs::write(&file, policy(CONTOSO, Blocked)).unwrap();
    let policies = Policies::open(dir).unwrap();
    fs::write(dir.join("filler"), vec![0; 1024 * 1024]).unwrap_err();
    for _ in 0..3 {
        let refused = put(&policies, &policy(CONTOSO, Allowed), Expect::Any);
        assert!(
            matches!(refused, Err(WriteError::Storage(_))),
            "{refused:?}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), policy(CONTOSO, Blocked));
        assert_eq!(contoso(&policies), Blocked);
    }
    let names = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        !names
            .into_iter()
            .any(|name| name.to_string_lossy().ends_with(".tmp"))
    );
    fs::remove_file(dir.join("filler")).unwrap();
    put(&policies, &policy(CONTOSO, Allowed), Expect::Any).unwrap();
    assert_eq!(contoso(&policies), Allowed);
}

#[test]
fn a_read_only_directory_is_refused_and_still_watched() {
    let place = Place::new();
    let Some(mounted) = Mounted::new(place.beside("small")) else {
        return;
    };
    let dir = &mounted.0;
    let file = dir.join(format!("{CONTOSO}.json"));
    fs::write(&file, policy(CONTOSO, Blocked)).unwrap();
    mounted.remount("remount,ro");
    let policies = Policies::open(dir).unwrap();
    let first = in_force(&policies).unwrap();
    elsewhere(
        put(&policies, &policy(CONTOSO, Allowed), Expect::Any),
        "cannot be written",
    );
    assert_eq!(contoso(&policies), Blocked);
    mounted.remount("remount,rw");
    fs::write(&file, policy(CONTOSO, Allowed)).unwrap();
    until("still watched", || contoso(&policies) == Allowed);
    assert!(in_force(&policies).unwrap() > first);
}

#[test]
fn a_directory_that_the_user_may_not_write_is_refused() {
    let place = Place::new();
    let permit = |mode| fs::set_permissions(&place.dir, fs::Permissions::from_mode(mode)).unwrap();
    for locked_before in [false, true] {
        permit(0o555);
        let may_anything = fs::write(place.dir.join(".probe"), "").is_ok();
        if may_anything {
            println!("skipped: a superuser may write anywhere");
        } else {
            let text = policy(CONTOSO, Allowed);
            let put = put_in(&place.dir, tenant(CONTOSO), text.as_bytes(), &Expect::Any);
            elsewhere(put, "cannot be written");
        }
        permit(0o755);
        if !locked_before {
            drop(place.open());
        }
    }
    assert_eq!(
        fs::read_to_string(place.file()).unwrap(),
        policy(CONTOSO, Blocked)
    );
}

#[test]
fn leftovers_are_removed_and_never_read() {
    let place = Place::new();
    let leftover = |n: u8| place.dir.join(format!(".{CONTOSO}.json.{n:016x}.tmp"));
    let kept = [
        ".hidden.tmp",
        "notes.tmp",
        ".contoso.json.0000000000000000.tmp",
    ];
    for name in kept {
        fs::write(place.dir.join(name), "{").unwrap();
    }
    fs::write(leftover(1), policy(CONTOSO, Allowed)).unwrap();
    assert_eq!(directory::load(&place.dir).unwrap().snapshot.len(), 2);
    let policies = place.open();
    assert!(!leftover(1).exists());
    fs::write(leftover(2), policy(CONTOSO, Allowed)).unwrap();
    policies.reload();
    assert_eq!(contoso(&policies), Blocked);
    put(&policies, &(policy(CONTOSO, Blocked) + " "), Expect::Any).unwrap();
    assert!(!leftover(2).exists());
    fs::write(leftover(3), "").unwrap();
    put_in(
        &place.dir,
        tenant(CONTOSO),
        policy(CONTOSO, Blocked).as_bytes(),
        &Expect::Any,
    )
    .unwrap();
    assert!(!leftover(3).exists());
    for name in kept {
        assert!(place.dir.join(name).exists(), "{name}");
    }
}

#[test]
fn hand_edits_and_puts_live_together() {
    let place = Place::new();
    let policies = place.open();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // An editor: a new file renamed over the old one, or the old one written anew.
            let new = place.dir.join(".editor");
            for n in 0..60 {
                let text = policy(CONTOSO, [Allowed, Blocked][n % 2]) + &"\n".repeat(n % 7);
                if n % 3 == 0 {
                    fs::write(place.file(), text).unwrap();
                } else {
                    fs::write(&new, text).unwrap();
                    fs::rename(&new, place.file()).unwrap();
                }
                thread::park_timeout(Duration::from_millis(3));
            }
            stop.store(true, Ordering::Relaxed);
        });
        scope.spawn(|| {
            let mut last = 0;
            while !stop.load(Ordering::Relaxed) {
                let now = in_force(&policies).unwrap();
                assert!(now >= last, "versions only go up");
                last = now;
                assert!(outbound(&policies.snapshot(), FABRIKAM) == Allowed);
            }
        });
        let (mut written, mut refused) = (0, 0);
        for n in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let text = policy(CONTOSO, [Allowed, Blocked][n % 2]) + &" ".repeat(n % 50);
            match put(&policies, &text, Expect::Any) {
                Ok(_) | Err(WriteError::NotInForce(_)) => written += 1,
                // Half written by the editor, or edited again and again.
                Err(WriteError::Busy | WriteError::Storage(_)) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        println!("{written} puts beside 60 edits, {refused} refused");
    });
    let stored = read_stored(&place.dir, tenant(CONTOSO)).unwrap().unwrap();
    until("what stands there is in force", || {
        in_force(&policies) == Some(stored.version.0)
    });
    let put = put(
        &policies,
        &policy(CONTOSO, Allowed),
        Expect::Match(stored.etag),
    )
    .unwrap();
    assert!(put.unchanged || put.version > stored.version);
    assert_eq!(
        (contoso(&policies), policies.stats().problems),
        (Allowed, 0)
    );
}
