//! What the outputs say, read back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::count::{Key, Numbers, Row};

const NUMBERS: [&str; 6] = [
    "allowed",
    "would_block",
    "blocked",
    "passed_non_entra",
    "errors",
    "users",
];

/// The rows of JSON.
pub(super) fn json(report: &Value) -> BTreeMap<Key, Row> {
    let rows = report["rows"].as_array().unwrap().iter().map(|row| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let external = text(&row["external"]["tenant"]);
        let key = [
            text(&row["direction"]),
            external,
            text(&row["connector"]),
            text(&row["app_id"]),
        ];
        let numbers = NUMBERS.map(|name| row[name].as_u64().unwrap());
        let [first, last] = ["first_seen", "last_seen"].map(|name| time(&row[name]));
        (key, (numbers, first, last))
    });
    distinct(rows)
}

/// Its sums.
pub(super) fn totals(report: &Value) -> [(Numbers, u64); 2] {
    ["inbound", "outbound"].map(|direction| {
        let totals = &report[direction];
        let numbers = NUMBERS.map(|name| totals[name].as_u64().unwrap());
        (numbers, totals["tenants"].as_u64().unwrap())
    })
}

/// What is in no row of it.
pub(super) fn others(report: &Value) -> [u64; 4] {
    let others = &report["others"];
    let within = NUMBERS[..5]
        .iter()
        .map(|name| others["same_tenant"][name].as_u64().unwrap());
    let number = |name: &str| others[name].as_u64().unwrap();
    [
        within.sum(),
        number("no_token"),
        number("errors"),
        number("other_tenants"),
    ]
}

/// The rows of CSV.
pub(super) fn csv(text: &str) -> BTreeMap<Key, Row> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<BTreeMap<String, String>> =
        reader.deserialize().map(|row| row.unwrap()).collect();
    let rows = rows.iter().map(|row| {
        // An apostrophe keeps a spreadsheet from taking a text for a formula.
        let connector = row["connector"]
            .strip_prefix("'=")
            .map(|rest| format!("={rest}"));
        let connector = connector.unwrap_or_else(|| row["connector"].clone());
        let key = [
            row["direction"].clone(),
            row["external_tenant"].clone(),
            connector,
            row["app_id"].clone(),
        ];
        let numbers = NUMBERS.map(|name| row[name].parse().unwrap());
        let time = |name: &str| row[name].parse::<Timestamp>().unwrap().as_millisecond();
        (key, (numbers, time("first_seen"), time("last_seen")))
    });
    distinct(rows)
}

/// The connections of the API.
pub(super) fn answer(connections: &[Value]) -> BTreeMap<Key, Row> {
    let rows = connections.iter().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let key = [
            text("connectionType").to_lowercase(),
            text("tenantId"),
            text("connector"),
            text("applicationId"),
        ];
        let names = [
            "allowed",
            "wouldBlock",
            "blocked",
            "passedNonEntra",
            "errors",
            "users",
        ];
        let numbers = names.map(|name| one[name].as_u64().unwrap());
        let [first, last] = ["firstSeen", "lastSeen"].map(|name| time(&one[name]));
        (key, (numbers, first, last))
    });
    distinct(rows)
}

/// The rows of the terminal's table, each of two lines.
pub(super) fn table(text: &str) -> BTreeMap<Key, Numbers> {
    let lines = text.lines().skip_while(|line| !line.starts_with('╞'));
    let lines = lines.skip(1).take_while(|line| line.starts_with('│'));
    let cells = lines.map(|line| {
        let cells = line.trim_matches('│').split('┆');
        cells.map(|cell| cell.trim().to_owned()).collect()
    });
    let cells: Vec<Vec<String>> = cells.collect();
    let rows = cells.chunks(2).map(|lines| {
        let [first, second] = lines else {
            panic!("a row of one line: {lines:?}");
        };
        let key = [
            first[0].clone(),
            known(&first[1]),
            first[2].clone(),
            second[2].clone(),
        ];
        let numbers = [3, 4, 5, 6, 7, 8].map(|column: usize| number(&first[column]));
        (key, numbers)
    });
    distinct(rows)
}

/// How many rows it says that it does not show.
pub(super) fn hidden(text: &str) -> usize {
    let line = text
        .lines()
        .find(|line| line.ends_with("which --format csv tells"));
    line.map_or(0, |line| line.split(' ').nth(1).unwrap().parse().unwrap())
}

