//! The API of cross-tenant connection reports: one request, top to bottom.
//!
//! 1. Somebody is configured who may use it, and the method is known.
//! 2. The caller is known, and the tenant: an administrator's own, or the one that an operator names with
//!    `?tenantId=`. The caller may (`caller.rs` has the rule): GET as one who may read the tenant's
//!    policy, POST as one who may write it.
//! 3. POST gives the report of today (UTC), and has it made if there is none; it goes on to its end when
//!    the client has gone away. GET lists the tenant's reports, or gives one, by pages.
//!
//! One report is made at a time: each reads the whole store, and the second of a day finds the first.
//!
//! Invariant: a report is made of, found by and given to its own tenant only; each attempt to make one
//! leaves one record, and so does each refused attempt to read one.
//!
//! Source: Power Platform API, cross-tenant connection reports (2022-03-01-preview).

mod page;
mod shape;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{Method, StatusCode, request};
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use self::page::{Page, Place};
use super::api::{Answer, Api, Refused, part, who};
use super::caller::{Access, Caller};
use super::fault::Fault;
use super::json;
use super::target::Target;
use crate::audit::Event;
use crate::core::tenant::TenantId;
use crate::events::Reader;
use crate::report::kept::{self, Kept};
use crate::report::{Gather, StoreError, Today, Window, from_store};

/// How far back a report looks.
const DAYS: i64 = 30;

/// Rows that a report tells apart.
const MOST_ROWS: usize = 10_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    List,
    Make,
    One(Uuid),
}

/// A request that may be done.
struct Admitted {
    wish: Wish,
    tenant: TenantId,
    caller: Caller,
    page: Page,
    events: PathBuf,
}

impl Api {
    /// Answers one request about reports.
    pub(super) async fn report(
        self: &Arc<Self>,
        target: Target,
        names: &[String],
        head: &request::Parts,
        body: Incoming,
    ) -> Answer {
        let admitted = self.admit_to_reports(target, names, head).await;
        part(body).await;
        let answered = match admitted {
            Ok(admitted) if admitted.wish == Wish::Make => self.make(admitted, head).await,
            Ok(admitted) => self.show(admitted, head).await,
            Err(Refused(fault, caller)) => {
                // Whose it would have been is for the record, where somebody known asked.
                let page = Page::read(head, self.is_tls).ok();
                let tenant = caller.as_ref().and(page).and_then(|page| page.tenant);
                self.note_refused_report(head, tenant, caller.as_ref(), &fault);
                Err(fault)
            }
        };
        answered.unwrap_or_else(|fault| fault.response())
    }

    async fn admit_to_reports(
        &self,
        target: Target,
        names: &[String],
        head: &request::Parts,
    ) -> Result<Admitted, Refused> {
        self.gate.is_open().map_err(Fault::Unknown)?;
        let (wish, access) = wish(target, &head.method)?;
        let caller = self
            .gate
            .authenticate(&head.headers, names)
            .await
            .map_err(Fault::Unknown)?;
        let known = |fault| Refused(fault, Some(caller.clone()));
        let page = Page::read(head, self.is_tls).map_err(known)?;
        let tenant = tenant_of(&caller, &page).map_err(known)?;
        let may = self.gate.authorize(&caller, tenant, access);
        may.map_err(|forbidden| known(Fault::Forbidden(forbidden)))?;
        let events = self.events.clone().ok_or_else(|| known(Fault::NoReports))?;
        Ok(Admitted {
            wish,
            tenant,
            caller,
            page,
            events,
        })
    }

    /// Gives the report of today, made now if there is none.
    async fn make(&self, admitted: Admitted, head: &request::Parts) -> Result<Answer, Fault> {
        let tenant = admitted.tenant;
        let mut record = self.open_record(Event::ReportCreate, Some(tenant), &head.headers);
        record.caller = Some(who(&admitted.caller));
        if self.audit.is_required() && !self.audit.has_room() {
            let fault = Fault::AuditUnavailable;
            record.refused(fault.as_str(), fault.status().as_u16());
            return Err(fault);
        }
        let place = Arc::clone(&self.making).acquire_owned().await;
        let made = tokio::task::spawn_blocking(move || {
            let _place = place;
            let made = today(&admitted.events, tenant)
                .map_err(|error| storage(tenant, &error))
                .and_then(|(report, is_new)| {
                    let status = if is_new {
                        StatusCode::ACCEPTED
                    } else {
                        StatusCode::OK
                    };
                    let body = shape::one(tenant, &report, &admitted.page)?;
                    record.reported(is_new, status.as_u16());
                    Ok(json(status, body))
                });
            if let Err(fault) = &made {
                record.refused(fault.as_str(), fault.status().as_u16());
            }
            made
        });
        made.await.unwrap_or(Err(Fault::ReportStorage))
    }

