//! The same in Prometheus' older text format (0.0.4), for scrapers that do not ask for OpenMetrics.
//!
//! Samples are the same in both. In the older format a counter's and an info's comments bear the
//! name of their samples, an info is a gauge, and there are neither units nor an end mark.
//!
//! Source: Prometheus, "Exposition formats"; OpenMetrics 1.0, section "Text format".

/// Rewrites what the library's encoder made.
pub fn plain(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        // A family begins with its help, then comes its type.
        let family = line.strip_prefix("# HELP ").and_then(|rest| {
            let (name, help) = rest.split_once(' ')?;
            let kind = lines.peek()?.strip_prefix("# TYPE ")?.strip_prefix(name)?;
            Some((name, help, kind.trim()))
        });
        if let Some((name, help, kind)) = family {
            let (end, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            let comments = format!("# HELP {name}{end} {help}\n# TYPE {name}{end} {kind}\n");
            text.push_str(&comments);
            lines.next();
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn comments_bear_the_names_of_their_samples() {
        let openmetrics = "\
# HELP a_exchanges Exchanges, all.
# TYPE a_exchanges counter
a_exchanges_total{route=\"# HELP\"} 1
# HELP a_build Which.
# TYPE a_build info
a_build_info{version=\"1\"} 1
# HELP a_age_seconds Age.
# TYPE a_age_seconds gauge
# UNIT a_age_seconds seconds
a_age_seconds 3
# HELP a_time_seconds Time.
# TYPE a_time_seconds histogram
# UNIT a_time_seconds seconds
a_time_seconds_sum 0.5
a_time_seconds_count 1
a_time_seconds_bucket{le=\"+Inf\"} 1
# EOF
";
        let expected = "\
# HELP a_exchanges_total Exchanges, all.
# TYPE a_exchanges_total counter
a_exchanges_total{route=\"# HELP\"} 1
# HELP a_build_info Which.
# TYPE a_build_info gauge
a_build_info{version=\"1\"} 1
# HELP a_age_seconds Age.
# TYPE a_age_seconds gauge
a_age_seconds 3
# HELP a_time_seconds Time.
# TYPE a_time_seconds histogram
a_time_seconds_sum 0.5
a_time_seconds_count 1
a_time_seconds_bucket{le=\"+Inf\"} 1
";
        assert_eq!(plain(openmetrics), expected);
    }
}
