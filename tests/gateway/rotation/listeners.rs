//! The certificates that listeners show.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::process::Signal;
use tidegate_mock::tls::Leaf;
use tokio::time::timeout;

use super::until_counted;
use crate::harness::tls::{Caller, der, metric, put, replace};
use crate::harness::{CONTOSO, DEADLINE, Setup, World, until};

fn leaf(world: &World) -> Leaf {
    world.ca.server(["localhost", "127.0.0.1"]).unwrap()
}

/// Waits until both workers show a certificate: on many connections in a row.
async fn until_shown(world: &World, leaf: &Leaf) {
    let (caller, new) = (Caller::new(world.ca.pem(), None), der(leaf));
    let mut in_a_row = 0;
    until("the new certificate", async || {
        let shown = caller.shown(world.gateway.data).await.unwrap();
        in_a_row = if shown == new { in_a_row + 1 } else { 0 };
        (in_a_row == 8).then_some(())
    })
    .await;
}

async fn good(world: &World) {
    for exchange in [
        world.exchange(CONTOSO, CONTOSO),
        world.exchange(CONTOSO, CONTOSO).http2(),
    ] {
        exchange.send().await.allowed("same_tenant");
    }
}

/// Connections that are open stay as they are.
#[tokio::test]
async fn a_new_pair_is_shown_without_a_restart() {
    let world = World::start(Setup::new()).await;
    good(&world).await;
    let connections = metric(&world.metrics().await, "tidegate_connections");
    for (number, write) in [put, replace, put].into_iter().enumerate() {
        let new = leaf(&world);
        write(world.directory.path(), "gateway", &new);
        until_shown(&world, &new).await;
        until_counted(&world, "data", number as f64 + 1.0, 0.0).await;
        good(&world).await;
    }
    until("no other connection", async || {
        let now = metric(&world.metrics().await, "tidegate_connections");
        (now == connections).then_some(())
    })
    .await;
    world.check(8).await;
    assert_eq!(world.log.count(" ERROR "), 0);
    world.finish().await;
}

/// As Kubernetes mounts a secret: files lead through `..data`, which is swapped.
#[tokio::test]
async fn a_secret_of_kubernetes_is_swapped() {
    let setup = Setup::new()
        .set("listen.tls.certificate", "secret/tls.crt")
        .set("listen.tls.key", "secret/tls.key")
        .before_start(|directory| mount(directory, None));
    let world = World::start(setup).await;
    for number in 1..=3 {
        let new = leaf(&world);
        mount(world.directory.path(), Some((number, &new)));
        until_shown(&world, &new).await;
    }
    until_counted(&world, "data", 3.0, 0.0).await;
    world.finish().await;
}

fn mount(directory: &Path, new: Option<(usize, &Leaf)>) {
    let secret = directory.join("secret");
    let (number, certificate, key) = match new {
        None => {
            fs::create_dir(&secret).unwrap();
            for name in ["tls.crt", "tls.key"] {
                symlink(format!("..data/{name}"), secret.join(name)).unwrap();
            }
            let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
            (0, read("gateway.pem"), read("gateway.key"))
        }
        Some((number, leaf)) => (number, leaf.certificate_pem.clone(), leaf.key_pem.clone()),
    };
    let version = format!("..2026_{number}");
    fs::create_dir(secret.join(&version)).unwrap();
    fs::write(secret.join(&version).join("tls.crt"), certificate).unwrap();
    fs::write(secret.join(&version).join("tls.key"), key).unwrap();
    symlink(&version, secret.join("..data_tmp")).unwrap();
    fs::rename(secret.join("..data_tmp"), secret.join("..data")).unwrap();
    if let Some(last) = number.checked_sub(1) {
        fs::remove_dir_all(secret.join(format!("..2026_{last}"))).unwrap();
    }
}

