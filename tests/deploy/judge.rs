//! What holds of every stack, wherever it comes from.

use serde_json::Value;
use tidegate::config::{Config, PolicySource};

use crate::pods::{Files, Stack, list, text};

/// All of it, but for schemas. `warnings` are the keys that `check` must warn of, and no other.
pub(crate) fn judge(stack: &Stack, warnings: &[&str]) {
    let name = &stack.name;
    let (config, told) = Files::of(stack).check();
    assert_eq!(told, warnings, "{name}");
    restricted(stack);
    probed(stack, &config);
    ends(stack, &config);
    fits_in_memory(stack, &config);
    selected(stack);
    reached(stack, &config);
}

/// What Pod Security calls restricted, and a root file system that nobody writes to.
fn restricted(stack: &Stack) {
    let (name, pod) = (&stack.name, stack.pod());
    let context = &pod["securityContext"];
    assert_eq!(context["runAsNonRoot"], true, "{name}");
    assert_eq!(context["runAsUser"], 65532, "{name}");
    assert_eq!(
        context["seccompProfile"]["type"], "RuntimeDefault",
        "{name}"
    );
    assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
    for shared in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[shared].is_null(), "{name}: {shared}");
    }
    for container in stack.containers() {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(
            context["capabilities"]["drop"],
            Value::from(vec!["ALL"]),
            "{name}"
        );
        assert!(context["capabilities"]["add"].is_null(), "{name}");
        for kind in ["requests", "limits"] {
            assert!(container["resources"][kind]["memory"].is_string(), "{name}");
        }
    }
    // Only the gateway's own state can be written.
    for mount in list(&stack.gateway()["volumeMounts"]) {
        let writable = mount["readOnly"] != true;
        assert_eq!(
            writable,
            mount["mountPath"] == "/var/lib/tidegate",
            "{name}: {mount}"
        );
    }
    for volume in list(&pod["volumes"]) {
        assert!(volume["hostPath"].is_null(), "{name}: {volume}");
    }
}

/// The kubelet reaches the probes, on the port and with the scheme that the gateway has.
fn probed(stack: &Stack, config: &Config) {
    let (name, gateway) = (&stack.name, stack.gateway());
    let admin = &config.admin;
    assert!(
        !admin.address.ip().is_loopback(),
        "{name}: the kubelet is not in the pod"
    );
    assert!(
        !admin.policies.is_open(),
        "{name}: policies are administered elsewhere"
    );
    assert_eq!(port(gateway, "admin"), Some(admin.address.port()), "{name}");
    let data = config.listen.address;
    let expected = (!data.ip().is_loopback()).then_some(data.port());
    assert_eq!(port(gateway, "data"), expected, "{name}");
    let scheme = if admin.tls.is_some() { "HTTPS" } else { "HTTP" };
    for (probe, paths) in [
        ("startupProbe", &["/livez", "/readyz"][..]),
        ("livenessProbe", &["/livez"]),
        ("readinessProbe", &["/readyz"]),
    ] {
        let get = &gateway[probe]["httpGet"];
        assert!(paths.contains(&text(&get["path"])), "{name}: {probe}");
        assert_eq!(get["port"], "admin", "{name}: {probe}");
        assert_eq!(
            get["scheme"].as_str().unwrap_or("HTTP"),
            scheme,
            "{name}: {probe}"
        );
        assert!(
            get["host"].is_null(),
            "{name}: {probe}: another host's port"
        );
    }
}

fn port(container: &Value, name: &str) -> Option<u16> {
    let mut ports = list(&container["ports"]).filter(|port| port["name"] == name);
    let port = ports.next()?["containerPort"].as_u64().unwrap();
    Some(u16::try_from(port).unwrap())
}

