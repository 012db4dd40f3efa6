use super::*;
use crate::metrics::Metrics;

fn ended(decision: &'static str, reason: &'static str) -> Ended {
    Ended {
        decision,
        reason,
        token_kind: Some("entra"),
        total: Duration::from_millis(12),
        upstream: Some(Duration::from_millis(9)),
    }
}

fn text(metrics: &Metrics) -> String {
    metrics.encode(Default::default(), Default::default())
}

/// Every worker counts on its own; what is shown is the sum, in whatever order words come.
#[test]
fn what_workers_count_is_shown_once() {
    let metrics = Metrics::new();
    let workers = [(); 3].map(|()| metrics.exchanges.of("token"));
    let words = [
        ("allow", "same_tenant"),
        ("block", "outbound_block"),
        ("allow", "both_allow"),
        ("block", "both_block"),
    ];
    let mut expected = [0_u32; 4];
    for number in 0..1000_usize {
        // Runs, alternations and rare ones.
        let place = [number % 4, number / 7 % 4, usize::from(number % 97 == 0)][number % 3];
        let (decision, reason) = words[place];
        workers[number % 3].ended(ended(decision, reason));
        expected[place] += 1;
    }
    let text = text(&metrics);
    let shown = text
        .lines()
        .filter(|line| line.starts_with("tidegate_exchanges_total{"));
    assert_eq!(shown.count(), words.len());
    for ((decision, reason), count) in words.into_iter().zip(expected) {
        let line = format!(
            "tidegate_exchanges_total{{route=\"token\",decision=\"{decision}\",\
             reason=\"{reason}\",token_kind=\"entra\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    }
    for name in ["gateway", "upstream"] {
        let line = format!("tidegate_exchange_{name}_seconds_count{{route=\"token\"}} 1000\n");
        assert!(text.contains(&line), "{text}");
    }
}

/// The wait for the server behind is no time of the gateway's; where nobody was asked there is
/// no such time.
#[test]
fn the_gateways_own_share_is_what_is_left() {
    let metrics = Metrics::new();
    let route = metrics.exchanges.of("token");
    route.ended(ended("allow", "same_tenant"));
    route.ended(Ended {
        token_kind: None,
        upstream: None,
        ..ended("error", "form_malformed")
    });
    let text = text(&metrics);
    for line in [
        "tidegate_exchange_gateway_seconds_bucket{le=\"0.0025\",route=\"token\"} 0\n",
        "tidegate_exchange_gateway_seconds_bucket{le=\"0.005\",route=\"token\"} 1\n",
        "tidegate_exchange_gateway_seconds_bucket{le=\"0.025\",route=\"token\"} 2\n",
        "tidegate_exchange_upstream_seconds_bucket{le=\"0.005\",route=\"token\"} 0\n",
        "tidegate_exchange_upstream_seconds_bucket{le=\"+Inf\",route=\"token\"} 1\n",
        "reason=\"form_malformed\",token_kind=\"unseen\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    // A clock that runs unevenly makes no time negative.
    route.ended(Ended {
        total: Duration::from_millis(1),
        ..ended("allow", "same_tenant")
    });
    let first = "tidegate_exchange_gateway_seconds_bucket{le=\"0.0001\",route=\"token\"} 1\n";
    assert!(self::text(&metrics).contains(first));
}

#[test]
fn bounds_rise() {
    for bounds in [GATEWAY, UPSTREAM] {
        assert!(bounds.is_sorted_by(|one, next| one < next));
    }
}
