//! `deploy/helm/tidegate`, rendered by Helm.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::config::PolicySource;

use crate::judge::judge;
use crate::pods::{Files, Stack, list, text};
use crate::tools::{deployed, output, python, root};

const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";

/// What Helm answers to each set of values. None: there is no Helm.
fn helm(all: &[Value]) -> Option<Vec<Value>> {
    let mut python = python("helm_python")?;
    let script = root().join("tests/deploy/helm.py");
    let pipes = python
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // Its linter tells there of each refusal that a template could come to.
    let mut running = pipes.stderr(Stdio::piped()).spawn().unwrap();
    let asked = json!({"chart": deployed("helm/tidegate"), "all": all});
    let stdin = running.stdin.take().unwrap();
    write!({ stdin }, "{asked}").unwrap();
    let output = running.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), all.len());
    Some(answers)
}

/// The manifests of an answer.
fn stack(name: &str, answer: &Value) -> Stack {
    assert_eq!(answer["lint"], json!([]), "{name}");
    let rendered = answer["rendered"]
        .as_object()
        .unwrap_or_else(|| panic!("{name}: {answer}"));
    let manifests = rendered.iter().filter(|(file, _)| file.ends_with(".yaml"));
    let manifests: Vec<&str> = manifests.map(|(_, manifest)| text(manifest)).collect();
    Stack::of(name, &manifests.join("\n---\n"))
}

fn notes(answer: &Value) -> &str {
    text(&answer["rendered"]["tidegate/templates/NOTES.txt"])
}

/// Values, the keys that `check` warns of, and what is made of it.
fn variants() -> Vec<(&'static str, Value, Vec<&'static str>, &'static str)> {
    let document =
        json!({"properties": {"tenantId": CONTOSO, "isDisabled": false, "allowedTenants": []}});
    let admin = "admin.insecure_remote";
    vec![
        ("as it is", json!({}), vec![admin], "StatefulSet"),
        (
            "without volumes",
            json!({"persistence": {"enabled": false}, "networkPolicy": {"metrics": []}}),
            vec![admin],
            "Deployment",
        ),
        (
            "policies without etcd",
            json!({
                "config": {"policies": {"etcd": null, "directory": "/etc/tidegate/policies"}},
                "policies": {CONTOSO: document},
                "secrets": {"etcd": ""},
            }),
            vec![admin],
            "Deployment",
        ),
        (
            "other ports, a password, plain probes, whole numbers",
            json!({
                "config": {
                    "mode": "report-only",
                    "listen": {"address": "[::]:18443", "workers": 16, "public_url": "https://sso.example"},
                    "admin": {"address": "[::]:19443", "tls": null},
                    "policies": {"etcd": {
                        "endpoints": ["https://etcd.example:12379"],
                        "max_age": null,
                        "user": "tidegate",
                        "password_file": "/etc/tidegate/secrets/etcd-user/password",
                    }},
                    "limits": {"connections": 20000, "drain_timeout": "60s"},
                    "verification": {"remembered_tokens": 1_000_000},
                    "traces": {"endpoint": "https://traces.example:4318/v1/traces", "sample": 0.25},
                },
                "secrets": {"more": ["etcd-user"]},
                "networkPolicy": {"more": [{
                    "to": [{"namespaceSelector": {}}],
                    "ports": [{"port": 4318, "protocol": "TCP"}],
                }]},
                "terminationGracePeriodSeconds": 75,
                "resources": {"limits": {"memory": "10Gi"}},
                "podAnnotations": {"example": "\"quoted\""},
                "tolerations": [{"operator": "Exists"}],
                "imagePullSecrets": [{"name": "registry"}],
                "podDisruptionBudget": {"maxUnavailable": null, "minAvailable": "50%"},
            }),
            vec!["mode", admin, "policies.etcd.max_age"],
            "StatefulSet",
        ),
        (
            "plain, where something else encrypts",
            json!({
                "config": {
                    "listen": {"tls": null, "insecure_plaintext": true},
                    "trust": {"peers": ["10.0.0.0/8"], "client_certificates": []},
                },
            }),
            vec!["listen.insecure_plaintext", admin],
            "StatefulSet",
        ),
    ]
}