    /// Gives a page of one report, or of the list.
    async fn show(&self, admitted: Admitted, head: &request::Parts) -> Result<Answer, Fault> {
        let (tenant, caller) = (admitted.tenant, admitted.caller.clone());
        let place = Arc::clone(&self.reading).acquire_owned().await;
        let shown = tokio::task::spawn_blocking(move || {
            let _place = place;
            page_of(&admitted)
        });
        let shown = shown.await;
        let shown = shown.unwrap_or(Err(Fault::ReportStorage));
        if let Err(fault) = &shown {
            self.note_refused_report(head, Some(tenant), Some(&caller), fault);
        }
        shown.map(|body| json(StatusCode::OK, body))
    }

    fn note_refused_report(
        &self,
        head: &request::Parts,
        tenant: Option<TenantId>,
        caller: Option<&Caller>,
        fault: &Fault,
    ) {
        let event = match head.method {
            Method::GET => Event::ReportRead,
            Method::POST => Event::ReportCreate,
            _ => return,
        };
        let mut record = self.open_record(event, tenant, &head.headers);
        record.caller = caller.map(who);
        record.refused(fault.as_str(), fault.status().as_u16());
    }
}

/// What is asked for, and what a caller must be allowed to do for it.
fn wish(target: Target, method: &Method) -> Result<(Wish, Access), Fault> {
    match (target, method) {
        (Target::Reports, &Method::GET) => Ok((Wish::List, Access::Read)),
        (Target::Reports, &Method::POST) => Ok((Wish::Make, Access::Write)),
        (Target::Reports, _) => Err(Fault::ReportMethod("GET, POST")),
        (Target::Report(id), &Method::GET) => Ok((Wish::One(id), Access::Read)),
        (Target::Report(_), _) => Err(Fault::ReportMethod("GET")),
        (Target::Elsewhere | Target::NoTenant | Target::Policy(_), _) => Err(Fault::NoResource),
    }
}

/// An administrator's own tenant unless they name another, which they then may not; an operator names
/// one.
fn tenant_of(caller: &Caller, page: &Page) -> Result<TenantId, Fault> {
    match (page.tenant, caller) {
        (Some(named), _) => Ok(named),
        (None, Caller::Administrator(token)) => Ok(token.tenant()),
        (None, Caller::Operator(_)) => Err(Fault::Query(
            "an operator names the tenant by its id as tenantId",
        )),
    }
}

/// The report of today, and whether it was made now.
fn today(events: &Path, tenant: TenantId) -> Result<(Kept, bool), Why> {
    let reader = Reader::open(events)?;
    // As exactly as it is kept: a report says the same whenever it is read.
    let now = Timestamp::now().as_millisecond();
    let now = Timestamp::from_millisecond(now).unwrap_or_default();
    if let Some(there) = kept::of_day(reader.connection(), tenant, now)? {
        return Ok((there, false));
    }
    let start = now - SignedDuration::from_hours(24 * DAYS);
    let window = Window {
        since: Some(start),
        until: now,
    };
    let mut gather = Gather::new(tenant, window, MOST_ROWS);
    from_store(&reader, &mut gather)?;
    drop(reader);
    let report = gather.report(&Today::unknown(), now);
    let report = Kept {
        id: Uuid::now_v7(),
        requested: now,
        start,
        end: now,
        body: shape::body(&report),
    };
    Ok(kept::keep(events, tenant, report)?)
}

fn page_of(admitted: &Admitted) -> Result<String, Fault> {
    let (tenant, page) = (admitted.tenant, &admitted.page);
    let failed = |error: Why| storage(tenant, &error);
    let reader = Reader::open(&admitted.events).map_err(|error| failed(error.into()))?;
    let connection = reader.connection();
    match admitted.wish {
        Wish::List | Wish::Make => {
            let after = match page.place {
                Some(Place::Report(after)) => Some(after),
                Some(Place::Connection(_)) => return Err(page::ELSEWHERE),
                None => None,
            };
            // One more tells whether there is another page.
            let reports = kept::list(connection, tenant, after, page.most + 1);
            let reports = reports.map_err(|error| failed(error.into()))?;
            Ok(shape::list(tenant, reports, page))
        }
        Wish::One(id) => {
            let report = kept::one(connection, tenant, id).map_err(|error| failed(error.into()))?;
            shape::one(tenant, &report.ok_or(Fault::NoReport)?, page)
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Events(#[from] crate::events::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn storage(tenant: TenantId, error: &Why) -> Fault {
    tracing::error!(report.tenant = %tenant, %error, "reports cannot be read or made");
    Fault::ReportStorage
}
