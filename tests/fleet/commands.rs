//! The commands, beside a running gateway: `policy` with etcd and through the gateway's admin API,
//! `fleet status`, `fleet import`, `fleet export`.

mod stage;
mod status;

use std::fs;

use serde_json::Value;

use super::harness::{CONTOSO, FABRIKAM, TAILSPIN, document, etcd, tenant, until};
use stage::Stage;

#[test]
fn a_policy_is_administered_through_a_gateway() {
    if !etcd() {
        return;
    }
    let mut stage = Stage::new();
    stage.start("east");
    stage.ask(&["policy", "show", CONTOSO]).did(1);
    let enabled = stage
        .ask(&["policy", "enable", CONTOSO, "--json"])
        .did(0)
        .json();
    let version: u64 = enabled["version"].as_str().unwrap().parse().unwrap();
    assert_eq!(enabled["etag"], format!("\"{version}\""));
    // The store's own number, which the command that asks etcd itself is told as well.
    let shown = stage
        .run("east", &["policy", "show", CONTOSO, "--json"])
        .did(0)
        .json();
    assert_eq!(shown["version"], enabled["version"]);
    assert_eq!(shown["etag"], enabled["etag"]);

    // Somebody writes past the gateway: what was read before replaces nothing.
    stage.run("east", &["policy", "disable", CONTOSO]).did(0);
    let new = stage.place("new.json");
    fs::write(&new, document(CONTOSO, 3)).unwrap();
    let new = new.to_str().unwrap();
    let etag = enabled["etag"].as_str().unwrap();
    stage
        .ask(&["policy", "set", CONTOSO, new, "--if-match", etag])
        .did(1);
    let shown = stage
        .ask(&["policy", "show", CONTOSO, "--json"])
        .did(0)
        .json();
    assert_eq!(shown["isolation"], "Off");
    let etag = shown["etag"].as_str().unwrap();
    let set = stage
        .ask(&["policy", "set", CONTOSO, new, "--if-match", etag, "--json"])
        .did(0)
        .json();

    let mut records = Vec::new();
    until("every change has its record", || stage.records().len() >= 2);
    for record in stage.records() {
        if record["event"] == "policy_change" {
            records.push(record);
        }
    }
    assert_eq!(records.len(), 2, "{records:?}");
    let [first, last] = [&records[0], &records[1]];
    assert_eq!(first["after"]["version"], enabled["version"]);
    assert_eq!(first["before"], Value::Null);
    assert_eq!(last["outcome"], "changed");
    assert_eq!(last["after"]["version"], set["version"]);
    assert_eq!(last["before"]["version"], shown["version"]);
    assert_eq!(last["caller"]["kind"], "operator");

    // While etcd is away nothing is written, nor is anything said not to be there.
    stage.cluster.kill_all();
    let read = stage.ask(&["policy", "show", CONTOSO]).did(1);
    assert!(read.err.contains("503"), "{}", read.err);
    let put = stage.ask(&["policy", "enable", CONTOSO]).did(1);
    assert!(put.err.contains("503"), "{}", put.err);
}

