//! The count of the audit lines, by itself: it knows JSON and nothing of the gateway.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

/// Direction, external tenant, connector and application; empty where there is none.
pub(super) type Key = [String; 4];

/// `allow`, `would_block`, `block`, `pass_non_entra`, `error`, and distinct accounts.
pub(super) type Numbers = [u64; 6];

/// The numbers, and when the first and the last exchange ended, in milliseconds.
pub(super) type Row = (Numbers, i64, i64);

const ENDINGS: [&str; 5] = ["allow", "would_block", "block", "pass_non_entra", "error"];

/// Records of exchanges.
pub(super) struct Lines(Vec<Value>);

/// One tenant's exchanges.
#[derive(Default)]
pub(super) struct Count {
    rows: BTreeMap<Key, Tally>,
    within: u64,
    no_token: u64,
    errors: u64,
    elsewhere: u64,
}

#[derive(Default)]
struct Tally {
    endings: [u64; 5],
    users: BTreeSet<String>,
    times: Vec<i64>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let records = whole
            .lines()
            .map(|line| serde_json::from_str(line).expect(line));
        Self(
            records
                .filter(|record: &Value| record["event"].is_null())
                .collect(),
        )
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Every decision is among them, on routes of every kind.
    pub(super) fn have_every_kind(&self) {
        let of = |name: &str| -> BTreeSet<&str> {
            self.0
                .iter()
                .filter_map(|line| line[name].as_str())
                .collect()
        };
        assert_eq!(of("decision"), BTreeSet::from(ENDINGS));
        let routes = ["azure-devops", "create", "token-v1", "token-v2"];
        assert_eq!(of("route"), BTreeSet::from(routes));
        let ids: BTreeSet<_> = of("decision_id");
        assert_eq!(ids.len(), self.0.len(), "one record for each exchange");
        assert!(of("reason").len() >= 8, "{:?}", of("reason"));
    }

    /// By route, decision, reason and token kind.
    pub(super) fn by_labels(&self) -> BTreeMap<[String; 4], u64> {
        let mut counts = BTreeMap::new();
        for line in &self.0 {
            let labels = ["route", "decision", "reason", "token_kind"];
            let labels = labels.map(|name| line[name].as_str().unwrap_or("unseen").to_owned());
            *counts.entry(labels).or_default() += 1;
        }
        counts
    }

    /// One tenant's.
    pub(super) fn of_tenant(&self, tenant: &str) -> Count {
        let mut count = Count::default();
        for line in &self.0 {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let [creator, sign_in] = ["creator_tenant", "sign_in_tenant"].map(text);
            let (direction, external) = match (creator == tenant, sign_in == tenant) {
                (true, true) => {
                    count.within += 1;
                    continue;
                }
                (false, false) => {
                    count.elsewhere += 1;
                    continue;
                }
                (true, false) => ("outbound", sign_in),
                (false, true) => ("inbound", creator),
            };
            let decision = text("decision");
            if external.is_empty() && decision == "error" {
                count.errors += 1;
                continue;
            }
            if external.is_empty() && text("reason") == "no_token" {
                count.no_token += 1;
                continue;
            }
            let key = [
                direction.to_owned(),
                external,
                text("connector"),
                text("app_id"),
            ];
            let tally = count.rows.entry(key).or_default();
            let ending = ENDINGS.iter().position(|word| *word == decision).unwrap();
            tally.endings[ending] += 1;
            tally
                .users
                .extend(line["user_object_id"].as_str().map(str::to_owned));
            let time: Timestamp = text("time").parse().unwrap();
            tally.times.push(time.as_millisecond());
        }
        count
    }
}

impl Count {
    /// Every exchange, wherever it is counted.
    pub(super) fn exchanges(&self) -> u64 {
        let endings = self.rows.values().flat_map(|tally| tally.endings);
        endings.sum::<u64>() + self.others().iter().sum::<u64>()
    }

    /// Rows, with their times.
    pub(super) fn rows(&self) -> BTreeMap<Key, Row> {
        let row = |tally: &Tally| {
            let times = &tally.times;
            (
                tally.numbers(),
                *times.iter().min().unwrap(),
                *times.iter().max().unwrap(),
            )
        };
        let rows = self.rows.iter();
        rows.map(|(key, tally)| (key.clone(), row(tally))).collect()
    }

    /// Rows, without their times.
    pub(super) fn cells(&self) -> BTreeMap<Key, Numbers> {
        let rows = self.rows.iter();
        rows.map(|(key, tally)| (key.clone(), tally.numbers()))
            .collect()
    }

    /// Rows whose external tenant is known.
    pub(super) fn known(&self) -> BTreeMap<Key, Row> {
        let mut rows = self.rows();
        rows.retain(|[_, external, _, _], _| !external.is_empty());
        rows
    }

    /// The sums of the other ones, as the API says them.
    pub(super) fn without_tenant(&self) -> Value {
        let sum = |direction: &str| {
            let unknown = |key: &Key| key[0] == direction && key[1].is_empty();
            let rows = self.rows.iter().filter(|(key, _)| unknown(key));
            let mut sums = [0; 5];
            rows.for_each(|(_, tally)| add(&mut sums, &tally.endings));
            let [allowed, would, blocked, passed, errors] = sums;
            json!({ "allowed": allowed, "wouldBlock": would, "blocked": blocked,
                    "passedNonEntra": passed, "errors": errors })
        };
        json!({ "inbound": sum("inbound"), "outbound": sum("outbound") })
    }

    /// Of inbound and of outbound: numbers as of a row, and distinct external tenants.
    pub(super) fn totals(&self) -> [(Numbers, u64); 2] {
        ["inbound", "outbound"].map(|direction| {
            let rows = || self.rows.iter().filter(move |(key, _)| key[0] == direction);
            let mut all = Tally::default();
            let mut tenants = BTreeSet::new();
            for ([_, external, _, _], tally) in rows() {
                add(&mut all.endings, &tally.endings);
                all.users.extend(tally.users.iter().cloned());
                tenants.insert(external);
            }
            tenants.remove(&String::new());
            (all.numbers(), tenants.len() as u64)
        })
    }

    /// Exchanges in no row: within the tenant, without a token, errors, of others.
    pub(super) const fn others(&self) -> [u64; 4] {
        [self.within, self.no_token, self.errors, self.elsewhere]
    }

    /// The same, those that there are.
    pub(super) fn told_others(&self) -> Vec<u64> {
        let others = self.others().into_iter();
        others.filter(|count| *count > 0).collect()
    }

    /// Let through inbound and outbound, blocked, would be blocked.
    pub(super) fn tiles(&self) -> [u64; 4] {
        let [inbound, outbound] = self.totals().map(|(numbers, _)| numbers);
        let passed = |numbers: Numbers| numbers[0] + numbers[1];
        [
            passed(inbound),
            passed(outbound),
            inbound[2] + outbound[2],
            inbound[1] + outbound[1],
        ]
    }
}

impl Tally {
    fn numbers(&self) -> Numbers {
        let [a, b, c, d, e] = self.endings;
        [a, b, c, d, e, self.users.len() as u64]
    }
}

fn add(sums: &mut [u64; 5], more: &[u64; 5]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
