//! Caches that somebody else may have written, or that cannot be written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use tidegate::config::Etcd;
use tidegate::policies::Policies;

use super::super::harness::{CONTOSO, Fake, Follower, document, until};

/// A gateway's cache, and the gateway ended.
fn kept() -> (Fake, Etcd) {
    let fake = Fake::start(7);
    fake.put(CONTOSO, &document(CONTOSO, 1));
    let settings = fake.settings();
    let gateway = Follower::start(&settings);
    until("it is kept", || gateway.stats().cached > 0);
    (fake, settings)
}

#[test]
fn a_cache_that_others_decide_is_refused() {
    let (_fake, settings) = kept();
    let cache = settings.cache.as_path();
    let mode = |file: &Path| fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(cache), 0o600);
    let refused = |why: &str| {
        let problems = Policies::fleet(&settings).map(drop).unwrap_err();
        assert!(problems[0].found.contains(why), "{problems:?}");
    };
    fs::set_permissions(cache, fs::Permissions::from_mode(0o666)).unwrap();
    refused("every user may write");
    // As volumes of Kubernetes are.
    fs::set_permissions(cache, fs::Permissions::from_mode(0o660)).unwrap();
    drop(Follower::start(&settings));

    let elsewhere = cache.with_extension("elsewhere");
    fs::rename(cache, &elsewhere).unwrap();
    symlink(&elsewhere, cache).unwrap();
    refused("a link");
    fs::rename(&elsewhere, cache).unwrap();

    if chown(cache, Some(65_534), None).is_ok() {
        refused("another user");
        chown(cache, Some(0), None).unwrap();
    } else {
        println!("skipped: files cannot be given to others here");
    }
    drop(Follower::start(&settings));
}
