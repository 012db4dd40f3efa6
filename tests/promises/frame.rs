//! What a promise hands in, and the table that is printed of it.

use std::time::Duration;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// How much of a promise is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Small: part of `cargo test`.
    Short,
    /// At the size that the promise names.
    Long,
}

impl Scale {
    /// One number for each scale.
    pub(crate) fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// Whether a promise holds in one respect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    No,
    /// Not tried, or not judged; why.
    Skipped(String),
    Yes,
}

/// One thing measured, beside what was demanded.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) demanded: String,
    pub(crate) held: Held,
}

impl Figure {
    /// A figure that is judged at every scale.
    pub(crate) fn new(
        what: impl Into<String>,
        measured: impl ToString,
        demanded: impl ToString,
        holds: bool,
    ) -> Self {
        let held = if holds { Held::Yes } else { Held::No };
        Self {
            what: what.into(),
            measured: measured.to_string(),
            demanded: demanded.to_string(),
            held,
        }
    }

    /// A figure of speed: in the short run, which shares the machine with other tests, it is
    /// reported and not judged.
    pub(crate) fn speed(
        scale: Scale,
        what: impl Into<String>,
        measured: impl ToString,
        demanded: impl ToString,
        holds: bool,
    ) -> Self {
        let figure = Self::new(what, measured, demanded, holds);
        match (scale, holds) {
            (Scale::Short, false) => Self {
                held: Held::Skipped("a speed, judged by `cargo prove`".to_owned()),
                ..figure
            },
            (Scale::Short | Scale::Long, _) => figure,
        }
    }

    /// Something that is not tried here.
    pub(crate) fn skipped(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured: String::new(),
            demanded: String::new(),
            held: Held::Skipped(why.into()),
        }
    }

    /// A promise that ended in a panic.
    pub(crate) fn failed(error: &tokio::task::JoinError) -> Self {
        let why = format!("{error}").chars().take(300).collect::<String>();
        Self::new("ran to its end", why, "no panic", false)
    }

    fn verdict(&self) -> String {
        match &self.held {
            Held::No => "FAIL".to_owned(),
            Held::Skipped(why) => format!("skipped: {why}"),
            Held::Yes => "pass".to_owned(),
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held != Held::No
    }
}

/// A promise that was tried.
pub(crate) struct Proof {
    pub(crate) number: u8,
    pub(crate) title: &'static str,
    pub(crate) figures: Vec<Figure>,
    pub(crate) took: Duration,
}

/// One line each, as soon as they are there.
pub(crate) fn lines(figures: &[Figure]) -> String {
    let line = |figure: &Figure| {
        let (what, measured) = (&figure.what, &figure.measured);
        format!(
            "  {}: {what}: {measured} (demanded: {})\n",
            figure.verdict(),
            figure.demanded
        )
    };
    figures.iter().map(line).collect()
}

/// Of the table's columns, in characters: it is read in logs as well.
const WIDTHS: [u16; 5] = [4, 58, 36, 26, 20];

/// The table of promises.
pub(crate) fn table(proofs: &[Proof]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["", "what", "measured", "demanded", ""])
        .set_constraints(WIDTHS.map(|width| ColumnConstraint::Absolute(Width::Fixed(width))));
    for proof in proofs {
        let took = format!("{:.1} s", proof.took.as_secs_f64());
        table.add_row([&proof.number.to_string(), proof.title, &took, "", ""]);
        for figure in &proof.figures {
            let what = format!("  {}", figure.what);
            table.add_row([
                "",
                &what,
                &figure.measured,
                &figure.demanded,
                &figure.verdict(),
            ]);
        }
    }
    table
}
