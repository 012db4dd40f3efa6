//! The admin listener: apart from the data plane, and bounded in what it tells.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;

use crate::harness::{Answer, CONTOSO, FABRIKAM, NORTHWIND, Policy, Setup, World};

async fn ask(world: &World, method: Method, path: &str) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{path}", world.gateway.admin);
    Answer::of(client.request(method, url).send().await.unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn it_answers_three_questions() {
    let world = World::start(Setup::new()).await;
    for (path, text) in [("/livez", "live\n"), ("/readyz", "ready\n")] {
        let answer = ask(&world, Method::GET, path).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, text));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let head = ask(&world, Method::HEAD, path).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        let post = ask(&world, Method::POST, path).await;
        assert_eq!(
            (post.status, post.header("allow")),
            (405, Some("GET, HEAD"))
        );
    }
    for path in [
        "/",
        "/livez/",
        "/metricsx",
        "/common/oauth2/v2.0/token",
        "/common/.well-known/openid-configuration",
    ] {
        assert_eq!(ask(&world, Method::GET, path).await.status, 404, "{path}");
    }
    // And the data plane answers none of them.
    for path in ["/livez", "/readyz", "/metrics"] {
        world.get(path).await.is_refusal(404, "no_route");
    }
    world.check(0).await;
    world.finish().await;
}

/// Samples by name and labels, as they stand; fails where the text is not what scrapers expect.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut families: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples = BTreeMap::new();
    let body = text.strip_suffix("# EOF\n").expect("an end mark");
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            match (words.next().unwrap(), words.next().unwrap(), words.next()) {
                ("TYPE", name, Some(kind)) => {
                    assert!(families.insert(name, kind).is_none(), "{name} twice")
                }
                ("HELP", _, Some(help)) => assert!(!help.is_empty(), "{line}"),
                ("UNIT", name, Some(unit)) => {
                    assert!(name.ends_with(&format!("_{unit}")), "{line}")
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (key, value) = line.rsplit_once(' ').expect(line);
        let name = key.split('{').next().unwrap();
        assert!(
            name.starts_with("tidegate_")
                && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{line}"
        );
        let family = families.iter().find(|(family, kind)| match **kind {
            "counter" => name == format!("{family}_total"),
            "histogram" => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| name == format!("{family}{end}")),
            "info" => name == format!("{family}_info"),
            _ => name == **family,
        });
        assert!(family.is_some(), "no family: {line}");
        if let Some((_, labels)) = key.split_once('{') {
            let labels = labels.strip_suffix('}').expect(line);
            for label in labels.split("\",") {
                let (name, value) = label.split_once("=\"").expect(line);
                assert!(!name.contains("tenant") && value.len() < 64, "{line}");
            }
        }
        assert!(
            samples
                .insert(key.to_owned(), value.parse().expect(line))
                .is_none(),
            "{key} twice"
        );
    }
    samples
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let setup = Setup::new()
        .policy(Policy::on(CONTOSO))
        .policy(Policy::off(NORTHWIND));
    let world = World::start(setup).await;
    for _ in 0..2 {
        world
            .exchange(CONTOSO, FABRIKAM)
            .send()
            .await
            .decided("block", "outbound_block");
    }
    world
        .exchange(CONTOSO, CONTOSO)
        .http2()
        .send()
        .await
        .allowed("same_tenant");
    world
        .exchange(CONTOSO, CONTOSO)
        .path("/common/oauth2/token")
        .send()
        .await
        .allowed("same_tenant");
    world
        .exchange(CONTOSO, CONTOSO)
        .body("x=%")
        .send()
        .await
        .refused(400, "form_malformed");
    world.get("/nowhere").await.is_refusal(404, "no_route");
    world
        .send(Method::POST, "/common/discovery/keys")
        .await
        .is_refusal(405, "method");

    let answer = world.openmetrics().await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = answer.text();
    let samples = samples(&text);
    // Whoever does not ask for it gets the older format, with the same samples.
    let older = ask(&world, Method::GET, "/metrics").await;
    assert_eq!(
        older.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let older = older.text();
    assert!(older.contains("\n# TYPE tidegate_exchanges_total counter\n"));
    assert!(!older.contains("# EOF") && !older.contains("# UNIT"));
    let names = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
            .collect()
    };
    assert_eq!(names(&older), names(&text));
    for tenant in [CONTOSO, FABRIKAM, NORTHWIND] {
        assert!(!text.contains(tenant), "tenant ids are no labels");
    }
    for (route, decision, reason, kind, count) in [
        ("token-v2", "block", "outbound_block", "entra", 2.0),
        ("token-v2", "allow", "same_tenant", "entra", 1.0),
        ("token-v1", "allow", "same_tenant", "entra", 1.0),
        ("token-v2", "error", "form_malformed", "unseen", 1.0),
    ] {
        let name = format!(
            "tidegate_exchanges_total{{route=\"{route}\",decision=\"{decision}\",\
             reason=\"{reason}\",token_kind=\"{kind}\"}}"
        );
        assert_eq!(samples.get(&name), Some(&count), "{name}\n{text}");
    }
    for (name, value) in [
        ("tidegate_requests_refused_total{reason=\"no_route\"}", 1.0),
        ("tidegate_requests_refused_total{reason=\"method\"}", 1.0),
        (
            "tidegate_exchange_gateway_seconds_count{route=\"token-v2\"}",
            4.0,
        ),
        (
            "tidegate_exchange_gateway_seconds_count{route=\"token-v1\"}",
            1.0,
        ),
        (
            "tidegate_exchange_upstream_seconds_count{route=\"token-v2\"}",
            3.0,
        ),
        (
            "tidegate_exchange_upstream_seconds_count{route=\"token-v1\"}",
            1.0,
        ),
        (
            "tidegate_exchange_upstream_seconds_count{route=\"azure-devops\"}",
            0.0,
        ),
        ("tidegate_policies", 2.0),
        ("tidegate_policies_unreadable", 0.0),
        ("tidegate_policy_reload_failures_total", 0.0),
        ("tidegate_policy_problems", 0.0),
        ("tidegate_policies_watched{by=\"events\"}", 1.0),
        ("tidegate_policies_watched{by=\"polling\"}", 0.0),
        ("tidegate_audit_records_dropped_total", 0.0),
        ("tidegate_audit_failing", 0.0),
        ("tidegate_exchanges_in_flight_limit", 1024.0),
        ("tidegate_connections_limit", 4096.0),
        ("tidegate_exchanges_in_flight", 0.0),
        ("tidegate_connections_refused_total", 0.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}\n{text}");
    }
    let build = samples
        .keys()
        .find(|name| name.starts_with("tidegate_build_info{"));
    let build = build.expect(&text);
    assert!(build.contains(r#"version="0.1.0""#), "{build}");
    assert!(build.contains(r#"rustc="1."#), "{build}");
    // Nothing of routes on which no exchange comes.
    assert!(!text.contains(r#"route="keys-v2""#), "{text}");
    assert!(samples.contains_key("tidegate_audit_queue_bytes"));
    assert!(samples["tidegate_policies_age_seconds"] < 60.0);
    assert!(samples["tidegate_connections"] >= 1.0);
    assert!(samples["tidegate_policies_reloaded_timestamp_seconds"] > 1.7e9);
    world.finish().await;
}
