//! `fleet status`: the gateways, for people and as JSON.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::StatusArgs;
use crate::cli::Exit;
use crate::cli::cluster::Cluster;
use crate::cli::fault::Fault;
use crate::cli::output::{json, plural, print, table};
use crate::fleet::presence::Told;
use crate::fleet::status::{self, Fleet, Gateway};
use crate::problem::visible;

pub(super) fn run(args: &StatusArgs) -> Result<Exit, Fault> {
    let cluster = Cluster::of(&args.config)?;
    let fleet = cluster.run(async |session| status::read(session, &cluster.keys).await)?;
    let exit = if fleet.behind() == 0 && fleet.complete && !fleet.gateways.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    };
    let text = if args.json {
        json(&fleet)
    } else {
        Shown {
            fleet: &fleet,
            now: Timestamp::now(),
        }
        .to_string()
    };
    Ok(print(&text, exit))
}

/// A fleet as people read it.
struct Shown<'f> {
    fleet: &'f Fleet,
    now: Timestamp,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fleet = self.fleet;
        writeln!(
            f,
            "cluster {} at revision {}",
            fleet.cluster, fleet.revision
        )?;
        let changed = fleet.changed.map_or("no change known of".to_owned(), |at| {
            format!("last changed at revision {at}")
        });
        writeln!(f, "{}, {changed}", plural(fleet.policies, "policy"))?;
        let (all, behind) = (fleet.gateways.len(), fleet.behind());
        writeln!(f, "{}, {behind} behind", plural(all as u64, "gateway"))?;
        if !fleet.complete {
            writeln!(
                f,
                "This may not be all: no heartbeat came, or history was compacted that a gateway misses"
            )?;
        }
        if fleet.unreadable > 0 {
            let keys = plural(fleet.unreadable as u64, "key");
            writeln!(
                f,
                "{keys} of gateways cannot be read: of another version of the program?"
            )?;
        }
        if all == 0 {
            return Ok(());
        }
        let mut table = table([
            "gateway", "enforces", "behind", "age", "policies", "problems", "program", "up", "told",
        ]);
        table.add_rows(fleet.gateways.iter().map(|gateway| self.cells(gateway)));
        writeln!(f, "{table}")
    }
}

impl Shown<'_> {
    fn cells(&self, gateway: &Gateway) -> [String; 9] {
        let Told {
            gateway: name,
            program,
            started,
            told,
            revision,
            age_ms,
            policies,
            problems,
            ..
        } = &gateway.told;
        let nothing = || "nothing".to_owned();
        [
            visible(name),
            revision.map_or_else(nothing, |revision| revision.to_string()),
            match gateway.behind {
                None => "all".to_owned(),
                Some(0) => "no".to_owned(),
                Some(revisions) => plural(revisions, "revision"),
            },
            age_ms.map_or_else(String::new, |age| span(Duration::from_millis(age))),
            policies.to_string(),
            problems.to_string(),
            visible(program),
            self.since(*started),
            format!("{} ago", self.since(*told)),
        ]
    }

    /// How long ago that was, by this machine's clock and theirs.
    fn since(&self, then: Timestamp) -> String {
        let since = Duration::try_from(self.now.duration_since(then));
        span(since.unwrap_or_default())
    }
}

/// About how long.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(name: &str, revision: Option<u64>, behind: Option<u64>) -> Gateway {
        Gateway {
            id: format!("{name}.0"),
            behind,
            told: Told {
                gateway: name.to_owned(),
                program: "1.2.3".to_owned(),
                started: "2026-11-22T08:00:00Z".parse().unwrap(),
                told: "2026-11-22T09:59:58.5Z".parse().unwrap(),
                revision,
                changed: Some(100),
                age_ms: revision.map(|_| 1_200),
                policies: 11,
                problems: 0,
                every_s: 8,
            },
        }
    }

    fn shown(gateways: Vec<Gateway>) -> String {
        let fleet = Fleet {
            cluster: "00000000000000ab".to_owned(),
            revision: 120,
            changed: Some(100),
            complete: true,
            policies: 11,
            gateways,
            unreadable: 0,
        };
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        Shown { fleet: &fleet, now }.to_string()
    }

    #[test]
    fn who_is_behind_is_seen_at_once() {
        let text = shown(vec![
            gateway("east", Some(118), Some(0)),
            gateway("north\x1b[2J", None, None),
            gateway("west", Some(93), Some(7)),
        ]);
        for part in [
            "cluster 00000000000000ab at revision 120",
            "11 policies, last changed at revision 100",
            "3 gateways, 2 behind",
            "7 revisions",
            "1.2 s",
            "1.5 s ago",
            "2 h",
            "1.2.3",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains('\x1b'), "{text}");
        assert!(shown(Vec::new()).contains("0 gateways, 0 behind"));
    }

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [
            (0.25, "0.2 s"),
            (59.94, "59.9 s"),
            (60.0, "1 min"),
            (7_199.0, "1 h"),
            (200_000.0, "2 days"),
        ] {
            assert_eq!(span(Duration::from_secs_f64(seconds)), text);
        }
    }
}