/// A pod that is told to end has the time that the gateway takes for it.
fn ends(stack: &Stack, config: &Config) {
    // src/app.rs, LAST_WRITES.
    const LAST_WRITES: u64 = 10;
    let gateway = stack.gateway();
    let grace = stack.pod()["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap();
    let before = gateway["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
    let drain = config.limits.drain_timeout.as_secs();
    assert!(
        grace >= before.unwrap_or(0) + drain + LAST_WRITES,
        "{}",
        stack.name
    );
    // Who is sent to from outside the pod still is for a moment after it was told to end.
    let remote = !config.listen.address.ip().is_loopback();
    assert_eq!(before.is_some(), remote, "{}", stack.name);
}

/// Bytes of an idle gateway with some thousand policies.
const IDLE: usize = 32 << 20;

/// What a gateway holds at most (SECURITY.md) fits below the limit, beside an idle one.
fn fits_in_memory(stack: &Stack, config: &Config) {
    let limit = text(&stack.gateway()["resources"]["limits"]["memory"]);
    let limit = match (limit.strip_suffix("Mi"), limit.strip_suffix("Gi")) {
        (Some(mi), _) => mi.parse::<usize>().unwrap() << 20,
        (_, Some(gi)) => gi.parse::<usize>().unwrap() << 30,
        (None, None) => panic!("{limit}"),
    };
    let limits = &config.limits;
    let each = limits.request_body + limits.header_bytes + limits.reply_body;
    let held = limits.in_flight * 2 * each + limits.connections * 384 * 1024;
    let most = held + IDLE;
    assert!(most < limit, "{}: {most} of {limit}", stack.name);
}

/// Whatever selects pods selects these.
fn selected(stack: &Stack) {
    let workload = stack.workload();
    let labels = &workload["spec"]["template"]["metadata"]["labels"];
    let mut selectors = vec![("workload", &workload["spec"]["selector"]["matchLabels"])];
    for service in stack.kind("Service") {
        selectors.push(("Service", &service["spec"]["selector"]));
    }
    for (kind, key) in [
        ("PodDisruptionBudget", "selector"),
        ("NetworkPolicy", "podSelector"),
    ] {
        for document in stack.kind(kind) {
            selectors.push((kind, &document["spec"][key]["matchLabels"]));
        }
    }
    for kind in ["PodDisruptionBudget", "NetworkPolicy"] {
        let here = selectors.iter().filter(|(of, _)| *of == kind).count();
        assert_eq!(here, 1, "{}: {kind}", stack.name);
    }
    for spread in list(&stack.pod()["topologySpreadConstraints"]) {
        selectors.push(("spread", &spread["labelSelector"]["matchLabels"]));
    }
    assert!(
        selectors.iter().any(|(of, _)| *of == "spread"),
        "{}",
        stack.name
    );
    for (kind, selector) in selectors {
        let selector = selector.as_object().unwrap();
        assert!(!selector.is_empty(), "{}: {kind}", stack.name);
        for (label, value) in selector {
            assert_eq!(&labels[label], value, "{}: {kind}", stack.name);
        }
    }
}

/// Ports of services are the gateway's, and the network lets through what the configuration needs
/// and no more.
fn reached(stack: &Stack, config: &Config) {
    let (name, gateway) = (&stack.name, stack.gateway());
    for service in stack.kind("Service") {
        for port in list(&service["spec"]["ports"]) {
            let target = self::port(gateway, text(&port["targetPort"]));
            let port = port["port"]
                .as_u64()
                .map(|port| u16::try_from(port).unwrap());
            assert_eq!(port, target, "{name}");
        }
    }
    let policy = stack.kind("NetworkPolicy").next().unwrap();
    assert_eq!(
        policy["spec"]["policyTypes"],
        Value::from(vec!["Ingress", "Egress"])
    );
    let containers = stack.containers().into_iter();
    let own: Vec<u64> = containers
        .flat_map(|container| list(&container["ports"]))
        .map(|port| port["containerPort"].as_u64().unwrap())
        .collect();
    for rule in rules(policy, "ingress", "from") {
        assert!(
            rule.iter().all(|port| own.contains(port)),
            "{name}: {rule:?}"
        );
    }
    let mut wanted = vec![vec![53, 53], vec![443]];
    if let PolicySource::Etcd(etcd) = &config.policies.source {
        let port = etcd.endpoints[0].port_u16().unwrap();
        wanted.insert(1, vec![u64::from(port)]);
    }
    let traces = config.traces.as_ref().map(|traces| &traces.collector);
    let logs = config.logs.as_ref().map(|logs| &logs.collector);
    for collector in traces.into_iter().chain(logs) {
        let port = collector.endpoint.authority.port_u16().unwrap();
        wanted.push(vec![u64::from(port)]);
    }
    assert_eq!(rules(policy, "egress", "to"), wanted, "{name}");
}

/// The ports of each rule, none of which is for everybody.
fn rules(policy: &Value, direction: &str, peers: &str) -> Vec<Vec<u64>> {
    let rules = list(&policy["spec"][direction]);
    rules
        .map(|rule| {
            assert!(list(&rule[peers]).next().is_some(), "{rule}");
            let ports: Vec<u64> = list(&rule["ports"])
                .map(|port| port["port"].as_u64().unwrap())
                .collect();
            assert!(!ports.is_empty(), "{rule}");
            ports
        })
        .collect()
}
