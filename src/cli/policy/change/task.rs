//! One command on one tenant's policy: what is read, edited and put back, and whose text it replaces.

use std::collections::HashMap;
use std::path::Path;

use super::meanwhile::Meanwhile;
use super::report::Report;
use crate::cli::fault::Fault;
use crate::cli::output::print;
use crate::cli::policy::place::{Current, NotWritten, Place};
use crate::cli::policy::{ChangeArgs, OnlyIf};
use crate::cli::{Exit, documents};
use crate::core::policy::Subject;
use crate::core::tenant::TenantId;
use crate::policies::document::{self, Document, Draft, Resolved};
use crate::policies::write::Expect;

/// How often an edit is made again that others were quicker than.
const ATTEMPTS: usize = 10;

/// Whom a command line names.
pub(super) enum Whom {
    /// A domain that the server resolves.
    Domain(String),
    /// Known by id.
    Known {
        subject: Subject,
        domain: Option<String>,
    },
}

/// One command on one tenant's policy.
pub(super) struct Task<'a> {
    place: Place,
    pub(super) tenant: TenantId,
    args: &'a ChangeArgs,
}

impl<'a> Task<'a> {
    pub(super) fn of(args: &'a ChangeArgs, tenant: &str) -> Result<Self, Fault> {
        let place = Place::open(&args.place)?;
        let tenant = place.tenant_to_change(tenant)?;
        Ok(Self {
            place,
            tenant,
            args,
        })
    }

    pub(super) fn whom(&self, text: &str) -> Result<Whom, Fault> {
        if let Some(subject) = subject(text) {
            let domain = None;
            return Ok(Whom::Known { subject, domain });
        }
        match &self.place {
            Place::Remote(_) => Ok(Whom::Domain(text.to_owned())),
            Place::Store(store) => {
                let resolved = store.resolve(text)?;
                Ok(Whom::Known {
                    subject: Subject::Tenant(resolved.tenant),
                    domain: Some(resolved.domain),
                })
            }
        }
    }

