//! `fleet accept`: an operator's word that etcd's history is as it should be.
//!
//! Invariant: nothing is accepted that the operator did not name, cluster and revision, after it was
//! shown.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::AcceptArgs;
use crate::cli::Exit;
use crate::cli::cluster::Cluster;
use crate::cli::fault::Fault;
use crate::cli::output::{json, plural, print};
use crate::fleet::accept::{self, Acceptance, Accepted, Found, LONGEST};
use crate::fleet::etcd::Session;
use crate::fleet::status;
use crate::problem::visible;

pub(super) fn run(args: &AcceptArgs) -> Result<Exit, Fault> {
    let note = args.note.as_ref();
    if note.is_some_and(|note| note.len() > LONGEST) {
        return Err(Fault::Wrong(format!("--note: more than {LONGEST} bytes")));
    }
    let cluster = Cluster::of(&args.config)?;
    // In one conversation: what was looked at is what is accepted.
    let report = cluster.run(async |session| {
        let fleet = status::read(session, &cluster.keys).await?;
        let before = accept::read(session, &cluster.keys).await?.0;
        let report = Report::of(fleet, before);
        Ok(say(session, &cluster, args, report).await)
    })??;
    Ok(print(&report.text(args.json), Exit::Done))
}

/// Says what the operator named, if anything, where it is what stands there.
async fn say(
    session: &Session,
    cluster: &Cluster,
    args: &AcceptArgs,
    mut report: Report,
) -> Result<Report, Fault> {
    let Some((named, revision)) = args.cluster.as_deref().zip(args.revision) else {
        return Ok(report);
    };
    if !named.eq_ignore_ascii_case(&report.cluster) {
        let found = &report.cluster;
        return Err(Fault::Failed(format!(
            "this is cluster {found}, and not {}: nothing was accepted",
            visible(named)
        )));
    }
    if revision > report.revision {
        let found = report.revision;
        return Err(Fault::Failed(format!(
            "etcd is at revision {found}, before {revision}: nothing was accepted. Was it restored \
             since you looked?"
        )));
    }
    let instead_of = args.instead_of.as_deref().unwrap_or(&report.cluster);
    let is_id = instead_of.len() == 16 && instead_of.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_id {
        return Err(Fault::Wrong(format!(
            "--instead-of: expected a cluster's id, 16 hexadecimal digits; found {}",
            visible(instead_of)
        )));
    }
    let acceptance = Acceptance {
        cluster: report.cluster.clone(),
        revision,
        instead_of: instead_of.to_ascii_lowercase(),
        time: Timestamp::now(),
        by: operator(),
        note: args.note.clone(),
    };
    let said = accept::say(session, &cluster.keys, &acceptance).await;
    let id = said.map_err(|error| {
        Fault::Failed(format!(
            "{error}; it may have been accepted nevertheless: run `tidegate fleet accept` without \
             --cluster to see"
        ))
    })?;
    report.accepted = Some(id);
    report.instead_of = Some(acceptance.instead_of);
    Ok(report)
}

/// Who says so: as far as the system tells, which is for people to read and no proof.
fn operator() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"];
    let user = user.into_iter().find_map(|name| std::env::var(name).ok());
    let user = user.unwrap_or_else(|| "unknown".to_owned());
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let mut by = format!("{user}@{host}");
    let end = by.floor_char_boundary(LONGEST);
    by.truncate(end);
    by
}

/// What stands in etcd, and what was accepted of it.
#[derive(Serialize)]
struct Report {
    cluster: String,
    revision: u64,
    policies: u64,
    /// Gateways that follow it already.
    gateways: usize,
    /// Acceptances that stand there.
    before: Vec<Accepted>,
    unreadable: usize,
    /// The id of the one that was made now.
    accepted: Option<String>,
    /// The cluster that is given up for it.
    instead_of: Option<String>,
}

impl Report {
    fn of(fleet: status::Fleet, found: Found) -> Self {
        Self {
            cluster: fleet.cluster,
            revision: fleet.revision,
            policies: fleet.policies,
            gateways: fleet.gateways.len(),
            before: found.accepted,
            unreadable: found.unreadable,
            accepted: None,
            instead_of: None,
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
        let (cluster, revision) = (&self.cluster, self.revision);
        writeln!(f, "cluster {cluster} at revision {revision}")?;
        let policies = plural(self.policies, "policy");
        let gateways = plural(self.gateways as u64, "gateway");
        writeln!(f, "{policies}; {gateways} following it already")?;
        for accepted in &self.before {
            writeln!(f, "{}", Line(accepted))?;
        }
        if self.unreadable > 0 {
            let some = plural(self.unreadable as u64, "acceptance");
            writeln!(f, "{some} cannot be read, and nobody obeys them")?;
        }
        if let (Some(id), Some(instead_of)) = (&self.accepted, &self.instead_of) {
            writeln!(f, "accepted, as {id}")?;
            return writeln!(
                f,
                "Gateways with policies of cluster {instead_of} that refused it take it up when they \
                 ask again, within 20 s; `fleet status` lists them then."
            );
        }
        writeln!(f, "Nothing was accepted.")?;
        writeln!(
            f,
            "Look what is in it (`fleet export`, `policy diff`). To have it enforced in the place of \
             what gateways have:\n  tidegate fleet accept --cluster {cluster} --revision {revision} \
             --note WHY\nWhere gateways have another cluster's policies: --instead-of, with the id that \
             their log tells."
        )
    }
}

/// One acceptance as people read it.
struct Line<'a>(&'a Accepted);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Accepted {
            id,
            written,
            acceptance,
        } = self.0;
        let (by, time) = (visible(&acceptance.by), acceptance.time);
        let (cluster, revision) = (visible(&acceptance.cluster), acceptance.revision);
        let instead_of = visible(&acceptance.instead_of);
        write!(
            f,
            "accepted at revision {written}: {cluster} at revision {revision}, in the place of \
             {instead_of}, {time}, by {by}, as {id}"
        )?;
        match &acceptance.note {
            Some(note) => write!(f, ": {}", visible(note)),
            None => Ok(()),
        }
    }
}
