//! The Compose file's services, started by hand: its own commands, environments, configuration and
//! scripts, with real etcd. What differs from Compose is where things are: paths of volumes are
//! directories of a temporary one, and names and ports of services are ports of this machine.

mod asking;
mod services;

use std::fs;

use serde_json::{Value, json};

use crate::compose::{GATEWAYS, NODES};
use crate::tools::programs;
use asking::{CONTOSO, FABRIKAM, Platform};
use services::{Trial, until};

const OPENSSL: [(&str, &str); 1] = [("openssl", "version")];

#[tokio::test(flavor = "multi_thread")]
async fn the_services_work_together() {
    let nodes = [("etcd", "--version"), ("etcdctl", "version")];
    if !programs("etcd", &nodes) || !programs("openssl", &OPENSSL) {
        return;
    }
    let mut trial = Trial::prepare();
    trial.up().await;
    let platform = Platform::of(&trial);
    for gateway in GATEWAYS {
        platform.ready(gateway).await;
        assert_eq!(
            platform.ask(gateway, CONTOSO, FABRIKAM).await,
            200,
            "{gateway}"
        );
        assert_eq!(
            platform.ask(gateway, FABRIKAM, CONTOSO).await,
            403,
            "{gateway}"
        );
    }
    platform.nobody_else(GATEWAYS[0]).await;
    platform.the_gateways_certificate_is_no_nodes().await;
    platform.discovery_leads_here(GATEWAYS[2]).await;

    // A policy is edited and put again: Contoso lists nobody any more.
    let file = trial.policies().join(format!("{CONTOSO}.json"));
    let mut policy: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    policy["properties"]["allowedTenants"] = json!([]);
    fs::write(&file, policy.to_string()).unwrap();
    trial.run("policies");
    for gateway in GATEWAYS {
        until("the new policy is in force", async || {
            (platform.ask(gateway, CONTOSO, FABRIKAM).await == 403).then_some(())
        })
        .await;
    }

    // Without etcd exchanges go on, also at a gateway that starts meanwhile.
    for node in NODES {
        trial.kill(node);
    }
    trial.end(GATEWAYS[1]).await;
    trial.start(GATEWAYS[1]);
    platform.ready(GATEWAYS[1]).await;
    for gateway in GATEWAYS {
        assert_eq!(
            platform.ask(gateway, CONTOSO, FABRIKAM).await,
            403,
            "{gateway}"
        );
        assert_eq!(
            platform.ask(gateway, FABRIKAM, FABRIKAM).await,
            200,
            "{gateway}"
        );
    }

    // And with it again a policy arrives.
    for node in NODES {
        trial.start(node);
    }
    policy["properties"]["isDisabled"] = true.into();
    fs::write(&file, policy.to_string()).unwrap();
    for node in NODES {
        trial.healthy(node).await;
    }
    trial.run("policies");
    for gateway in GATEWAYS {
        until("the last policy is in force", async || {
            (platform.ask(gateway, CONTOSO, FABRIKAM).await == 200).then_some(())
        })
        .await;
        trial.end(gateway).await;
    }
}

#[test]
fn what_is_prepared_stays() {
    if !programs("openssl", &OPENSSL) {
        return;
    }
    let trial = Trial::prepare();
    trial.run("setup");
    let certificate = trial.volume("gateway-certs").join("gateway.pem");
    let before = fs::read(&certificate).unwrap();
    trial.run("setup");
    assert_eq!(fs::read(&certificate).unwrap(), before);
    // One that did not get to its end does not count.
    fs::remove_file(trial.volume("etcd-certs").join("done")).unwrap();
    trial.run("setup");
    assert_ne!(fs::read(&certificate).unwrap(), before);
}
