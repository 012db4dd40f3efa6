//! Who a gateway is, and whom it believes.

use std::fs;
use std::path::PathBuf;

use tidegate::config::{Etcd, User};

use super::harness::{CONTOSO, Cluster, Follower, Options, Tls, document, etcd, tenant, until};

#[test]
fn certificates_are_verified_both_ways() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::with(Options {
        members: 1,
        tls: Some(Tls::new()),
        ..Options::default()
    });
    let revision = cluster.put(tenant(CONTOSO), &document(CONTOSO, 1));
    let cache = |name: &str| cluster.place.path().join(name);
    let good = cluster.settings();
    let wrong = [
        Etcd {
            ca: Some(cluster.tls().path("other.pem")),
            cache: cache("ca"),
            ..good.clone()
        },
        Etcd {
            certificate: Some(cluster.tls().client("other")),
            cache: cache("client"),
            ..good.clone()
        },
        Etcd {
            certificate: None,
            cache: cache("none"),
            ..good.clone()
        },
    ];
    for settings in &wrong {
        let gateway = Follower::start(settings);
        until("it was tried", || gateway.stats().failures > 1);
        assert!(!gateway.policies.is_available(), "{settings:?}");
        assert!(gateway.is_unreadable(CONTOSO));
    }
    let gateway = Follower::start(&good);
    gateway.reaches(revision);
    until("it is fresh", || gateway.is_fresh());
}

/// A cluster with the users `root` and `gateway`, whose tokens last about a second.
fn with_users() -> Cluster {
    let cluster = Cluster::with(Options {
        members: 1,
        arguments: vec!["--auth-token-ttl", "1"],
        ..Options::default()
    });
    cluster.put(tenant(CONTOSO), &document(CONTOSO, 1));
    for command in [
        &["user", "add", "root:root"][..],
        &["user", "grant-role", "root", "root"],
        &["role", "add", "policies"],
        &[
            "role",
            "grant-permission",
            "policies",
            "--prefix=true",
            "readwrite",
            "/tidegate/",
        ],
        &["user", "add", "gateway:gateways-password"],
        &["user", "grant-role", "gateway", "policies"],
        &["role", "add", "reading"],
        &[
            "role",
            "grant-permission",
            "reading",
            "--prefix=true",
            "read",
            "/tidegate/",
        ],
        &["user", "add", "reader:readers-password"],
        &["user", "grant-role", "reader", "reading"],
        &["user", "add", "nobody:nobodys-password"],
        &["auth", "enable"],
    ] {
        if command[0] == "user" && command[1] == "grant-role" && command[2] == "root" {
            cluster.ctl(&["role", "add", "root"]);
        }
        cluster.ctl(command);
    }
    cluster
}

fn as_user(cluster: &Cluster, name: &str, password: &str) -> Etcd {
    let file: PathBuf = cluster.place.path().join(format!("{name}-{password}"));
    fs::write(&file, format!("{password}\n")).unwrap();
    Etcd {
        user: Some(User {
            name: name.to_owned(),
            password_file: file,
        }),
        cache: cluster
            .place
            .path()
            .join(format!("{name}-{password}.sqlite")),
        ..cluster.settings()
    }
}

#[test]
fn a_user_signs_in_again_and_again() {
    if !etcd() {
        return;
    }
    let cluster = with_users();
    for settings in [
        as_user(&cluster, "gateway", "wrong"),
        as_user(&cluster, "stranger", "gateways-password"),
        as_user(&cluster, "nobody", "nobodys-password"),
        cluster.settings(),
    ] {
        let gateway = Follower::start(&settings);
        until("it was tried", || gateway.stats().failures > 1);
        assert!(!gateway.policies.is_available(), "{settings:?}");
        assert!(gateway.is_unreadable(CONTOSO));
    }

    let gateway = Follower::start(&as_user(&cluster, "gateway", "gateways-password"));
    assert_eq!(gateway.entries(CONTOSO), 1);
    until("it is fresh", || gateway.is_fresh());
    // Its token is over between two heartbeats.
    let (beats, sessions) = (gateway.stats().beats, gateway.stats().sessions);
    until("it goes on writing", || gateway.stats().beats > beats + 3);
    // So it is when users change.
    cluster.ctl(&["--user", "root:root", "user", "add", "one:more"]);
    let beats = gateway.stats().beats;
    until("it goes on writing", || gateway.stats().beats > beats + 2);
    assert_eq!(gateway.stats().sessions, sessions, "in one conversation");

    // Who may only read hears the heartbeat of the others.
    let reader = Follower::start(&as_user(&cluster, "reader", "readers-password"));
    until("it is fresh", || reader.is_fresh());
    let revision = reader.revision();
    until("it hears more", || reader.revision() > revision + 3);
    assert_eq!((reader.stats().beats, reader.stats().failures), (0, 0));

    cluster.ctl(&[
        "--user",
        "root:root",
        "put",
        &format!("/tidegate/policies/{CONTOSO}"),
        &document(CONTOSO, 2),
    ]);
    until("in force", || gateway.entries(CONTOSO) == 2);
}
