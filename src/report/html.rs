//! A report as a page that opens without a network.
//!
//! Invariant: every text in it is escaped by the template and holds nothing hidden; the page runs no
//! script and fetches nothing, and its one style is named in its content security policy by its hash.
//!
//! Source: Content Security Policy Level 3, section 2.3.1 (hashes); WCAG 2.2, AA.

mod rows;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::rows::{AdviceRow, DayRow, GapRow, Group, grouped, groups, minute, name, plural};
use super::recommend::State;
use super::{Recommendation, Report, Totals, charts};
use crate::core::policy::Direction;
use crate::problem::visible_json;

const STYLE: &str = include_str!("../../templates/report.css");

/// Rows of a table in the page; CSV and JSON have them all.
const MOST_ROWS: usize = 500;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'r> {
    report: &'r Report,
    style: &'static str,
    policy: String,
    title: String,
    tenant: String,
    since: String,
    until: String,
    made: String,
    version: &'static str,
    advises: bool,
    tiles: Vec<Tile>,
    over_time: String,
    plots: [Plot; 2],
    days: Vec<DayRow>,
    partners: Option<String>,
    tables: [Table; 2],
    others: Vec<(&'static str, String)>,
    gaps: Vec<GapRow>,
    advice: Advice,
}

struct Tile {
    what: &'static str,
    number: String,
    more: String,
    is_block: bool,
}

struct Plot {
    caption: &'static str,
    svg: Option<String>,
}

struct Table {
    id: &'static str,
    heading: &'static str,
    caption: &'static str,
    groups: Vec<Group>,
    more: Option<String>,
}

struct Advice {
    heading: &'static str,
    caption: &'static str,
    tenants: Vec<AdviceRow>,
    more: Option<String>,
    json: Option<String>,
}

/// The page.
pub fn html(report: &Report) -> String {
    let (width, days) = report.spans(charts::MOST_DAYS);
    let plot = |caption, direction| Plot {
        caption,
        svg: charts::days(&days, direction),
    };
    let tenant = &report.tenant;
    let page = Page {
        report,
        style: STYLE,
        policy: policy(),
        title: name(tenant).unwrap_or_else(|| tenant.tenant.to_string()),
        tenant: tenant.tenant.to_string(),
        since: since(report),
        until: minute(report.until),
        made: minute(report.made),
        version: env!("CARGO_PKG_VERSION"),
        advises: report.recommendation.policy.is_some(),
        tiles: tiles(report),
        over_time: match width {
            1 => "Exchanges by day".to_owned(),
            7 => "Exchanges by week".to_owned(),
            _ => format!("Exchanges by {width} days"),
        },
        plots: [
            plot(
                "Inbound: other tenants' connections, signed in here",
                Direction::Inbound,
            ),
            plot(
                "Outbound: our connections, signed in elsewhere",
                Direction::Outbound,
            ),
        ],
        days: days.iter().map(DayRow::of).collect(),
        partners: charts::tenants(&report.partners()),
        tables: [
            table(
                report,
                Direction::Inbound,
                "inbound",
                "Inbound connections",
                "Other tenants' connections with accounts of this tenant, by connector and \
                 application.",
            ),
            table(
                report,
                Direction::Outbound,
                "outbound",
                "Outbound connections",
                "This tenant's connections with accounts of other tenants, by connector and \
                 application.",
            ),
        ],
        others: others(report),
        gaps: report.gaps.iter().map(GapRow::of).collect(),
        advice: advice(&report.recommendation),
    };
    // Writing to a string does not fail.
    page.render().unwrap_or_default()
}

fn since(report: &Report) -> String {
    match (report.since, report.first_seen) {
        (Some(since), _) => minute(since),
        (None, Some(first)) => minute(first),
        (None, None) => "The first record".to_owned(),
    }
}

/// Nothing but the style, by its hash.
fn policy() -> String {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

fn tiles(report: &Report) -> Vec<Tile> {
    let (inbound, outbound) = (&report.inbound, &report.outbound);
    let of = |what, totals: &Totals| Tile {
        what,
        number: grouped(totals.counts.passed()),
        more: format!(
            "{} from {}",
            plural(totals.users, "user"),
            plural(totals.tenants, "other tenant")
        ),
        is_block: false,
    };
    let outside = |what, totals: &Totals| Tile {
        more: format!(
            "{} in {}",
            plural(totals.users, "user"),
            plural(totals.tenants, "other tenant")
        ),
        ..of(what, totals)
    };
    let blocked = inbound.counts.blocked + outbound.counts.blocked;
    let would = inbound.counts.would_block + outbound.counts.would_block;
    vec![
        of("Inbound, let through", inbound),
        outside("Outbound, let through", outbound),
        Tile {
            what: "Blocked",
            number: grouped(blocked),
            more: format!(
                "{} inbound, {} outbound",
                grouped(inbound.counts.blocked),
                grouped(outbound.counts.blocked)
            ),
            is_block: blocked > 0,
        },
        Tile {
            what: "Would be blocked",
            number: grouped(would),
            more: "let through, because a side only reports".to_owned(),
            is_block: false,
        },
    ]
}

fn table(
    report: &Report,
    direction: Direction,
    id: &'static str,
    heading: &'static str,
    caption: &'static str,
) -> Table {
    let of_direction = || report.rows.iter().filter(|row| row.direction == direction);
    let hidden = of_direction().count().saturating_sub(MOST_ROWS);
    Table {
        id,
        heading,
        caption,
        groups: groups(&of_direction().take(MOST_ROWS).collect::<Vec<_>>()),
        more: (hidden > 0).then(|| format!("And {} more, which CSV and JSON tell.", rows(hidden))),
    }
}

fn rows(number: usize) -> String {
    plural(number as u64, "row")
}

fn others(report: &Report) -> Vec<(&'static str, String)> {
    let others = &report.others;
    let all = [
        ("within the tenant", others.same_tenant.total()),
        (
            "of the tenant, without a token in the reply",
            others.no_token,
        ),
        (
            "of the tenant, ended in an error before the other tenant was known",
            others.errors,
        ),
        (
            "in more combinations of tenant, connector and application than are told apart",
            others.beyond.total(),
        ),
        (
            "of other tenants only, or of nobody known",
            others.other_tenants,
        ),
    ];
    let told = all.into_iter().enumerate();
    told.filter(|(place, (_, count))| *count > 0 || *place == 0)
        .map(|(_, (what, count))| (what, grouped(count)))
        .collect()
}

fn advice(recommendation: &Recommendation) -> Advice {
    let hidden = recommendation.all().count().saturating_sub(MOST_ROWS);
    let is_on = recommendation.isolation_today == State::Enforced;
    let json = recommendation.policy.as_ref().map(|policy| {
        // Nothing in a document refuses to be written.
        visible_json(&serde_json::to_string_pretty(policy).unwrap_or_default())
    });
    Advice {
        heading: if is_on {
            "Isolation is On: what it lets through"
        } else {
            "What to allow before isolation is turned On"
        },
        caption: if is_on {
            "Tenants whose exchanges got through, and that the policy allows."
        } else {
            "To turn isolation On without breaking what runs today, allow these tenants."
        },
        tenants: recommendation
            .all()
            .take(MOST_ROWS)
            .map(AdviceRow::of)
            .collect(),
        more: (hidden > 0).then(|| format!("And {} more, which JSON tells.", rows(hidden))),
        json,
    }
}
