//! The dashboard and the alert rules as people meet them: nothing without a word of explanation,
//! nothing on top of something else, no data source but the one that is chosen.

use std::collections::BTreeSet;

use serde_json::Value;

use super::deployed::{dashboard, file, panels, rules};

/// The last schema version of Grafana's classic dashboards (12 and later).
const SCHEMA: u64 = 42;

#[test]
fn the_dashboard_is_whole() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], SCHEMA);
    assert!(dashboard.get("id").is_none(), "an id is an instance's own");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["datasource", "job", "instance", "route"]);
    assert_eq!(variables[0]["type"], "datasource");
    assert_eq!(variables[0]["query"], "prometheus");

    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    let mut bottom = 0;
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty() && ids.insert(panel["id"].as_u64().unwrap()));
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let (x, y, width, height) = (place("x"), place("y"), place("w"), place("h"));
        assert!(width > 0 && x + width <= 24, "{title}");
        assert!(y <= bottom, "{title}: a hole above it");
        bottom = bottom.max(y + height);
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title}: covers another panel");
        }
        if panel["type"] == "row" {
            assert_eq!(
                (x, width, panel["collapsed"].as_bool()),
                (0, 24, Some(false))
            );
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let known = ["stat", "table", "timeseries"].map(Value::from);
        assert!(known.contains(&panel["type"]), "{title}");
        let unit = &panel["fieldConfig"]["defaults"]["unit"];
        assert!(unit.is_string() || panel["type"] == "table", "{title}");
        let mut refs = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(refs.insert(target["refId"].as_str().unwrap()), "{title}");
            let legend = target["legendFormat"].as_str();
            assert!(legend.is_some(), "{title}");
            selected(target["expr"].as_str().unwrap());
        }
        assert!(!refs.is_empty(), "{title}");
    }
}

/// Every metric is of the gateways chosen.
fn selected(expression: &str) {
    let metrics = expression.matches("tidegate_").count();
    let chosen = expression
        .matches(r#"{job=~"$job",instance=~"$instance""#)
        .count();
    assert_eq!(metrics, chosen, "{expression}");
}

#[test]
fn every_alert_says_what_to_do_and_has_a_test() {
    let tests = std::fs::read_to_string(file("prometheus/alerts.test.yaml")).unwrap();
    let mut names = BTreeSet::new();
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap().to_owned();
        assert!(name.starts_with("Tidegate"), "{name}");
        let severity = rule["labels"]["severity"].as_str();
        let known = [Some("critical"), Some("info"), Some("warning")];
        assert!(known.contains(&severity), "{name}");
        for annotation in ["description", "runbook", "summary"] {
            let text = rule["annotations"][annotation].as_str().unwrap_or_default();
            assert!(text.len() > 20, "{name}: {annotation}");
        }
        let fires = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"");
        assert!(tests.contains(&fires), "{name}: never seen to fire");
        assert!(names.insert(name.clone()), "{name} twice");
    }
    assert!(names.len() > 20);
}
