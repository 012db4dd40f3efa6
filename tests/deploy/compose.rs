//! `deploy/compose/`.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tidegate::config::{self, Config, PolicySource};

use crate::pods::{list, moved, text};
use crate::tools::{deployed, output, python};

pub(crate) const GATEWAYS: [&str; 3] = ["gateway-1", "gateway-2", "gateway-3"];
pub(crate) const NODES: [&str; 3] = ["etcd-0", "etcd-1", "etcd-2"];

/// The Compose file, merged.
pub(crate) fn compose() -> Value {
    let text = fs::read_to_string(deployed("compose/compose.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Its services, by name.
pub(crate) fn services(compose: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let services = compose["services"].as_object().unwrap().iter();
    services.map(|(name, service)| (name.as_str(), service))
}

/// The gateways' configuration, which `tidegate check` takes.
fn configuration() -> Config {
    let place = TempDir::new().unwrap();
    let mounts = ["/certs", "/run/mock", "/var/lib/tidegate"];
    for mount in mounts {
        fs::create_dir_all(place.path().join(&mount[1..])).unwrap();
    }
    let made = rcgen::generate_simple_self_signed(vec!["tidegate.internal".to_owned()]).unwrap();
    for file in ["gateway", "client-ca", "etcd-ca", "etcd-client"] {
        let file = place.path().join("certs").join(file);
        fs::write(file.with_extension("pem"), made.cert.pem()).unwrap();
        fs::write(file.with_extension("key"), made.signing_key.serialize_pem()).unwrap();
    }
    fs::write(place.path().join("run/mock/ca.pem"), made.cert.pem()).unwrap();
    let shipped = fs::read_to_string(deployed("compose/tidegate.toml")).unwrap();
    let file = place.path().join("tidegate.toml");
    fs::write(&file, moved(&shipped, place.path(), &mounts)).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let told = output(check.args(["check", "--json", "--config"]).arg(&file));
    let told: Value = serde_json::from_str(&told).unwrap();
    let warnings: Vec<&str> = list(&told["warnings"]).map(|w| text(&w["key"])).collect();
    assert_eq!(warnings, ["admin.insecure_remote"]);
    config::load(&file).unwrap()
}

#[test]
fn compose_knows_every_field() {
    let Some(mut python) = python("check_jsonschema") else {
        return;
    };
    let schema = [
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
    ];
    output(python.args(schema).arg(deployed("compose/compose.yaml")));
}

#[test]
fn a_field_that_compose_does_not_know_is_found() {
    let Some(mut python) = python("check_jsonschema") else {
        return;
    };
    let place = TempDir::new().unwrap();
    let text = fs::read_to_string(deployed("compose/compose.yaml")).unwrap();
    let wrong = text.replace("cap_drop", "cap_dropped");
    assert_ne!(text, wrong);
    let file = place.path().join("compose.yaml");
    fs::write(&file, wrong).unwrap();
    let schema = [
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
    ];
    let run = python.args(schema).arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        !run.status.success() && said.contains("cap_dropped"),
        "{said}"
    );
}

#[test]
fn three_gateways_share_three_nodes() {
    let config = configuration();
    let PolicySource::Etcd(etcd) = &config.policies.source else {
        panic!("policies are shared");
    };
    let endpoints = etcd.endpoints.iter().map(ToString::to_string);
    let expected = NODES.map(|node| format!("https://{node}:2379/"));
    assert_eq!(endpoints.collect::<Vec<_>>(), expected);
    assert!(etcd.certificate.is_some());
    assert_ne!(
        etcd.ca,
        config.listen.tls.unwrap().client_ca,
        "two authorities"
    );
    let compose = compose();
    for node in NODES {
        let environment = &compose["services"][node]["environment"];
        for side in ["ETCD", "ETCD_PEER"] {
            assert_eq!(
                environment[format!("{side}_CLIENT_CERT_AUTH")],
                "true",
                "{node}"
            );
        }
        assert_eq!(environment["ETCD_PEER_CERT_ALLOWED_CN"], "etcd", "{node}");
    }
    let named: BTreeSet<&str> = services(&compose).map(|(name, _)| name).collect();
    let others = ["mock", "policies", "setup"];
    assert_eq!(
        named,
        GATEWAYS.into_iter().chain(NODES).chain(others).collect()
    );
    for name in GATEWAYS {
        let gateway = &compose["services"][name];
        assert_eq!(gateway["hostname"], name, "its name among the others");
        let grace = text(&gateway["stop_grace_period"]).trim_end_matches('s');
        let drain = config.limits.drain_timeout.as_secs();
        assert!(grace.parse::<u64>().unwrap() >= drain + 10);
        let ports: Vec<&str> = list(&gateway["ports"])
            .map(|port| text(port).rsplit_once(':').unwrap().1)
            .collect();
        let listen = [config.listen.address.port(), config.admin.address.port()];
        assert_eq!(ports, listen.map(|port| port.to_string()));
    }
}

#[test]
fn every_service_can_do_no_more_than_it_must() {
    let compose = compose();
    let mut published = BTreeSet::new();
    for (name, service) in services(&compose) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], Value::from(vec!["ALL"]), "{name}");
        assert_eq!(
            service["security_opt"],
            Value::from(vec!["no-new-privileges"]),
            "{name}"
        );
        let preparing = name == "setup";
        assert_eq!(service["user"] == "65532:65532", !preparing, "{name}");
        assert_eq!(service["cap_add"].is_null(), !preparing, "{name}");
        // Nobody else's machine reaches any of it.
        for port in list(&service["ports"]) {
            let (host, _) = text(port).rsplit_once(':').unwrap();
            assert!(host.starts_with("127.0.0.1:"), "{name}: {host}");
            assert!(published.insert(host.to_owned()), "{name}: {host} twice");
            assert!(GATEWAYS.contains(&name), "{name} is published");
        }
    }
    assert_eq!(compose["networks"]["fleet"]["internal"], true);
}

#[test]
fn what_services_name_is_there() {
    let compose = compose();
    let declared: BTreeSet<&str> = compose["volumes"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut used = BTreeSet::new();
    for (name, service) in services(&compose) {
        for (other, _) in service["depends_on"].as_object().into_iter().flatten() {
            assert!(compose["services"][other].is_object(), "{name}: {other}");
        }
        for volume in list(&service["volumes"]) {
            let source = text(&volume["source"]);
            match text(&volume["type"]) {
                "volume" => drop(used.insert(source)),
                // Docker makes it.
                "bind" if source == "./client" => {}
                "bind" => assert!(
                    deployed("compose").join(source).exists(),
                    "{name}: {source}"
                ),
                other => panic!("{name}: {other}"),
            }
        }
        // What is built here is asked of no registry, by any service.
        let build = &service["build"];
        let here = text(&service["image"]).starts_with("localhost/");
        assert_eq!(build.is_object(), here, "{name}");
        if build.is_object() {
            let context = deployed("compose").join(text(&build["context"]));
            assert!(context.join(text(&build["dockerfile"])).is_file(), "{name}");
        }
    }
    assert_eq!(used, declared);
    // What the others write to was made theirs.
    let prepared = list(&compose["services"]["setup"]["volumes"])
        .filter(|volume| volume["type"] == "volume")
        .map(|volume| {
            let source = text(&volume["source"]);
            assert_eq!(text(&volume["target"]), format!("/setup/{source}"));
            source
        });
    assert_eq!(prepared.collect::<BTreeSet<_>>(), declared);
}