/// What it says of exchanges in no row.
pub(super) fn told_others(text: &str) -> Vec<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("in no row: "));
    let parts = line.into_iter().flat_map(|line| line.split(", "));
    // A sentence of its own has commas, but no number before it.
    let words = parts.filter_map(|part| part.split(' ').next());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The rows of the page.
pub(super) fn page(html: &str) -> BTreeMap<Key, Numbers> {
    let rows = ["inbound", "outbound"].into_iter().flat_map(|direction| {
        let groups = parts(section(html, direction), "<tr class=\"group\">", "</tbody>");
        groups.into_iter().flat_map(move |group| {
            let external = parts(group, "<span class=\"id\">", "</span>");
            let head = group.split("</tr>").next().unwrap();
            let external = external.first().filter(|id| head.contains(**id));
            let external = external.map_or_else(String::new, |id| (*id).to_owned());
            let rows = parts(group, "<th scope=\"row\" class=\"text\">", "</tr>");
            rows.into_iter().map(move |row| {
                let (connector, cells) = row.split_once("</th>").unwrap();
                let connector = parts(connector, "<bdi>", "</bdi>");
                let app = parts(cells, "<span class=\"id\">", "</span>");
                let text = |found: &[&str]| unescaped(found.first().copied().unwrap_or_default());
                let key = [
                    direction.to_owned(),
                    external.clone(),
                    text(&connector),
                    text(&app),
                ];
                let cells = parts(cells, "<td class=\"n", "</td>");
                let cells: Vec<u64> = cells
                    .iter()
                    .map(|cell| number(cell.split_once('>').unwrap().1))
                    .collect();
                (key, cells.try_into().unwrap())
            })
        })
    });
    distinct(rows)
}

/// What it says of exchanges in no row.
pub(super) fn page_others(html: &str) -> Vec<u64> {
    let cells = parts(section(html, "others"), "<td class=\"n\">", "</td>");
    let numbers = cells.iter().map(|cell| number(cell));
    numbers.filter(|count| *count > 0).collect()
}

/// The numbers at its head.
pub(super) fn page_tiles(html: &str) -> [u64; 4] {
    let tiles = parts(html, "<span class=\"number\">", "</span>");
    let tiles: Vec<u64> = tiles.iter().map(|tile| number(tile)).collect();
    tiles.try_into().unwrap()
}

/// The counters of exchanges by route, decision, reason and token kind.
pub(super) fn metrics(text: &str) -> BTreeMap<[String; 4], u64> {
    let samples = text
        .lines()
        .filter_map(|line| line.strip_prefix("tidegate_exchanges_total{"));
    let samples = samples.map(|sample| {
        let (labels, count) = sample.split_once("} ").unwrap();
        let labels: BTreeMap<&str, &str> = labels
            .split(',')
            .map(|label| label.split_once('=').unwrap())
            .collect();
        let label = |name| labels[name].trim_matches('"').to_owned();
        let labels = ["route", "decision", "reason", "token_kind"].map(label);
        (labels, count.parse().unwrap())
    });
    let mut counts = distinct(samples);
    counts.retain(|_, count| *count > 0);
    counts
}

fn section<'h>(html: &'h str, id: &str) -> &'h str {
    let begin = format!("<section aria-labelledby=\"{id}\">");
    let found = parts(html, &begin, "</section>");
    assert_eq!(found.len(), 1, "one section {id}");
    found[0]
}

/// Everything between this and that.
fn parts<'t>(text: &'t str, begin: &str, end: &str) -> Vec<&'t str> {
    let rest = text.split(begin).skip(1);
    rest.map(|rest| rest.split(end).next().unwrap()).collect()
}

fn unescaped(text: &str) -> String {
    let characters = [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
    ];
    let mut text = text.to_owned();
    for (escaped, character) in characters.into_iter().chain([("&#38;", "&")]) {
        text = text.replace(escaped, character);
    }
    text
}

/// A tenant's id, if one is known.
fn known(cell: &str) -> String {
    match cell {
        "no client tenant id" | "not known" => String::new(),
        id => id.to_owned(),
    }
}

fn number(cell: &str) -> u64 {
    cell.replace(',', "").parse().expect(cell)
}

fn time(value: &Value) -> i64 {
    let time: Timestamp = value.as_str().unwrap().parse().unwrap();
    time.as_millisecond()
}

/// No key comes twice.
fn distinct<K: Ord + std::fmt::Debug + Clone, V>(
    rows: impl Iterator<Item = (K, V)>,
) -> BTreeMap<K, V> {
    let mut all = BTreeMap::new();
    for (key, value) in rows {
        assert!(all.insert(key.clone(), value).is_none(), "{key:?} twice");
    }
    all
}