#[test]
fn every_variant_is_sound() {
    let variants = variants();
    let values: Vec<Value> = variants
        .iter()
        .map(|(_, values, ..)| values.clone())
        .collect();
    let Some(answers) = helm(&values) else {
        return;
    };
    for ((name, _, warnings, kind), answer) in variants.into_iter().zip(&answers) {
        let stack = stack(name, answer);
        assert_eq!(stack.workload()["kind"], kind, "{name}");
        judge(&stack, &warnings);
        for document in &stack.documents {
            let own = text(&document["metadata"]["name"]);
            assert!(own.starts_with("edge-tidegate"), "{name}: {own}");
        }
    }
}

#[test]
fn what_values_say_is_what_the_gateway_reads() {
    let variants = variants();
    let values = [2, 3, 4].map(|variant| variants[variant].1.clone());
    let Some(answers) = helm(&values) else {
        return;
    };
    let (config, _) = Files::of(&stack("directory", &answers[0])).check();
    assert!(matches!(config.policies.source, PolicySource::Directory(_)));
    let name = "https://edge-tidegate.gateways.svc:8443";
    assert_eq!(
        config.listen.public_url.unwrap().to_string(),
        format!("{name}/")
    );
    assert!(notes(&answers[0]).contains(name));
    let (config, _) = Files::of(&stack("others", &answers[1])).check();
    assert_eq!(
        (config.limits.connections, config.listen.workers),
        (20_000, 16)
    );
    assert_eq!(config.verification.remembered_tokens, 1_000_000);
    assert!(config.admin.tls.is_none());
    assert!(notes(&answers[1]).contains("https://sso.example as their authority"));
    assert!(notes(&answers[1]).contains("WARNING config.mode is report-only"));
    let plain = text(&answers[2]["rendered"]["tidegate/templates/service.yaml"]);
    assert!(plain.contains("appProtocol: http\n"));
    assert!(notes(&answers[2]).contains("http://edge-tidegate.gateways.svc:8443"));
    assert!(notes(&answers[2]).contains("WARNING config.listen.tls is null"));
}

#[test]
fn a_changed_configuration_needs_new_pods_and_a_changed_policy_does_not() {
    let directory = variants()[2].1.clone();
    let mut document = directory.clone();
    document["policies"][CONTOSO]["properties"]["isDisabled"] = true.into();
    let mut limits = directory.clone();
    limits["config"]["limits"] = json!({"in_flight": 255});
    let Some(answers) = helm(&[directory, document, limits]) else {
        return;
    };
    let sums: Vec<String> = answers
        .iter()
        .map(|answer| {
            let stack = stack("sums", answer);
            let pod = &stack.workload()["spec"]["template"]["metadata"];
            text(&pod["annotations"]["checksum/config"]).to_owned()
        })
        .collect();
    assert_eq!(sums[0], sums[1]);
    assert_ne!(sums[0], sums[2]);
}

