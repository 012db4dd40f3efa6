//! `deploy/kubernetes/`.

use std::fs;

use tidegate::config::{CreatorSource, PolicySource, RouteKind};

use crate::judge::judge;
use crate::pods::{Files, Stack};
use crate::tools::{deployed, output, python};

const FILES: [&str; 2] = ["kubernetes/gateway.yaml", "kubernetes/sidecar.yaml"];

fn stack(name: &str) -> Stack {
    Stack::of(name, &fs::read_to_string(deployed(name)).unwrap())
}

#[test]
fn no_other_manifest_is_shipped() {
    let found = fs::read_dir(deployed("kubernetes")).unwrap();
    let mut found: Vec<_> = found
        .map(|file| format!("kubernetes/{}", file.unwrap().file_name().display()))
        .collect();
    found.sort();
    assert_eq!(found, FILES);
}

#[test]
fn kubernetes_knows_every_field() {
    let Some(mut python) = python("kubernetes_validate") else {
        return;
    };
    let files = FILES.map(deployed);
    output(
        python
            .args(["-m", "kubernetes_validate", "--strict"])
            .args(files),
    );
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_found() {
    let Some(mut python) = python("kubernetes_validate") else {
        return;
    };
    let place = tempfile::TempDir::new().unwrap();
    let text = fs::read_to_string(deployed(FILES[0])).unwrap();
    let wrong = text.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem");
    assert_ne!(text, wrong);
    let file = place.path().join("wrong.yaml");
    fs::write(&file, wrong).unwrap();
    let run = python
        .args(["-m", "kubernetes_validate", "--strict"])
        .arg(file);
    let run = run.output().unwrap();
    let said =
        String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(
        !run.status.success() && said.contains("readOnlyRootFileSystem"),
        "{said}"
    );
}

#[test]
fn the_gateway_is_sound() {
    let gateway = stack(FILES[0]);
    judge(&gateway, &["admin.insecure_remote"]);
    let (config, _) = Files::of(&gateway).check();
    let tls = config.listen.tls.unwrap();
    assert!(
        tls.client_ca.is_some(),
        "the creator's header is believed from a certificate alone"
    );
    assert!(config.trust.peers.is_empty());
    let PolicySource::Etcd(etcd) = config.policies.source else {
        panic!("policies are shared");
    };
    assert!(etcd.certificate.is_some());
    // Whoever signs for the platform must not sign for etcd.
    assert_ne!(etcd.ca, tls.client_ca);
}

#[test]
fn the_sidecar_is_sound() {
    let sidecar = stack(FILES[1]);
    judge(&sidecar, &["admin.insecure_remote"]);
    let (config, _) = Files::of(&sidecar).check();
    assert!(
        config.listen.address.ip().is_loopback(),
        "the pod's own containers alone"
    );
    // It is there before the platform, and after it.
    assert_eq!(
        sidecar.pod()["initContainers"][0]["restartPolicy"],
        "Always"
    );
    let mut tokens = config
        .routes
        .iter()
        .filter(|route| route.kind == RouteKind::Token);
    assert!(tokens.all(|route| matches!(route.creator[..], [CreatorSource::Fixed(_)])));
}
