//! The files in `deploy/`, read: the dashboard's panels and the alert rules.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file below `deploy/`.
pub(super) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

/// The dashboard.
pub(super) fn dashboard() -> Value {
    let text = std::fs::read_to_string(file("grafana/tidegate.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Its panels, rows as well.
pub(super) fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

/// The alert rules.
pub(super) fn rules() -> Vec<Value> {
    let text = std::fs::read_to_string(file("prometheus/alerts.yaml")).unwrap();
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = document["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    rules.cloned().collect()
}

/// Every expression in the dashboard, with where it stands. Variables have the values that "All"
/// gives them; a range is what Grafana would make of it.
pub(super) fn of_dashboard() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let of_panels = panels(&dashboard).iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (title, &target["expr"]))
    });
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let of_annotations = annotations
        .iter()
        .filter(|annotation| annotation.get("expr").is_some())
        .map(|annotation| (annotation["name"].as_str().unwrap(), &annotation["expr"]));
    let all = of_panels.chain(of_annotations);
    all.map(|(title, expression)| {
        let expression = expression.as_str().expect(title);
        (format!("dashboard, {title}"), filled_in(expression))
    })
    .collect()
}

fn filled_in(expression: &str) -> String {
    let mut expression = expression.to_owned();
    for (variable, value) in [
        ("$__rate_interval", "1m"),
        ("$__range", "1h"),
        ("$job", ".*"),
        ("$instance", ".*"),
        ("$route", ".*"),
    ] {
        expression = expression.replace(variable, value);
    }
    assert!(!expression.contains('$'), "{expression}");
    expression
}

/// Every expression of the alert rules.
pub(super) fn of_rules() -> Vec<(String, String)> {
    let rules = rules();
    let expressions = rules.iter().map(|rule| {
        let name = rule["alert"].as_str().unwrap();
        (name.to_owned(), rule["expr"].as_str().unwrap().to_owned())
    });
    expressions.collect()
}

/// What the dashboard's variables offer: `label_values(selector,label)`, as an expression.
pub(super) fn of_variables() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let queries = variables
        .iter()
        .filter(|variable| variable["type"] == "query");
    let expressions = queries.map(|variable| {
        let query = variable["query"]["query"].as_str().unwrap();
        let inner = query.strip_prefix("label_values(").unwrap();
        let (selector, label) = inner.strip_suffix(')').unwrap().rsplit_once(',').unwrap();
        let name = variable["name"].as_str().unwrap();
        let expression = format!("group by ({label}) ({})", filled_in(selector));
        (format!("variable {name}"), expression)
    });
    expressions.collect()
}
