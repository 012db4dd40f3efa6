//! `fleet import`: a directory's policies into etcd.

use std::fmt;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::ImportArgs;
use crate::cli::Exit;
use crate::cli::cluster::Cluster;
use crate::cli::fault::Fault;
use crate::cli::output::{json, plural, print};
use crate::core::tenant::TenantId;
use crate::fleet::bulk::{self, Done, Plan};
use crate::policies::directory;

/// Policies named in a text; JSON names all.
const MOST_NAMED: usize = 20;

pub(super) fn run(args: &ImportArgs) -> Result<Exit, Fault> {
    let texts = directory::texts(&args.directory)?;
    let texts = texts.into_iter().collect();
    let cluster = Cluster::of(&args.config)?;
    let plan = cluster.run(async |session| bulk::plan(session, &cluster.keys, &texts).await)?;
    let is_refused = !plan.differ.is_empty() && !args.replace;
    if args.dry_run || is_refused {
        let exit = if is_refused { Exit::Failed } else { Exit::Done };
        let report = Report::of(&plan, &Done::default(), args);
        return Ok(print(&report.text(args.json), exit));
    }
    let bar = progress(plan.new.len() + plan.differ.len());
    let done = cluster.run(async |session| {
        let tell = |seen: usize| bar.set_position(seen as u64);
        bulk::apply(
            session,
            &cluster.originals,
            &cluster.keys,
            &plan,
            &texts,
            tell,
        )
        .await
    });
    bar.finish_and_clear();
    let done = done?;
    let exit = if done.left.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    };
    Ok(print(&Report::of(&plan, &done, args).text(args.json), exit))
}

fn progress(all: usize) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(all as u64), target);
    match ProgressStyle::with_template("{bar:40} {pos}/{len} policies, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What was done, or would be.
#[derive(Serialize)]
struct Report {
    dry_run: bool,
    /// Nothing was put because of `differ`.
    refused: bool,
    put: usize,
    new: usize,
    same: usize,
    only_in_etcd: usize,
    differ: Vec<TenantId>,
    left: Vec<Left>,
}

/// A policy that was not put.
#[derive(Serialize)]
struct Left {
    tenant: TenantId,
    why: String,
}

impl Report {
    fn of(plan: &Plan, done: &Done, args: &ImportArgs) -> Self {
        let left = done.left.iter().map(|(tenant, error)| Left {
            tenant: *tenant,
            why: error.to_string(),
        });
        Self {
            dry_run: args.dry_run,
            refused: !plan.differ.is_empty() && !args.replace,
            put: done.put,
            new: plan.new.len(),
            same: plan.same,
            only_in_etcd: plan.others,
            differ: plan.differ.iter().map(|(tenant, _)| *tenant).collect(),
            left: left.collect(),
        }
    }

    fn text(&self, as_json: bool) -> String {
        if as_json {
            json(self)
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differ = self.differ.len();
        let count = |number: usize| plural(number as u64, "policy");
        if self.dry_run || self.refused {
            writeln!(
                f,
                "{} would be put: etcd does not have them",
                count(self.new)
            )?;
        } else {
            writeln!(f, "{} put", count(self.put))?;
        }
        writeln!(f, "{} there already", count(self.same))?;
        if self.only_in_etcd > 0 {
            writeln!(f, "{} only in etcd: they stay", count(self.only_in_etcd))?;
        }
        if self.refused {
            writeln!(
                f,
                "{} with another text in etcd: nothing is put without --replace",
                count(differ)
            )?;
        } else if self.dry_run && differ > 0 {
            writeln!(f, "{} would be replaced", count(differ))?;
        }
        if self.refused || self.dry_run {
            named(f, self.differ.iter().map(ToString::to_string))?;
        }
        if !self.left.is_empty() {
            writeln!(f, "{} not put", count(self.left.len()))?;
            named(
                f,
                self.left
                    .iter()
                    .map(|left| format!("{}: {}", left.tenant, left.why)),
            )?;
        }
        Ok(())
    }
}

fn named(
    f: &mut fmt::Formatter<'_>,
    mut lines: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    let more = lines.len().saturating_sub(MOST_NAMED);
    lines
        .by_ref()
        .take(MOST_NAMED)
        .try_for_each(|line| writeln!(f, "  {line}"))?;
    if more > 0 {
        writeln!(f, "  and {more} more, which --json names")?;
    }
    Ok(())
}
