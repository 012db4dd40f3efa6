//! Every metric, label and word that an expression of the dashboard or of an alert rule uses
//! exists: metrics and labels in what a running gateway shows, words in the program's sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};
use tempfile::TempDir;
use tidegate::audit::Standing;
use tidegate::fleet::{Freshness, SourceStats};
use tidegate::metrics::plain;
use tidegate::policies::Stats;

use super::deployed::{of_dashboard, of_rules, of_variables};
use super::{drive, everything, labels};
use crate::harness::World;

type Metrics = BTreeMap<String, BTreeSet<String>>;

/// Labels that Prometheus gives to what it scrapes.
const OF_TARGETS: [&str; 2] = ["instance", "job"];

#[tokio::test]
async fn every_metric_label_and_word_in_an_expression_exists() {
    let directory = TempDir::new().unwrap();
    let world = World::start(everything(&directory.path().join("secret"))).await;
    drive(&world).await;
    let text = world.metrics().await;
    let mut metrics = labels(&text);
    metrics.extend(labels(&of_a_fleet()));
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut used = BTreeSet::new();
    for (place, expression) in [of_dashboard(), of_rules(), of_variables()].concat() {
        let (seen, faults) = look(&expression, &metrics, &sources);
        assert_eq!(faults, [""; 0], "{place}: {expression}");
        used.extend(seen);
    }
    // And the other way round: what is measured can be seen.
    let unseen: Vec<&String> = metrics
        .keys()
        .filter(|name| !used.contains(*name))
        .collect();
    assert_eq!(unseen, [""; 0], "neither on the dashboard nor in a rule");
    world.finish().await;
}

/// What a gateway shows besides whose policies come from etcd.
fn of_a_fleet() -> String {
    let source = SourceStats {
        freshness: Some(Freshness::default()),
        ..SourceStats::default()
    };
    let stats = Stats {
        source: Some(source),
        ..Stats::default()
    };
    let metrics = tidegate::metrics::Metrics::new();
    plain(&metrics.encode(stats, Standing::default()))
}

/// The test itself must be able to fail.
#[test]
fn what_does_not_exist_is_found() {
    let series = "tidegate_exchanges_total{route=\"a\",decision=\"block\"} 1\ntidegate_keys 1\n";
    let metrics = labels(series);
    for (expression, right) in [
        ("tidegate_exchanges_total", true),
        ("tidegate_exchange_total", false),
        ("sum by (route) (rate(tidegate_exchanges_total[5m]))", true),
        ("sum by (root) (rate(tidegate_exchanges_total[5m]))", false),
        ("tidegate_exchanges_total{decision=\"block\"}", true),
        ("tidegate_exchanges_total{decision=\"blocked\"}", false),
        ("tidegate_exchanges_total{decision=~\"block|alow\"}", false),
        ("tidegate_exchanges_total{verdict=\"block\"}", false),
        ("sum by (route) (sum(tidegate_exchanges_total))", false),
        ("tidegate_keys / on (route) tidegate_exchanges_total", false),
        ("tidegate_exchanges_total / 2 > 0.5 or vector(0)", true),
        ("topk(3, tidegate_exchangs_total)", false),
        ("absent(tidegate_bild_info)", false),
        ("sum(rate(tidegate_keys{job=\"x\"}[5m] offset 1d))", true),
        ("sum by (tidegate_keys", false),
    ] {
        let (_, faults) = look(expression, &metrics, "\"allow\" \"block\"");
        assert_eq!(faults.is_empty(), right, "{expression}: {faults:?}");
    }
}

/// The metrics that an expression uses, and what it uses that is not there.
fn look(expression: &str, metrics: &Metrics, sources: &str) -> (BTreeSet<String>, Vec<String>) {
    let parsed = match parser::parse(expression) {
        Ok(parsed) => parsed,
        Err(error) => return (BTreeSet::new(), vec![error]),
    };
    let mut look = Look {
        metrics,
        sources,
        used: BTreeSet::new(),
        faults: Vec::new(),
    };
    look.labels_of(&parsed);
    (look.used, look.faults)
}