#[test]
fn a_directory_is_moved_into_etcd_and_back() {
    if !etcd() {
        return;
    }
    let stage = Stage::new();
    stage.configured("desk");
    let directory = stage.place("desk").join("policies");
    fs::create_dir(&directory).unwrap();
    let file = |id: &str| directory.join(format!("{id}.json"));
    // More than one transaction.
    let ids: Vec<_> = (0..250)
        .map(|n| format!("{n:08x}-1111-4111-8111-111111111111"))
        .collect();
    for id in &ids {
        fs::write(file(id), document(id, 2) + "\n").unwrap();
    }
    let import = |arguments: &[&str]| {
        stage.run(
            "desk",
            &[&["fleet", "import", "policies", "--json"], arguments].concat(),
        )
    };
    let dry = import(&["--dry-run"]).did(0).json();
    assert_eq!((&dry["new"], &dry["put"]), (&250.into(), &0.into()));
    let done = import(&[]).did(0).json();
    assert_eq!(
        (&done["new"], &done["put"], &done["same"]),
        (&250.into(), &250.into(), &0.into())
    );
    let again = import(&[]).did(0).json();
    assert_eq!((&again["put"], &again["same"]), (&0.into(), &250.into()));

    // One that differs stops everything, unless it may be replaced.
    fs::write(file(FABRIKAM), document(FABRIKAM, 1)).unwrap();
    fs::write(file(&ids[7]), document(&ids[7], 9)).unwrap();
    stage.cluster.put(tenant(TAILSPIN), &document(TAILSPIN, 0));
    let refused = import(&[]).did(1).json();
    assert_eq!(
        (&refused["refused"], &refused["put"]),
        (&true.into(), &0.into())
    );
    assert_eq!(refused["differ"], serde_json::json!([ids[7]]));
    stage.run("desk", &["policy", "show", FABRIKAM]).did(1);
    let replaced = import(&["--replace"]).did(0).json();
    assert_eq!(
        (&replaced["put"], &replaced["only_in_etcd"]),
        (&2.into(), &1.into())
    );

    let back = stage.place("desk").join("back");
    stage.run("desk", &["fleet", "export", "back"]).did(0);
    let mut names: Vec<_> = fs::read_dir(&back)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names.len(), 252);
    for id in ids.iter().map(String::as_str).chain([FABRIKAM]) {
        let name = format!("{id}.json");
        assert_eq!(
            fs::read(back.join(&name)).unwrap(),
            fs::read(directory.join(&name)).unwrap()
        );
    }
    stage.run("desk", &["fleet", "export", "back"]).did(64);
    stage
        .run(
            "desk",
            &[
                "explain",
                "--policies",
                "back",
                "--sign-in",
                FABRIKAM,
                "--creator",
                &ids[0],
            ],
        )
        .did(3);

    // What is no policy is written as well, and told.
    stage.cluster.put(tenant(TAILSPIN), "{");
    stage.cluster.put_key("policies/other", b"{}");
    let odd = stage.run("desk", &["fleet", "export", "odd"]).did(1);
    assert!(
        odd.err.contains(TAILSPIN) && odd.err.contains("policies/other"),
        "{}",
        odd.err
    );
    assert_eq!(
        fs::read(stage.place("desk").join(format!("odd/{TAILSPIN}.json"))).unwrap(),
        b"{"
    );

    // A directory with faults is not moved at all.
    fs::write(file(TAILSPIN), "{").unwrap();
    import(&["--replace"]).did(64);
    let directory = stage.run("desk", &["fleet", "import", "nowhere"]).did(64);
    assert!(directory.err.contains("nowhere"), "{}", directory.err);
}

#[test]
fn the_policy_commands_work_on_etcd() {
    if !etcd() {
        return;
    }
    let stage = Stage::new();
    stage.configured("desk");
    let policy = |arguments: &[&str]| stage.run("desk", &[&["policy"], arguments].concat());
    policy(&["show", CONTOSO]).did(1);
    policy(&["allow", CONTOSO, FABRIKAM, "--outbound"]).did(64);
    policy(&["enable", CONTOSO]).did(0);
    policy(&["allow", CONTOSO, FABRIKAM, "--outbound", "--dry-run"]).did(0);
    policy(&["allow", CONTOSO, FABRIKAM, "--outbound"]).did(0);
    let new = stage.place("desk").join("new.json");
    fs::write(&new, document(FABRIKAM, 0)).unwrap();
    policy(&["diff", FABRIKAM, "new.json"]).did(4);
    policy(&["set", FABRIKAM, "new.json"]).did(0);
    policy(&["diff", FABRIKAM, "new.json"]).did(0);
    let text = policy(&["export", CONTOSO]).did(0).out;
    assert!(text.contains(FABRIKAM), "{text}");
    policy(&["revoke", CONTOSO, FABRIKAM]).did(0);
    // A text with faults is told, and mended by `set`.
    stage.cluster.put(tenant(FABRIKAM), "{");
    let broken = policy(&["show", FABRIKAM]).did(64);
    assert!(
        broken
            .err
            .contains(&format!("etcd:/tidegate/policies/{FABRIKAM}")),
        "{}",
        broken.err
    );
    policy(&["set", FABRIKAM, "new.json"]).did(0);
    policy(&["show", FABRIKAM]).did(0);
    // A directory has no fleet.
    fs::create_dir(stage.place("desk").join("policies")).unwrap();
    let config = fs::read_to_string(stage.place("desk").join("tidegate.toml")).unwrap();
    let (before, rest) = config.split_once("[policies.etcd]").unwrap();
    let (_, after) = rest.split_once("[providers.entra]").unwrap();
    let config = format!("{before}[providers.entra]{after}");
    fs::write(stage.place("desk").join("directory.toml"), config).unwrap();
    let none = stage
        .run("desk", &["fleet", "status", "--config", "directory.toml"])
        .did(64);
    assert!(none.err.contains("[policies.etcd]"), "{}", none.err);
}