/// A link in the middle of the way is swapped where nobody watches: found at the next look, and at
/// once when the operator asks. Four looks alone would take longer than this test's patience.
#[tokio::test]
async fn what_nobody_tells_of_is_found_and_sighup_finds_it_at_once() {
    let setup = Setup::new()
        .set("listen.tls.certificate", "tls/pair.pem")
        .set("listen.tls.key", "tls/pair.key")
        .before_start(|directory| {
            fs::create_dir(directory.join("tls")).unwrap();
            fs::create_dir(directory.join("middle")).unwrap();
            for ending in ["pem", "key"] {
                let middle = format!("../middle/pair.{ending}");
                symlink(middle, directory.join("tls").join(format!("pair.{ending}"))).unwrap();
            }
            fs::create_dir(directory.join("v0")).unwrap();
            for ending in ["pem", "key"] {
                let name = format!("gateway.{ending}");
                fs::copy(directory.join(&name), directory.join("v0").join(&name)).unwrap();
            }
            lead(directory, 0);
        });
    let world = World::start(setup).await;
    let swap = |number: usize| {
        let new = leaf(&world);
        let version = world.directory.path().join(format!("v{number}"));
        fs::create_dir(&version).unwrap();
        put(&version, "gateway", &new);
        lead(world.directory.path(), number);
        new
    };
    until_shown(&world, &swap(1)).await;
    let asked = async {
        for number in 2..6 {
            let new = swap(number);
            world.signal(Signal::HUP);
            until_shown(&world, &new).await;
        }
    };
    timeout(DEADLINE, asked).await.expect("SIGHUP is not heard");
    world.finish().await;
}

/// Lets the links in the middle lead to a version.
fn lead(directory: &Path, version: usize) {
    for ending in ["pem", "key"] {
        let (middle, new) = (directory.join("middle"), directory.join("middle/new"));
        symlink(format!("../v{version}/gateway.{ending}"), &new).unwrap();
        fs::rename(&new, middle.join(format!("pair.{ending}"))).unwrap();
    }
}

/// H10: the old pair is shown on, the log is told once, and the metric counts once.
#[tokio::test]
async fn a_broken_pair_is_kept_out_and_told_of_once() {
    let world = World::start(Setup::new()).await;
    let first = leaf(&world);
    put(world.directory.path(), "gateway", &first);
    until_counted(&world, "data", 1.0, 0.0).await;
    let expiry = "tidegate_certificate_expiry_timestamp_seconds{listener=\"data\"}";
    let expires = metric(&world.metrics().await, expiry).unwrap();
    assert!(expires > 1.7e9);
    let at = |name: &str| world.directory.path().join(name);
    let new = leaf(&world);
    let half = &new.key_pem[..new.key_pem.len() / 2];
    for (number, (name, text)) in [
        ("gateway.pem", &*new.certificate_pem),
        ("gateway.key", half),
        ("gateway.key", ""),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(at(name), text).unwrap();
        until_counted(&world, "data", 1.0, number as f64 + 1.0).await;
        until_shown(&world, &first).await;
        good(&world).await;
    }
    fs::write(at("gateway.key"), &new.key_pem).unwrap();
    until_shown(&world, &new).await;
    until_counted(&world, "data", 2.0, 3.0).await;
    let told = "new certificates cannot be used";
    assert_eq!(world.log.count(told), 3, "{}", world.log.text());
    assert_eq!(world.log.count(" ERROR "), 3, "{}", world.log.text());
    assert!(!world.log.text().contains(half.lines().nth(1).unwrap()));
    world.check(6).await;
    world.finish().await;
}

/// The admin listener's as well.
#[tokio::test]
async fn the_admin_listener_shows_its_new_pair() {
    let tls: toml::Table = "certificate = \"admin.pem\"\nkey = \"admin.key\""
        .parse()
        .unwrap();
    let setup = Setup::new()
        .set("admin.tls", tls)
        .before_start(|directory| {
            for ending in ["pem", "key"] {
                let from = directory.join(format!("gateway.{ending}"));
                fs::copy(from, directory.join(format!("admin.{ending}"))).unwrap();
            }
        });
    let world = World::start(setup).await;
    let caller = Caller::new(world.ca.pem(), None);
    let new = leaf(&world);
    put(world.directory.path(), "admin", &new);
    until("the new certificate", async || {
        let shown = caller.shown(world.gateway.admin).await;
        (shown == Some(der(&new))).then_some(())
    })
    .await;
    fs::write(world.directory.path().join("admin.key"), "").unwrap();
    until_counted(&world, "admin", 1.0, 1.0).await;
    assert_eq!(caller.shown(world.gateway.admin).await, Some(der(&new)));
    assert_ne!(caller.shown(world.gateway.data).await, Some(der(&new)));
    until_counted(&world, "data", 0.0, 0.0).await;
    world.finish().await;
}
