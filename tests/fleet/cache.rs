//! What is kept for the next start.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tidegate::config::Etcd;
use tidegate::policies::Policies;

use super::harness::{CONTOSO, Cluster, FABRIKAM, Follower, document, etcd, tenant, until};

/// A gateway that followed a cluster and ended; and then the cluster did.
fn kept() -> Option<(Cluster, u64)> {
    if !etcd() {
        return None;
    }
    let mut cluster = Cluster::start(1);
    cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 3));
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 1));
    let gateway = Follower::start(&cluster.settings());
    gateway.reaches(revision);
    // Neither is good any more, and only one was.
    gateway.reaches(cluster.put(tenant(FABRIKAM), "{}"));
    until("it is fresh", || gateway.is_fresh());
    drop(gateway);
    cluster.kill(0);
    Some((cluster, revision))
}

#[test]
fn a_gateway_starts_without_etcd_and_goes_on_where_it_was() {
    let Some((mut cluster, revision)) = kept() else {
        return;
    };
    let gateway = Follower::start(&cluster.settings());
    assert!(gateway.policies.is_available());
    assert_eq!(gateway.version(CONTOSO), Some(revision));
    assert_eq!(gateway.entries(FABRIKAM), 3, "the last good one");
    assert_eq!(
        gateway.policies.stats().problems,
        1,
        "and what is wrong with the next"
    );
    let fresh = gateway.policies.freshness().unwrap();
    assert!(fresh.revision >= revision);

    cluster.start_all();
    let next = cluster.put(tenant(CONTOSO), &document(CONTOSO, 2));
    gateway.reaches(next);
    assert_eq!(gateway.entries(CONTOSO), 2);
    assert_eq!(gateway.stats().snapshots, 0, "by what changed");
    until("it is fresh", || gateway.is_fresh());
}

#[test]
fn without_etcd_and_cache_nothing_can_be_decided() {
    let Some((cluster, _)) = kept() else { return };
    fs::remove_file(cluster.settings().cache).unwrap();
    let gateway = Follower::start(&cluster.settings());
    assert!(!gateway.policies.is_available());
    assert_eq!(gateway.policies.freshness(), None);
    // Not even absence.
    assert!(gateway.is_unreadable(CONTOSO));
    assert!(gateway.is_unreadable("99999999-9999-4999-8999-999999999999"));
}

/// What happens to a file.
type Damage<'d> = &'d dyn Fn(&Path);