    /// The subject that a command line names, a domain by the entries that have it.
    pub(super) fn listed(&self, document: &Document, text: &str) -> Result<Subject, Fault> {
        if let Some(subject) = subject(text) {
            return Ok(subject);
        }
        let entries = document.properties.allowed_tenants.iter();
        let has_domain = |domain: &String| domain.eq_ignore_ascii_case(text);
        let mut found: Vec<_> = entries
            .filter(|entry| entry.tenant_domain.as_ref().is_some_and(has_domain))
            .map(|entry| entry.tenant_id)
            .collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(Fault::Wrong(format!(
                "{text:?}: no entry names it; give the id"
            ))),
            _ => Err(Fault::Wrong(format!(
                "{text:?}: several tenants' entries name it; give the id"
            ))),
        }
    }

    pub(super) fn required<'c>(&self, current: Option<&'c Current>) -> Result<&'c Document, Fault> {
        current.map(|current| &current.document).ok_or_else(|| {
            Fault::Wrong(format!(
                "there is no policy of {}; `enable`, `disable` or `set` makes one",
                self.tenant
            ))
        })
    }

    /// Reads, edits and writes, again while others are quicker.
    pub(super) fn edit(
        &self,
        meanwhile: &Meanwhile,
        edit: impl Fn(Option<&Current>, &mut Vec<String>) -> Result<Document, Fault>,
    ) -> Result<Exit, Fault> {
        for _ in 0..ATTEMPTS {
            let mut remarks = Vec::new();
            let current = self.place.read(self.tenant)?;
            remarks.extend(untagged(current.as_ref()));
            let document = edit(current.as_ref(), &mut remarks)?;
            let text = serde_json::to_string_pretty(&document)
                .map_err(|error| Fault::Failed(error.to_string()))?;
            let before = current.as_ref().map(|current| &current.document);
            let mut report = Report::of(self.tenant, before, &document, remarks);
            if report.is_empty() || self.args.dry_run {
                report.dry_run = self.args.dry_run;
                let text = meanwhile.told(report.text(self.args.json), self.args.json);
                return Ok(print(&text, Exit::Done));
            }
            let expect = expected(current.as_ref());
            let text = meanwhile.undone(text) + "\n";
            match self.place.write(self.tenant, text.as_bytes(), &expect) {
                Ok(after) => return Ok(self.done(before, &after, report.remarks)),
                Err(NotWritten::Changed) => {}
                Err(NotWritten::Fault(fault)) => return Err(fault),
            }
        }
        Err(Fault::Failed(format!(
            "the policy of {} is changed by others again and again; nothing was written",
            self.tenant
        )))
    }

    /// Puts a whole document.
    pub(super) fn put(
        &self,
        file: &Path,
        bytes: &[u8],
        only_if: &OnlyIf,
        mut remarks: Vec<String>,
    ) -> Result<Exit, Fault> {
        let mut replaces_broken = false;
        let current = match (self.place.read(self.tenant), &self.place) {
            // A file that is no policy is what `set` mends.
            (Err(Fault::Problems(problems)), Place::Store(store)) if store.is_there() => {
                let problems = problems
                    .iter()
                    .map(|problem| format!("was no policy: {problem}"));
                remarks.extend(problems);
                replaces_broken = true;
                None
            }
            (current, _) => current?,
        };
        remarks.extend(untagged(current.as_ref()));
        if let Some(etag) = &only_if.if_match {
            let is_there = current.as_ref().and_then(|current| current.etag.as_ref());
            if is_there != Some(etag) {
                return Err(self.changed());
            }
        }
        let expect = match &only_if.if_match {
            Some(etag) => Expect::Match(etag.clone()),
            // There is no telling it from another broken text.
            None if replaces_broken => Expect::Any,
            None => expected(current.as_ref()),
        };
        let draft = document::parse_for_write(bytes, self.tenant)
            .map_err(|faults| documents::problems(file, faults))?;
        let mut meanwhile = Meanwhile::default();
        let final_bytes = self.resolved(file, draft, &mut meanwhile)?;
        let (_, _, document) = document::parse(&final_bytes, Some(self.tenant))
            .map_err(|faults| documents::problems(file, faults))?;
        let before = current.as_ref().map(|current| &current.document);
        let mut report = Report::of(self.tenant, before, &document, remarks);
        let is_same = current
            .as_ref()
            .is_some_and(|current| current.bytes == final_bytes);
        if is_same || self.args.dry_run {
            report.dry_run = self.args.dry_run;
            let text = meanwhile.told(report.text(self.args.json), self.args.json);
            return Ok(print(&text, Exit::Done));
        }
        // The server gets the document as it was written, and resolves by itself.
        let sent = if meanwhile.is_empty() {
            &final_bytes
        } else {
            bytes
        };
        match self.place.write(self.tenant, sent, &expect) {
            Ok(after) => Ok(self.done(before, &after, report.remarks)),
            Err(NotWritten::Fault(fault)) => Err(fault),
            Err(NotWritten::Changed) => Err(self.changed()),
        }
    }

    fn changed(&self) -> Fault {
        Fault::Failed(format!(
            "the policy of {} is not the one that was expected: somebody changed it; nothing was \
             written",
            self.tenant
        ))
    }

    /// The document with ids only: the domains' own, or some that stand for them.
    fn resolved(
        &self,
        file: &Path,
        draft: Draft,
        meanwhile: &mut Meanwhile,
    ) -> Result<Vec<u8>, Fault> {
        let mut domains = HashMap::new();
        for unresolved in draft.unresolved() {
            let domain = &unresolved.domain;
            if domains.contains_key(domain) {
                continue;
            }
            let tenant = match &self.place {
                Place::Store(store) => store.resolve(domain)?.tenant,
                Place::Remote(_) => meanwhile.of(domain)?,
            };
            let name = None;
            domains.insert(domain.clone(), Resolved { tenant, name });
        }
        let resolved = draft.resolved(&domains);
        resolved.map_err(|faults| documents::problems(file, faults))
    }

    fn done(&self, before: Option<&Document>, after: &Current, remarks: Vec<String>) -> Exit {
        let mut report = Report::of(self.tenant, before, &after.document, remarks);
        report.etag = after.etag.as_deref();
        report.version = after.version.as_deref();
        print(&report.text(self.args.json), Exit::Done)
    }
}

/// `*` or a tenant id.
fn subject(text: &str) -> Option<Subject> {
    if text == "*" {
        return Some(Subject::Any);
    }
    TenantId::parse(text).ok().map(Subject::Tenant)
}

/// What a server says that cannot keep two writers apart.
fn untagged(current: Option<&Current>) -> Option<String> {
    let untagged = current.is_some_and(|current| current.etag.is_none());
    let remark = "the server tells no entity tag: what somebody else writes meanwhile is lost";
    untagged.then(|| remark.to_owned())
}

fn expected(current: Option<&Current>) -> Expect {
    match current {
        None => Expect::Absent,
        Some(Current { etag: None, .. }) => Expect::Any,
        Some(Current {
            etag: Some(etag), ..
        }) => Expect::Match(etag.clone()),
    }
}