#[test]
fn the_chart_and_the_manifest_are_the_same_gateway() {
    let Some(answers) = helm(&[json!({})]) else {
        return;
    };
    let manifest = fs::read_to_string(deployed("kubernetes/gateway.yaml")).unwrap();
    let (manifest, chart) = (
        Stack::of("manifest", &manifest),
        stack("chart", &answers[0]),
    );
    let strip = |stack: &Stack| {
        let mut pod = stack.pod().clone();
        for key in ["serviceAccountName", "topologySpreadConstraints", "volumes"] {
            pod.as_object_mut().unwrap().remove(key).unwrap();
        }
        pod["containers"][0]
            .as_object_mut()
            .unwrap()
            .remove("imagePullPolicy");
        pod
    };
    assert_eq!(strip(&manifest), strip(&chart));
    let rules = |stack: &Stack, direction: &str| {
        let policy = stack.kind("NetworkPolicy").next().unwrap();
        list(&policy["spec"][direction])
            .cloned()
            .collect::<Vec<_>>()
    };
    for direction in ["ingress", "egress"] {
        assert_eq!(rules(&manifest, direction), rules(&chart, direction));
    }
    let (one, _) = Files::of(&manifest).check();
    let (mut other, _) = Files::of(&chart).check();
    other.listen.public_url.clone_from(&one.listen.public_url);
    // Both are in places of their own.
    let told = |config| {
        let text = format!("{config:?}");
        let parts = text
            .split("\"/")
            .map(|part| part.split_once("etc/").map_or(part, |(_, end)| end));
        parts.collect::<Vec<_>>().join("\"/")
    };
    assert_eq!(told(one.routes), told(other.routes));
    assert_eq!(format!("{:?}", one.limits), format!("{:?}", other.limits));
}

#[test]
fn values_that_cannot_work_are_refused() {
    let refused = [
        (json!({"replica": 3}), "replica"),
        (json!({"replicas": 0}), "replicas"),
        (
            json!({"config": {"admin": {"address": "127.0.0.1:9443"}}}),
            "address",
        ),
        (
            json!({"config": {"listen": {"address": "0.0.0.0:443"}}}),
            "address",
        ),
        (
            json!({"config": {"listen": {"address": "0.0.0.0:9443"}}}),
            "config.admin.address",
        ),
        (
            json!({"config": {"limits": {"drain_timeout": "1m"}}}),
            "drain_timeout",
        ),
        (
            json!({"config": {"limits": {"drain_timeout": "31s"}}}),
            "terminationGracePeriodSeconds: 45, expected at least 46",
        ),
        (
            json!({"config": {"policies": {"etcd": null, "directory": "/etc/tidegate/policies"}}}),
            "policies: nothing",
        ),
        (
            json!({"policies": {CONTOSO: {"properties": {}}}}),
            "config.policies.etcd as well",
        ),
        (
            json!({"policies": {"contoso": {"properties": {}}}}),
            "contoso",
        ),
        (json!({"config": {"policies": {"absent": false}}}), "absent"),
        (
            json!({"config": {"policies": {"etcd": {"endpoints": []}}}}),
            "endpoints",
        ),
        (
            json!({"config": {"policies": {"etcd": {"endpoints": null}}}}),
            "endpoints",
        ),
        (json!({"secrets": {"etcd": ""}}), "secrets.etcd"),
        (json!({"secrets": {"more": ["../escape"]}}), "more"),
    ];
    let values: Vec<Value> = refused.iter().map(|(values, _)| values.clone()).collect();
    let Some(answers) = helm(&values) else {
        return;
    };
    for ((values, word), answer) in refused.iter().zip(&answers) {
        let sentence = answer["refused"]
            .as_str()
            .unwrap_or_else(|| panic!("taken: {values}"));
        assert!(sentence.contains(word), "{values}: {sentence}");
    }
}

#[test]
fn kubernetes_knows_every_field_of_every_variant() {
    let variants = variants();
    let values: Vec<Value> = variants
        .iter()
        .map(|(_, values, ..)| values.clone())
        .collect();
    let (Some(answers), Some(mut python)) = (helm(&values), python("kubernetes_validate")) else {
        return;
    };
    let place = TempDir::new().unwrap();
    python.args(["-m", "kubernetes_validate", "--strict"]);
    for (number, answer) in answers.iter().enumerate() {
        let rendered = answer["rendered"].as_object().unwrap();
        for (name, manifest) in rendered.iter().filter(|(name, _)| name.ends_with(".yaml")) {
            let file = format!("{number}-{}", name.replace('/', "-"));
            let file = place.path().join(file);
            fs::write(&file, text(manifest)).unwrap();
            python.arg(file);
        }
    }
    output(&mut python);
}
