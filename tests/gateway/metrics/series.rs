//! The number of series is bounded, whatever clients send.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::Value;
use tempfile::TempDir;
use tidegate::{config, metrics};

use super::{drive, everything};
use crate::harness::connections::{PATH, SERVICE};
use crate::harness::{CONTOSO, FABRIKAM, Raw, World};

/// Series of a text.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let names = lines.map(|line| line.rsplit_once(' ').expect(line).0);
    names.map(str::to_owned).collect()
}

/// Everything that a client can choose, made up anew in each round.
async fn attack(world: &World, round: u32) {
    let mut records = 0;
    for number in 0..6 {
        let made_up = format!("{:08x}-{round:04x}-4000-8000-00000000000a", number * 7919);
        let word = format!("made-up-{round}-{number}");
        let paths = [
            format!("/{word}/oauth2/v2.0/token"),
            format!("/{made_up}/oauth2/v2.0/token"),
            "/common/oauth2/token".to_owned(),
            "/oauth2/token".to_owned(),
        ];
        for path in paths {
            let of = |sign_in: &str| world.exchange(&*made_up, sign_in).path(&path);
            let requests = [
                of(CONTOSO).header("x-connector-name", &word),
                of(FABRIKAM).field("grant_type", &word),
                of(FABRIKAM).header("client-request-id", &word),
                of(CONTOSO).header("x-ms-client-tenant-id", &word),
                of(CONTOSO).header("user-agent", &word),
                of(CONTOSO).field("scope", &word).body(word.clone()),
                of(CONTOSO).header("content-type", &word),
                of(CONTOSO).header("traceparent", &word),
                of(CONTOSO).method(Method::from_bytes(word.to_uppercase().as_bytes()).unwrap()),
                world.exchange(None, &made_up).path(&path).http2(),
            ];
            for request in requests {
                request.send_unrecorded().await;
                records += 1;
            }
        }
        let creation = || {
            world
                .creation(CONTOSO, FABRIKAM)
                .header("x-connector-name", &word)
        };
        for creation in [
            creation(),
            creation().bearer(&word),
            creation().path(&format!("{PATH}?{word}={word}")),
            creation().method(Method::DELETE),
        ] {
            drop(creation.send_unrecorded().await);
            records += 1;
        }
        for path in [format!("/{word}"), format!("/{word}/discovery/keys?{word}")] {
            world.get(&path).await;
        }
        let mut raw: Raw = world.raw().await;
        raw.send(format!(
            "GET /{word} HTTP/1.1\r\nhost: {word}\r\n{word}: {word}\r\n\r\n"
        ))
        .await;
        raw.answer().await;
        world.admin(&format!("/{word}")).await;
        let base = "/providers/PowerPlatform.Governance/v1/tenants";
        world
            .admin(&format!(
                "{base}/{made_up}/tenantIsolationPolicy?api-version={word}"
            ))
            .await;
        records += 1;
    }
    for _ in 0..records {
        world.next_record().await;
    }
}

#[tokio::test]
async fn the_number_of_series_is_bounded_whatever_clients_send() {
    let directory = TempDir::new().unwrap();
    let world = World::start(everything(&directory.path().join("secret"))).await;
    let config = config::load(&world.config()).unwrap();
    let bound = metrics::bound(&config);
    drive(&world).await;
    attack(&world, 1).await;
    let first = series(&world.metrics().await);
    attack(&world, 2).await;
    let second = series(&world.metrics().await);
    let new: Vec<_> = second.difference(&first).collect();
    assert_eq!(new, [""; 0], "what is made up anew adds no series");
    assert!(second.len() <= bound, "{} of {bound}", second.len());
    for series in &second {
        assert!(
            !series.contains("made-up") && !series.contains("-4000-8000-"),
            "{series}"
        );
    }
    as_recorded(&world).await;
    println!("{} series of at most {bound}", second.len());
    // A route more is a bound higher; the bound says nothing of clients.
    let mut more = config.clone();
    more.routes.extend(config.routes.first().cloned());
    assert!(metrics::bound(&more) > bound);
    world.finish().await;
}

/// What is counted is what audit records say, counted one by one.
async fn as_recorded(world: &World) {
    let word = |record: &Value, name: &str| record[name].as_str().unwrap_or("unseen").to_owned();
    let mut recorded: BTreeMap<String, u64> = BTreeMap::new();
    let records = world.records();
    for record in records.iter().filter(|it| it.get("decision").is_some()) {
        let [route, decision, reason, kind] =
            ["route", "decision", "reason", "token_kind"].map(|name| word(record, name));
        let labels = format!(
            "{{route=\"{route}\",decision=\"{decision}\",reason=\"{reason}\",token_kind=\"{kind}\"}}"
        );
        *recorded.entry(labels).or_default() += 1;
    }
    let text = world.metrics().await;
    let counted = text.lines().filter_map(|line| {
        let (labels, count) = line
            .strip_prefix("tidegate_exchanges_total")?
            .rsplit_once(' ')?;
        Some((labels.to_owned(), count.parse().unwrap()))
    });
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), recorded);
}

/// Several may be trusted by one file of authorities: each is told of by its own name.
#[tokio::test]
async fn every_upstream_has_certificates_of_its_own() {
    let directory = TempDir::new().unwrap();
    let world = World::start(everything(&directory.path().join("secret"))).await;
    let text = world.metrics().await;
    let of = |metric: &str| -> Vec<String> {
        let names = text.lines().filter_map(|line| {
            let labels = line.strip_prefix(metric)?.strip_prefix("{upstream=\"")?;
            Some(labels.split_once('"')?.0.to_owned())
        });
        names.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let service = format!("services.{SERVICE}");
    let mut all = [
        "audit.otlp",
        "providers.azure-devops",
        "providers.entra",
        "traces",
    ]
    .map(str::to_owned)
    .to_vec();
    all.extend([service, "webhooks.soc".to_owned()]);
    all.sort_unstable();
    for metric in ["problems", "reload_failures_total", "reloads_total"] {
        assert_eq!(of(&format!("tidegate_upstream_certificate_{metric}")), all);
    }
    // Of those that are shown one.
    let expiry = "tidegate_upstream_certificate_expiry_timestamp_seconds";
    assert_eq!(of(expiry), ["providers.entra"]);
    world.finish().await;
}