#[test]
fn a_damaged_cache_counts_as_none() {
    let Some((mut cluster, revision)) = kept() else {
        return;
    };
    let cache = cluster.settings().cache;
    let whole = fs::read(&cache).unwrap();
    let size = u64::try_from(whole.len()).unwrap();
    let text = document(CONTOSO, 1);
    let at = whole
        .windows(text.len())
        .position(|part| part == text.as_bytes())
        .unwrap();
    let cut = |file: &Path| {
        let file = fs::OpenOptions::new().write(true).open(file).unwrap();
        file.set_len(size / 2).unwrap();
    };
    // One policy says something else, and is a policy still.
    let changed = text.replacen("\"isDisabled\":false", "\"isDisabled\":true ", 1);
    assert_eq!(changed.len(), text.len());
    let at = u64::try_from(at).unwrap();
    let first = "DELETE FROM rows WHERE kind = 0 AND rowid = (SELECT min(rowid) FROM rows)";
    let older = "UPDATE meta SET revision = revision - 1";
    let damage: [(&str, Damage<'_>); 5] = [
        ("cut short", &cut),
        ("garbage", &|file| overwrite(file, 4096, &[0xa5; 4096])),
        ("true for false", &|file| {
            overwrite(file, at, changed.as_bytes())
        }),
        ("a row is missing", &|file| sql(file, first)),
        ("an older revision", &|file| sql(file, older)),
    ];
    for (what, damage) in damage {
        fs::write(&cache, &whole).unwrap();
        damage(&cache);
        let gateway = Follower::start(&cluster.settings());
        assert!(!gateway.policies.is_available(), "{what}");
        assert!(cache.with_extension("sqlite.damaged").exists(), "{what}");
    }
    // And what is whole is taken.
    fs::write(&cache, &whole).unwrap();
    let gateway = Follower::start(&cluster.settings());
    assert_eq!(gateway.version(CONTOSO), Some(revision));
    drop(gateway);

    // With etcd there, a damaged cache costs nothing but a snapshot.
    fs::write(&cache, &whole[..5000]).unwrap();
    cluster.start_all();
    let gateway = Follower::start(&cluster.settings());
    until("it is fresh", || gateway.is_fresh());
    assert_eq!(gateway.version(CONTOSO), Some(revision));
    assert_eq!(gateway.stats().snapshots, 1);
}

fn overwrite(file: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

fn sql(file: &Path, statement: &str) {
    let connection = rusqlite::Connection::open(file).unwrap();
    assert_eq!(connection.execute(statement, []).unwrap(), 1, "{statement}");
}

#[test]
fn a_cache_that_is_in_use_or_of_others_is_refused() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let settings = cluster.settings();
    let gateway = Follower::start(&settings);
    until("it is kept", || gateway.stats().cached > 0);
    let problems = Policies::fleet(&settings).map(drop).unwrap_err();
    assert!(problems[0].found.contains("locked"), "{problems:?}");
    drop(gateway);

    let mut other = cluster.settings();
    other.prefix = "/another/".to_owned();
    let problems = Policies::fleet(&other).map(drop).unwrap_err();
    assert!(
        problems[0].found.contains("below /tidegate/"),
        "{problems:?}"
    );

    fs::remove_file(&settings.cache).unwrap();
    sql_new(&settings.cache);
    let problems = Policies::fleet(&settings).map(drop).unwrap_err();
    assert!(
        problems[0].found.contains("no cache of policies"),
        "{problems:?}"
    );
}

/// More than one message of a watch holds.
#[test]
fn what_was_missed_comes_in_fragments() {
    let Some((mut cluster, _)) = kept() else {
        return;
    };
    cluster.start_all();
    let id = |n: usize| format!("{n:08x}-1111-4111-8111-111111111111");
    let mut last = 0;
    for n in 0..60 {
        last = cluster.put(tenant(&id(n)), &document(&id(n), 500));
    }
    let gateway = Follower::start(&cluster.settings());
    gateway.reaches(last);
    assert_eq!(gateway.policies.stats().policies, 62);
    assert_eq!(gateway.entries(&id(0)), 500);
    assert_eq!(gateway.stats().snapshots, 0);
}

/// What is in force does not depend on what can be kept of it; and what is kept is whole, or none.
#[test]
fn a_full_disk_costs_the_next_start_and_nothing_else() {
    if !etcd() {
        return;
    }
    let mut cluster = Cluster::start(1);
    let Some(disk) = Disk::new(&cluster.place.path().join("disk")) else {
        return;
    };
    let mut settings = cluster.settings();
    settings.cache = disk.0.join("policies.sqlite");
    let id = |n: usize| format!("{n:08x}-1111-4111-8111-111111111111");
    let first = cluster.put(tenant(&id(0)), &document(&id(0), 1));
    let gateway = Follower::start(&settings);
    gateway.reaches(first);
    until("it is kept", || gateway.stats().cached >= first);
    let mut last = 0;
    for n in 0..60 {
        last = cluster.put(tenant(&id(n)), &document(&id(n), 500));
    }
    gateway.reaches(last);
    assert_eq!(gateway.policies.stats().policies, 60);
    until("it is told", || gateway.stats().cache_failures > 0);
    until("it is fresh", || gateway.is_fresh());
    // Nor is it a reason to read everything whenever etcd's leader changes.
    let sessions = gateway.stats().sessions;
    cluster.kill(0);
    cluster.start_all();
    until("it is there again", || {
        gateway.stats().sessions > sessions && gateway.is_fresh()
    });
    assert_eq!(gateway.stats().snapshots, 1);
    let kept = gateway.stats().cached;
    assert!((first..last).contains(&kept), "{kept}");
    drop(gateway);
    cluster.kill(0);
    // An older revision, and all of it.
    let gateway = Follower::start(&settings);
    assert_eq!(gateway.revision(), kept);
    assert!(gateway.policies.is_available());
    assert!(gateway.policies.stats().policies < 60);
}

/// A small file system of its own.
struct Disk(PathBuf);

impl Disk {
    fn new(place: &Path) -> Option<Self> {
        fs::create_dir(place).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(place)
            .output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            Some(Self(place.to_owned()))
        } else {
            println!("skipped: no file system may be mounted here");
            None
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// It may be anything of the operator's: it is left alone.
#[test]
fn what_is_no_cache_is_not_touched() {
    tidegate::tls::install_provider();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("notes.txt");
    fs::write(&file, "notes of the operator's").unwrap();
    for cache in [file.as_path(), Path::new("/dev/null"), place.path()] {
        let settings = Etcd {
            endpoints: vec!["http://127.0.0.1:1".parse().unwrap()],
            prefix: "/tidegate/".to_owned(),
            ca: None,
            certificate: None,
            user: None,
            cache: cache.to_owned(),
            max_age: None,
            gateway: "gateway-0".to_owned(),
        };
        let problems = Policies::fleet(&settings).map(drop).unwrap_err();
        assert!(
            problems[0].found.contains("no cache of policies"),
            "{problems:?}"
        );
    }
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "notes of the operator's"
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

fn sql_new(file: &Path) {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection
        .execute_batch("CREATE TABLE somebody (elses)")
        .unwrap();
}

#[test]
fn beyond_the_age_that_is_set_nothing_is_decided() {
    let Some((mut cluster, revision)) = kept() else {
        return;
    };
    let mut settings = cluster.settings();
    settings.max_age = Some(Duration::from_millis(1));
    let gateway = Follower::start(&settings);
    assert!(!gateway.policies.is_available(), "what was kept is too old");
    assert!(gateway.is_unreadable(CONTOSO));
    drop(gateway);

    settings.max_age = Some(Duration::from_secs(3600));
    let gateway = Follower::start(&settings);
    assert!(
        gateway.policies.is_available(),
        "what was kept is young enough"
    );
    drop(gateway);

    settings.max_age = Some(Duration::from_secs(6));
    cluster.start_all();
    let gateway = Follower::start(&settings);
    until("it is confirmed", || gateway.is_fresh());
    assert_eq!(gateway.version(CONTOSO), Some(revision));
    cluster.kill(0);
    until("too old", || !gateway.policies.is_available());
    assert!(gateway.is_unreadable(CONTOSO));
    cluster.start_all();
    until("confirmed again", || gateway.policies.is_available());
    assert_eq!(gateway.version(CONTOSO), Some(revision));
}
