//! The report and the answer of a query, as the same texts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

const ENDINGS: [&str; 5] = [
    "allowed",
    "would_block",
    "blocked",
    "passed_non_entra",
    "errors",
];

/// By part, direction, external tenant, connector, application and day: everything else.
pub(super) struct Parts(pub(super) BTreeMap<String, String>);

impl Parts {
    /// What a query has to answer. Times are known to `grain` nanoseconds.
    pub(super) fn of(report: &Value, unreadable: usize, grain: i128) -> Self {
        let mut parts = Self(BTreeMap::new());
        for row in report["rows"].as_array().unwrap() {
            parts.row(row, grain);
        }
        for way in ["inbound", "outbound"] {
            let total = &report[way];
            let distinct = format!(" tenants {} users {}", total["tenants"], total["users"]);
            parts.put(["total", way, "", "", "", ""], counts(total), &distinct);
            for day in report["days"].as_array().unwrap() {
                let date = &text(&day["day"])[..10];
                parts.put(["day", way, "", "", "", date], counts(&day[way]), "");
            }
        }
        let others = &report["others"];
        parts.put(
            ["same_tenant", "", "", "", "", ""],
            counts(&others["same_tenant"]),
            "",
        );
        let unreadable = Value::from(unreadable);
        for (part, count) in [
            ("no_token", &others["no_token"]),
            ("errors", &others["errors"]),
            ("other_tenants", &others["other_tenants"]),
            ("unreadable", &unreadable),
        ] {
            let count = count.as_u64().unwrap();
            if count > 0 {
                parts
                    .0
                    .insert(key([part, "", "", "", "", ""]), count.to_string());
            }
        }
        parts
    }

    fn row(&mut self, row: &Value, grain: i128) {
        let external = &row["external"]["tenant"];
        let reasons = row["reasons"].as_object().unwrap().iter();
        let reasons: Vec<String> = reasons
            .map(|(word, times)| format!("{word}={times}"))
            .collect();
        let rest = format!(
            " tenants {} users {} from {} to {} {}",
            u8::from(external.is_string()),
            row["users"],
            moment(&text(&row["first_seen"]), grain),
            moment(&text(&row["last_seen"]), grain),
            reasons.join(" ")
        );
        let (way, external, app) = (
            text(&row["direction"]),
            text(external),
            text(&row["app_id"]),
        );
        let connector = text(&row["connector"]);
        self.put(
            ["row", &way, &external, &connector, &app, ""],
            counts(row),
            &rest,
        );
    }

    /// What is nowhere is in no answer.
    fn put(&mut self, of: [&str; 6], counts: [u64; 5], rest: &str) {
        if counts != [0; 5] {
            self.0.insert(
                key(of),
                format!("{} {counts:?}{rest}", counts.iter().sum::<u64>()),
            );
        }
    }
}

/// What a query answered.
pub(super) fn told(rows: &[BTreeMap<String, String>], grain: i128) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    for row in rows {
        let cell = |name: &str| row[name].as_str();
        let names = [
            "part",
            "direction",
            "external_tenant",
            "connector",
            "app_id",
        ];
        let [part, way, external, connector, app] = names.map(cell);
        // A day may have a time.
        let day = cell("day").get(..10).unwrap_or_default();
        let counts = ENDINGS.map(|name| cell(name).parse::<u64>().unwrap());
        let mut told = match part {
            "row" | "total" | "day" | "same_tenant" => format!("{} {counts:?}", cell("exchanges")),
            _ => cell("exchanges").to_owned(),
        };
        if matches!(part, "row" | "total") {
            told += &format!(" tenants {} users {}", cell("tenants"), cell("users"));
        }
        if part == "row" {
            let [first, last] = ["first_seen", "last_seen"].map(|name| moment(cell(name), grain));
            told += &format!(" from {first} to {last} {}", cell("reasons"));
        }
        let of = key([part, way, external, connector, app, day]);
        assert_eq!(parts.insert(of, told), None, "twice: {row:?}");
    }
    parts
}

fn key(of: [&str; 6]) -> String {
    of.join(" | ")
}

fn counts(of: &Value) -> [u64; 5] {
    ENDINGS.map(|name| of[name].as_u64().unwrap())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A time, in so many nanoseconds.
fn moment(text: &str, grain: i128) -> i128 {
    let zoned = format!("{}Z", text.trim_end_matches('Z').replace(' ', "T"));
    let time: Timestamp = zoned.parse().expect(text);
    time.as_nanosecond().div_euclid(grain)
}
