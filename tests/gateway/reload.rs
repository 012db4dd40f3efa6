//! Policies that change while the gateway runs: every kind of change is seen in decisions, without
//! a restart, and none of them opens a gap.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::process::Signal;

use tidegate_mock::Preset;

use crate::harness::{
    After, BareProvider, CONTOSO, FABRIKAM, Gateway, NORTHWIND, Outcome, Policy, Setup, World,
    meanwhile, until,
};

const ALLOWED: &str = "both_allow";
const BLOCKED: &str = "outbound_block";

/// Asks until Contoso's connection to Fabrikam is decided so, and then on many connections at
/// once: every worker sees the same.
async fn until_decided(world: &World, what: &str, reason: &str) {
    let ask = async || -> Outcome { world.exchange(CONTOSO, FABRIKAM).send().await };
    until(what, async || {
        (ask().await.record["reason"] == reason).then_some(())
    })
    .await;
    for n in 0..8 {
        let client = world.client_with(None);
        let form = world.exchange(None, FABRIKAM).form_text();
        let request = client
            .post(format!("{}{}", world.url(), crate::harness::COMMON))
            .header("x-ms-client-tenant-id", CONTOSO)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let status = request.send().await.unwrap().status();
        let record = world.next_record().await;
        assert_eq!(record["reason"], reason, "{what}, connection {n}");
        assert_eq!(status.is_success(), reason == ALLOWED);
    }
}

/// Whatever happens to Contoso's policy, Northwind's acts throughout.
async fn others_act(world: &World) {
    let outcome = world.exchange(NORTHWIND, FABRIKAM).send().await;
    outcome.blocked("outbound_block", &[(NORTHWIND, "outbound")]);
}

fn setup() -> Setup {
    Setup::new()
        .policy(Policy::on(CONTOSO))
        .policy(Policy::on(NORTHWIND))
}

