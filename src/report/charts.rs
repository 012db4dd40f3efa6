//! A report's charts, as SVG to stand in its page.
//!
//! Invariant: no chart fetches, runs or styles anything: shapes and texts alone, in colours that stand
//! for the page's own (`templates/report.css` gives each its light and its dark one). Texts are escaped
//! by the library, and hold nothing hidden.

use charts_rs::{BarChart, ChartBase, HorizontalBarChart, LegendCategory, Series, YAxisConfig};
use jiff::tz::TimeZone;

use super::{Counts, Day, Partner};
use crate::core::policy::Direction;
use crate::problem::visible;

/// How exchanges ended, in the order in which bars are stacked.
const ENDINGS: [Ending; 4] = [
    ("allowed", (0x01, 0x00, 0x01), |counts| counts.allowed),
    ("would block", (0x02, 0x00, 0x02), |counts| {
        counts.would_block
    }),
    ("not Entra's", (0x03, 0x00, 0x03), |counts| {
        counts.passed_non_entra
    }),
    ("blocked", (0x04, 0x00, 0x04), |counts| counts.blocked),
];
const TEXT: Rgb = (0x05, 0x00, 0x05);
const LINE: Rgb = (0x06, 0x00, 0x06);

type Rgb = (u8, u8, u8);

/// A word for it, its colour, and its count.
type Ending = (&'static str, Rgb, fn(&Counts) -> u64);

/// Most bars beside each other, and below each other.
pub(super) const MOST_DAYS: usize = 45;
pub(super) const MOST_TENANTS: usize = 10;

/// Exchanges of one direction by day. None: there are none, or nothing can be drawn.
pub(super) fn days(days: &[Day], direction: Direction) -> Option<String> {
    let of = |day: &Day| match direction {
        Direction::Inbound => day.inbound,
        Direction::Outbound => day.outbound,
    };
    let counts: Vec<Counts> = days.iter().map(of).collect();
    let series = series(&counts)?;
    let label = |day: &Day| {
        let date = day.day.to_zoned(TimeZone::UTC).date();
        format!("{:02}-{:02}", date.month(), date.day())
    };
    let mut chart = BarChart::new(series, days.iter().map(label).collect());
    chart.radius = Some(1.0);
    look(&mut chart.base, &mut chart.y_axis_configs, (1140.0, 220.0));
    chart.svg().ok()
}

/// Exchanges by external tenant, the most first.
pub(super) fn tenants(partners: &[Partner]) -> Option<String> {
    // Drawn from the bottom up.
    let shown: Vec<_> = partners.iter().take(MOST_TENANTS).rev().collect();
    let counts: Vec<Counts> = shown
        .iter()
        .map(|partner| {
            let mut both = partner.inbound;
            both.join(&partner.outbound);
            both
        })
        .collect();
    let series = series(&counts)?;
    let height = 90.0 + 30.0 * f32::from(u8::try_from(shown.len()).unwrap_or(u8::MAX));
    let mut chart = HorizontalBarChart::new(series, shown.into_iter().map(label).collect());
    look(&mut chart.base, &mut chart.y_axis_configs, (1140.0, height));
    chart.svg().ok()
}

/// The name, shortened, or the id's begin, which the tables tell whole.
fn label(partner: &Partner) -> String {
    const LONGEST: usize = 24;
    let id = partner.tenant.tenant.to_string();
    let short: String = id.chars().take(8).collect();
    let Some(name) = &partner.tenant.name else {
        return format!("{short}…");
    };
    let end = name.char_indices().nth(LONGEST).map(|(end, _)| end);
    let name = match end.and_then(|end| name.get(..end)) {
        Some(begin) => format!("{}…", visible(begin)),
        None => visible(name),
    };
    format!("{name} ({short}…)")
}

/// What there is any of, stacked. None: nothing.
fn series(counts: &[Counts]) -> Option<Vec<Series>> {
    let (drawn, colours): (Vec<_>, Vec<_>) = ENDINGS
        .iter()
        .filter(|(_, _, of)| counts.iter().any(|counts| of(counts) > 0))
        .map(|(name, colour, of)| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a bar need not be as exact as the table beside it"
            )]
            let data = counts.iter().map(|counts| of(counts) as f32).collect();
            let mut series = Series::new((*name).to_owned(), data);
            series.stack = Some("all".to_owned());
            (series, *colour)
        })
        .unzip();
    let mut drawn = drawn;
    for (series, colour) in drawn.iter_mut().zip(&colours) {
        let bars = series.data.len();
        series.colors = Some(vec![Some((*colour).into()); bars]);
    }
    (!drawn.is_empty()).then_some(drawn)
}

fn look(base: &mut ChartBase, axes: &mut [YAxisConfig], (width, height): (f32, f32)) {
    (base.width, base.height) = (width, height);
    base.background_color = (0, 0, 0, 0).into();
    base.font_family = "Roboto".to_owned();
    base.margin = (8.0, 28.0, 8.0, 8.0).into();
    let colours = base.series_list.iter().filter_map(|series| {
        let colours = series.colors.as_ref()?;
        colours.first().copied().flatten()
    });
    base.series.colors = colours.collect();
    base.x_axis.font.color = TEXT.into();
    base.x_axis.stroke_color = LINE.into();
    base.legend.font.color = TEXT.into();
    base.legend.font.size = 13.0;
    base.legend.category = LegendCategory::RoundRect;
    base.grid.stroke_color = LINE.into();
    base.series.label.font.color = TEXT.into();
    for axis in axes {
        axis.font.color = TEXT.into();
        axis.stroke_color = LINE.into();
        axis.formatter = Some("{t}".to_owned());
    }
}
