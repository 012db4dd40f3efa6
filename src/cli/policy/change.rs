//! The commands that change a policy: read it, change what was read, put it back, tell what changed.
//!
//! Invariant: what is put replaces the text that was read and no other. An edit that somebody else
//! was quicker than is made again on what they wrote; a whole document is not, since it was written
//! without knowing theirs.

mod meanwhile;
mod report;
mod task;

use self::meanwhile::Meanwhile;
use self::task::{Task, Whom};
use super::edit::{self, Grant, Taken};
use super::{AllowArgs, ImportArgs, RevokeArgs, SetArgs, SwitchArgs};
use crate::cli::fault::Fault;
use crate::cli::{Exit, documents};
use crate::clock;
use crate::core::policy::Subject;
use crate::import;
use crate::policies::document::Document;

pub(super) fn allow(args: &AllowArgs) -> Result<Exit, Fault> {
    if let Some(end) = args.expires.filter(|end| end.as_second() <= clock::now()) {
        return Err(Fault::Wrong(format!("--expires: {end} has passed")));
    }
    let task = Task::of(&args.change, &args.tenant)?;
    let whom = task.whom(&args.other)?;
    let mut meanwhile = Meanwhile::default();
    let (subject, domain) = match &whom {
        Whom::Known { subject, domain } => (*subject, domain.clone()),
        // The server resolves it; until then this stands for it.
        Whom::Domain(domain) => (Subject::Tenant(meanwhile.of(domain)?), None),
    };
    let grant = Grant {
        subject,
        domain: domain.as_deref(),
        inbound: args.inbound,
        outbound: args.outbound,
        note: args.note.as_deref(),
        expires_on: args.expires,
    };
    task.edit(&meanwhile, |current, _| {
        let mut document = task.required(current)?.clone();
        edit::allow(&mut document, &grant);
        Ok(document)
    })
}

pub(super) fn revoke(args: &RevokeArgs) -> Result<Exit, Fault> {
    let task = Task::of(&args.change, &args.tenant)?;
    let both = !args.inbound && !args.outbound;
    let taken = Taken {
        inbound: args.inbound || both,
        outbound: args.outbound || both,
    };
    task.edit(&Meanwhile::default(), |current, remarks| {
        let mut document = task.required(current)?.clone();
        let subject = task.listed(&document, &args.other)?;
        edit::revoke(&mut document, subject, taken);
        for direction in edit::still_allowed(&document, subject, taken) {
            let direction = direction.as_str();
            remarks.push(format!("still allowed {direction}, by the entry *"));
        }
        Ok(document)
    })
}

pub(super) fn enable(args: &SwitchArgs) -> Result<Exit, Fault> {
    switch(args, false)
}

pub(super) fn disable(args: &SwitchArgs) -> Result<Exit, Fault> {
    switch(args, true)
}

fn switch(args: &SwitchArgs, is_disabled: bool) -> Result<Exit, Fault> {
    let task = Task::of(&args.change, &args.tenant)?;
    task.edit(&Meanwhile::default(), |current, remarks| {
        let mut document = current.map_or_else(
            || Document::new(task.tenant),
            |current| current.document.clone(),
        );
        document.properties.is_disabled = is_disabled;
        if !is_disabled && document.properties.allowed_tenants.is_empty() {
            let remark = "no entry allows anybody: every other tenant is blocked";
            remarks.push(remark.to_owned());
        }
        Ok(document)
    })
}

pub(super) fn set(args: &SetArgs) -> Result<Exit, Fault> {
    let task = Task::of(&args.change, &args.tenant)?;
    let bytes = documents::bytes(&args.file)?;
    task.put(&args.file, &bytes, &args.only_if, Vec::new())
}

pub(super) fn import(args: &ImportArgs) -> Result<Exit, Fault> {
    let task = Task::of(&args.change, &args.tenant)?;
    let bytes = documents::bytes(&args.file)?;
    let imported = import::read(&bytes, args.format.format(), task.tenant)
        .map_err(|faults| documents::problems(&args.file, faults))?;
    let mut remarks = vec![format!("read as {}", imported.format)];
    remarks.extend(imported.remarks);
    task.put(
        &args.file,
        imported.document.as_bytes(),
        &args.only_if,
        remarks,
    )
}