#[tokio::test]
async fn a_file_written_in_place() {
    let world = World::start(setup()).await;
    let file = world.policies().join(Policy::on(CONTOSO).file());
    until_decided(&world, "at the start", BLOCKED).await;
    for (policy, reason) in [
        (Policy::on(CONTOSO).outbound(FABRIKAM), ALLOWED),
        (Policy::on(CONTOSO), BLOCKED),
        (Policy::off(CONTOSO), ALLOWED),
        (Policy::on(CONTOSO).inbound(FABRIKAM), BLOCKED),
        (Policy::on(CONTOSO).outbound("*"), ALLOWED),
    ] {
        fs::write(&file, policy.text()).unwrap();
        until_decided(&world, "written in place", reason).await;
        others_act(&world).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn a_file_renamed_over_deleted_and_made_again() {
    let world = World::start(setup()).await;
    let file = world.policies().join(Policy::on(CONTOSO).file());
    world.put(&Policy::off(CONTOSO));
    until_decided(&world, "renamed over", ALLOWED).await;
    world.put(&Policy::on(CONTOSO));
    until_decided(&world, "renamed over again", BLOCKED).await;
    fs::remove_file(&file).unwrap();
    until_decided(&world, "deleted", ALLOWED).await;
    fs::write(&file, Policy::on(CONTOSO).text()).unwrap();
    until_decided(&world, "made again", BLOCKED).await;
    others_act(&world).await;
    world.finish().await;
}

/// As Kubernetes mounts a config map: names that lead through `..data`, which is swapped.
#[tokio::test]
async fn a_mounted_config_map() {
    let world = World::start(Setup::new().policy(Policy::on(NORTHWIND))).await;
    let directory = world.policies();
    let file = Policy::on(CONTOSO).file();
    let mount = |generation: &str, policy: &Policy| {
        let place = directory.join(generation);
        fs::create_dir(&place).unwrap();
        fs::write(place.join(&file), policy.text()).unwrap();
        symlink(generation, directory.join("..data_tmp")).unwrap();
        fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
        let _ = symlink(Path::new("..data").join(&file), directory.join(&file));
    };
    until_decided(&world, "not mounted yet", ALLOWED).await;
    mount("..1", &Policy::on(CONTOSO));
    until_decided(&world, "mounted", BLOCKED).await;
    mount("..2", &Policy::on(CONTOSO).outbound("*"));
    until_decided(&world, "swapped", ALLOWED).await;
    fs::remove_dir_all(directory.join("..1")).unwrap();
    mount("..3", &Policy::on(CONTOSO));
    until_decided(&world, "swapped again", BLOCKED).await;
    others_act(&world).await;
    world.finish().await;
}

/// SIGHUP reads everything again, and is no reason to end.
#[tokio::test]
async fn a_hangup_reads_everything_again() {
    let world = World::start(setup()).await;
    for (policy, reason) in [
        (Policy::off(CONTOSO), ALLOWED),
        (Policy::on(CONTOSO), BLOCKED),
    ] {
        world.put(&policy);
        for _ in 0..3 {
            world.signal(Signal::HUP);
        }
        until_decided(&world, "after SIGHUP", reason).await;
    }
    let requests = world.idp.requests().count();
    world.check(requests).await;
    world.finish().await;
}

/// F12: a file that cannot be read leaves the last good policy in force, and says so; mended, it
/// acts.
#[tokio::test]
async fn a_broken_file_keeps_the_last_good_policy() {
    let world = World::start(setup()).await;
    let file = world.policies().join(Policy::on(CONTOSO).file());
    let off = Policy::off(CONTOSO);
    let typo = off.clone().with("reportOnly", "yes");
    let other = off.text().replace(CONTOSO, FABRIKAM);
    let huge = format!("{}{}", " ".repeat(64 * 1024 * 1024), off.text());
    let failures = async || -> u64 {
        let metrics = world.metrics().await;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("tidegate_policy_reload_failures_total "));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    };
    for (what, text) in [
        ("empty", String::new()),
        ("cut short", off.text()[..off.text().len() - 2].to_owned()),
        ("not JSON", "isDisabled: true".to_owned()),
        ("binary", "\0\u{1}\u{2}".repeat(1000)),
        ("an addition of the wrong type", typo.text()),
        ("another tenant's", other),
        (
            "a member twice",
            off.text().replacen(
                "\"isDisabled\":true",
                "\"isDisabled\":true,\"isDisabled\":true",
                1,
            ),
        ),
        ("an array", format!("[{}]", off.text())),
        ("far too large", huge),
    ] {
        let before = failures().await;
        fs::write(&file, text).unwrap();
        until(what, async || (failures().await > before).then_some(())).await;
        until_decided(&world, what, BLOCKED).await;
        others_act(&world).await;
        world.put(&Policy::off(CONTOSO));
        until_decided(&world, "mended", ALLOWED).await;
        world.put(&Policy::on(CONTOSO));
        until_decided(&world, "on again", BLOCKED).await;
    }
    // A directory in its place.
    let before = failures().await;
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    until("a directory", async || {
        (failures().await > before).then_some(())
    })
    .await;
    assert!(world.log.count(CONTOSO) > 0, "the log names the file");
    let requests = world.idp.requests().count();
    world.check(requests).await;
    world.finish().await;
}

/// Policies are read when the provider has answered, not when it was asked: a change in between
/// counts.
#[tokio::test]
async fn an_exchange_under_way_is_decided_by_the_new_policy() {
    let provider = BareProvider::start().await;
    let setup = Setup::new()
        .set("providers.entra.authority", provider.url())
        .set("providers.entra.insecure_plaintext", true)
        .policy(Policy::off(CONTOSO));
    let world = World::start(setup).await;
    let mut sent = Box::pin(world.exchange(CONTOSO, FABRIKAM).try_send());
    let asked = until("asked", async || (provider.requests() == 1).then_some(()));
    meanwhile(&mut sent, asked).await;

    world.put(&Policy::on(CONTOSO));
    // The other provider gives a token of Entra's as well.
    let elsewhere = async || {
        let exchange = world.exchange(CONTOSO, FABRIKAM).path("/oauth2/token");
        let exchange = exchange
            .field("grant_type", "refresh_token")
            .field("client_assertion", "x")
            .field("assertion", &format!("entra:{FABRIKAM}"));
        let outcome = exchange.send().await;
        (outcome.record["reason"] == BLOCKED).then_some(())
    };
    meanwhile(&mut sent, until("the change acts", elsewhere)).await;

    let body = world.idp.mint().body(&Preset::Signed, FABRIKAM).to_vec();
    world.remember_tokens(&body);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    provider.next([head.as_bytes(), &body].concat(), After::Keep);
    let answer = sent.await.unwrap();
    assert_eq!(answer.status, 403, "{answer:?}");
    world
        .secrets
        .assert_none_in("the answer", &answer.everything());
    assert_eq!(world.next_record().await["reason"], BLOCKED);
    world.finish().await;
}

/// F5: entries may be written while isolation is Off; they act once it is On.
#[tokio::test]
async fn entries_act_once_isolation_is_on() {
    let entries = |policy: Policy| policy.outbound(FABRIKAM);
    let world = World::start(Setup::new().policy(entries(Policy::off(CONTOSO)))).await;
    for other in [FABRIKAM, NORTHWIND] {
        let outcome = world.exchange(CONTOSO, other).send().await;
        outcome.allowed(ALLOWED);
    }
    world.put(&entries(Policy::on(CONTOSO)));
    until("isolation is on", async || {
        let outcome = world.exchange(CONTOSO, NORTHWIND).send().await;
        (outcome.record["reason"] == BLOCKED).then_some(())
    })
    .await;
    let listed = world.exchange(CONTOSO, FABRIKAM).send().await;
    listed.allowed(ALLOWED);
    let back = world.exchange(FABRIKAM, CONTOSO).send().await;
    back.blocked("inbound_block", &[(CONTOSO, "inbound")]);
    world.put(&entries(Policy::off(CONTOSO)));
    until("isolation is off", async || {
        let outcome = world.exchange(CONTOSO, NORTHWIND).send().await;
        (outcome.record["reason"] == ALLOWED).then_some(())
    })
    .await;
    world.finish().await;
}

/// F15, F17: connections that were open before, and streams of one connection, are decided by the
/// new policy like new ones.
#[tokio::test]
async fn a_change_acts_on_connections_and_streams_that_are_open() {
    let world = World::start(Setup::new().policy(Policy::off(CONTOSO))).await;
    let form = world.exchange(None, FABRIKAM).form_text();
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\nx-ms-client-tenant-id: {CONTOSO}\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        crate::harness::COMMON,
        world.host(),
        form.len()
    );
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(world.raw().await);
    }
    for (policy, status, reason) in [
        (Policy::off(CONTOSO), 200, ALLOWED),
        (Policy::on(CONTOSO), 403, BLOCKED),
        (Policy::on(CONTOSO).outbound(FABRIKAM), 200, ALLOWED),
        (Policy::on(CONTOSO), 403, BLOCKED),
    ] {
        world.put(&policy);
        until_decided(&world, "on new connections", reason).await;
        for raw in &mut open {
            raw.send(&request).await;
            assert_eq!(raw.answer().await.unwrap().status, status);
            assert_eq!(world.next_record().await["reason"], reason);
        }
        for _ in 0..8 {
            let stream = world.exchange(CONTOSO, FABRIKAM).http2().send().await;
            assert_eq!(stream.record["reason"], reason);
        }
    }
    world.finish().await;
}