/// A look at one expression.
struct Look<'s> {
    metrics: &'s Metrics,
    /// The program's sources.
    sources: &'s str,
    /// Metrics that were met.
    used: BTreeSet<String>,
    faults: Vec<String>,
}

impl Look<'_> {
    /// The labels that an expression's result may have.
    fn labels_of(&mut self, expression: &Expr) -> BTreeSet<String> {
        match expression {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs),
            Expr::Aggregate(aggregate) => {
                if let Some(param) = &aggregate.param {
                    self.labels_of(param);
                }
                let inside = self.labels_of(&aggregate.expr);
                match &aggregate.modifier {
                    None => BTreeSet::new(),
                    Some(modifier) => self.kept(modifier, &inside),
                }
            }
            Expr::Binary(binary) => {
                let (left, right) = (self.labels_of(&binary.lhs), self.labels_of(&binary.rhs));
                if let Some(matching) = binary.modifier.as_ref().and_then(|it| it.matching.as_ref())
                {
                    self.kept(matching, &left);
                    self.kept(matching, &right);
                }
                left.union(&right).cloned().collect()
            }
            Expr::Call(call) => {
                let arguments = call.args.args.iter();
                arguments.flat_map(|it| self.labels_of(it)).collect()
            }
            Expr::Paren(paren) => self.labels_of(&paren.expr),
            Expr::Subquery(subquery) => self.labels_of(&subquery.expr),
            Expr::Unary(unary) => self.labels_of(&unary.expr),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => BTreeSet::new(),
            Expr::Extension(_) => {
                self.faults.push("not PromQL".to_owned());
                BTreeSet::new()
            }
        }
    }

    fn kept(&mut self, modifier: &LabelModifier, inside: &BTreeSet<String>) -> BTreeSet<String> {
        let named = &modifier.labels().labels;
        for label in named {
            if !inside.contains(label) {
                self.faults.push(format!("no label {label}"));
            }
        }
        match modifier {
            LabelModifier::Include(_) => named.iter().cloned().collect(),
            LabelModifier::Exclude(_) => inside
                .iter()
                .filter(|label| !named.contains(label))
                .cloned()
                .collect(),
        }
    }

    fn selector(&mut self, selector: &VectorSelector) -> BTreeSet<String> {
        let name = selector.name.as_deref().unwrap_or_default();
        let Some(known) = self.metrics.get(name) else {
            self.faults.push(format!("no metric {name}"));
            return BTreeSet::new();
        };
        self.used.insert(name.to_owned());
        let all = known.iter().map(String::as_str).chain(OF_TARGETS);
        let all: BTreeSet<String> = all.map(str::to_owned).collect();
        let alternatives = selector.matchers.or_matchers.iter().flatten();
        for matcher in selector.matchers.matchers.iter().chain(alternatives) {
            let label = &matcher.name;
            if !all.contains(label) {
                self.faults.push(format!("no label {label}"));
            } else if !OF_TARGETS.contains(&label.as_str()) {
                self.words(matcher);
            }
        }
        all
    }

    /// Words of closed lists stand in the sources, spelled like that.
    fn words(&mut self, matcher: &Matcher) {
        let words: Vec<&str> = match matcher.op {
            MatchOp::Equal | MatchOp::NotEqual => vec![&matcher.value],
            MatchOp::Re(_) | MatchOp::NotRe(_) => matcher.value.split('|').collect(),
        };
        for word in words {
            let literal = match word.strip_suffix(".*") {
                Some("") => continue,
                Some(start) => format!("\"{start}"),
                None if word.parse::<u16>().is_ok() => continue,
                None => format!("\"{word}\""),
            };
            if !self.sources.contains(&literal) {
                self.faults.push(format!("nothing says {word}"));
            }
        }
    }
}

/// Every source file below a directory, in one text.
fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    text
}