/// At the first start there is no last good policy: nothing is served.
#[tokio::test]
async fn a_broken_policy_prevents_the_start() {
    let world = World::start(setup()).await;
    for (name, text) in [
        (format!("{FABRIKAM}.json"), "{ broken".to_owned()),
        (format!("{FABRIKAM}.json"), Policy::on(CONTOSO).text()),
        (
            format!("{FABRIKAM}.json"),
            Policy::on(FABRIKAM)
                .with("connectionsWithoutClientTenant", "maybe")
                .text(),
        ),
    ] {
        let file = world.policies().join(name);
        fs::write(&file, text).unwrap();
        let Err(failed) = Gateway::try_start(&world.config()).await else {
            panic!("it started");
        };
        assert_eq!(failed.exit, 64, "{}", failed.stderr);
        assert!(failed.stderr.contains(FABRIKAM), "{}", failed.stderr);
        assert!(!failed.stderr.contains("listening"), "{}", failed.stderr);
        fs::remove_file(file).unwrap();
    }
    let missing = world.policies();
    fs::rename(&missing, world.directory.path().join("elsewhere")).unwrap();
    let Err(failed) = Gateway::try_start(&world.config()).await else {
        panic!("it started");
    };
    assert_eq!(failed.exit, 64, "{}", failed.stderr);
    // The one that runs has its last good policies.
    world
        .exchange(CONTOSO, FABRIKAM)
        .send()
        .await
        .blocked("outbound_block", &[(CONTOSO, "outbound")]);
    world.finish().await;
}
